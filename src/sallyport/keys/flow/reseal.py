"""Making anew what was made with older keys, beside a service that runs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sallyport.kernel.vault import DoesNotOpenError, Place, Vault
from sallyport.keys import store
from sallyport.keys.flow.rings import Rings, Sleep, Tell
from sallyport.store.work import Rows, StorageUnavailableError, Unit, Work

T = TypeVar("T")

_AT_ONCE: Final = 300
"""Rows of one unit: some milliseconds, in which the service waits for the writer's place."""
_BREATH: Final = 0.01
"""Seconds between two units, in which the writer's place is the service's alone."""
_PASSES: Final = 5
_TRIES: Final = 60
"""Of one unit, where the service keeps the writer's place; each waits a second by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a re-sealing has done."""

    rows: int
    stuck: tuple[Place, ...]
    """Values that do not open: altered, or moved from another place. They stand as they stood."""


NOTHING: Final = Moved(rows=0, stuck=())


class Reseal:
    """Seals anew whatever is sealed under another key than the active one, in small units.

    A value that somebody changes meanwhile is theirs. What a crash interrupts another run takes up again: the rows
    themselves say what is left.
    """

    def __init__(self, *, rings: Rings, work: Work, sleep: Sleep, tell: Tell) -> None:
        self._rings = rings
        self._work = work
        self._sleep = sleep
        self._tell = tell

    async def __call__(self) -> Moved:
        """Return how many rows have moved, and which do not open.

        Raises `KeysRefusedError`, and `StorageUnavailableError` where the database stays busy for a minute.
        """
        await self.renew_proof()
        total, stuck = 0, set[Place]()
        for _ in range(_PASSES):  # a further one finds what a node has sealed that slept through the rotation
            stuck.clear()
            moved = 0
            for sealed in store.SEALED:
                moved += await self._column(sealed, stuck)
            total += moved
            if not moved:
                break
        return Moved(rows=total, stuck=tuple(sorted(stuck, key=Place.bound)))

    async def renew_proof(self) -> Moved:
        """Make the proof of the rings anew, so that no older key is needed to start. Raises as a call does."""
        vault = self._rings.vault()
        await self._patiently(self._work, lambda rows: _renew_proof(rows, vault))
        return NOTHING

    async def _column(self, sealed: store.Sealed, stuck: set[Place]) -> int:
        named = await self._patiently(self._work.read, lambda rows: store.keys_named(rows, sealed.naming))
        ring = self._rings.read(sealed.naming.ring)
        # Neither away from the next key: a rotation beside this one may be making it active at this moment.
        older = [key_id for key_id in named if key_id not in {ring.active, ring.following}]
        return sum([await self._from_key(sealed, key_id, stuck) for key_id in older])

    async def _from_key(self, sealed: store.Sealed, key_id: str, stuck: set[Place]) -> int:
        moved = 0
        batch = await self._batch(sealed, key_id, None)
        while batch:
            moved += await self._move(sealed, batch, stuck)
            self._tell(f"{sealed.naming.where}: {moved} rows moved away from key {key_id}")
            await self._sleep(_BREATH)
            batch = await self._batch(sealed, key_id, batch[-1])
        return moved

    async def _batch(self, sealed: store.Sealed, key_id: str, after: store.Value | None) -> list[store.Value]:
        return await self._patiently(self._work.read, lambda rows: store.under(rows, sealed, key_id, after, _AT_ONCE))

    async def _move(self, sealed: store.Sealed, batch: Sequence[store.Value], stuck: set[Place]) -> int:
        vault, moves = self._rings.vault(), []
        for value in batch:
            place = sealed.place(value.user, value.uid)
            try:
                moves.append((value, vault.resealed(value.sealed, place)))
            except DoesNotOpenError:
                stuck.add(place)
        return await self._patiently(self._work, lambda rows: store.reseal(rows, sealed, moves))

    async def _patiently(self, run: Callable[[Unit[T]], Awaitable[T]], unit: Unit[T]) -> T:
        """Run a unit, again where the service keeps the database busy. Raises `StorageUnavailableError`."""
        for _ in range(_TRIES):
            try:
                return await run(unit)
            except StorageUnavailableError as fault:
                self._tell(f"the database is busy ({fault}): trying again")
                await self._sleep(_BREATH)
        return await run(unit)


def _renew_proof(rows: Rows, vault: Vault) -> None:
    old = store.proof(rows)
    if old is not None and vault.proves(old):
        store.renew_proof(rows, old, vault.proof())
