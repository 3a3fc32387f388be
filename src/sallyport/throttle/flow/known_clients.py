"""Clients that have logged in before, by the token that they were given then."""

import hmac
from collections.abc import Callable
from typing import Final

import msgspec

from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import DAY, Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Randomness
from sallyport.kernel.opaque import CLIENT, bits_of, digest_of, written
from sallyport.kernel.vault import Vault
from sallyport.store.work import Rows
from sallyport.throttle import store

LIFETIME: Final = 180 * DAY
"""How long a client stays known that is not seen. The cookie lives as long."""

_RANDOM_BYTES: Final = 32
_TAG_BYTES: Final = 8
_CODE: Final = "otp"
_MAIL: Final = "mail"


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A client that has logged in as this user before."""

    digest: bytes
    with_code: bool
    """Whether it got through the second door, too, or was let in by a mail: no thief of the password has done that."""


class KnownClients:
    """Knows clients again, and makes them known."""

    def __init__(self, *, vault: Vault, clock: Clock, randomness: Randomness) -> None:
        self._vault = vault
        self._clock = clock
        self._randomness = randomness

    def known(self, rows: Rows, user: str, client: Client, login_client: bytes | None = None) -> Known | None:
        """Return what a client is known by: the token that it shows, or the one that its session was opened with."""
        digest = _digest_shown(client, login_client)
        proven = store.proven_in(store.client(rows, user, digest)) if digest else None
        return None if digest is None or proven is None else Known(digest=digest, with_code=_beyond_a_password(proven))

    def any_with_code(self, rows: Rows, user: str) -> bool:
        """Tell whether any client of a user ever got through the second door."""
        return any(map(_beyond_a_password, store.clients(rows, user).values()))

    def remembering(self, rows: Rows, user: str, proven: tuple[str, ...], client: Client) -> Callable[[], Hidden[str]]:
        """Return what makes a client known that has fully logged in; it gives its token, the same as long as known.

        The unit has the user to itself.
        """
        shown = client.token
        asked, held = (store.client(rows, user, digest_of(shown)), None) if shown else (None, store.held(rows, user))

        def remember() -> Hidden[str]:
            before = store.proven_in(asked) if asked else None
            if shown is not None and before is not None:
                self._use(rows, user, digest_of(shown), before, proven)
                return shown
            # A token that somebody else brought here is never taken over: it might be a stranger's.
            token = self._new_token()
            store.add_client(rows, user, digest_of(token), " ".join(proven), self._clock.now(), held)
            return token

        return remember

    def enrolled(self, rows: Rows, caller: Caller) -> None:
        """Let the client of one who enrolls have shown a code, where it is known: it has, behind the password."""
        digest = _digest_shown(caller.client, caller.login_client)
        before = store.proven_in(store.client(rows, caller.uid, digest)) if digest else None
        if digest is not None and before is not None:
            self._use(rows, caller.uid, digest, before, (_CODE,))

    def _use(self, rows: Rows, user: str, digest: bytes, before: str, proven: tuple[str, ...]) -> None:
        together = " ".join(dict.fromkeys((*before.split(), *proven)))
        store.use_client(rows, user, digest, together, self._clock.now())

    def invite(self, rows: Rows, user: str) -> Hidden[str]:
        """Know none but the one that has shown a mailed link; its token opens nothing but a lane of tries."""
        store.forget_clients(rows, user, but=(b"", b""))
        token = self._new_token()
        store.add_client(rows, user, digest_of(token), _MAIL, self._clock.now())
        return token

    def is_genuine(self, token: Hidden[str] | None) -> bool:
        """Tell whether this service made a token, without asking the database; whose it is remains to be seen."""
        if token is None:
            return False
        bits = bits_of(token)
        tag = bits[_RANDOM_BYTES:]
        return any(hmac.compare_digest(tag, self._tag(key, bits[:_RANDOM_BYTES])) for key in self._vault.pepper_ids)

    def _new_token(self) -> Hidden[str]:
        bits = self._randomness(_RANDOM_BYTES)
        return written(CLIENT, bits + self._tag(self._vault.pepper_id, bits))

    def _tag(self, key_id: str, bits: bytes) -> bytes:
        return self._vault.peppered(key_id, "client token", bits)[:_TAG_BYTES]


def _digest_shown(client: Client, login_client: bytes | None) -> bytes | None:
    return digest_of(client.token) if client.token else login_client


def _beyond_a_password(proven: str) -> bool:
    return not {_CODE, _MAIL}.isdisjoint(proven.split())
