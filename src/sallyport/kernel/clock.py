"""Time, passed in and never looked up: integer microseconds since the epoch, UTC."""

import time
from datetime import UTC, datetime
from typing import Protocol

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


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
    moment = datetime.fromtimestamp(micros // SECOND, UTC)
    # Cut from `isoformat`: strftime takes half as long again, and every user has two dates.
    return f"{moment.isoformat()[:19]}.{micros % SECOND:06d}Z"
