"""One route of a service in this very process: what its requests ask of the database and write to its log.

The requests go through uvicorn's protocol, without a socket: what is counted is the same each time, whoever else is on
the machine. Run under callgrind it counts instructions; `bench.costs` does that.
"""

import asyncio
import gc
import json
import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast

import uvicorn
import uvloop
from argon2 import PasswordHasher
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from bench.bare import bare
from bench.limits import Limits
from bench.load import request
from bench.people import CLIENT, Person, Town, environ_of
from sallyport.app import Application
from sallyport.authenticators.password.hashing import Cost
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import REFRESH, digest_of, new_token
from sallyport.sessions import store as sessions
from sallyport.sessions.rules import PASSWORD_AND_CODE, Session
from sallyport.settings import load
from sallyport.store.sqlite import SqliteWork
from sallyport.store.work import Rows
from sallyport.wiring import Machine, Service, build

CHEAP: Final = Cost(memory_kib=8, passes=1)
"""A hash is not what is counted here."""
_STATEMENTS: Final = "totp, statements"
_SEALING: Final = "row, sealed"
"""What comes half a second after each of them: its audit row gets its place in the chain."""
_NOON: Final = 1_800_000_000_000_000


class Ticking:
    """A clock that goes on by a microsecond with each look."""

    def __init__(self) -> None:
        self._now = _NOON

    def now(self) -> int:
        """Return the next moment."""
        self._now += 1
        return self._now


class Wire(asyncio.Transport):
    """What uvicorn takes for a connection."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 50_000), "sockname": ("127.0.0.1", 8080)})
        self.loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[bytes] = self.loop.create_future()
        self._held = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take a part of the answer; the body comes last, and whole."""
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        at = self._held.find(b"content-length: ")
        if len(self._held) >= end + 4 + int(self._held[at + 16 : self._held.find(b"\r", at)]):
            self.answered.set_result(bytes(self._held))
            self._held.clear()

    def is_closing(self) -> bool:
        """Return False."""
        return False

    def close(self) -> None:
        """Do nothing."""

    def pause_reading(self) -> None:
        """Do nothing."""

    def resume_reading(self) -> None:
        """Do nothing."""


