"""Erasing challenges that ended by themselves."""

from typing import Final

from sallyport.kernel.clock import Clock
from sallyport.login import store
from sallyport.store.work import Work

_SWEPT_AT_ONCE: Final = 100
"""Two to five milliseconds of the writer among a million users, where hardly two of these rows share a page."""


class SweepChallenges:
    """Erases, a few at a time, what ended by itself."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def __call__(self) -> None:
        """Erase until nothing is left. Short units, so that nobody waits behind them."""
        now = self._clock.now()
        while await self._work(lambda rows: store.sweep(rows, now, _SWEPT_AT_ONCE)) == _SWEPT_AT_ONCE:
            pass
