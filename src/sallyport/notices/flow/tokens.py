"""Tokens in the links of mails: made with the mail, good once, and each for one thing."""

import enum
import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from sallyport.kernel.clock import DAY, HOUR, MINUTE, Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Randomness
from sallyport.kernel.opaque import LOST, MAILED, RESET, VERIFY, Digest, digest_of, new_token, written
from sallyport.kernel.vault import Vault
from sallyport.notices import store
from sallyport.store.work import Rows

MAILS_AN_HOUR: Final = 5
"""api.md section 6: such mails of one kind to a user."""
MAILS_TO_AN_ADDRESS: Final = 20
"""An hour, whoever claims it: nobody fills a stranger's mailbox by way of many accounts."""
_BUCKETS: Final = 2**20


class Purpose(enum.StrEnum):
    """What a mailed token is good for. One for the one is none for the other."""

    RECOVERY = "recovery"
    VERIFICATION = "verification"
    DISOWN = "disown"
    """Says that it was somebody else who did what a notice tells of."""
    UNDO = "undo"
    """Brings back, beside the password, what a notice tells to be removed."""
    LOST = "lost"
    """Stands beside the password of one who says that every second factor is lost."""
    CANCEL = "cancel"
    """Cancels the reset of second factors that a mail tells of."""


_PREFIX: Final[Mapping[Purpose, str]] = {
    Purpose.RECOVERY: RESET,
    Purpose.VERIFICATION: VERIFY,
    Purpose.DISOWN: MAILED,
    Purpose.UNDO: MAILED,
    Purpose.LOST: LOST,
    Purpose.CANCEL: MAILED,
}
LIFETIME: Final[Mapping[Purpose, int]] = {
    Purpose.RECOVERY: 30 * MINUTE,
    Purpose.VERIFICATION: DAY,
    Purpose.DISOWN: 7 * DAY,
    Purpose.UNDO: 3 * DAY,
    Purpose.LOST: 30 * MINUTE,
    # Longer than any reset waits and can be taken: it is dead with that.
    Purpose.CANCEL: 40 * DAY,
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A token that is wanted for a mail."""

    purpose: Purpose
    subject: str
    """Whose budget it counts for: the uid of a user, or what stands for a name that nobody has."""
    user: str | None
    address: bytes
    """Digest of the address that it is mailed to."""
    made_for: str = ""
    """What it is bound to: when that is another, the token is dead."""


class MailedTokens:
    """Makes tokens and spends them, inside other rooms' units of work."""

    def __init__(self, *, vault: Vault, clock: Clock, randomness: Randomness) -> None:
        self._vault = vault
        self._clock = clock
        self._randomness = randomness

    def make(self, rows: Rows, wanted: Wanted) -> Hidden[str] | None:
        """Make a token and void those before it; None, and nothing is voided, where the hour's mails are used up.

        The unit has the subject to itself.
        """
        now = self._clock.now()
        counted = store.count_tokens(rows, wanted.subject, wanted.purpose, wanted.address, now - HOUR)
        if counted.to_subject >= MAILS_AN_HOUR or counted.to_address >= MAILS_TO_AN_ADDRESS:
            return None
        return self._newest(rows, wanted)

    def decoy(self, rows: Rows, wanted: Wanted) -> Hidden[str]:
        """Make a token that is nobody's, where `make` makes none: it costs the same, and voids nothing of theirs."""
        subject = self.stranger(wanted.subject)
        return self._newest(rows, Wanted(purpose=wanted.purpose, subject=subject, user=None, address=b""))

    def _newest(self, rows: Rows, wanted: Wanted) -> Hidden[str]:
        store.void_tokens(rows, wanted.subject, wanted.purpose, self._clock.now())
        return self._add(rows, wanted, new_token(_PREFIX[wanted.purpose], self._randomness))

    def for_letter(
        self, rows: Rows, user: str, letter: str, purpose: Purpose = Purpose.DISOWN, made_for: str = ""
    ) -> Hidden[str]:
        """Return the token with which a user answers a notice; the same for each try of a letter."""
        bits = self._vault.peppered(self._vault.pepper_id, f"{purpose} token", letter.encode())
        wanted = Wanted(purpose=purpose, subject=user, user=user, address=b"", made_for=made_for)
        return self._add(rows, wanted, written(_PREFIX[purpose], bits))

    def _add(self, rows: Rows, wanted: Wanted, token: Hidden[str]) -> Hidden[str]:
        now = self._clock.now()
        expires_at = now + LIFETIME[wanted.purpose]
        store.add_token(
            rows,
            store.MailedToken(
                digest=digest_of(token),
                subject=wanted.subject,
                user=wanted.user,
                purpose=wanted.purpose,
                made_for=wanted.made_for,
                address=wanted.address,
                created_at=now,
                expires_at=expires_at,
            ),
        )
        return token

    def made_for(self, rows: Rows, purpose: Purpose, user: str, digest: Digest) -> str | None:
        """Return what a live token of a user was made for; None where it is no such token, or no longer."""
        return store.live_token(rows, digest, purpose, user, self._clock.now())

    def spend(self, rows: Rows, digest: Digest) -> bool:
        """Use a token up; False where somebody was faster. One write, and whether it met a row is the answer."""
        return store.spend_token(rows, digest, self._clock.now())

    def stranger(self, claimed: str) -> str:
        """Return whose budget a name counts for that nobody has. Invented names share some: no flood fills a table."""
        digest = self._vault.peppered(self._vault.pepper_id, "mailed token", claimed.encode())
        return f"?{int.from_bytes(digest[:8]) % _BUCKETS:05x}"


def address_digest(email_key: str) -> bytes:
    """Return by what mail to an address is counted, and a token bound to it."""
    return hashlib.sha256(email_key.encode()).digest()