class Line:
    """A keep-alive connection to the service."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        self._wire = Wire(address)
        self._protocol = HttpToolsProtocol(config, ServerState(), {})
        self._protocol.connection_made(self._wire)

    async def ask(self, asked: bytes) -> bytes:
        """Return the whole answer."""
        self._wire.answered = self._wire.loop.create_future()
        self._protocol.data_received(asked)
        return await self._wire.answered

    def hang_up(self) -> None:
        """End what uvicorn waits for."""
        self._protocol.connection_lost(None)


async def settle(service: Service, count: int) -> dict[str, list[str]]:
    """Write people for every route; returns the requests of each, as text."""
    town = Town(service, CHEAP)
    people, plain = await town.settle(count, mfa=True), await town.settle(count, mfa=False, first=count)
    challenges = await town.challenge(people)
    tokens = await town.tokens(people)
    refresh = await _refresh_tokens(service, people)
    now = service.clock.now()
    asked = {
        "totp": [
            request("POST", "/auth/totp", {"authorization": f"jwt {opened.reveal()}"}, {"token": person.code(now)})
            for person, opened in zip(people, challenges, strict=True)
        ],
        "password": [person.password_request() for person in plain],
        "challenge": [person.password_request() for person in people],
        "refresh": [request("POST", "/auth/refresh", {}, {"refresh": token.reveal()}) for token in refresh],
        "me": [request("GET", "/users/me", {"authorization": f"Bearer {tokens[0]}"})] * count,
        "me, new": [request("GET", "/users/me", {"authorization": f"Bearer {token}"}) for token in tokens],
        "bare": [request("GET", "/", {})] * count,
    }
    written = {route: [text.decode() for text in texts] for route, texts in asked.items()}
    written[_SEALING] = written["totp"]
    return written | {_STATEMENTS: [f"{person.number} {person.uid} {person.totp}" for person in people]}


async def _refresh_tokens(service: Service, people: Sequence[Person]) -> list[Hidden[str]]:
    now = service.clock.now()
    tokens = [new_token(REFRESH, service.randomness) for _ in people]

    def write(rows: Rows) -> None:
        for person, token in zip(people, tokens, strict=True):
            session = Session(
                uid=service.ids.new(),
                user=person.uid,
                proven=PASSWORD_AND_CODE,
                auth_time=now,
                created_at=now,
                last_used_at=now,
                ip=CLIENT.ip,
                user_agent=CLIENT.user_agent,
            )
            sessions.insert(rows, session)
            sessions.add_token(rows, digest_of(token), session.uid, now)

    await service.work(write)
    return tokens


async def play(app: Any, asked: deque[bytes], at_once: int) -> None:
    """Send all requests, so many at once, each from an address of its own. Raises where one is refused."""
    config = uvicorn.Config(
        app, http="httptools", ws="none", log_config=None, access_log=False, proxy_headers=False, server_header=False
    )
    lines = [Line(config, f"10.{number >> 8}.{number & 255}.9") for number in range(len(asked))]
    free = deque(lines)

    async def one() -> None:
        while asked:
            answer = await free.popleft().ask(asked.popleft())
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())

    await asyncio.gather(*(one() for _ in range(at_once)))
    for line in lines:
        line.hang_up()


class Counted:
    """Counts what a service asks of its file, from its making to `told`."""

    def __init__(self, service: Service, path: Path) -> None:
        work = cast("SqliteWork", service.work)
        self._written: Counter[str] = Counter()
        self._read: Counter[str] = Counter()
        self._path = path
        # A reader from before keeps the log from being begun anew, so that its length tells what was written.
        self._reader = sqlite3.connect(path, isolation_level=None)
        self._reader.execute("BEGIN")
        self._reader.execute("SELECT count(*) FROM users").fetchone()
        self._before = self._frames()
        writer, reader = work._writer, work._reader  # noqa: SLF001  # nobody else has them
        writer.set_trace_callback(lambda text: self._written.update([text.split(" ", 1)[0]]))
        reader.set_trace_callback(lambda text: self._read.update([text.split(" ", 1)[0]]))

    def _frames(self) -> int:
        with closing(sqlite3.connect(self._path)) as other:
            return int(other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])

    def told(self) -> dict[str, int]:
        """Return commits, statements without those that begin and end transactions, and pages of log."""
        frames = self._frames() - self._before
        self._reader.close()
        around = {"BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "--"}
        statements = sum(count for word, count in (self._written + self._read).items() if word not in around)
        return {"commits": self._written["COMMIT"], "statements": statements, "pages": frames}


def service_of(directory: Path) -> Service:
    """Build the service of a folder, with a clock of its own, as far as `serve` does before it listens."""
    service = build(load({}, environ_of(directory), directory), Machine(clock=Ticking(), cost=CHEAP))
    service.prepare()
    return service


def _instrument(state: str) -> None:
    """Tell callgrind, under which this process runs, to count from here on, or no more."""
    command = ["callgrind_control", "-i", state, str(os.getpid())]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _played(service: Service, route: str, some: list[str], at_once: int) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return what plays a route; all that goes before it is done."""
    if route == _STATEMENTS:
        people = [Person(int(number), uid, totp) for number, uid, totp in map(str.split, some)]
        limits = Limits(service, people, [])
        orders = asyncio.run(limits.orders(people))
        return lambda: limits.run(orders, at_once)
    app = bare if route == "bare" else Application(service)
    if route == _SEALING:
        asyncio.run(play(app, deque(text.encode() for text in some), at_once))
        return service.seal
    return lambda: play(app, deque(text.encode() for text in some), at_once)


def main(directory: Path, route: str, count: int, at_once: int, mode: str) -> None:
    """Play a route, and print what was counted as JSON; or settle the people of all routes."""
    service, written = service_of(directory), directory / "asked.json"
    if route == "settle":
        written.write_text(json.dumps(asyncio.run(settle(service, count))))
        service.close()
        return
    if mode == "instructions":
        # Valgrind does not know every instruction of a native build, and a hash is not what is counted.
        PasswordHasher.verify = lambda *_: True  # type: ignore[method-assign]
        PasswordHasher.hash = lambda *_: ""  # type: ignore[method-assign]
    some = random.Random(0).sample(json.loads(written.read_text())[route], count)
    played = _played(service, route, some, at_once)
    gc.collect()
    gc.freeze()
    watch = Counted(service, directory / "sallyport.db") if mode == "counted" else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if mode == "instructions":
            _instrument("on")
        runner.run(played())
        if mode == "instructions":
            _instrument("off")
    print(json.dumps(watch.told() if watch else {}))
    service.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
