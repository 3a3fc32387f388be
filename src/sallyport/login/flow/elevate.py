"""Proving oneself again: the same session, with a fresh proof."""

from dataclasses import dataclass

from sallyport.audit.decision import with_use
from sallyport.audit.flow.journal import Journal, attempt_by
from sallyport.audit.rules import Event, Factor
from sallyport.authenticators.codes import Code
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.hashing import Hashing
from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import Seat
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.login.flow.answer import WRONG_CODE
from sallyport.login.flow.begin import WRONG
from sallyport.login.flow.codes import CodeJudge, GoodCode, Held, factor_of, held_by
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.sessions.rules import PASSWORD, PASSWORD_AND_CODE
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.judging import Try
from sallyport.throttle.flow.throttle import Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The password that a caller has to prove; the try is counted."""

    password: passwords.StoredPassword | None
    tried: Try


@dataclass(frozen=True, slots=True, kw_only=True)
class _SecondDoor:
    """What a code is judged against; the try is counted."""

    held: Held
    tried: Try


class Elevate:
    """Judges a password, and where MFA is on a code, of one who is signed in."""

    def __init__(
        self,
        *,
        work: Work,
        hashing: Hashing,
        judge: CodeJudge,
        keeper: SessionKeeper,
        throttle: Throttle,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._work = work
        self._hashing = hashing
        self._judge = judge
        self._keeper = keeper
        self._throttle = throttle
        self._journal = journal
        self._clock = clock

    async def __call__(self, caller: Caller, password: Hidden[str], code: Code | None) -> Granted | Refused:
        """Return new tokens of the same session; the refresh tokens before are retired."""
        if caller.mfa and code is None:
            return Refused(why=Why.INVALID_REQUEST, pointer="/token", detail="A code is needed beside the password.")
        with self._hashing.seat(reserve=True) as seat:  # a session is known, too
            seen = await self._work(lambda rows: self._gather(rows, caller))
            if isinstance(seen, Refused):
                return seen
            async with self._throttle.judging(self._work, seen.tried):
                checked = await self._hashing.check(seat, password, seen.password.kept if seen.password else None)
            if not checked.right or seen.password is None:
                return await self._work(lambda rows: self._refused(rows, caller, Factor.PASSWORD, WRONG))
            good = await self._code(seat, caller, code, seen.tried) if code and caller.mfa else None
        if isinstance(good, Refused):
            return good
        held = seen.password
        still = passwords.Seen(user=caller.uid, uid=held.kept.uid, generation=held.generation, mfa=caller.mfa)
        tokens = await self._work(lambda rows: self._record(rows, caller, still, checked.rehashed, seen.tried, good))
        return tokens if isinstance(tokens, Refused) else tokens()

    def _gather(self, rows: Rows, caller: Caller) -> _Seen | Refused:
        tried = self._throttle.password(rows, "", caller.uid, caller.client, caller.login_client)
        if isinstance(tried, Refused):
            return self._refused(rows, caller, Factor.PASSWORD, tried)
        return _Seen(password=passwords.of_user(rows, caller.uid), tried=tried)

    async def _code(self, seat: Seat, caller: Caller, code: Code, password: Try) -> tuple[GoodCode, Try] | Refused:
        factor = factor_of(code)
        door = await self._work(lambda rows: self._second_door(rows, caller, factor, password))
        if isinstance(door, Refused):
            return door
        async with self._throttle.judging(self._work, door.tried):
            good = await self._judge(seat, door.held, code)
        if good is None:
            return await self._work(lambda rows: self._refused(rows, caller, factor, WRONG_CODE))
        return good, door.tried

    def _second_door(self, rows: Rows, caller: Caller, factor: Factor, password: Try) -> _SecondDoor | Refused:
        if refused := self._keeper.refused(rows, caller, *password.keys):
            return refused
        # The password was right, whatever becomes of the code: that try was no failure.
        self._throttle.succeeded(rows, password)
        tried = self._throttle.second_factor(rows, caller.uid, caller.client, caller.login_client)
        if isinstance(tried, Refused):
            return self._refused(rows, caller, factor, tried)
        return _SecondDoor(held=held_by(rows, caller.uid, factor)(), tried=tried)

    def _record(
        self,
        rows: Rows,
        caller: Caller,
        still: passwords.Seen,
        rehashed: bytes | None,
        password: Try,
        good: tuple[GoodCode, Try] | None,
    ) -> Tokens | Refused:
        now = self._clock.now()
        if refused := self._keeper.refused(rows, caller, *password.keys):
            return refused
        factor = good[0].factor if good else Factor.PASSWORD
        if good and not self._judge.claim(rows, good[0], now)():
            return self._refused(rows, caller, factor, WRONG_CODE)
        if not passwords.use(rows, still, rehashed, now):
            return self._refused(rows, caller, Factor.PASSWORD, WRONG)
        self._throttle.succeeded(rows, good[1] if good else password)
        used = with_use(None) if good and good[0].first else None
        self._journal.did(rows, caller, Event.LOGIN_ELEVATE, factor=factor, detail=used)
        return self._keeper.renew(rows, caller, PASSWORD_AND_CODE if good else PASSWORD)

    def _refused(self, rows: Rows, caller: Caller, factor: Factor, refused: Refused) -> Refused:
        attempt = attempt_by(caller, Event.LOGIN_ELEVATE, factor)
        return self._journal.refused(rows, attempt, caller.client, refused)
