"""The first door: a password opens a session, or where MFA is on, a challenge."""

from dataclasses import dataclass

from sallyport.authenticators.backup_codes import store as backup_codes
from sallyport.authenticators.codes import parse_backup_code
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.hashing import Hashing
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import SECOND, Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Randomness
from sallyport.kernel.opaque import CHALLENGE, digest_of, new_token
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.login import store
from sallyport.login.flow.codes import CodeJudge, GoodCode
from sallyport.login.rules import CHALLENGE_LIFETIME, Identifier
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.sessions.rules import CODE, PASSWORD
from sallyport.store.work import Rows, Work

WRONG = Refused(why=Why.INVALID_CREDENTIALS)
"""One answer for whatever was wrong: nobody learns who exists, or how far they came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenged:
    """The password was right; the second factor is wanted. Not a session."""

    token: Hidden[str]
    user: str
    expires_in: int


class BeginLogin:
    """Judges a password."""

    def __init__(
        self,
        *,
        work: Work,
        hashing: Hashing,
        keeper: SessionKeeper,
        judge: CodeJudge,
        clock: Clock,
        randomness: Randomness,
        backup_code_login: bool,
    ) -> None:
        self._work = work
        self._hashing = hashing
        self._keeper = keeper
        self._judge = judge
        self._clock = clock
        self._randomness = randomness
        self._backup_code_login = backup_code_login

    async def __call__(
        self, identifier: Identifier, password: Hidden[str], client: Client
    ) -> Granted | Challenged | Refused:
        """Return tokens, a challenge, or the one refusal."""
        seen = await self._work.read(lambda rows: store.candidate(rows, identifier))
        held = seen.usable if seen else None
        checked = await self._hashing.check(password, held)
        if seen is None:
            return WRONG
        if not checked.right or held is None:
            return await self._with_backup_code(seen, password, client)
        still = passwords.Seen(user=seen.user, uid=held.uid, generation=seen.generation, mfa=seen.mfa)
        recorded = await self._work(lambda rows: self._record(rows, still, checked.rehashed, client))
        return recorded if isinstance(recorded, Challenged | Refused) else recorded()

    def _record(
        self, rows: Rows, seen: passwords.Seen, rehashed: bytes | None, client: Client
    ) -> Tokens | Challenged | Refused:
        now = self._clock.now()
        if not passwords.use(rows, seen, rehashed, now):
            return WRONG
        if not seen.mfa:
            return self._keeper.open(rows, seen.user, PASSWORD, client)
        token = new_token(CHALLENGE, self._randomness)
        store.add_challenge(rows, digest_of(token), seen.user, now)
        return Challenged(token=token, user=seen.user, expires_in=CHALLENGE_LIFETIME // SECOND)

    async def _with_backup_code(self, seen: store.Candidate, typed: Hidden[str], client: Client) -> Granted | Refused:
        """Let a backup code stand for the password, where the operator has switched on what the original did."""
        code = parse_backup_code(typed.reveal()) if self._backup_code_login and seen.mfa else None
        if code is None or seen.disabled:
            return WRONG
        recipe = await self._work.read(lambda rows: backup_codes.recipe(rows, seen.user))
        good = await self._judge(seen.user, code, (), recipe)
        if good is None:
            return WRONG
        tokens = await self._work(lambda rows: self._record_code(rows, seen, good, client))
        return tokens if isinstance(tokens, Refused) else tokens()

    def _record_code(self, rows: Rows, seen: store.Candidate, good: GoodCode, client: Client) -> Tokens | Refused:
        if not store.may_log_in(rows, seen.user) or not self._judge.claim(rows, good, self._clock.now()):
            return WRONG
        return self._keeper.open(rows, seen.user, CODE, client)
