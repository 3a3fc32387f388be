"""Kills a real server with SIGKILL at random moments, again and again, and checks everything after each restart.

SIGKILL takes the process and leaves the kernel: what was written and not yet synced to the disk survives it. So this
shows answers that run ahead of their COMMIT, state that lives in memory only, half-done starts and recovery; it does
not show a missing fsync (`PRAGMA synchronous`). For that the power is cut: a library under the server notes what it
writes and syncs, and after the kill its files are put back to what a disk would have had (`disk.py`).
"""

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash.checks import MOST_TRIES, Checker
from tests.crash.disk import Disk
from tests.crash.journal import Journal, Person
from tests.crash.moves import Client
from tests.crash.wire import CutError, Line
from tests.ports import free_port
from tests.server import HOST, basic, command, environment

CLIENTS = 6
ELDERS = 6
LONGEST_START = 60.0
ADMIN_PASSWORD = "an operator chose these words"


class Moment(Enum):
    """When a server is killed."""

    LOAD = "during load"
    FIRST_BYTE = "at the first byte of an answer"
    START = "while it starts"
    FIRST_START = "while it starts for the first time"


# Two thirds during load, of which some at the first byte of an answer; the others while it starts.
TURNS = (
    Moment.LOAD,
    Moment.START,
    Moment.FIRST_BYTE,
    Moment.LOAD,
    Moment.FIRST_START,
    Moment.LOAD,
)


@dataclass
class Report:
    """What came of a run."""

    seed: int
    kills: dict[Moment, int] = field(default_factory=lambda: dict.fromkeys(Moment, 0))
    starts: list[float] = field(default_factory=list)
    acknowledged: int = 0
    doubts: int = 0
    people: int = 0
    throttled: bool = False
    syncs: int = 0
    dropped: int = 0
    """Changes that were lost with the power, wholly or in part."""

    def __str__(self) -> str:
        cut = f" {self.syncs} syncs, {self.dropped} changes lost with the power;" if self.syncs else ""
        kills = ", ".join(f"{count} {moment.value}" for moment, count in self.kills.items())
        return (
            f"seed {self.seed}: {sum(self.kills.values())} kills ({kills});{cut} {self.people} people, "
            f"{self.acknowledged} acknowledged answers, {self.doubts} doubts; wrong passwords "
            f"{'are' if self.throttled else 'are not'} counted; start to /readyz: "
            f"median {statistics.median(self.starts):.2f} s, longest {max(self.starts):.2f} s"
        )


