"""A removed authenticator app comes back for one who shows the token of the notice, and then gives the password."""

from dataclasses import dataclass

from sallyport.audit.decision import CHANGED, by_client
from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.devices import store as devices
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.hashing import Hashing
from sallyport.authenticators.totp import store as totp
from sallyport.authenticators.totp.rules import MOST_ENROLLED
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import Seat
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import Digest
from sallyport.kernel.outcomes import Refused, Why
from sallyport.login import store as login
from sallyport.login.flow.begin import WRONG
from sallyport.login.rules import By, Identifier
from sallyport.notices.flow.tokens import MailedTokens, Purpose
from sallyport.recovery.flow.reset import DEAD
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.judging import Try
from sallyport.throttle.flow.known_clients import KnownClients
from sallyport.throttle.flow.throttle import Throttle
from sallyport.users import store as users


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Whose password is judged; the try is counted."""

    candidate: login.Candidate
    token: Digest
    tried: Try


class UndoRemoval:
    """Judges a token, then a password as a login does, and enrolls again what was removed. It makes no session."""

    def __init__(
        self,
        *,
        work: Work,
        hashing: Hashing,
        tokens: MailedTokens,
        keeper: SessionKeeper,
        throttle: Throttle,
        clients: KnownClients,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._work = work
        self._hashing = hashing
        self._tokens = tokens
        self._keeper = keeper
        self._throttle = throttle
        self._clients = clients
        self._journal = journal
        self._clock = clock

    async def __call__(self, user: str, token: Digest, password: Hidden[str], client: Client) -> Refused | None:
        """Bring it back; None when that is done. A token that is no good costs no hash."""
        with self._hashing.seat(reserve=self._clients.is_genuine(client.token)) as seat:
            if refused := await self._work(lambda rows: self._token_refused(rows, user, token, client)):
                return refused
            seen = await self._work(lambda rows: self._gather(rows, user, token, client, seat))
            if isinstance(seen, Refused):
                return seen
            async with self._throttle.judging(self._work, seen.tried):
                checked = await self._hashing.check(seat, password, seen.candidate.usable)
        rehashed = checked.rehashed if checked.right else None
        return await self._work(lambda rows: self._record(rows, seen, rehashed, client, right=checked.right))

    def _token_refused(self, rows: Rows, user: str, token: Digest, client: Client) -> Refused | None:
        tried = self._throttle.mailed_token(rows, user, client)
        if isinstance(tried, Refused):
            return tried
        if self._removed(rows, user, token) is None:
            return self._journal.refused(rows, _attempt(user), client, DEAD)
        self._throttle.succeeded(rows, tried)
        return None

    def _removed(self, rows: Rows, user: str, token: Digest) -> str | None:
        """Return the uid of what a good token brings back."""
        uid = self._tokens.made_for(rows, Purpose.UNDO, user, token)
        return uid if uid and totp.is_shelved(rows, user, uid, self._clock.now()) else None

    def _gather(self, rows: Rows, user: str, token: Digest, client: Client, seat: Seat) -> _Seen | Refused:
        candidate = login.candidate(rows, Identifier(By.UID, user))
        if candidate is None:
            return DEAD
        tried = self._throttle.password(rows, f"{By.UID.value}:{user}", user, client)
        if isinstance(tried, Refused):
            return self._journal.refused(rows, _attempt(user), client, tried)
        seat.demand(known=tried.known)
        return _Seen(candidate=candidate, token=token, tried=tried)

    def _record(
        self, rows: Rows, seen: _Seen, rehashed: bytes | None, client: Client, *, right: bool
    ) -> Refused | None:
        candidate, told = seen.candidate, by_client(known=seen.tried.known)
        user, now = candidate.user, self._clock.now()
        if not right or candidate.password is None:
            return self._journal.refused(rows, _attempt(user, told), client, WRONG)
        rows.alone(*seen.tried.keys)
        succeed = self._throttle.succeeding(rows, seen.tried)
        uid, generation = candidate.password.uid, candidate.generation
        still = passwords.Seen(user=user, uid=uid, generation=generation, mfa=candidate.mfa)
        if not passwords.use(rows, still, rehashed, now):
            changed = by_client(known=seen.tried.known, why=CHANGED)
            return self._journal.refused(rows, _attempt(user, changed), client, WRONG)
        succeed()
        if refused := self._brought_back(rows, user, seen.token):
            return self._journal.refused(rows, _attempt(user, told), client, refused)
        self._switch_on(rows, candidate, client)
        self._journal.note(rows, _attempt(user, told), client)
        return None

    def _brought_back(self, rows: Rows, user: str, token: Digest) -> Refused | None:
        """Enroll it again; a token is not spent where there is no room for what it brings."""
        removed = self._removed(rows, user, token)
        if removed is None:
            return DEAD
        if totp.enrolled(rows, user) >= MOST_ENROLLED:
            return Refused(why=Why.LIMIT_REACHED)
        is_back = self._tokens.spend(rows, token) and totp.restore(rows, user, removed, self._clock.now())
        return None if is_back else DEAD

    def _switch_on(self, rows: Rows, candidate: login.Candidate, client: Client) -> None:
        user = candidate.user
        users.set_mfa(rows, user, self._clock.now(), on=True)
        self._keeper.end_every(rows, user, client)
        # As at enrollment: devices pass by the second factor, and whoever removed it may have made one since.
        if not candidate.mfa and (gone := devices.delete_all(rows, user)):
            entry = Entry(event=Event.SECRET_REMOVED, factor=Factor.DEVICE, user=user, detail=f"{gone} devices")
            self._journal.note(rows, entry, client)


def _attempt(user: str, detail: str | None = None) -> Entry:
    return Entry(event=Event.SECRET_RESTORED, factor=Factor.PASSWORD, user=user, detail=detail)
