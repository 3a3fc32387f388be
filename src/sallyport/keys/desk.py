"""The use cases about keys, built on the files of a service that may be running."""

from collections.abc import Callable
from pathlib import Path

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event
from sallyport.kernel.clock import Clock
from sallyport.kernel.ids import Randomness
from sallyport.kernel.keyfiles import KeysRefusedError, RingPlan
from sallyport.keys.flow.reseal import Moved, Reseal
from sallyport.keys.flow.retire import Retire
from sallyport.keys.flow.rings import Rings, Sleep, Tell
from sallyport.keys.flow.rotate import Move, Rotate, Rotated
from sallyport.keys.start import key_faults
from sallyport.store import schema
from sallyport.store.database import Database
from sallyport.store.work import StorageUnavailableError


class KeyDesk:
    """Lists, rotates, re-seals and retires."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Path,
        plans: list[RingPlan],
        clock: Clock,
        randomness: Randomness,
        sleep: Sleep,
        tell: Tell,
        journal: Callable[[], Journal],
    ) -> None:
        """Open the database, if its keys are these.

        Raises `KeysRefusedError` where keys and database do not fit each other, `StorageUnavailableError` where there
        is no database, or one of another release.
        """
        if not schema.is_fit(schema.version_of(database)):
            message = f"{database.name} has no schema {schema.HEAD}: start the service of this release on it first"
            raise StorageUnavailableError(message)
        if faults := key_faults(database, directory, plans, randomness):
            raise KeysRefusedError("\n".join(faults))
        self._work = work = database.work()
        self.rings = Rings(directory=directory, plans=plans, work=work, clock=clock, randomness=randomness)
        self._journal = journal()
        self._reseal = Reseal(rings=self.rings, work=work, sleep=sleep, tell=tell)
        # What users hold (backup codes, refresh tokens) can't be made anew under another pepper; the proof can.
        moves: dict[str, Move] = {"sealing": self._reseal, "pepper": self._reseal.renew_proof}
        self._rotate = Rotate(rings=self.rings, moves=moves, sleep=sleep, tell=tell)
        self._retire = Retire(rings=self.rings, sleep=sleep, tell=tell)

    async def rotate(self, name: str, settle: int | None = None) -> Rotated:
        """Rotate a ring, and write it down. See `Rotate`."""
        done = await self._rotate(name, settle)
        await self._note(Event.KEY_ACTIVATED, f"{name} {done.active}")
        return done

    async def reseal(self) -> Moved:
        """Move what is left on older keys, and write it down. See `Reseal`."""
        moved = await self._reseal()
        await self._note(Event.KEY_RESEALED, f"{moved.rows} rows")
        return moved

    async def reason_to_keep(self, name: str, key_id: str) -> str | None:
        """Return why a key has to stay, or None if it may go. See `Retire`."""
        return await self._retire.judge(name, key_id)

    async def retire(self, name: str, key_id: str, settle: int | None = None) -> str | None:
        """Erase a key, and write it down; returns why it has to stay, or None when it is gone. See `Retire`."""
        kept = await self._retire(name, key_id, settle)
        if kept is None:
            await self._note(Event.KEY_RETIRED, f"{name} {key_id}")
        return kept

    async def _note(self, event: Event, detail: str) -> None:
        await self._work(lambda rows: self._journal.note(rows, Entry(event=event, detail=detail), None))

    def close(self) -> None:
        """Give the database back."""
        self._work.close()
