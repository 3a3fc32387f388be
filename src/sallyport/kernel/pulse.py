"""What the meters said in the last hour: a look every ten seconds, kept in memory alone."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from sallyport.kernel.clock import MINUTE, SECOND, Clock
from sallyport.kernel.meters import Family

EVERY_SECONDS: Final = 10
MINUTES: Final = 60
_KEPT: Final = MINUTES * MINUTE // (EVERY_SECONDS * SECOND) + 1
_THROTTLED: Final = "sallyport_throttled"
_WAITING: Final = "sallyport_hash_waiting"


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One look."""

    at: int
    throttled: float
    """Requests refused for too many tries, since the start."""
    waiting: float
    """Hashes that wait for a thread."""


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """One minute of the last hour."""

    begins_at: int
    throttled: int
    waiting: int
    """The most at any look."""


class Pulse:
    """Looks at the meters, and remembers."""

    def __init__(self, families: Callable[[], list[Family]], clock: Clock) -> None:
        self._families = families
        self._clock = clock
        self._beats: deque[Beat] = deque(maxlen=_KEPT)

    async def __call__(self) -> None:
        """Take a look, as what is repeated beside the requests."""
        self.look()

    def look(self) -> None:
        """Take a look."""
        families = self._families()
        beat = Beat(at=self._clock.now(), throttled=_sum(families, _THROTTLED), waiting=_sum(families, _WAITING))
        self._beats.append(beat)

    def minutes(self) -> list[Minute]:
        """Return the minutes of the last hour in which this process lived, the oldest first."""
        self.look()
        first = self._clock.now() // MINUTE * MINUTE - (MINUTES - 1) * MINUTE
        before, found = self._beats[0], dict[int, Minute]()
        for beat in self._beats:
            begins_at, more = beat.at // MINUTE * MINUTE, max(0, round(beat.throttled - before.throttled))
            known = found.get(begins_at, Minute(begins_at=begins_at, throttled=0, waiting=0))
            found[begins_at] = Minute(
                begins_at=begins_at,
                throttled=known.throttled + more,
                waiting=max(known.waiting, round(beat.waiting)),
            )
            before = beat
        return [minute for at, minute in sorted(found.items()) if at >= first]


def _sum(families: Iterable[Family], name: str) -> float:
    return sum(numbers[0] for family in families if family.name.name == name for numbers in family.rows.values())
