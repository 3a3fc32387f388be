"""PostgreSQL is killed, stopped or made read-only under a service that goes on: nothing acknowledged is lost.

A kill leaves the kernel, and with it what was written and not yet synced: this shows answers that run ahead of their
COMMIT, and recovery. That a COMMIT is on the disk is PostgreSQL's own promise, and `doctor` looks whether it is kept.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sallyport.kernel.hidden import Hidden
from sallyport.store.database import database_at
from sallyport.store.work import Sql
from tests.crash.harness import CLIENTS, Harness, Process
from tests.crash.moves import Client
from tests.crash.wire import CutError, Line, Reply
from tests.failures.conftest import new_database, running, socket_of
from tests.failures.people import PASSWORD, Somebody, ask, seconds_until_ready
from tests.postgres import SAFE, Cluster
from tests.server import Server, serving

LONGEST_RETURN = 10.0


class Blow(Enum):
    """What happens to the server, while clients write."""

    KILLED = "the whole server is killed"
    BACKEND = "one of its processes is killed"
    FAST = "stopped, mode fast"
    IMMEDIATE = "stopped, mode immediate"


def strike(cluster: Cluster, blow: Blow) -> float:
    """Bring the server down, and up again; returns the moment from which the service has ten seconds.

    Where one of its processes has died, the server throws everybody out and recovers by itself.
    """
    match blow:
        case Blow.BACKEND:
            os.kill(random.choice(backends(cluster)), signal.SIGKILL)
            time.sleep(0.2)
            return time.monotonic()
        case Blow.KILLED:
            family = children(cluster.pid)
            cluster.kill()
            for one in family:
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
        case Blow.FAST:
            cluster.stop()
        case Blow.IMMEDIATE:
            os.kill(cluster.pid, signal.SIGQUIT)
            os.waitid(os.P_PID, cluster.pid, os.WEXITED | os.WNOWAIT)
            cluster.stop()
    time.sleep(0.5)
    cluster.start()
    return time.monotonic()


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def backends(cluster: Cluster) -> list[int]:
    """Return the processes that serve our connections."""
    with psycopg.connect(cluster.url()) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'sallyport'").fetchall()
    return [int(pid) for (pid,) in rows]


class TroubledLine(Line):
    """A client's line: a 503 `storage_unavailable` leaves in doubt what was asked, as a cut does."""

    over: Callable[[], bool]
    """Whether no more is to be sent."""

    async def call(self, method: str, path: str, body: Any = None, authorization: str = "") -> Reply:
        if self.over():
            raise CutError("over")
        reply = await super().call(method, path, body, authorization)
        if reply.status == 503 and reply.code == "storage_unavailable":
            raise CutError(f"{method} {path}: 503")
        return reply


