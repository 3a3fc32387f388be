"""The open loop: requests leave when their time has come, whether or not the answers before have arrived.

Latency counts from the moment in which a request was due, so that a server that stalls does not hide its stall by
holding the load up.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from random import SystemRandom

from bench.load import Connection

Answered = Callable[[bytes], None]
Ask = Callable[[], tuple[bytes, Answered]]
"""Makes the next request, and says who reads its answer."""

_random = SystemRandom()


@dataclass(slots=True)
class Heard:
    """What came back: seconds by status. An answer that never came has the status 0."""

    sent: int = 0
    latencies: dict[int, list[float]] = field(default_factory=dict)

    def of(self, *statuses: int) -> list[float]:
        """Return the latencies of these statuses."""
        return [seconds for status in statuses for seconds in self.latencies.get(status, [])]

    def but(self, *statuses: int) -> list[float]:
        """Return the latencies of all other statuses."""
        return [seconds for status, known in self.latencies.items() if status not in statuses for seconds in known]


class OpenLoop:
    """Sends requests at a rate, over as many connections as that takes."""

    def __init__(self, port: int, ask: Ask, rate: float, *, addresses: list[str], most: int) -> None:
        self.heard = Heard()
        self._port = port
        self._ask = ask
        self._rate = rate
        self._addresses = cycle(addresses)
        self._most = most
        self._idle: deque[Connection] = deque()
        self._open = 0
        self._due: deque[float] = deque()
        self._on_the_way = 0

    async def connect(self, count: int) -> None:
        """Open connections before they are needed."""
        for _ in range(count):
            self._idle.append(await self._connection())

    async def run(self, seconds: float, patience: float = 5.0) -> Heard:
        """Send for so long, then wait for the answers that are still out. Arrivals come as a Poisson process."""
        begun = time.perf_counter()
        arrivals = self._arrivals(begun, begun + seconds)
        following = next(arrivals, None)
        while following is not None:
            now = time.perf_counter()
            while following is not None and following <= now:
                self._due.append(following)
                self.heard.sent += 1
                following = next(arrivals, None)
            await self._send_due()
            await asyncio.sleep(0 if following is None or following - now < 0.001 else following - now - 0.001)
        deadline = time.perf_counter() + patience
        while (self._on_the_way or self._due) and time.perf_counter() < deadline:
            await self._send_due()
            await asyncio.sleep(0.002)
        self.heard.latencies.setdefault(0, []).extend([patience] * (self._on_the_way + len(self._due)))
        return self.heard

    def close(self) -> None:
        """Hang up."""
        for connection in self._idle:
            connection.answered = lambda _: None
            connection.close()
        self._idle.clear()

    def _arrivals(self, begun: float, end: float) -> Iterator[float]:
        at = begun
        while (at := at + _random.expovariate(self._rate)) < end:
            yield at

    async def _send_due(self) -> None:
        while self._due:
            while self._idle and self._idle[0].is_closing():  # idle too long: the server has hung up
                self._idle.popleft()
                self._open -= 1
            if not self._idle:
                if self._open >= self._most:
                    return
                self._idle.append(await self._connection())
            self._send(self._idle.popleft(), self._due.popleft())

    def _send(self, connection: Connection, due: float) -> None:
        wanted, read = self._ask()
        self._on_the_way += 1

        def answered(answer: bytes) -> None:
            connection.answered = lambda _: None
            self._on_the_way -= 1
            status = int(answer[9:12]) if answer else 0
            self.heard.latencies.setdefault(status, []).append(time.perf_counter() - due)
            if answer:
                self._idle.append(connection)
                read(answer)
            else:
                self._open -= 1

        connection.answered = answered
        connection.send(wanted)

    async def _connection(self) -> Connection:
        self._open += 1
        loop, local = asyncio.get_running_loop(), (next(self._addresses), 0)
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self._port, local_addr=local)
        return connection
