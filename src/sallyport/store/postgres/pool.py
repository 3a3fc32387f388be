"""The connections of a process: made when they are wanted, kept as long as they live."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, cast

from psycopg.pq.abc import PGconn

from sallyport.store.postgres.link import Link
from sallyport.store.work import StorageUnavailableError

Connect = Callable[[], PGconn]

_AT_ONCE: Final = 4
"""Connections that are being made at the same time: a server that comes back is not stormed."""


class Pool:
    """Gives links out, the one used last first, so that few stay warm."""

    def __init__(self, connect: Connect, most: int) -> None:
        """`connect` blocks, and raises `StorageUnavailableError`."""
        self._connect = connect
        self._most = most
        self._idle: list[Link] = []
        self._links: set[Link] = set()
        self._opening = 0
        self._waiting: deque[asyncio.Future[Link]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="connect")

    @property
    def size(self) -> int:
        """How many connections there are."""
        return len(self._links)

    async def take(self, seconds: float) -> Link:
        """Return a link for this caller alone. Raises `StorageUnavailableError` if none came free in time."""
        self._move_to(asyncio.get_running_loop())
        if self._closed:
            raise StorageUnavailableError("the service is closing")
        if self._idle:
            return self._idle.pop()
        future: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._open_if_wanted()
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            self._give_on(future)
            raise StorageUnavailableError("no connection to the database came free in time") from None
        except asyncio.CancelledError:
            self._give_on(future)
            raise

    def give(self, link: Link) -> None:
        """Take a link back; a lost one is forgotten."""
        if link.is_lost:
            return
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(link)
                return
        self._idle.append(link)

    def _give_on(self, future: asyncio.Future[Link]) -> None:
        """Give on what came in the very moment in which its caller left."""
        if future.done() and not future.cancelled() and not future.exception():
            self.give(future.result())

    def close(self) -> None:
        """Close every connection, whatever is under way on it."""
        self._closed = True
        self._drop("the service is closing")
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Follow the caller into another event loop: a first start runs in one of its own."""
        if self._loop is not loop:
            self._drop("the event loop has ended")
            self._opening = 0
            self._loop = loop

    def _drop(self, why: str) -> None:
        for link in list(self._links):
            link.lose(why)
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_exception(StorageUnavailableError(why))

    def _lost(self, link: Link) -> None:
        self._links.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        if self._loop and self._loop.is_running() and not self._closed:
            self._open_if_wanted()

    def _open_if_wanted(self) -> None:
        if len(self._links) + self._opening < self._most and self._opening < len(self._waiting):
            self._opening += 1
            self._open(cast("asyncio.AbstractEventLoop", self._loop))

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:

        def opened(made: asyncio.Future[PGconn]) -> None:
            self._opened(loop, made)

        loop.run_in_executor(self._threads, self._connect).add_done_callback(opened)

    def _opened(self, loop: asyncio.AbstractEventLoop, made: asyncio.Future[PGconn]) -> None:
        if self._loop is not loop or self._closed:
            if not made.cancelled() and not made.exception():
                made.result().finish()
            return
        self._opening -= 1
        fault = made.exception()
        if fault is None:
            link = Link(made.result(), loop, self._lost)
            self._links.add(link)
            self.give(link)
            return
        # Nobody else will have more luck at this moment: all hear why, and the next request tries again.
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_exception(fault)
