"""Judging a code of any second factor, and claiming it: once, by one conditional write."""

from collections.abc import Callable

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
    first: bool = False
    """It is of an app that has been used for nothing but its own enrollment."""

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
            if found is None:
                return None
            first = any(seed.unused and seed.uid == found.uid for seed in held.seeds)
            return GoodCode(user=user, proof=found, first=first)
        if isinstance(code, BackupCode) and recipe:
            proof = await seat.run(lambda: digest(self._vault, recipe, code))
            return GoodCode(user=user, proof=proof)
        return None

    def claim(self, rows: Rows, good: GoodCode, now: int) -> Callable[[], bool]:
        """Spend the code, soon. What is returned says False where it was spent before, or is none of this user's."""
        user, proof = good.user, good.proof
        if isinstance(proof, Accepted):
            step = totp.claim(rows, user, proof, now)
            return lambda: bool(step.count())
        spent = backup_codes.spend(rows, user, proof, now)

        def is_spent() -> bool:
            if spent.count():
                backup_codes.used(rows, user, now)
            return bool(spent.count())

        return is_spent


def factor_of(code: Code) -> Factor:
    """Return what was tried; what can be no code at all stands for one of an app."""
    return Factor.BACKUP_CODE if isinstance(code, BackupCode) else Factor.TOTP


def held_by(rows: Rows, user: str, factor: Factor) -> Callable[[], Held]:
    """Ask what a code of this kind is judged against; what is returned gives the answer."""
    if factor is Factor.BACKUP_CODE:
        recipe = backup_codes.recipe(rows, user)
        return lambda: Held(user=user, seeds=[], recipe=backup_codes.recipe_in(recipe))
    seeds = totp.seeds(rows, user)
    return lambda: Held(user=user, seeds=totp.seeds_in(seeds), recipe=None)
