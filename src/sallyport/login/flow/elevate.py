"""Proving oneself again: the same session, with a fresh proof."""

from dataclasses import dataclass

from sallyport.authenticators.backup_codes import store as backup_codes
from sallyport.authenticators.codes import Code
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.hashing import Hashing
from sallyport.authenticators.totp import store as totp
from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.login.flow.begin import WRONG
from sallyport.login.flow.codes import CodeJudge, GoodCode
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.sessions.rules import PASSWORD, PASSWORD_AND_CODE
from sallyport.store.work import Rows, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a caller has to prove against."""

    password: passwords.StoredPassword | None
    seeds: list[totp.SealedSeed]
    recipe: backup_codes.Recipe | None


class Elevate:
    """Judges a password, and where MFA is on a code, of one who is signed in."""

    def __init__(self, *, work: Work, hashing: Hashing, judge: CodeJudge, keeper: SessionKeeper, clock: Clock) -> None:
        self._work = work
        self._hashing = hashing
        self._judge = judge
        self._keeper = keeper
        self._clock = clock

    async def __call__(self, caller: Caller, password: Hidden[str], code: Code | None) -> Granted | Refused:
        """Return new tokens of the same session; the refresh tokens before are retired."""
        if caller.mfa and code is None:
            return Refused(why=Why.INVALID_REQUEST, pointer="/token", detail="A code is needed beside the password.")
        seen = await self._work.read(lambda rows: _gather(rows, caller))
        checked = await self._hashing.check(password, seen.password.kept if seen.password else None)
        if not checked.right or seen.password is None:
            return WRONG
        good = await self._judge(caller.uid, code, seen.seeds, seen.recipe) if code and caller.mfa else None
        if caller.mfa and good is None:
            return Refused(why=Why.WRONG_LOGIN_CODE)
        held = seen.password
        still = passwords.Seen(user=caller.uid, uid=held.kept.uid, generation=held.generation, mfa=caller.mfa)
        tokens = await self._work(lambda rows: self._record(rows, caller, still, checked.rehashed, good))
        return tokens if isinstance(tokens, Refused) else tokens()

    def _record(
        self, rows: Rows, caller: Caller, still: passwords.Seen, rehashed: bytes | None, good: GoodCode | None
    ) -> Tokens | Refused:
        now = self._clock.now()
        if refused := self._keeper.refused(rows, caller):
            return refused
        if good and not self._judge.claim(rows, good, now):
            return Refused(why=Why.WRONG_LOGIN_CODE)
        if not passwords.use(rows, still, rehashed, now):
            return WRONG
        return self._keeper.renew(rows, caller, PASSWORD_AND_CODE if good else PASSWORD)


def _gather(rows: Rows, caller: Caller) -> _Seen:
    return _Seen(
        password=passwords.of_user(rows, caller.uid),
        seeds=totp.seeds(rows, caller.uid),
        recipe=backup_codes.recipe(rows, caller.uid),
    )
