"""The load: keep-alive connections that send ready-made requests and look at little but the status."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

_LENGTH = b"content-length: "
_OK = b"HTTP/1.1 200"


def request(method: str, path: str, headers: Mapping[str, str], body: Any = None) -> bytes:
    """Write a request."""
    given = {"host": "127.0.0.1", **headers}
    content = b"" if body is None else json.dumps(body).encode()
    if content:
        given |= {"content-type": "application/json", "content-length": str(len(content))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    return "\r\n".join(lines).encode() + content


class Connection(asyncio.Protocol):
    """One keep-alive connection. Hands over each whole answer, and an empty one when it is cut off."""

    def __init__(self) -> None:
        self.answered: Callable[[bytes], None] = lambda _: None
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self.send = self._transport.write
        self.close = self._transport.close
        self.is_closing = self._transport.is_closing

    def data_received(self, data: bytes) -> None:
        """Hand over an answer as soon as it is whole."""
        held = self._held + data
        if _is_whole(held):
            self._held = b""
            self.answered(held)
        else:
            self._held = held

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # as asyncio calls it
        """Say so with an empty answer."""
        self.answered(b"")


def _is_whole(held: bytes) -> bool:
    end = held.find(b"\r\n\r\n")
    at = held.find(_LENGTH, 0, end)
    if end < 0 or at < 0:
        return False
    return len(held) >= end + 4 + int(held[at + len(_LENGTH) : held.find(b"\r", at)])


@dataclass(slots=True)
class Load:
    """What came of a load."""

    seconds: float = 0.0
    polls: int = 0
    idle_polls: int = 0
    """Looks at the sockets that found nothing. Where there are hardly any, the load is what was measured."""
    latencies: list[float] = field(default_factory=list)
    refused: Counter[bytes] = field(default_factory=Counter)
    """Answers that were not 200, by their first line."""

    @property
    def spare(self) -> float:
        """Share of its polls in which the load had nothing to do."""
        return self.idle_polls / self.polls

    @property
    def rate(self) -> float:
        """Granted requests a second."""
        return len(self.latencies) / self.seconds

    def demand_clean(self) -> "Load":
        """Return this load. Raises `RuntimeError` if one answer was not 200: then nothing was measured."""
        if self.refused or not self.latencies:
            message = f"answers that were not 200: {dict(self.refused)}, beside {len(self.latencies)} that were"
            raise RuntimeError(message)
        return self


class _Worker:
    """Sends one request after the other over one connection."""

    def __init__(self, connection: Connection, requests: Iterator[bytes], until: float, load: Load) -> None:
        self._connection = connection
        self._requests = requests
        self._until = until
        self._load = load
        self._begun = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        connection.answered = self._answered

    def next(self) -> None:
        """Send the next request, unless there is none or the time is over."""
        self._begun = time.perf_counter()
        wanted = next(self._requests, None) if self._begun < self._until else None
        if wanted is None:
            self.done.set_result(None)
        else:
            self._connection.send(wanted)

    def _answered(self, answer: bytes) -> None:
        if self.done.done():
            return
        if answer.startswith(_OK):
            self._load.latencies.append(time.perf_counter() - self._begun)
        else:
            self._load.refused[answer.partition(b"\r\n")[0]] += 1
        if answer:
            self.next()
        else:
            self.done.set_result(None)


async def drive(
    port: int, requests: Iterator[bytes], *, at_once: int, seconds: float = 60.0, awake: bool = True
) -> Load:
    """Send requests, so many at once, until there are no more or the time is over.

    `awake` is for a load with a core of its own.
    """
    loop, load = asyncio.get_running_loop(), Load()
    # Each from an address of its own, as people come, and as in the one answer whose statements are the limit: of an
    # address that all of them share every try in flight is counted, read and written again by each of the others.
    homes = [(f"127.0.1.{number}", 0) for number in range(1, at_once + 1)]
    connections = [(await loop.create_connection(Connection, "127.0.0.1", port, local_addr=home))[1] for home in homes]
    begun = time.perf_counter()
    workers = [_Worker(connection, requests, begun + seconds, load) for connection in connections]
    for worker in workers:
        worker.next()
    stop = _stay_awake(load) if awake else lambda: None
    await asyncio.gather(*(worker.done for worker in workers))
    load.seconds = time.perf_counter() - begun
    stop()
    for connection in connections:
        connection.close()
    return load


def _stay_awake(load: Load) -> Callable[[], None]:
    """Poll without a pause until the returned function is called.

    A load that sleeps has to be woken by each answer, and the server's core pays for it: in a virtual machine
    30 µs a request, more than all the rest of a bare answer.
    """
    loop, seen, awake = asyncio.get_running_loop(), -1, True

    def poll() -> None:
        nonlocal seen
        answers = len(load.latencies)
        load.polls += 1
        load.idle_polls += answers == seen
        seen = answers
        if awake:
            loop.call_soon(poll)

    def stop() -> None:
        nonlocal awake
        awake = False

    poll()
    return stop


class Caller:
    """Sends single requests and reads their answers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    async def to(cls, port: int) -> "Caller":
        """Connect."""
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
        return cls(connection)

    async def call(self, wanted: bytes) -> Any:
        """Return the JSON of the answer. Raises `RuntimeError` if it is not 200."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._connection.answered = answer.set_result
        self._connection.send(wanted)
        head, _, body = (await answer).partition(b"\r\n\r\n")
        self._connection.answered = lambda _: None  # the server may hang up on who has nothing to ask
        if not head.startswith(_OK):
            message = f"not 200: {head.partition(chr(13).encode())[0]!r} {body!r}"
            raise RuntimeError(message)
        return json.loads(body)

    def close(self) -> None:
        """Hang up."""
        self._connection.answered = lambda _: None
        self._connection.close()
