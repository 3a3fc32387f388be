"""The second door: a code answers a challenge, and a session opens."""

from typing import Final

import msgspec
from msgspec.structs import replace

from sallyport.audit.decision import CHANGED, by_client, with_use
from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.codes import Code
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import Seat
from sallyport.kernel.opaque import Digest
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.login import store
from sallyport.login.flow.codes import CodeJudge, GoodCode, Held, factor_of, held_by
from sallyport.sessions.flow.keeper import Opening, SessionKeeper
from sallyport.sessions.rules import PASSWORD_AND_CODE
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.judging import Reason, Try
from sallyport.throttle.flow.known_clients import KnownClients
from sallyport.throttle.flow.throttle import Throttle

WRONG_CODE: Final = Refused(why=Why.WRONG_LOGIN_CODE)
_CLOSED: Final = Refused(why=Why.CHALLENGE_INVALID)


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A user in front of the second door."""

    held: Held
    tried: Try
    attempt: Entry


class _UndoneError(Exception):
    """What a unit has done does not hold together, and is undone; the attempt is written down as refused instead."""

    def __init__(self, attempt: Entry, refused: Refused) -> None:
        super().__init__()
        self.attempt = attempt
        self.refused = refused


class AnswerChallenge:
    """Judges a code against an open challenge."""

    def __init__(
        self,
        *,
        work: Work,
        judge: CodeJudge,
        keeper: SessionKeeper,
        throttle: Throttle,
        journal: Journal,
        clients: KnownClients,
        clock: Clock,
    ) -> None:
        self._work = work
        self._judge = judge
        self._keeper = keeper
        self._throttle = throttle
        self._journal = journal
        self._clients = clients
        self._clock = clock

    async def __call__(self, challenge: Digest, code: Code, client: Client) -> Granted | Refused:
        """Return the tokens of a new session at `aal2`."""
        with self._judge.seat(code, client) as seat:
            factor = factor_of(code)
            seen = await self._work(lambda rows: self._gather(rows, challenge, factor, client, seat))
            if isinstance(seen, Refused):
                return seen
            async with self._throttle.judging(
                self._work, seen.tried, also=lambda rows: store.give_try_back(rows, challenge)
            ):
                good = await self._judge(seat, seen.held, code)
        if good is None:
            return await self._refused(seen.attempt, client, WRONG_CODE)
        try:
            tokens = await self._work(lambda rows: self._record(rows, challenge, good, seen, client))
        except _UndoneError as undone:
            return await self._refused(undone.attempt, client, undone.refused)
        return tokens()

    async def _refused(self, attempt: Entry, client: Client, refused: Refused) -> Refused:
        return await self._work(lambda rows: self._journal.refused(rows, attempt, client, refused))

    def _gather(self, rows: Rows, challenge: Digest, factor: Factor, client: Client, seat: Seat) -> _Seen | Refused:
        user = store.challenged(rows, challenge)
        if user is None:
            return _CLOSED
        # Seen before the unit has the user to itself, and claimed by what stands then.
        held, attempt = held_by(rows, user, factor), Entry(event=Event.LOGIN_CODE, factor=factor, user=user)
        tried = self._throttle.second_factor(rows, user, client, unless=lambda: self._spent(rows, challenge))
        if tried is _CLOSED:
            return _CLOSED
        if isinstance(tried, Refused):
            store.give_try_back(rows, challenge)
            return self._journal.refused(rows, attempt, client, tried)
        seat.demand(known=tried.known)
        return _Seen(held=held(), tried=tried, attempt=_told(attempt, tried))

    def _spent(self, rows: Rows, challenge: Digest) -> Reason:
        spent = store.spend_try(rows, challenge, self._clock.now())
        return lambda: None if spent.count() else _CLOSED

    def _record(self, rows: Rows, challenge: Digest, good: GoodCode, seen: _Seen, client: Client) -> Tokens:
        now = self._clock.now()
        rows.alone(*seen.tried.keys)
        # All of it is asked at once, and undone where one part was too late: one trip to a server, where two would do
        # nothing in vain.
        closed, is_claimed = store.close(rows, challenge), self._judge.claim(rows, good, now)
        succeed = self._throttle.settling(rows, seen.tried)
        remember = self._clients.remembering(rows, good.user, PASSWORD_AND_CODE, client)
        owner = self._keeper.owner(rows, good.user)
        # Whoever ends challenges (a new password, a disabled user, a faster answer) ends this login too, and then the
        # code is not spent in vain.
        if not closed.count():
            raise _UndoneError(_told(seen.attempt, seen.tried, CHANGED), _CLOSED)
        if not is_claimed():
            raise _UndoneError(seen.attempt, WRONG_CODE)
        succeed()
        entry = replace(seen.attempt, detail=with_use(seen.attempt.detail)) if good.first else seen.attempt
        opening = Opening(user=good.user, proven=PASSWORD_AND_CODE, entry=entry, known_as=remember())
        return self._keeper.open(rows, opening, client, owner)


def _told(attempt: Entry, tried: Try, why: str | None = None) -> Entry:
    return replace(attempt, detail=by_client(known=tried.known, why=why))
