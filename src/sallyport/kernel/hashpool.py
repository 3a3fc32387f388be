"""The bounded pool in which slow hashes run, off the event loop."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from sallyport.kernel.outcomes import Overloaded

T = TypeVar("T")

WAIT_SECONDS: Final = 1.0


class HashPool:
    """As many threads as this process has cores: more would only make each hash slower."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or len(os.sched_getaffinity(0))
        self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="hash")

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in the pool. Raises `Overloaded` if no thread came free within a second."""
        deadline = time.monotonic() + WAIT_SECONDS

        def unless_late() -> T:
            if time.monotonic() > deadline:
                raise Overloaded
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._executor, unless_late)

    def soon(self, work: Callable[[], T]) -> Future[T]:
        """Start `work` in the pool, however long it waits: for what is made while the service starts."""
        return self._executor.submit(work)

    def close(self) -> None:
        """Let running hashes end and take no more."""
        self._executor.shutdown(wait=True, cancel_futures=True)
