"""Time, passed in and never looked up: integer microseconds since the epoch, UTC."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # as said where it is used


class Clock(Protocol):
    """Tells the time to whoever must not look it up."""

    def now(self) -> int:
        """Return the present moment in microseconds since the epoch, UTC."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> int:
        """Return the present moment in microseconds since the epoch, UTC."""
        return time.time_ns() // 1_000


def rfc3339(micros: int) -> str:
    """Write a moment as RFC 3339 in UTC, to the microsecond."""
    # Without an offset: it would be written as "+00:00", and cutting it off takes as long again.
    return f"{(_EPOCH + timedelta(microseconds=micros)).isoformat(timespec='microseconds')}Z"


def moment(micros: int) -> datetime:
    """Return a moment as the calendar has it, in UTC."""
    return (_EPOCH + timedelta(microseconds=micros)).replace(tzinfo=UTC)
