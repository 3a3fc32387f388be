"""Judging a code of any second factor, and claiming it: once, by one conditional write."""

from collections.abc import Sequence

import msgspec

from sallyport.authenticators.backup_codes import store as backup_codes
from sallyport.authenticators.backup_codes.digest import digest
from sallyport.authenticators.codes import BackupCode, Code, TotpCode
from sallyport.authenticators.totp import store as totp
from sallyport.authenticators.totp.flow import opened
from sallyport.authenticators.totp.rules import Accepted, accepted
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import HashPool
from sallyport.kernel.vault import Vault
from sallyport.store.work import Rows


class GoodCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code that may be right, by what claims it: a step of an authenticator, or the digest of a backup code."""

    user: str
    proof: Accepted | bytes


class CodeJudge:
    """Judges codes without touching the database, and claims them inside a unit of work."""

    def __init__(self, *, vault: Vault, pool: HashPool, clock: Clock) -> None:
        self._vault = vault
        self._pool = pool
        self._clock = clock

    async def __call__(
        self, user: str, code: Code, seeds: Sequence[totp.SealedSeed], recipe: backup_codes.Recipe | None
    ) -> GoodCode | None:
        """Return what is to be claimed, or None for a wrong code. Raises `Overloaded`."""
        if isinstance(code, TotpCode):
            found = accepted((opened(self._vault, seed) for seed in seeds), code, self._clock.now())
            return GoodCode(user=user, proof=found) if found else None
        if isinstance(code, BackupCode) and recipe:
            proof = await self._pool.run(lambda: digest(self._vault, recipe, code))
            return GoodCode(user=user, proof=proof)
        return None

    def claim(self, rows: Rows, good: GoodCode, now: int) -> bool:
        """Spend the code; False where it was spent before, or is none of this user's."""
        if isinstance(good.proof, Accepted):
            return totp.claim(rows, good.user, good.proof, now)
        return backup_codes.spend(rows, good.user, good.proof, now)
