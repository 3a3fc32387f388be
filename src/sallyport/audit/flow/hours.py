"""Counting the logins of the last hours."""

import asyncio
from typing import Final

from sallyport.audit import store
from sallyport.audit.hours import Hour, counted
from sallyport.audit.rules import Event, oldest_uid
from sallyport.kernel.clock import HOUR, MINUTE, Clock
from sallyport.store.work import Rows, Work

HOURS: Final = 24
_AT_ONCE: Final = 100
"""Rows of one event that are read of an hour, whatever their number: half a millisecond of the event loop on SQLite."""
_SETTLED: Final = MINUTE
"""So long after its end nothing of an hour is still being written."""
_EVENTS: Final = (Event.LOGIN_PASSWORD, Event.LOGIN_CODE)


class CountLogins:
    """Counts logins by hour and outcome, in units as short as their number is bounded."""

    def __init__(self, *, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock
        self._over: dict[int, Hour] = {}
        """Hours that are over do not change: a process counts each of them once."""

    async def __call__(self) -> list[Hour]:
        """Return the last hours, the oldest first; the last of them has only begun."""
        now = self._clock.now()
        this = now // HOUR * HOUR
        hours: list[Hour] = []
        for begins_at in range(this - (HOURS - 1) * HOUR, this + 1, HOUR):
            known = self._over.get(begins_at)
            hours.append(known or await self._hour(begins_at, min(begins_at + HOUR, now)))
            await asyncio.sleep(0)
        self._over = {hour.begins_at: hour for hour in hours if hour.begins_at + HOUR + _SETTLED <= now}
        return hours

    async def _hour(self, begins_at: int, ends_at: int) -> Hour:
        oldest, before = oldest_uid(begins_at), oldest_uid(begins_at + HOUR)

        def unit(rows: Rows) -> Hour:
            read = store.steps(rows, _EVENTS, oldest=oldest, before=before, most=_AT_ONCE)
            return counted(begins_at, ends_at, read, _AT_ONCE)

        return await self._work.read(unit)
