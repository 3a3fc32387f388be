"""Proving oneself again: the same session, with a fresh proof."""

from dataclasses import dataclass

from sallyport.authenticators.codes import Code
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.hashing import Hashing
from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import Seat
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.login.flow.begin import WRONG
from sallyport.login.flow.codes import CodeJudge, GoodCode, Held, held_by
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.sessions.rules import PASSWORD, PASSWORD_AND_CODE
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.throttle import Throttle, Try


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
        clock: Clock,
    ) -> None:
        self._work = work
        self._hashing = hashing
        self._judge = judge
        self._keeper = keeper
        self._throttle = throttle
        self._clock = clock

    async def __call__(self, caller: Caller, password: Hidden[str], code: Code | None) -> Granted | Refused:
        """Return new tokens of the same session; the refresh tokens before are retired."""
        if caller.mfa and code is None:
            return Refused(why=Why.INVALID_REQUEST, pointer="/token", detail="A code is needed beside the password.")
        with self._hashing.seat() as seat:
            seen = await self._work(lambda rows: self._gather(rows, caller))
            if isinstance(seen, Refused):
                return seen
            async with self._throttle.judging(self._work, seen.tried):
                checked = await self._hashing.check(seat, password, seen.password.kept if seen.password else None)
            if not checked.right or seen.password is None:
                return WRONG
            good = await self._code(seat, caller, code, seen.tried) if code and caller.mfa else None
        if isinstance(good, Refused):
            return good
        held = seen.password
        still = passwords.Seen(user=caller.uid, uid=held.kept.uid, generation=held.generation, mfa=caller.mfa)
        tokens = await self._work(lambda rows: self._record(rows, caller, still, checked.rehashed, seen.tried, good))
        return tokens if isinstance(tokens, Refused) else tokens()

    def _gather(self, rows: Rows, caller: Caller) -> _Seen | Refused:
        tried = self._throttle.password(rows, "", caller.uid, caller.client, caller.login_client)
        return tried if isinstance(tried, Refused) else _Seen(password=passwords.of_user(rows, caller.uid), tried=tried)

    async def _code(self, seat: Seat, caller: Caller, code: Code, password: Try) -> tuple[GoodCode, Try] | Refused:
        door = await self._work(lambda rows: self._second_door(rows, caller, password))
        if isinstance(door, Refused):
            return door
        async with self._throttle.judging(self._work, door.tried):
            good = await self._judge(seat, door.held, code)
        return (good, door.tried) if good else Refused(why=Why.WRONG_LOGIN_CODE)

    def _second_door(self, rows: Rows, caller: Caller, password: Try) -> _SecondDoor | Refused:
        if refused := self._keeper.refused(rows, caller):
            return refused
        # The password was right, whatever becomes of the code: that try was no failure.
        self._throttle.succeeded(rows, password)
        tried = self._throttle.second_factor(rows, caller.uid, caller.client, caller.login_client)
        return tried if isinstance(tried, Refused) else _SecondDoor(held=held_by(rows, caller.uid), tried=tried)

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
        if refused := self._keeper.refused(rows, caller):
            return refused
        if good and not self._judge.claim(rows, good[0], now):
            return Refused(why=Why.WRONG_LOGIN_CODE)
        if not passwords.use(rows, still, rehashed, now):
            return WRONG
        self._throttle.succeeded(rows, good[1] if good else password)
        return self._keeper.renew(rows, caller, PASSWORD_AND_CODE if good else PASSWORD)