class Outages(Harness):
    """One service that is never restarted, and a database server that is."""

    def __init__(self, folder: Path, seed: int, server: Server, cluster: Cluster) -> None:
        super().__init__(folder, seed)
        self._server = server
        self._cluster = cluster
        self._writing = False
        self.returns: list[str] = []
        self.longest = 0.0

    async def strikes(self, blows: list[Blow]) -> None:
        """Strike so often. Raises `AssertionError` for the first fact that does not hold."""
        process: Any = self._server  # of a `Process`, its port alone is asked for
        try:
            self.report.throttled = await self._counts_passwords(process)
            for blow in blows:
                self._round += 1
                await self._one_strike(blow)
        finally:
            self._journal.close()

    async def _one_strike(self, blow: Blow) -> None:
        process: Any = self._server
        self._writing = True
        heirs = [p for p in self._journal.people if not p.gone and p.uid and p.failures < 2][-2 * CLIENTS :]
        lines = [self._line(process, number) for number in range(CLIENTS)]
        lives = [
            asyncio.create_task(Client(*self._of(number, line)).live(heirs[number::CLIENTS]))
            for number, line in enumerate(lines)
        ]
        await asyncio.wait(lives, timeout=self._random.uniform(0.8, 2.0), return_when=asyncio.FIRST_EXCEPTION)
        begun = await asyncio.to_thread(strike, self._cluster, blow)
        await asyncio.to_thread(seconds_until_ready, self._server)
        took = time.monotonic() - begun
        self.returns.append(f"{blow.value}: {took:.2f} s")
        self.longest = max(self.longest, took)
        self._writing = False
        await asyncio.gather(*lives)
        for line in lines:
            line.close()
        await self._check(process)

    def _line(self, server: Process, number: int, on_byte: Callable[[], None] = lambda: None) -> Line:
        line = TroubledLine(server.port, f"127.{1 + self._round % 250}.1.{1 + number}", on_byte)
        line.over = lambda: number < CLIENTS and not self._writing
        return line


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server that keeps its promises when it is killed."""
    with running(settings=SAFE) as made:
        yield made


def test_what_was_acknowledged_survives_whatever_happens_to_the_server(tmp_path: Path, cluster: Cluster) -> None:
    seed = int(os.environ.get("SALLYPORT_TEST_SEED", random.randrange(10**6)))
    blows = list(Blow) * int(os.environ.get("SALLYPORT_TEST_OUTAGES", "1"))
    print(f"\noutages: {len(blows)} from seed {seed}", flush=True)  # noqa: T201  # to find a failure again
    folder = tmp_path / "service"
    folder.mkdir()
    url = cluster.url(new_database(cluster))
    with serving(folder, environ={"SALLYPORT_DATABASE_URL": url}) as server:
        outages = Outages(tmp_path, seed, server, cluster)
        asyncio.run(outages.strikes(blows))
        journal = outages._journal
        print(f"{len(journal.people)} people, {journal.acknowledged} answers, {journal.doubts} doubts", outages.returns)  # noqa: T201  # figures
        assert outages.longest < LONGEST_RETURN
        assert journal.acknowledged > 20 * len(blows)
        assert server.process.poll() is None
        assert "Traceback" not in server.err.read_text()


def test_a_read_only_server_is_refused_until_it_is_none_any_more(tmp_path: Path, cluster: Cluster) -> None:
    url = cluster.url(new_database(cluster))
    with (
        serving(tmp_path, environ={"SALLYPORT_DATABASE_URL": url}) as server,
        psycopg.connect(cluster.url(), autocommit=True) as boss,
    ):
        name = f"reader{random.randrange(10**9)}"
        reader = Somebody(server, name)
        boss.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        boss.execute("SELECT pg_reload_conf()")
        try:
            time.sleep(0.5)
            for told in (
                ask(server, "POST", "/auth/refresh", {"refresh": reader.refresh}),
                reader.log_in(),
                ask(server, "POST", "/users", {"name": f"{name}x", "password": PASSWORD}),
                ask(server, "GET", "/readyz"),
            ):
                assert (told.status, told.code) == (503, "storage_unavailable"), told
        finally:
            boss.execute("SET default_transaction_read_only = off")
            boss.execute("ALTER SYSTEM RESET default_transaction_read_only")
            boss.execute("SELECT pg_reload_conf()")
        assert seconds_until_ready(server) < LONGEST_RETURN
        assert reader.log_in().status == 200


async def test_where_the_primary_turns_read_only_the_next_host_is_used_and_nobody_notices(cluster: Cluster) -> None:
    note = Sql("INSERT INTO notes VALUES (1)")
    with running() as second, psycopg.connect(cluster.url(), autocommit=True) as boss:
        boss.execute("CREATE TABLE notes (id int)")
        with psycopg.connect(second.url(), autocommit=True) as other:
            other.execute("CREATE TABLE notes (id int)")
        hosts = ",".join(str(socket_of(one).parent) for one in (cluster, second))
        work = database_at(Hidden(f"postgresql://sallyport@/postgres?host={hosts}")).work()
        await work(lambda rows: rows.change(note))
        boss.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        boss.execute("SELECT pg_reload_conf()")
        try:
            await asyncio.sleep(0.5)
            await work(lambda rows: rows.change(note))
        finally:
            work.close()
            boss.execute("SET default_transaction_read_only = off")
            boss.execute("ALTER SYSTEM RESET default_transaction_read_only")
            boss.execute("SELECT pg_reload_conf()")
        with psycopg.connect(second.url(), autocommit=True) as other:
            assert other.execute("SELECT count(*) FROM notes").fetchone() == (1,)
        assert boss.execute("SELECT count(*) FROM notes").fetchone() == (1,)
