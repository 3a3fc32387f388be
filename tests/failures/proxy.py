"""A network that misbehaves: between the service and its PostgreSQL server, in a thread of the tests' own."""

import asyncio
import socket
import struct
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from tests.ports import free_port

T = TypeVar("T")
HOST = "127.0.0.1"
# RFC 793 3.8: a socket that lingers for no time resets its connection.
_AT_ONCE = struct.pack("ii", 1, 0)


class Way(Enum):
    """What becomes of bytes, and of new connections."""

    OPEN = "open"
    SWALLOW = "both directions are swallowed"
    SWALLOW_UP = "what goes to the server is swallowed"
    SWALLOW_DOWN = "what comes from the server is swallowed"
    MUTE = "connections are accepted, and nobody answers"
    REFUSED = "connections are reset, and new ones refused"
    RESET = "connections are reset, new ones as well"


class AtCommit(Enum):
    """Where the line is cut around a COMMIT."""

    BEFORE = "the COMMIT never arrives"
    MIDDLE = "half of the COMMIT arrives"
    AFTER = "the answer to the COMMIT never arrives"
    RESET = "the line is reset in place of the answer"


@dataclass(eq=False)
class _Line:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    names: dict[bytes, bytes] = field(default_factory=dict)
    """The statements that the client has prepared."""
    marked: bool = False
    """Whether the transaction under way has run the statement that is looked for."""
    dead: bool = False
    """Whether everything that comes now is swallowed."""
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)


class Proxy:
    """Listens on a port of loopback, and speaks to the socket of a cluster."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._way = Way.OPEN
        self._lines: set[_Line] = set()
        self._at_commit: AtCommit | None = None
        self._behind = b""
        self.accepted = 0
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._door: socket.socket | None = None
        self._serving = set[asyncio.Task[None]]()
        self.port = free_port()
        self._do(self._listen())

    @property
    def lines(self) -> int:
        return len(self._lines)

    def go(self, way: Way) -> None:
        """Change the weather. What was swallowed does not come back: such lines end when it clears up."""
        self._do(self._go(way))

    def cut_at_commit(self, where: AtCommit, behind: str) -> None:
        """Cut the line at the COMMIT of the next transaction that runs a statement with this text in it."""
        self._behind, self._at_commit = behind.encode(), where

    @property
    def has_cut(self) -> bool:
        return self._at_commit is None

    def close(self) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _listen(self) -> None:
        # Not asyncio's own server: one that is closed between the acceptance of a connection and the making of its
        # transport drops the socket unclosed (CPython 3.11, selector_events._accept_connection2).
        self._door = socket.create_server((HOST, self.port))
        self._door.settimeout(0)
        self._loop.add_reader(self._door, self._accept, self._door)

    def _accept(self, door: socket.socket) -> None:
        with suppress(OSError):  # whoever knocked has gone
            task = self._loop.create_task(self._serve(door.accept()[0]))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    def _shut(self) -> None:
        if self._door:
            self._loop.remove_reader(self._door)
            self._door.close()
            self._door = None

    async def _go(self, way: Way) -> None:
        before, self._way = self._way, way
        if way in {Way.REFUSED, Way.RESET}:
            self._reset_all()
        if before is not Way.OPEN and way is Way.OPEN:
            for line in [line for line in self._lines if line.dead]:
                self._reset(line)
        if way is Way.REFUSED:
            self._shut()
        elif self._door is None:
            await self._listen()

    async def _close(self) -> None:
        self._shut()
        await asyncio.sleep(0.05)  # whom the door has let in at the last moment is a line then, and is reset as well
        self._reset_all()
        await asyncio.sleep(0.05)  # the transports close in the next turns of the loop

    def _reset_all(self) -> None:
        for line in list(self._lines):
            self._reset(line)

    def _reset(self, line: _Line) -> None:
        self._lines.discard(line)
        with suppress(OSError):  # the other side was faster
            line.client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        line.client.transport.abort()
        if line.server:
            line.server.transport.abort()
        for task in line.tasks:
            task.cancel()

    async def _serve(self, accepted: socket.socket) -> None:
        self.accepted += 1
        reader, writer = await asyncio.open_connection(sock=accepted)
        line = _Line(writer)
        self._lines.add(line)
        if self._way in {Way.RESET, Way.REFUSED}:
            self._reset(line)
            return
        if self._way is not Way.OPEN:
            line.dead = True
            line.tasks = [asyncio.ensure_future(self._swallow(reader))]
            return
        try:
            from_server, line.server = await asyncio.open_unix_connection(self._target)
        except OSError:
            self._reset(line)
            return
        if line not in self._lines:  # it was reset while the server was being reached
            line.server.transport.abort()
            return
        line.tasks = [
            asyncio.ensure_future(self._up(line, reader, line.server)),
            asyncio.ensure_future(self._down(line, from_server)),
        ]

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while await reader.read(65_536):
                pass

    async def _up(self, line: _Line, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if line.dead or self._way not in {Way.OPEN, Way.SWALLOW_DOWN}:
                    line.dead = True
                elif self._is_the_commit(line, data):
                    await self._cut(line, data, server)
                else:
                    server.write(data)
                    await server.drain()
        # A network that swallows everything swallows the end of a connection as well.
        if not line.dead and self._way is Way.OPEN:
            self._reset(line)

    async def _down(self, line: _Line, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if line.dead or self._way not in {Way.OPEN, Way.SWALLOW_UP}:
                    line.dead = True
                else:
                    line.client.write(data)
                    await line.client.drain()
        if not line.dead and self._way is Way.OPEN:
            self._lines.discard(line)
            line.client.close()
            for task in line.tasks[:1]:
                task.cancel()
            if line.server:
                line.server.transport.abort()

    def _is_the_commit(self, line: _Line, data: bytes) -> bool:
        if self._at_commit is None:
            _read(line, data, b"")
            return False
        return _read(line, data, self._behind)

    async def _cut(self, line: _Line, data: bytes, server: asyncio.StreamWriter) -> None:
        where, self._at_commit = self._at_commit, None
        line.dead = True
        if where is AtCommit.BEFORE:
            return
        server.write(data[: len(data) // 2] if where is AtCommit.MIDDLE else data)
        await server.drain()
        if where is AtCommit.RESET:
            await asyncio.sleep(0.1)  # until the server has done it
            self._reset(line)


def _read(line: _Line, data: bytes, behind: bytes) -> bool:
    """Follow what a client sends: postgresql.org/docs/current/protocol-message-formats.html, Parse and Bind.

    A batch arrives as a whole: it is far smaller than what is read at once. Returns whether the COMMIT is in it.
    """
    at = 0
    while at + 5 <= len(data) and data[at : at + 1] in b"PBDECSHpX":
        kind, length = data[at : at + 1], int.from_bytes(data[at + 1 : at + 5])
        first, second, *_ = (data[at + 5 : at + 1 + length] + b"\x00\x00").split(b"\x00", 2)
        at += 1 + length
        if kind == b"P":
            line.names[first] = second
        if kind != b"B":
            continue
        text = line.names.get(second, b"")
        if text == b"COMMIT" and line.marked:
            line.marked = False
            return True
        line.marked = text != b"BEGIN" and (line.marked or (bool(behind) and behind in text))
    return False


@contextmanager
def proxied(target: Path) -> Iterator[Proxy]:
    """Run a proxy until the end of a `with`."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
