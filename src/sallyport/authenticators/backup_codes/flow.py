"""Drawing backup codes, and making a new set."""

from dataclasses import dataclass

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Event, Factor
from sallyport.authenticators.backup_codes import store
from sallyport.authenticators.backup_codes.digest import digest
from sallyport.authenticators.backup_codes.rules import BYTES, HOW_MANY, shown, symbols
from sallyport.authenticators.codes import BackupCode
from sallyport.authenticators.ports import Sessions
from sallyport.authenticators.rules import Authenticator
from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import HashPool
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids, Randomness
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.vault import Vault
from sallyport.store.work import Rows, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """New codes: what the user is shown once, and what is kept."""

    shown: Hidden[tuple[str, ...]]
    kept: store.NewSet


class DrawCodes:
    """Draws ten new codes. Nothing is stored yet."""

    def __init__(self, *, pool: HashPool, vault: Vault, ids: Ids, randomness: Randomness) -> None:
        self._pool = pool
        self._vault = vault
        self._ids = ids
        self._randomness = randomness

    async def __call__(self, user: str) -> Drawn:
        """Return ten codes for a user. Raises `Overloaded`."""
        codes = tuple(symbols(self._randomness(BYTES)) for _ in range(HOW_MANY))
        recipe = store.Recipe(salt=self._randomness(16), pepper_id=self._vault.pepper_id)
        digests = await self._pool.run(lambda: tuple(digest(self._vault, recipe, BackupCode(code)) for code in codes))
        kept = store.NewSet(user=user, uid=self._ids.new(), recipe=recipe, digests=digests)
        return Drawn(shown=Hidden(tuple(map(shown, codes))), kept=kept)


class RegenerateCodes:
    """Makes a new set of codes; the old one is void."""

    def __init__(
        self, *, work: Work, draw_codes: DrawCodes, sessions: Sessions, journal: Journal, clock: Clock
    ) -> None:
        self._work = work
        self._draw_codes = draw_codes
        self._sessions = sessions
        self._journal = journal
        self._clock = clock

    async def __call__(self, caller: Caller) -> tuple[Authenticator, Hidden[tuple[str, ...]]] | Refused:
        """Return the new set and its codes, shown this once."""
        if not caller.mfa:
            return Refused(why=Why.MFA_NOT_ENABLED)
        drawn = await self._draw_codes(caller.uid)
        told = await self._work(lambda rows: self._record(rows, caller, drawn.kept))
        return told if isinstance(told, Refused) else (told, drawn.shown)

    def _record(self, rows: Rows, caller: Caller, codes: store.NewSet) -> Authenticator | Refused:
        if refused := self._sessions.refused(rows, caller):
            return refused
        store.replace(rows, codes, self._clock.now())
        made = Event.SECRET_CODES_MADE
        self._journal.did(rows, caller, made, factor=Factor.BACKUP_CODE, detail=codes.uid)
        return store.of_user(rows, caller.uid) or Refused(why=Why.NOT_FOUND)
