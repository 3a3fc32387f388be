"""Tells when this machine's clock was set, or is behind the clocks of other nodes."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from sallyport.kernel.clock import SECOND, Clock
from sallyport.kernel.meters import Meter, Tally

LEAST_STEP: Final = SECOND
"""Less than this is what NTP does without a word, and hurts nobody."""
MOST_BEHIND: Final = 5 * SECOND
"""Half of the shortest time that counts between two nodes: the ten seconds of a refresh token's grace."""

log = structlog.get_logger()


class ClockWatch:
    """Compares the clock with one that nobody sets, and with what was written last, whichever node wrote it.

    A clock that is ahead of all others can't be told from one that is right: the others tell of it, as being behind.
    """

    def __init__(self, *, clock: Clock, monotonic: Callable[[], float], latest: Callable[[], Awaitable[int]]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._latest = latest
        self._began = self._drift()
        self._is_behind = False
        self._steps = Tally(
            "sallyport_clock_steps", "Times that the clock was set by a second or more while the service ran."
        )
        self._behind = Tally(
            "sallyport_clock_behind", "Seconds in which the clock was behind what was last written to the audit log."
        )
        self.meters: tuple[Meter, ...] = (self._steps, self._behind)

    async def __call__(self) -> None:
        """Look once; to be called once a second. Raises `StorageUnavailableError`."""
        drift = self._drift()
        step, self._began = drift - self._began, drift
        if abs(step) >= LEAST_STEP:
            self._steps.count()
            self._warn(f"it was set {'ahead' if step > 0 else 'back'} by {abs(step) / SECOND:.1f} s")
        behind = await self._latest() - self._clock.now()
        if behind > MOST_BEHIND:
            self._behind.count()
            if not self._is_behind:
                self._warn(f"it is {behind / SECOND:.1f} s behind another node, or was set back by that much")
        self._is_behind = behind > MOST_BEHIND

    def _drift(self) -> int:
        return self._clock.now() - round(self._monotonic() * SECOND)

    def _warn(self, fault: str) -> None:
        log.warning("clock", fault=fault, advice="let NTP set it, on every node; run: sallyport doctor")
