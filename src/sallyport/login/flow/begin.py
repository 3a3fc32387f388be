"""The first door: a password opens a session, or where MFA is on, a challenge."""

from collections.abc import Callable
from dataclasses import dataclass

from sallyport.audit.decision import ALONE, CHANGED, by_client
from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.codes import parse_backup_code
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.hashing import Checked, Hashing, Kept
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import SECOND, Clock
from sallyport.kernel.hashpool import Seat
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Randomness
from sallyport.kernel.opaque import CHALLENGE, digest_of, new_token
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.login import store
from sallyport.login.flow.codes import CodeJudge, GoodCode, Held, held_by
from sallyport.login.flow.possession import Held as Possessed
from sallyport.login.flow.possession import Possession, Shown
from sallyport.login.rules import CHALLENGE_LIFETIME, Identifier
from sallyport.sessions.flow.keeper import Opening, SessionKeeper
from sallyport.sessions.rules import CODE, PASSWORD
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.judging import Try
from sallyport.throttle.flow.known_clients import KnownClients
from sallyport.throttle.flow.throttle import Throttle

WRONG = Refused(why=Why.INVALID_CREDENTIALS)
"""One answer for whatever was wrong: nobody learns who exists, or how far they came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenged:
    """The password was right; the second factor is wanted. Not a session."""

    token: Hidden[str]
    user: str
    expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Who may be the one that logs in; the try is counted."""

    candidate: store.Candidate | None
    tried: Try
    possessed: Possessed | None
    """A device or an API key of the candidate, whose value was shown."""

    @property
    def password(self) -> Kept | None:
        """The password to check."""
        return self.candidate.usable if self.candidate else None

    @property
    def is_decided(self) -> bool:
        """Whether no password can make a difference any more."""
        # A value may be both: what is a right password is judged as one, or a device would pass by the second factor.
        return self.possessed is not None and (self.possessed.is_key or self.password is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proven:
    """A candidate whose password was right."""

    candidate: store.Candidate
    held: Kept
    rehashed: bytes | None
    tried: Try


class BeginLogin:
    """Judges a password, or what stands in its place."""

    def __init__(
        self,
        *,
        work: Work,
        hashing: Hashing,
        keeper: SessionKeeper,
        judge: CodeJudge | None,
        possession: Possession,
        throttle: Throttle,
        journal: Journal,
        clients: KnownClients,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        """`judge` is there where a backup code stands for a password, as the original had it."""
        self._work = work
        self._hashing = hashing
        self._keeper = keeper
        self._judge = judge
        self._possession = possession
        self._throttle = throttle
        self._journal = journal
        self._clients = clients
        self._clock = clock
        self._randomness = randomness

    async def __call__(
        self, identifier: Identifier, password: Hidden[str], client: Client
    ) -> Granted | Challenged | Refused:
        """Return tokens, a challenge, or the one refusal."""
        shown = self._possession.shown(password)
        with self._hashing.seat(reserve=self._clients.is_genuine(client.token)) as seat:
            seen = await self._work(lambda rows: self._gather(rows, identifier, shown, client, seat))
            if isinstance(seen, Refused):
                return seen
            checked = await self._checked(seat, password, seen)
        if seen.candidate is None:
            return await self._wrong(None, seen.tried, client)
        held = seen.password
        if not checked.right or held is None:
            if seen.possessed:
                return await self._with_possession(seen.possessed, seen.tried, client)
            return await self._with_backup_code(seen.candidate, password, seen.tried, client)
        proven = _Proven(candidate=seen.candidate, held=held, rehashed=checked.rehashed, tried=seen.tried)
        recorded = await self._work(lambda rows: self._record(rows, proven, client))
        return recorded if isinstance(recorded, Challenged | Refused) else recorded()

    async def _checked(self, seat: Seat, password: Hidden[str], seen: _Seen) -> Checked:
        if seen.is_decided:
            return Checked(right=False)
        async with self._throttle.judging(self._work, seen.tried):
            return await self._hashing.check(seat, password, seen.password)

    async def _with_possession(self, held: Possessed, tried: Try, client: Client) -> Granted | Refused:
        recorded = await self._work(lambda rows: self._possession.record(rows, held, tried, client, WRONG))
        return recorded if isinstance(recorded, Refused) else recorded()

    def _gather(
        self, rows: Rows, identifier: Identifier, shown: Shown | None, client: Client, seat: Seat
    ) -> _Seen | Refused:
        candidate = store.candidate(rows, identifier)
        able = candidate.user if candidate and not candidate.disabled else None
        possessed = self._possession.asked(rows, shown, able)
        claimed = f"{identifier.by.value}:{identifier.key}"
        tried = self._throttle.password(rows, claimed, candidate.user if candidate else None, client)
        if isinstance(tried, Refused):
            return self._journal.refused(rows, _attempt(candidate, None), client, tried)
        seat.demand(known=tried.known)
        return _Seen(candidate=candidate, tried=tried, possessed=possessed())

    def _record(self, rows: Rows, proven: _Proven, client: Client) -> Tokens | Challenged | Refused:
        now, seen = self._clock.now(), proven.candidate
        rows.alone(*proven.tried.keys)
        succeed = self._throttle.succeeding(rows, proven.tried)
        opened = None if seen.mfa else self._opening(rows, proven, client)
        still = passwords.Seen(user=seen.user, uid=proven.held.uid, generation=seen.generation, mfa=seen.mfa)
        if not passwords.use(rows, still, proven.rehashed, now):
            return self._journal.refused(rows, _attempt(seen, proven.tried, CHANGED), client, WRONG)
        succeed()
        if opened:
            return opened()
        self._journal.note(rows, _attempt(seen, proven.tried), client)
        token = new_token(CHALLENGE, self._randomness)
        store.add_challenge(rows, digest_of(token), seen.user, now)
        return Challenged(token=token, user=seen.user, expires_in=CHALLENGE_LIFETIME // SECOND)

    def _opening(self, rows: Rows, proven: _Proven, client: Client) -> Callable[[], Tokens]:
        """Ask what a session is opened with, which nobody needs to know where a code comes first."""
        user, attempt = proven.candidate.user, _attempt(proven.candidate, proven.tried)
        owner, remember = self._keeper.owner(rows, user), self._clients.remembering(rows, user, PASSWORD, client)

        def opened() -> Tokens:
            opening = Opening(user=user, proven=PASSWORD, entry=attempt, known_as=remember())
            return self._keeper.open(rows, opening, client, owner)

        return opened

    async def _with_backup_code(
        self, seen: store.Candidate, typed: Hidden[str], first: Try, client: Client
    ) -> Granted | Refused:
        """Let a backup code stand for the password, where the operator has switched on what the original did."""
        judge = self._judge
        code = parse_backup_code(typed.reveal()) if judge and seen.mfa else None
        if judge is None or code is None or seen.disabled:
            return await self._wrong(seen, first, client)
        told = by_client(known=first.known, why=ALONE)
        attempt = Entry(event=Event.LOGIN_CODE, factor=Factor.BACKUP_CODE, user=seen.user, detail=told)
        with judge.seat(code, client) as seat:
            gathered = await self._work(lambda rows: self._gather_code(rows, attempt, seen.user, client))
            if isinstance(gathered, Refused):
                return WRONG  # 429 at this point would tell that there is a user with MFA
            held, second = gathered
            async with self._throttle.judging(self._work, second):
                good = await judge(seat, held, code)
        if good is None:
            return await self._work(lambda rows: self._journal.refused(rows, attempt, client, WRONG))
        tokens = await self._work(lambda rows: self._record_code(rows, attempt, judge, good, (first, second), client))
        return tokens if isinstance(tokens, Refused) else tokens()

    def _gather_code(self, rows: Rows, attempt: Entry, user: str, client: Client) -> tuple[Held, Try] | Refused:
        tried = self._throttle.second_factor(rows, user, client)
        if isinstance(tried, Refused):
            return self._journal.refused(rows, attempt, client, tried)
        return held_by(rows, user, Factor.BACKUP_CODE)(), tried

    def _record_code(
        self, rows: Rows, attempt: Entry, judge: CodeJudge, good: GoodCode, tries: tuple[Try, ...], client: Client
    ) -> Tokens | Refused:
        rows.alone(*{key for tried in tries for key in tried.keys})
        if not store.may_log_in(rows, good.user) or not judge.claim(rows, good, self._clock.now())():
            return self._journal.refused(rows, attempt, client, WRONG)
        for tried in tries:
            self._throttle.succeeded(rows, tried)
        opening = Opening(user=good.user, proven=CODE, entry=attempt)
        return self._keeper.open(rows, opening, client, self._keeper.owner(rows, good.user))

    async def _wrong(self, candidate: store.Candidate | None, tried: Try, client: Client) -> Refused:
        """Write down what failed, in a unit that costs the same whether anybody is there or not."""
        attempt = _attempt(candidate, tried)
        return await self._work(lambda rows: self._journal.refused(rows, attempt, client, WRONG))


def _attempt(candidate: store.Candidate | None, tried: Try | None, why: str | None = None) -> Entry:
    if candidate is None:
        return Entry(event=Event.LOGIN_PASSWORD, factor=Factor.PASSWORD, detail="no such user")
    judged = by_client(known=tried.known, why=why) if tried else None
    detail = "disabled" if candidate.disabled else judged if candidate.password else "no password"
    return Entry(event=Event.LOGIN_PASSWORD, factor=Factor.PASSWORD, user=candidate.user, detail=detail)
