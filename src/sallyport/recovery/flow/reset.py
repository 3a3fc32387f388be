"""A mailed token sets a new password: it makes no session, and touches no second factor."""

from collections.abc import Callable
from typing import Final

import msgspec

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.flow import PasswordPolicy
from sallyport.authenticators.password.hashing import Hashing, Kept
from sallyport.authenticators.password.rules import Bearer
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids
from sallyport.kernel.opaque import Digest
from sallyport.kernel.outcomes import Refused, Why
from sallyport.notices.flow.tokens import MailedTokens, Purpose, address_digest
from sallyport.recovery import store
from sallyport.recovery.rules import bound
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.throttle import Throttle
from sallyport.throttle.rules import Lane

DEAD: Final = Refused(why=Why.TOKEN_INVALID)
"""One answer for whatever is wrong with a mailed token."""

CutOff = Callable[[Rows, str, Client | None], object]
"""Lets nothing log in by itself any more: no API key until its owner puts it back, no device until it is made known."""


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Whose password is to be set."""

    account: store.Account
    kept: str
    """The uid of the password, or of the one that is to be made."""


class SetPasswordByMail:
    """Sets the password of one who shows a token of a mail."""

    def __init__(
        self,
        *,
        work: Work,
        hashing: Hashing,
        policy: PasswordPolicy,
        tokens: MailedTokens,
        keeper: SessionKeeper,
        cut_off: CutOff,
        throttle: Throttle,
        journal: Journal,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._work = work
        self._hashing = hashing
        self._policy = policy
        self._tokens = tokens
        self._keeper = keeper
        self._cut_off = cut_off
        self._throttle = throttle
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, user: str, token: Digest, password: Hidden[str], client: Client) -> Hidden[str] | Refused:
        """Set the password; returns what the client is known by from now on. A token that is no good costs no hash."""
        seen = await self._work(lambda rows: self._gather(rows, user, token, client))
        if isinstance(seen, Refused):
            return seen
        if refused := self._policy.judge(password, _bearer(seen.account), "/password"):
            return refused
        with self._hashing.seat() as seat:
            sealed = await self._hashing.sealed(seat, password, user, seen.kept)
        kept = Kept(user=user, uid=seen.kept, hash_sealed=sealed)
        return await self._work(lambda rows: self._record(rows, seen, token, kept, client))

    def _gather(self, rows: Rows, user: str, token: Digest, client: Client) -> _Seen | Refused:
        tried = self._throttle.mailed_token(rows, user, client)
        if isinstance(tried, Refused):
            return tried
        account = self._bearer_of(rows, user, token)
        if account is None:
            return self._journal.refused(rows, _attempt(user), client, DEAD)
        self._throttle.succeeded(rows, tried)
        return _Seen(account=account, kept=account.password or self._ids.new())

    def _bearer_of(self, rows: Rows, user: str, token: Digest) -> store.Account | None:
        """Return the user of a token that is good: neither their address nor their password has changed since."""
        made_for = self._tokens.made_for(rows, Purpose.RECOVERY, user, token)
        account = store.account_of(rows, user)
        if account is None or account.disabled:
            return None
        # One without a verified address has a token from the operator on the host, or none.
        address = address_digest(account.last_verified_key or "")
        return account if made_for == bound(address, account.password, account.generation) else None

    def _record(self, rows: Rows, seen: _Seen, token: Digest, kept: Kept, client: Client) -> Hidden[str] | Refused:
        rows.alone(kept.user)
        account = self._bearer_of(rows, kept.user, token)
        if account is None or account.mfa != seen.account.mfa or not self._tokens.spend(rows, token):
            return self._journal.refused(rows, _attempt(kept.user), client, DEAD)
        now = self._clock.now()
        if account.password is None:
            passwords.insert(rows, kept, None, now)  # and there is no second factor either
        else:
            # Not before what was shown last: a clock that is set back lets no older proof count as a newer one.
            passwords.recover(rows, kept, now, max(now, store.last_shown(rows, kept.user)))
        self._keeper.end_every(rows, kept.user, client)
        self._cut_off(rows, kept.user, client)
        self._throttle.forget(rows, kept.user, Lane.PASSWORD)
        self._journal.note(rows, _attempt(kept.user), client)
        # Whoever burns the user's tries in this moment has no part in those of a client that reads their mail.
        return self._throttle.invite(rows, kept.user)


def _attempt(user: str) -> Entry:
    return Entry(event=Event.RECOVERY_DONE, factor=Factor.PASSWORD, user=user)


def _bearer(account: store.Account) -> Bearer:
    return Bearer(name=account.name_key, email=account.email_key, mfa=account.mfa)
