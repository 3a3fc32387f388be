"""The bounded pool in which slow hashes run, off the event loop, and the seats in front of it.

A request takes its seat before it asks the database anything: where the queue is a second long, one more is
refused at once instead of after a second.
"""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self, TypeVar

from sallyport.kernel.outcomes import Overloaded

T = TypeVar("T")

WAIT_SECONDS: Final = 1.0
"""Longest wait for a thread."""
_ORDINARY: Final = 0.6
_WITH_RESERVE: Final = 0.8
"""Shares of that second which may be queued: what is left of it allows for noise."""
_FIRST_GUESS: Final = 0.02
"""Seconds of a job, until some were measured."""
_MEMORY: Final = 0.1
"""Weight of the newest job in the measured mean."""


class HashPool:
    """As many threads as this process has cores: more would only make each hash slower."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or len(os.sched_getaffinity(0))
        self.taken = 0
        """Seats taken at this moment."""
        self.running = 0
        """Jobs that a thread works on at this moment."""
        self.refused = 0
        """Seats refused since the start, and waits that were too long."""
        self.seconds = _FIRST_GUESS
        """What a job takes, as measured lately."""
        self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="hash")

    def seat(self, *, reserve: bool = False) -> "Seat":
        """Take a seat in the queue. Raises `Overloaded` at once where there is none.

        `reserve` asks for one of those that are kept for known clients, where there is no other.
        """
        if self.taken < self._seats(_ORDINARY):
            return Seat(self, reserved=False)
        if reserve and self.taken < self._seats(_WITH_RESERVE):
            return Seat(self, reserved=True)
        self.refused += 1
        raise Overloaded

    def no_seat(self) -> "Seat":
        """Return the seat of one who needs none, because nothing slow will be asked for."""
        return Seat(self, reserved=False, counts=False)

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in the pool, in a seat of its own. Raises `Overloaded`."""
        with self.seat() as seat:
            return await seat.run(work)

    def soon(self, work: Callable[[], T]) -> Future[T]:
        """Start `work` in the pool, however long it waits: for what is made while the service starts."""
        return self._executor.submit(work)

    def close(self) -> None:
        """Let running hashes end and take no more."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def run_timed(self, work: Callable[[], T]) -> T:
        """Run `work` for one who has a seat, and learn what it took. Raises `Overloaded` if no thread came free."""
        deadline = time.monotonic() + WAIT_SECONDS

        def timed() -> tuple[T, float]:
            begun = time.monotonic()
            if begun > deadline:
                raise Overloaded
            self.running += 1
            try:
                return work(), time.monotonic() - begun
            finally:
                self.running -= 1

        try:
            done, seconds = await asyncio.get_running_loop().run_in_executor(self._executor, timed)
        except Overloaded:
            self.refused += 1
            raise
        self.seconds += _MEMORY * (seconds - self.seconds)
        return done

    def _seats(self, share: float) -> int:
        return max(2, round(share * WAIT_SECONDS / max(self.seconds, 1e-6))) * self.threads


class Seat:
    """A seat in the queue of the pool, held by `with` until the last job of a request is done."""

    __slots__ = ("_counts", "_pool", "_reserved")

    def __init__(self, pool: HashPool, *, reserved: bool, counts: bool = True) -> None:
        self._pool = pool
        self._reserved = reserved
        self._counts = counts

    def __enter__(self) -> Self:
        self._pool.taken += self._counts
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.taken -= self._counts

    def demand(self, *, known: bool) -> None:
        """Give a reserved seat up that a client took who is not known after all. Raises `Overloaded`."""
        if self._reserved and not known:
            raise Overloaded

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in the pool. Raises `Overloaded` if no thread came free within a second."""
        return await self._pool.run_timed(work)
