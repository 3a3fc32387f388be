"""Numbers for operators: plain counts, added up where things happen and read when somebody asks.

Whoever counts knows nothing of where the numbers go: a count costs less than a microsecond, and the text of a
scrape is made elsewhere, from `Family` records. All of this may be called from any thread.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Final, Literal, Protocol

import msgspec

Kind = Literal["counter", "gauge", "histogram"]

# Few on purpose: each is a line for every route, method and status. A hash takes 10 to 50 ms, a place in its queue 1 s.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """What a number is called, and what it tells."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """All numbers of one name at one moment."""

    name: Name
    kind: Kind
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets; a last bucket without a bound follows them."""
    rows: dict[tuple[str, ...], list[float]]
    """Label values to numbers: one number, or of a histogram the count of each bucket and then the sum."""


class Meter(Protocol):
    """Something that can be read."""

    def family(self) -> Family:
        """Return its numbers at this moment."""
        ...


class Tally:
    """Counts events by the values of its labels."""

    __slots__ = ("_counts", "_lock", "_name")

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self._name = Name(name=name, meaning=meaning, labels=labels)
        # What has no labels is there from the start: an alert on a number that is missing never rings.
        self._counts: dict[tuple[str, ...], int] = {} if labels else {(): 0}
        self._lock = Lock()

    def count(self, *labels: str) -> None:
        """Count one event; one value for each label, in their order."""
        with self._lock:
            self._counts[labels] = self._counts.get(labels, 0) + 1

    def family(self) -> Family:
        """Return its counts."""
        with self._lock:
            rows = {labels: [float(count)] for labels, count in self._counts.items()}
        return Family(name=self._name, kind="counter", rows=rows)


class Histogram:
    """Counts values in buckets, by the values of its labels."""

    __slots__ = ("_bounds", "_counts", "_lock", "_name")

    def __init__(self, name: str, meaning: str, *labels: str, bounds: tuple[float, ...] = _SECONDS) -> None:
        self._name = Name(name=name, meaning=meaning, labels=labels)
        self._bounds = bounds
        self._counts: dict[tuple[str, ...], list[float]] = {} if labels else {(): self._empty()}
        self._lock = Lock()

    def observe(self, value: float, *labels: str) -> None:
        """Count one value; a bucket holds what is not above its bound."""
        with self._lock:
            counts = self._counts.get(labels)
            if counts is None:
                counts = self._counts[labels] = self._empty()
            counts[bisect_left(self._bounds, value)] += 1
            counts[-1] += value

    def family(self) -> Family:
        """Return its buckets."""
        with self._lock:
            rows = {labels: list(counts) for labels, counts in self._counts.items()}
        return Family(name=self._name, kind="histogram", bounds=self._bounds, rows=rows)

    def _empty(self) -> list[float]:
        return [0.0] * (len(self._bounds) + 2)


class Reading:
    """A number that something else keeps, looked at when it is read."""

    __slots__ = ("_kind", "_look", "_name")

    def __init__(self, name: str, meaning: str, kind: Kind, look: Callable[[], float]) -> None:
        self._name = Name(name=name, meaning=meaning)
        self._kind: Kind = kind
        self._look = look

    def family(self) -> Family:
        """Return the number."""
        return Family(name=self._name, kind=self._kind, rows={(): [float(self._look())]})


class Queue(Protocol):
    """Work that waits for a thread."""

    taken: int
    """How many places are taken, by what runs and by what waits."""
    running: int
    refused: int
    """How much found no place or no thread in time, since the start."""


def of_queue(queue: Queue) -> tuple[Meter, ...]:
    """Return what is to be known of the hash pool."""

    def waiting() -> int:
        return max(0, queue.taken - queue.running)

    return (
        Reading("sallyport_hash_waiting", "Hashes that wait for a thread.", "gauge", waiting),
        Reading("sallyport_hash_running", "Hashes that have a thread.", "gauge", lambda: queue.running),
        Reading("sallyport_hash_refused", "Hashes without a place or a thread.", "counter", lambda: queue.refused),
    )


class Attempts:
    """Tries at a factor, counted once each of them is judged."""

    __slots__ = ("tally",)

    def __init__(self) -> None:
        self.tally = Tally("sallyport_attempts", "Tries at a factor that were judged.", "factor", "outcome")

    def count(self, factor: str, outcome: str) -> None:
        """Count one try. Both words are the code's own, never a client's: each new one is a new line for good."""
        self.tally.count(factor, outcome)


class Throttled:
    """Requests that were refused for too many tries."""

    __slots__ = ("tally",)

    def __init__(self) -> None:
        self.tally = Tally("sallyport_throttled", "Requests refused for too many tries, not judged.", "lane")

    def count(self, lane: str) -> None:
        """Count one refusal by the lane whose tries are used up: the code's own word, never a client's."""
        self.tally.count(lane)


class Meters:
    """Everything that is counted, in one list; made once, in the wiring."""

    def __init__(self, *others: Meter) -> None:
        self.attempts = Attempts()
        self.throttled = Throttled()
        self.reported = Tally(
            "sallyport_policy_reported", "Requests that a rule in report-only mode would have refused."
        )
        self.requests = Histogram(
            "sallyport_http_request_seconds", "Time from a request to its answer.", "route", "method", "status"
        )
        self._all: list[Meter] = [self.requests, self.attempts.tally, self.throttled.tally, self.reported, *others]

    def watch(self, *meters: Meter) -> None:
        """Add what other parts count."""
        self._all += meters

    def families(self) -> list[Family]:
        """Return every number at this moment."""
        return [meter.family() for meter in self._all]


def total(families: Iterable[Family]) -> list[Family]:
    """Add up families of the same name, number by number, as those of several processes are."""
    found: dict[str, Family] = {}
    for family in families:
        before = found.get(family.name.name)
        found[family.name.name] = _sum(before, family) if before else family
    return list(found.values())


def _sum(one: Family, other: Family) -> Family:
    rows = dict(one.rows)
    for labels, numbers in other.rows.items():
        before = rows.get(labels, [0.0] * len(numbers))
        rows[labels] = [a + b for a, b in zip(before, numbers, strict=True)]
    return msgspec.structs.replace(one, rows=rows)
