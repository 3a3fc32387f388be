"""Retiring a key: it is erased from its file, once nothing needs it."""

from sallyport.kernel.clock import SECOND
from sallyport.kernel.keyfiles import SETTLE, KeysRefusedError
from sallyport.kernel.vault import Ring
from sallyport.keys.flow.rings import Rings, Sleep, Tell
from sallyport.keys.rules import KeyTold, State, reason_to_keep


class Retire:
    """Erases an older key that no row names any more."""

    def __init__(self, *, rings: Rings, sleep: Sleep, tell: Tell) -> None:
        self._rings = rings
        self._sleep = sleep
        self._tell = tell

    async def judge(self, name: str, key_id: str) -> str | None:
        """Return why a key has to stay, or None if it may go. Raises as `Rings.told` does."""
        found = [told for told in await self._rings.told(name) if told.key == key_id]
        told = found[0] if found else KeyTold(ring=name, key=key_id, state=State.MISSING, rows={})
        return reason_to_keep(told, self._rings.plan(name).rest, self._rings.clock.now())

    async def __call__(self, name: str, key_id: str, settle: int | None = None) -> str | None:
        """Erase a key; returns why it has to stay, or None when it is gone.

        `settle` is how long requests are given to end that read a row before it moved to another key.
        """
        if kept := await self.judge(name, key_id):
            return kept
        seconds = (SETTLE if settle is None else settle) / SECOND
        self._tell(f"no row names key {key_id}: giving requests {seconds:.0f} s to end that may still hold one")
        await self._sleep(seconds)
        if kept := await self.judge(name, key_id):
            return kept
        self._rings.change(name, lambda ring: _without(ring, key_id))
        return None


def _without(ring: Ring, key_id: str) -> Ring:
    if key_id in {ring.active, ring.following}:
        message = f"key {key_id} became active again meanwhile: it stays"
        raise KeysRefusedError(message)
    return ring.without(key_id)