class Process:
    """A server that can be killed at any moment, from its first on; where it has a disk, the power goes with it."""

    def __init__(self, folder: Path, disk: Disk | None) -> None:
        self.port = free_port()
        self._disk = disk
        self._folder = folder
        self._err = folder / "err"
        given = {
            "SALLYPORT_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "SALLYPORT_PUBLIC_URL": f"http://{HOST}:8080",
            # Two folders deep: nothing but the service itself makes their names last.
            "SALLYPORT_KEYS_DIR": f"{folder}/secret/keys",
        } | (disk.begin() if disk else {})
        self.begun = time.monotonic()
        with self._err.open("w") as err:
            self._process = subprocess.Popen(
                command("serve", "--port", str(self.port)),
                cwd=folder,
                env=environment(folder, **given),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
                # A group of its own, so that nothing of it outlives the kill.
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill it without a word, wherever it is."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def bury(self) -> None:
        """Kill it and wait until the kernel has let go of it."""
        self.kill()
        self._process.wait()
        if self._disk:
            self._disk.lose_power()
            self._disk = None

    async def ready(self) -> float:
        """Wait for the first 200 of /readyz; returns the seconds since the start."""
        while time.monotonic() < self.begun + LONGEST_START:
            if self._process.poll() is not None:
                raise AssertionError(f"serve ended by itself:\n{self._err.read_text()}")
            # From another address: to a port of one's own address where nobody listens yet, TCP can connect to itself.
            with closing(Line(self.port, "127.0.0.2")) as line, suppress(CutError):
                if (await line.call("GET", "/readyz")).status == 200:
                    return time.monotonic() - self.begun
            await asyncio.sleep(0.01)
        raise AssertionError(f"serve is not ready:\n{self._err.read_text()}")

    def demand_no_fault(self) -> None:
        """Demand that it has logged no error of its own."""
        text = self._err.read_text()
        assert "Traceback" not in text, text
        assert '"error"' not in text, text


class Harness:
    """Keeps a server on one set of files, and the journal of its clients."""

    def __init__(self, folder: Path, seed: int, library: Path | None = None) -> None:
        """`library` notes what goes to the disk; without it the power stays on."""
        self._folder = folder
        self._library = library
        self._random = random.Random(seed)
        self._journal = Journal(folder / "journal")
        self.report = Report(seed)
        self._data = folder / "data"
        self._data.mkdir()
        self._disk = self._disk_under(self._data)
        self._round = 0
        self._processes: list[Process] = []

    async def run(self, kills: int) -> Report:
        """Kill so many times. Raises `AssertionError` for the first fact that does not hold."""
        try:
            server = await self._started()
            self.report.throttled = await self._counts_passwords(server)
            for turn in range(kills):
                self._round += 1
                server = await self._one_turn(server, TURNS[turn % len(TURNS)])
        finally:
            for started in self._processes:
                started.bury()
            self._journal.close()
        self.report.acknowledged, self.report.doubts = self._journal.acknowledged, self._journal.doubts
        self.report.people = len(self._journal.people)
        if self._disk:
            self.report.syncs, self.report.dropped = self._disk.syncs, self._disk.dropped
        return self.report

    def _disk_under(self, folder: Path) -> Disk | None:
        if self._library is None:
            return None
        return Disk(folder, self._library, self._folder / f"{folder.name}.trace", seed=self._random.random())

    async def _one_turn(self, server: Process, moment: Moment) -> Process:
        match moment:
            case Moment.FIRST_START:
                await self._first_start_killed()
                self.report.kills[moment] += 1
                return server
            case Moment.START:
                # The server that lives is killed at rest; the one that counts, in the middle of its start.
                server.bury()
                await self._start_killed(self._data, 0.6, self._disk)
            case Moment.LOAD:
                await self._load(server, self._random.uniform(0.1, 1.2), None)
            case Moment.FIRST_BYTE:
                await self._load(server, None, self._random.randrange(1, 120))
        self.report.kills[moment] += 1
        server.demand_no_fault()
        self._demand_integrity(self._data)
        server = await self._started()
        await self._check(server)
        return server

    async def _load(self, server: Process, seconds: float | None, answers: int | None) -> None:
        """Let the clients write until the kill: after some seconds, or at the first byte of an answer."""
        left = answers

        def on_byte() -> None:
            nonlocal left
            if left is not None:
                left -= 1
                if left == 0:
                    server.kill()

        heirs = [p for p in self._journal.people if not p.gone and p.uid and p.failures < 2][-2 * CLIENTS :]
        lines = [self._line(server, number, on_byte) for number in range(CLIENTS)]
        lives = [
            asyncio.create_task(Client(*self._of(number, line)).live(heirs[number::CLIENTS]))
            for number, line in enumerate(lines)
        ]
        if seconds is not None:
            await asyncio.wait(lives, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            server.kill()
        try:
            await asyncio.gather(*lives)
        finally:
            server.bury()
            for line in lines:
                line.close()

    async def _check(self, server: Process) -> None:
        """Check everybody who was touched, and glance at some whom nobody has touched for long."""
        touched = [person for person in self._journal.people if person.touched]
        others = [person for person in self._journal.people if not person.touched]
        elders = self._random.sample(others, min(ELDERS, len(others)))
        lines = [self._line(server, CLIENTS + number) for number in range(CLIENTS)]
        checkers = [Checker(*self._of(CLIENTS + number, line)) for number, line in enumerate(lines)]

        async def work(checker: Checker) -> None:
            checker.throttled = self.report.throttled
            while touched:
                await checker.check(touched.pop())
            while elders:
                await checker.glance(elders.pop())

        try:
            await asyncio.gather(*(work(checker) for checker in checkers))
        except CutError as fault:
            raise AssertionError("the restarted server does not answer") from fault
        finally:
            for line in lines:
                line.close()

    async def _start_killed(self, folder: Path, longest: float, disk: Disk | None) -> None:
        """Kill a start: after some time, or as soon as its files have changed some times: there it is tender."""
        after, changes = self._random.uniform(0.0, longest), self._random.choice((0, self._random.randrange(1, 30)))
        starting = Process(folder, disk)
        if changes:
            await _changed(folder, changes, starting.begun + longest)
        else:
            await asyncio.sleep(after)
        starting.bury()

    async def _first_start_killed(self) -> None:
        """Kill first starts in a folder of its own, until the last, which must come up with its admin."""
        with TemporaryDirectory(prefix="first-", dir=self._folder) as name:
            folder = Path(name)
            disk = self._disk_under(folder)
            for _ in range(3):
                await self._start_killed(folder, 1.2, disk)
            self._demand_integrity(folder)
            server = Process(folder, disk)
            try:
                await server.ready()
                with closing(Line(server.port, "127.0.0.2")) as line:
                    reply = await line.call("GET", "/auth/password", authorization=basic("admin", ADMIN_PASSWORD))
                assert reply.status == 200, f"the admin of a first start that was killed before: {reply}"
                server.demand_no_fault()
            finally:
                server.bury()

    async def _started(self) -> Process:
        self._processes = [Process(self._data, self._disk)]
        self.report.starts.append(await self._processes[0].ready())
        return self._processes[0]

    async def _counts_passwords(self, server: Process) -> bool:
        """Find out whether the sixth wrong password is refused at all in this version."""
        with closing(self._line(server, 2 * CLIENTS)) as line:
            client = Client(*self._of(2 * CLIENTS, line))
            person = Person("probe", "words that nobody guesses")
            await client.register(person)
            replies = [await client.one_password_guess(person) for _ in range(MOST_TRIES + 1)]
        return replies[-1].status == 429

    def _line(self, server: Process, number: int, on_byte: Callable[[], None] = lambda: None) -> Line:
        """Connect from an address of this round and client: no address has so many failures that it is throttled."""
        return Line(server.port, f"127.{1 + self._round % 250}.1.{1 + number}", on_byte)

    def _of(self, number: int, line: Line) -> tuple[Line, Journal, random.Random, str]:
        """Return what a client is made of; its randomness is its own, because clients run in no certain order."""
        return line, self._journal, random.Random(self._random.random()), f"r{self._round}c{number}"

    def _demand_integrity(self, data: Path) -> None:
        """Look at a copy of the files: opening the ones that the server left would recover them in its stead."""
        if not (data / "sallyport.db").exists():
            return
        with TemporaryDirectory(prefix="copy-", dir=self._folder) as copy:
            for file in data.glob("sallyport.db*"):
                if not file.name.endswith("-shm"):
                    shutil.copy(file, copy)
            with closing(sqlite3.connect(Path(copy) / "sallyport.db")) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def _changed(folder: Path, times: int, deadline: float) -> None:
    """Wait until the names or sizes of the files in a folder have changed so many times."""
    seen = _sizes(folder)
    while times and time.monotonic() < deadline:
        await asyncio.sleep(0)
        if (now := _sizes(folder)) != seen:
            seen, times = now, times - 1


def _sizes(folder: Path) -> set[tuple[str, int]]:
    found = set[tuple[str, int]]()
    for path in (*folder.glob("sallyport.db*"), *folder.glob("secret/keys/*"), *folder.glob("secret/keys/.*")):
        with suppress(FileNotFoundError):
            found.add((path.name, path.stat().st_size))
    return found
