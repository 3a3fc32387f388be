"""The connections of a process: made when they are wanted, kept as long as they live."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, cast

from psycopg import OperationalError
from psycopg.pq.abc import PGconn

from sallyport.store.postgres.link import Link
from sallyport.store.work import StorageUnavailableError

Connect = Callable[[], PGconn]

_AT_ONCE: Final = 4
"""Connections that are being made at the same time: a server that comes back is not stormed."""


_REST: Final = 0.1
"""Seconds without a new attempt after one that failed."""
_HOPELESS: Final = 0.5
"""Seconds after which an attempt of a process without any connection is not waited for by more requests."""


class Pool:
    """Gives links out, the one used last first, so that few stay warm."""

    def __init__(self, connect: Connect, most: int) -> None:
        """`connect` blocks, and raises `StorageUnavailableError`."""
        self._connect = connect
        self._most = most
        self._idle: list[Link] = []
        self._links: set[Link] = set()
        self._opening = 0
        self._opening_since = 0.0
        self._rest_until = 0.0
        self._fault = ""
        """Why there is no connection at all; empty where one may be made for a request, or is there."""
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
        self._demand_hope()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Link] = loop.create_future()
        self._waiting.append(future)
        self._open()
        alarm = loop.call_later(seconds, _give_up, future)
        try:
            return await future
        except asyncio.CancelledError:
            self._give_on(future)
            raise
        finally:
            alarm.cancel()

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
            self._opening, self._fault = 0, ""
            self._loop = loop

    def _drop(self, why: str) -> None:
        for link in list(self._links):
            link.lose(why)
        self._refuse_all(why)

    def _lost(self, link: Link) -> None:
        self._links.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        if self._loop and self._loop.is_running() and not self._closed:
            self._open()

    def _demand_hope(self) -> None:
        """Raise `StorageUnavailableError` at once where waiting would be in vain.

        While the server is away, hundreds of requests that wait would fill the seats before the hash, and memory.
        """
        if self._links:
            return
        if self._fault:
            raise StorageUnavailableError(self._fault)
        if self._opening and time.monotonic() > self._opening_since + _HOPELESS:
            raise StorageUnavailableError("the database does not answer")

    def _open(self) -> None:
        """Make one more connection, if somebody waits for it and the server is not to be left alone."""
        if len(self._links) + self._opening >= self._most or self._opening >= min(_AT_ONCE, len(self._waiting)):
            return
        if time.monotonic() >= self._rest_until:
            self._attempt()

    def _attempt(self) -> None:
        loop = cast("asyncio.AbstractEventLoop", self._loop)
        self._opening_since = self._opening_since if self._opening else time.monotonic()
        self._opening += 1

        def opened(made: asyncio.Future[PGconn]) -> None:
            self._opened(loop, made)

        loop.run_in_executor(self._threads, self._connect).add_done_callback(opened)

    def _opened(self, loop: asyncio.AbstractEventLoop, made: asyncio.Future[PGconn]) -> None:
        if self._loop is not loop or self._closed:
            if not made.cancelled() and not made.exception():
                made.result().finish()
            return
        self._opening -= 1
        try:
            link = Link(made.result(), loop, self._lost)
        except (StorageUnavailableError, OperationalError) as fault:
            self._failed(fault)
            return
        self._fault, self._rest_until = "", 0.0
        self._links.add(link)
        self.give(link)
        self._open()

    def _failed(self, fault: Exception) -> None:
        """Leave the server alone for a moment. With connections that are there, it may only have too many of them."""
        self._rest_until = time.monotonic() + _REST
        if not self._links:
            self._fault = str(fault)
            self._refuse_all(self._fault)
            asyncio.get_running_loop().call_later(_REST, self._look_again)

    def _look_again(self) -> None:
        """Find out by ourselves that the server is back: requests are refused until then."""
        if not self._links and not self._opening and not self._closed:
            self._attempt()

    def _refuse_all(self, why: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_exception(StorageUnavailableError(why))


def _give_up(future: asyncio.Future[Link]) -> None:
    if not future.done():
        future.set_exception(StorageUnavailableError("no connection to the database came free in time"))
