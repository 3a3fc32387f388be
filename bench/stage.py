"""What the measures stand on: towns, servers and the limits' process, each made when it is first wanted."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from bench.cores import every_core, server_core
from bench.people import Person, Town, environ_of, service_in
from bench.server import Server

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    rounds: int
    crowd: int
    """People with MFA in the town of most measures: each answers one challenge a round."""
    passwords: int
    """People without MFA there."""
    towns: tuple[int, ...]
    """How many users the databases of `growth` have."""
    guests: int
    """How many of them ask there, when it is warm."""
    strangers: int
    """And when it is cold."""
    seconds: float
    """How long a load lasts."""
    patience: float
    """Seconds in which rounds that strangers disturbed are measured again."""


FULL = Size(
    rounds=7,
    crowd=4_000,
    passwords=500,
    seconds=1.5,
    patience=60,
    towns=(1_000, 100_000, 1_000_000),
    guests=300,
    strangers=40,
)
QUICK = Size(
    rounds=3, crowd=1_000, passwords=200, seconds=0.6, patience=5, towns=(1_000, 20_000), guests=60, strangers=10
)


@dataclass
class Settled:
    """A town with a server in front of it."""

    directory: Path
    town: Town
    server: Server
    people: list[Person]
    plain: list[Person] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


class Stage:
    """Holds everything until the bench ends."""

    def __init__(self, size: Size, directory: Path) -> None:
        self.size = size
        self._directory = directory
        self._stack = ExitStack()
        self._runner = self._stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the one event loop of the bench."""
        return self._runner.run(work)

    @cached_property
    def main(self) -> Settled:
        """The town of most measures."""
        settled = self._settle("main", self.size.crowd)
        settled.plain = self.run(settled.town.settle(self.size.passwords, mfa=False, first=self.size.crowd))
        settled.tokens = self.run(settled.town.tokens(settled.people))
        return settled

    @cached_property
    def wide(self) -> Server:
        """A second server on the main town's database, with every core."""
        directory = self.main.directory
        with every_core():
            return self._started(lambda: Server("sallyport", environ_of(directory), pinned=False))

    @cached_property
    def bare(self) -> Server:
        """The server of W."""
        return self._started(lambda: Server("bench.bare", {}, ready=b"/"))

    @cached_property
    def _limits(self) -> "subprocess.Popen[str]":
        directory = self._folder("limits")
        command = [sys.executable, "-m", "bench.limits", str(directory), str(self.size.crowd)]
        with server_core():
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._stack.callback(process.wait)
        if process.stdin and process.stdout:
            self._stack.callback(process.stdin.close)
            process.stdout.readline()
        return process

    def limit(self, name: str, how_much: float) -> float:
        """Measure a single part on the core of the server."""
        pipes = self._limits
        if pipes.stdin is None or pipes.stdout is None:
            raise BrokenPipeError
        pipes.stdin.write(f"{name} {how_much}\n")
        pipes.stdin.flush()
        return float(pipes.stdout.readline())

    def close(self) -> None:
        """End every process."""
        self._stack.close()

    def _settle(self, name: str, crowd: int) -> Settled:
        directory = self._folder(name)
        service = service_in(directory)
        self._stack.callback(service.close)
        town = Town(service)
        people = self.run(town.settle(crowd, mfa=True))
        return Settled(directory, town, self._started(lambda: Server("sallyport", environ_of(directory))), people)

    def _folder(self, name: str) -> Path:
        directory = self._directory / name
        directory.mkdir()
        return directory

    def _started(self, start: Callable[[], Server]) -> Server:
        server = start()
        self._stack.callback(server.stop)
        return server
