"""A client's line to the server: it knows the very moment of the first byte, and whether an answer came at all."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
PATIENCE = 20.0


class CutError(Exception):
    """No whole answer came: what was asked may or may not have happened."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An acknowledged answer."""

    status: int
    body: Any

    @property
    def code(self) -> str:
        """The stable code of a refusal; empty where it was none."""
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


class Line:
    """One keep-alive connection. `on_byte` is called with the first byte of each answer, before the rest is read."""

    def __init__(self, port: int, address: str, on_byte: Callable[[], None] = lambda: None) -> None:
        self._port = port
        self._address = address
        self._on_byte = on_byte
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: Any = None, authorization: str = "") -> Reply:
        """Send a request and read its answer. Raises `CutError`."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._call(_written(method, path, body, authorization))
        except (OSError, EOFError) as fault:  # TimeoutError is an OSError, IncompleteReadError an EOFError
            raise CutError(f"{method} {path}: {type(fault).__name__}") from fault

    async def _call(self, wanted: bytes) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port, local_addr=(self._address, 0))
        reader, writer = self._streams
        writer.write(wanted)
        first = await reader.readexactly(1)
        self._on_byte()
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        content = await reader.readexactly(int(fields["content-length"]))
        return Reply(int(head[0].split()[1]), json.loads(content) if content else None)

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _written(method: str, path: str, body: Any, authorization: str) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(content)}"]
    if content:
        lines.append("Content-Type: application/json")
    if authorization:
        lines.append(f"Authorization: {authorization}")
    return "\r\n".join([*lines, "", ""]).encode() + content
