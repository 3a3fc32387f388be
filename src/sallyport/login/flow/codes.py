"""Judging a code of any second factor, and claiming it: once, by one conditional write."""

import msgspec

from sallyport.audit.rules import Factor
from sallyport.authenticators.backup_codes import store as backup_codes
from sallyport.authenticators.backup_codes.digest import digest
from sallyport.authenticators.codes import BackupCode, Code, TotpCode
from sallyport.authenticators.totp import store as totp
from sallyport.authenticators.totp.flow import opened
from sallyport.authenticators.totp.rules import Accepted, accepted
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import HashPool, Seat
from sallyport.kernel.vault import Vault
from sallyport.store.work import Rows
from sallyport.throttle.flow.known_clients import KnownClients


class GoodCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code that may be right, by what claims it: a step of an authenticator, or the digest of a backup code."""

    user: str
    proof: Accepted | bytes

    @property
    def factor(self) -> Factor:
        """What kind of code it is."""
        return Factor.TOTP if isinstance(self.proof, Accepted) else Factor.BACKUP_CODE


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The second factors of a user, as stored: those of the kind that was tried."""

    user: str
    seeds: list[totp.SealedSeed]
    recipe: backup_codes.Recipe | None


class CodeJudge:
    """Judges codes without touching the database, and claims them inside a unit of work."""

    def __init__(self, *, vault: Vault, pool: HashPool, clients: KnownClients, clock: Clock) -> None:
        self._vault = vault
        self._pool = pool
        self._clients = clients
        self._clock = clock

    def seat(self, code: Code, client: Client) -> Seat:
        """Take the seat that judging this code needs, before anything is counted. Raises `Overloaded` at once."""
        if isinstance(code, BackupCode):
            return self._pool.seat(reserve=self._clients.is_genuine(client.token))
        return self._pool.no_seat()

    async def __call__(self, seat: Seat, held: Held, code: Code) -> GoodCode | None:
        """Return what is to be claimed, or None for a wrong code. Raises `Overloaded`."""
        user, recipe = held.user, held.recipe
        if isinstance(code, TotpCode):
            found = accepted((opened(self._vault, seed) for seed in held.seeds), code, self._clock.now())
            return GoodCode(user=user, proof=found) if found else None
        if isinstance(code, BackupCode) and recipe:
            proof = await seat.run(lambda: digest(self._vault, recipe, code))
            return GoodCode(user=user, proof=proof)
        return None

    def claim(self, rows: Rows, good: GoodCode, now: int) -> bool:
        """Spend the code; False where it was spent before, or is none of this user's."""
        if isinstance(good.proof, Accepted):
            return totp.claim(rows, good.user, good.proof, now)
        return backup_codes.spend(rows, good.user, good.proof, now)


def factor_of(code: Code) -> Factor:
    """Return what was tried; what can be no code at all stands for one of an app."""
    return Factor.BACKUP_CODE if isinstance(code, BackupCode) else Factor.TOTP


def held_by(rows: Rows, user: str, factor: Factor) -> Held:
    """Return what a code of this kind is judged against."""
    if factor is Factor.BACKUP_CODE:
        return Held(user=user, seeds=[], recipe=backup_codes.recipe(rows, user))
    return Held(user=user, seeds=totp.seeds(rows, user), recipe=None)
