"""The second door: a code answers a challenge, and a session opens."""

import msgspec

from sallyport.authenticators.backup_codes import store as backup_codes
from sallyport.authenticators.codes import Code
from sallyport.authenticators.totp import store as totp
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.opaque import Digest
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.login import store
from sallyport.login.flow.codes import CodeJudge, GoodCode
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.sessions.rules import PASSWORD_AND_CODE
from sallyport.store.work import Rows, Work


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A user in front of the second door."""

    user: str
    seeds: list[totp.SealedSeed]
    recipe: backup_codes.Recipe | None


class AnswerChallenge:
    """Judges a code against an open challenge."""

    def __init__(self, *, work: Work, judge: CodeJudge, keeper: SessionKeeper, clock: Clock) -> None:
        self._work = work
        self._judge = judge
        self._keeper = keeper
        self._clock = clock

    async def __call__(self, challenge: Digest, code: Code, client: Client) -> Granted | Refused:
        """Return the tokens of a new session at `aal2`."""
        seen = await self._work(lambda rows: self._gather(rows, challenge))
        if isinstance(seen, Refused):
            return seen
        good = await self._judge(seen.user, code, seen.seeds, seen.recipe)
        if good is None:
            return Refused(why=Why.WRONG_LOGIN_CODE)
        tokens = await self._work(lambda rows: self._record(rows, challenge, good, client))
        return tokens if isinstance(tokens, Refused) else tokens()

    def _gather(self, rows: Rows, challenge: Digest) -> _Seen | Refused:
        user = store.spend_try(rows, challenge, self._clock.now())
        if user is None:
            return Refused(why=Why.CHALLENGE_INVALID)
        return _Seen(user=user, seeds=totp.seeds(rows, user), recipe=backup_codes.recipe(rows, user))

    def _record(self, rows: Rows, challenge: Digest, good: GoodCode, client: Client) -> Tokens | Refused:
        now = self._clock.now()
        # Whoever ends challenges (a new password, a disabled user, a faster answer) ends this login too, and then the
        # code is not spent in vain.
        if not store.hold(rows, challenge, now):
            return Refused(why=Why.CHALLENGE_INVALID)
        if not self._judge.claim(rows, good, now):
            return Refused(why=Why.WRONG_LOGIN_CODE)
        store.close(rows, challenge)
        return self._keeper.open(rows, good.user, PASSWORD_AND_CODE, client)
