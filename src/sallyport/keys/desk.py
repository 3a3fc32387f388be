"""The use cases about keys, built on the files of a service that may be running."""

from pathlib import Path

from sallyport.kernel.clock import Clock
from sallyport.kernel.ids import Randomness
from sallyport.kernel.keyfiles import KeysRefusedError, RingPlan
from sallyport.keys.flow.reseal import Reseal
from sallyport.keys.flow.retire import Retire
from sallyport.keys.flow.rings import Rings, Sleep, Tell
from sallyport.keys.flow.rotate import Move, Rotate
from sallyport.keys.start import key_faults
from sallyport.store import schema
from sallyport.store.sqlite import SqliteWork
from sallyport.store.work import StorageUnavailableError


class KeyDesk:
    """Lists, rotates, re-seals and retires."""

    def __init__(
        self,
        *,
        path: Path,
        directory: Path,
        plans: list[RingPlan],
        clock: Clock,
        randomness: Randomness,
        sleep: Sleep,
        tell: Tell,
    ) -> None:
        """Open the database, if its keys are these.

        Raises `KeysRefusedError` where keys and database do not fit each other, `StorageUnavailableError` where there
        is no database, or one of another release.
        """
        if schema.version_of(path) != schema.HEAD:
            message = f"{path} has no schema {schema.HEAD}: start the service of this release on it first"
            raise StorageUnavailableError(message)
        if faults := key_faults(path, directory, plans, randomness):
            raise KeysRefusedError("\n".join(faults))
        self._work = work = SqliteWork(path)
        self.rings = Rings(directory=directory, plans=plans, work=work, clock=clock, randomness=randomness)
        self.reseal = Reseal(rings=self.rings, work=work, sleep=sleep, tell=tell)
        # What users hold (backup codes, refresh tokens) can't be made anew under another pepper; the proof can.
        moves: dict[str, Move] = {"sealing": self.reseal, "pepper": self.reseal.renew_proof}
        self.rotate = Rotate(rings=self.rings, moves=moves, sleep=sleep, tell=tell)
        self.retire = Retire(rings=self.rings, sleep=sleep, tell=tell)

    def close(self) -> None:
        """Give the database back."""
        self._work.close()
