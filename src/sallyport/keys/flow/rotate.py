"""Rotating a ring: announce a key, make it active, move what was made with older ones."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sallyport.kernel.clock import SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.keyfiles import KeysRefusedError, RingPlan, draw_key_id
from sallyport.kernel.vault import Ring
from sallyport.keys.flow.reseal import NOTHING, Moved
from sallyport.keys.flow.rings import Rings, Sleep, Tell
from sallyport.keys.rules import still_to_wait

Move = Callable[[], Awaitable[Moved]]
"""Makes anew what was made with older keys of a ring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What a rotation has done."""

    ring: str
    active: str
    resumed: bool
    """It has brought an interrupted rotation to its end, and begun no new one."""
    moved: Moved


class Rotate:
    """Makes a new key active. Each step is one change of a file or of rows, and is taken up again after a crash."""

    def __init__(self, *, rings: Rings, moves: Mapping[str, Move], sleep: Sleep, tell: Tell) -> None:
        self._rings = rings
        self._moves = moves
        self._sleep = sleep
        self._tell = tell

    async def __call__(self, name: str, settle: int | None = None) -> Rotated:
        """Rotate a ring, or bring an interrupted rotation of it to its end.

        `settle` is how long every node is given to see a changed file, in microseconds. Raises `KeysRefusedError` and
        `StorageUnavailableError`.
        """
        plan = self._rings.plan(name)
        settle = plan.settle if settle is None else settle
        resumed = self._rings.read(name).unfinished
        if not resumed:
            await self._turn(plan, settle)
        return await self._finish(plan, settle, resumed=resumed)

    async def _turn(self, plan: RingPlan, settle: int) -> None:
        ring = self._rings.change(plan.name, lambda ring: self._announced(plan, ring))
        following = ring.following or ring.active
        # Nobody may meet a key that they can't look up: each node and, for signing, each client has to know it first.
        await self._wait(f"key {following} is announced", ring.made.get(following), settle)
        self._rings.change(plan.name, lambda ring: self._turned(plan, ring, following))
        self._tell(f"key {following} is active")

    def _announced(self, plan: RingPlan, ring: Ring) -> Ring:
        if ring.following is not None:
            return ring
        return ring.announcing(draw_key_id(self._rings.randomness), Hidden(plan.draw()), self._rings.clock.now())

    def _turned(self, plan: RingPlan, ring: Ring, following: str) -> Ring:
        if ring.active == following:
            return ring  # another run was faster
        if ring.following != following:
            message = f"another rotation of the {plan.name} ring ran meanwhile: see sallyport keys list"
            raise KeysRefusedError(message)
        turned = ring.turned(following, self._rings.clock.now(), unfinished=plan.name in self._moves)
        return self._announced(plan, turned) if plan.keys > 1 else turned

    async def _finish(self, plan: RingPlan, settle: int, *, resumed: bool) -> Rotated:
        ring = self._rings.read(plan.name)
        moved = NOTHING
        if ring.unfinished:
            # A node that has not seen the change yet would go on with the older key behind our back.
            await self._wait("rows move to it", ring.since, settle)
            moved = await self._moves[plan.name]()
            self._rings.change(plan.name, lambda now: now.finished(ring.active))
        return Rotated(ring=plan.name, active=ring.active, resumed=resumed, moved=moved)

    async def _wait(self, what: str, since: int | None, settle: int) -> None:
        micros = still_to_wait(since, settle, self._rings.clock.now())
        if micros:
            self._tell(f"{what}: giving every node {micros / SECOND:.0f} s to see it")
            await self._sleep(micros / SECOND)
