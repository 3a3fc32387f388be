"""One who lost every second factor proves the password.

They get what the help desk asks for on the telephone, and by mail the token that recovers without the desk.
"""

from dataclasses import dataclass

from sallyport.audit.decision import CHANGED, by_client
from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.hashing import Hashing
from sallyport.desk.flow import CallerCodes
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import Seat
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused
from sallyport.kernel.policy import Policy
from sallyport.login import store as login
from sallyport.login.flow.begin import WRONG
from sallyport.login.rules import Identifier
from sallyport.notices.flow.outbox import Outbox
from sallyport.notices.flow.tokens import LIFETIME, MailedTokens, Purpose, Wanted
from sallyport.notices.rules import Letter
from sallyport.rescue import store
from sallyport.rescue.rules import LOST_PAGE
from sallyport.rescue.waiting import refusal
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.judging import Try
from sallyport.throttle.flow.known_clients import KnownClients
from sallyport.throttle.flow.throttle import Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Who may be the one that lost something; the try is counted."""

    candidate: login.Candidate | None
    tried: Try


class LostDevice:
    """Judges a password as a login does, and gives out a caller code: the same with a second factor and without."""

    def __init__(
        self,
        *,
        work: Work,
        hashing: Hashing,
        throttle: Throttle,
        clients: KnownClients,
        codes: CallerCodes,
        tokens: MailedTokens,
        outbox: Outbox,
        policy: Policy,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._work = work
        self._hashing = hashing
        self._throttle = throttle
        self._clients = clients
        self._codes = codes
        self._tokens = tokens
        self._outbox = outbox
        self._policy = policy
        self._journal = journal
        self._clock = clock

    async def __call__(self, who: Identifier, password: Hidden[str], client: Client) -> Hidden[str] | Refused:
        """Return six digits to be read out to the desk, or the one refusal of a login."""
        with self._hashing.seat(reserve=self._clients.is_genuine(client.token)) as seat:
            seen = await self._work(lambda rows: self._gather(rows, who, client, seat))
            if isinstance(seen, Refused):
                return seen
            held = seen.candidate.usable if seen.candidate else None
            async with self._throttle.judging(self._work, seen.tried):
                checked = await self._hashing.check(seat, password, held)
        right = checked.right and seen.candidate is not None and held is not None
        rehashed = checked.rehashed if right else None
        return await self._work(lambda rows: self._record(rows, seen, rehashed, client, right=right))

    def _gather(self, rows: Rows, who: Identifier, client: Client, seat: Seat) -> _Seen | Refused:
        candidate = login.candidate(rows, who)
        claimed = f"{who.by.value}:{who.key}"
        tried = self._throttle.password(rows, claimed, candidate.user if candidate else None, client)
        if isinstance(tried, Refused):
            return self._journal.refused(rows, _attempt(candidate), client, tried)
        seat.demand(known=tried.known)
        return _Seen(candidate=candidate, tried=tried)

    def _record(
        self, rows: Rows, seen: _Seen, rehashed: bytes | None, client: Client, *, right: bool
    ) -> Hidden[str] | Refused:
        candidate, told = seen.candidate, by_client(known=seen.tried.known)
        if not right or candidate is None or candidate.password is None:
            return self._journal.refused(rows, _attempt(candidate, told), client, WRONG)
        rows.alone(*seen.tried.keys)
        succeed = self._throttle.succeeding(rows, seen.tried)
        uid, generation = candidate.password.uid, candidate.generation
        still = passwords.Seen(user=candidate.user, uid=uid, generation=generation, mfa=candidate.mfa)
        if not passwords.use(rows, still, rehashed, self._clock.now()):
            changed = by_client(known=seen.tried.known, why=CHANGED)
            return self._journal.refused(rows, _attempt(candidate, changed), client, WRONG)
        succeed()
        self._journal.note(rows, _attempt(candidate, told), client)
        self._mail(rows, candidate.user)
        return self._codes.make(rows, candidate.user)

    def _mail(self, rows: Rows, user: str) -> None:
        """Mail the token that the user may show beside the password; none where there is no second factor to lose."""
        binding = store.binding(rows, user)
        if binding is None:
            return
        address, made_for = binding
        wanted = Wanted(purpose=Purpose.LOST, subject=user, user=user, address=address, made_for=made_for)
        if token := self._tokens.make(rows, wanted):
            facts = {"waits": "" if refusal(rows, user, self._policy) else "yes"}
            letter = Letter(template="lost", facts=facts, page=LOST_PAGE, token=token, disown=True)
            self._outbox.post(rows, user, letter, LIFETIME[Purpose.LOST])


def _attempt(candidate: login.Candidate | None, detail: str | None = None) -> Entry:
    user = candidate.user if candidate else None
    return Entry(event=Event.LOST_PASSWORD, factor=Factor.PASSWORD, user=user, detail=detail)
