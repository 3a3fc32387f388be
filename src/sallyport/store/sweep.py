"""Erasing whatever is over by itself."""

from collections.abc import Callable
from typing import Final

from sallyport.kernel.clock import Clock
from sallyport.store.work import Rows, Work

AT_ONCE: Final = 100
"""Two to five milliseconds of the writer among a million users, where hardly two of these rows share a page."""


class Sweep:
    """Erases, a few at a time, what ended longer ago than it is kept, in microseconds.

    What erases takes the moment before which it must have ended, and how many rows at the most; it returns how many.
    """

    def __init__(
        self,
        work: Work,
        clock: Clock,
        erase: Callable[[Rows, int, int], int],
        *,
        kept: int = 0,
        most: int = AT_ONCE,
    ) -> None:
        self._work = work
        self._clock = clock
        self._erase = erase
        self._kept = kept
        self._most = most

    async def __call__(self) -> None:
        """Erase until nothing is left. Short units, so that nobody waits behind them."""
        before = self._clock.now() - self._kept
        while await self._work(lambda rows: self._erase(rows, before, self._most)) == self._most:
            pass
