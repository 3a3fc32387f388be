"""The network between the service and its PostgreSQL server: whatever it does, no request is answered by guess."""

import asyncio
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest

from sallyport.kernel.hidden import Hidden
from sallyport.store.database import database_at
from sallyport.store.work import Sql, StorageUnavailableError
from tests.failures.conftest import SECRET
from tests.failures.people import PASSWORD, Somebody, Told, ask, seconds_until_ready
from tests.failures.proxy import HOST, AtCommit, Proxy, Way
from tests.postgres import Cluster
from tests.server import Server, basic

LONGEST = 3.0
"""Seconds that no refusal may take here. The service means to stay below one; the machine may be busy."""
LONGEST_RETURN = 10.0


def demand_refused(told: Told) -> float:
    assert (told.status, told.code) == (503, "storage_unavailable"), told
    assert told.headers["retry-after"] == "1"
    assert told.took < LONGEST
    return told.took


WAYS = [way for way in Way if way is not Way.OPEN]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name.lower())
def test_without_a_database_every_request_is_refused_in_time_and_nothing_is_guessed(
    server: Server, proxy: Proxy, way: Way
) -> None:
    anna = Somebody(server, f"anna-{way.name}")
    anna.enroll()
    challenge, code = anna.challenge(), anna.next_code()
    proxy.go(way)
    took = [
        demand_refused(told)
        for _ in range(3)
        for told in (
            ask(server, "GET", "/users/me", authorization=anna.bearer),
            ask(server, "GET", "/auth/password", authorization=basic(anna.name, PASSWORD)),
            ask(server, "GET", "/auth/password", authorization=basic("nobody", PASSWORD)),
            ask(server, "POST", "/auth/totp", {"token": code}, f"jwt {challenge}"),
            ask(server, "POST", "/auth/refresh", {"refresh": anna.refresh}),
            ask(server, "POST", "/users", {"name": "new", "password": PASSWORD}),
            ask(server, "POST", "/auth/logout", authorization=anna.bearer),
            ask(server, "GET", "/readyz"),
        )
    ]
    assert ask(server, "GET", "/healthz").status == 200
    assert ask(server, "GET", "/.well-known/jwks.json").status == 200
    assert ask(server, "GET", "/users/me", authorization="Bearer forged").status == 401
    proxy.go(Way.OPEN)
    back = seconds_until_ready(server)
    print(f"\n{way.value}: longest refusal {max(took):.2f} s, back after {back:.2f} s")  # noqa: T201  # a figure
    assert back < LONGEST_RETURN
    # What was refused may have happened where an answer was lost; it is good once at most.
    answers = [anna.answer(anna.challenge(), code).status for _ in range(2)]
    assert answers in ([200, 401], [401, 401])
    assert anna.answer(anna.challenge(), anna.next_code()).status == 200
    assert SECRET not in server.err.read_text()
    assert SECRET not in ask(server, "GET", "/metrics").body


SPENT = {AtCommit.BEFORE: False, AtCommit.MIDDLE: False, AtCommit.AFTER: True, AtCommit.RESET: True}


@pytest.mark.parametrize("where", AtCommit, ids=lambda where: where.name.lower())
def test_a_commit_whose_answer_is_lost_is_refused_and_what_was_spent_stays_spent(
    server: Server, proxy: Proxy, where: AtCommit
) -> None:
    anna = Somebody(server, f"bert-{where.name}")
    anna.enroll()
    challenge, code = anna.challenge(), anna.next_code()
    proxy.cut_at_commit(where, behind="UPDATE totp SET last_step")
    demand_refused(anna.answer(challenge, code))
    assert proxy.has_cut
    proxy.go(Way.RESET)
    proxy.go(Way.OPEN)
    assert seconds_until_ready(server) < LONGEST_RETURN
    answers = [anna.answer(anna.challenge(), code).status for _ in range(2)]
    assert answers == ([401, 401] if SPENT[where] else [200, 401])


@pytest.mark.parametrize("where", AtCommit, ids=lambda where: where.name.lower())
def test_a_registration_whose_answer_is_lost_is_there_as_a_whole_or_not_at_all(
    server: Server, proxy: Proxy, where: AtCommit
) -> None:
    wanted = {"name": f"carl-{where.name}", "password": PASSWORD}
    proxy.cut_at_commit(where, behind="INSERT INTO users")
    demand_refused(ask(server, "POST", "/users", wanted))
    proxy.go(Way.RESET)
    proxy.go(Way.OPEN)
    assert seconds_until_ready(server) < LONGEST_RETURN
    again = ask(server, "POST", "/users", wanted)
    assert again.status == (409 if SPENT[where] else 201)
    assert ask(server, "GET", "/auth/password", authorization=basic(wanted["name"], PASSWORD)).status == 200


def test_a_slow_answer_holds_nobody_for_long(server: Server, proxy: Proxy, cluster: Cluster, database: str) -> None:
    anna = Somebody(server, "dora")
    with psycopg.connect(cluster.url(database)) as other:
        other.execute("LOCK TABLE users, sessions")
        demand_refused(ask(server, "GET", "/users/me", authorization=anna.bearer))
        demand_refused(anna.log_in())
    assert seconds_until_ready(server) < LONGEST_RETURN
    assert ask(server, "GET", "/users/me", authorization=anna.bearer).status == 200


def test_a_flood_without_a_database_is_not_taken_for_too_many_logins(server: Server, proxy: Proxy) -> None:
    anna = Somebody(server, "fred")
    proxy.go(Way.SWALLOW)
    # At first nobody can know; then it is known, and nobody waits.
    while (first := anna.log_in()).took > 0.1:
        demand_refused(first)
    until = time.monotonic() + 3
    told: list[Told] = []

    def flood() -> None:
        while time.monotonic() < until:
            told.append(anna.log_in())
            time.sleep(0.05)

    threads = [Thread(target=flood) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.go(Way.OPEN)
    seconds_until_ready(server)
    codes = Counter(one.code for one in told)
    print(f"\n{len(told)} logins: {codes}, longest {max(one.took for one in told):.2f} s")  # noqa: T201  # figures
    assert codes.keys() == {"storage_unavailable"}


async def test_a_connection_that_is_not_answered_holds_nothing_else(proxy: Proxy) -> None:
    work = database_at(Hidden(f"postgresql://sallyport@{HOST}:{proxy.port}/postgres")).work()
    proxy.go(Way.MUTE)
    asked = asyncio.ensure_future(work.read(lambda rows: rows.one(Sql("SELECT 1"))))
    turns = 0
    while not asked.done():
        await asyncio.sleep(0.01)
        turns += 1
    proxy.go(Way.OPEN)
    work.close()
    with pytest.raises(StorageUnavailableError):
        asked.result()
    assert turns > 20


async def test_a_session_is_bounded_and_durable_whatever_the_server_is_used_to(cluster: Cluster) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as boss:
        boss.execute("ALTER ROLE sallyport SET synchronous_commit = off")
        work = database_at(Hidden(cluster.url())).work()
        try:
            found = await work.read(lambda rows: rows.one(Sql(SETTINGS)))
        finally:
            work.close()
            boss.execute("ALTER ROLE sallyport RESET ALL")
    assert found == ("on", "900ms", "225ms", "1800ms", "read committed")


SETTINGS = """SELECT current_setting('synchronous_commit'), current_setting('statement_timeout'),
    current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'),
    current_setting('transaction_isolation')"""
FLAPS = 100
_MOST_CONNECTIONS = 16


def test_after_a_hundred_flaps_nothing_has_leaked(
    server: Server, proxy: Proxy, cluster: Cluster, database: str
) -> None:
    seconds_until_ready(server)
    anna = Somebody(server, "erna")
    over, served = Event(), Event()
    statuses = set[int]()

    def load() -> None:
        while not over.is_set():
            status = ask(server, "GET", "/users/me", authorization=anna.bearer).status
            statuses.add(status)
            if status == 200:
                served.set()

    def flap(count: int) -> None:
        for _, way in zip(range(count), cycle(WAYS), strict=False):
            proxy.go(way)
            time.sleep(0.05)
            proxy.go(Way.OPEN)
            served.clear()
            assert served.wait(LONGEST_RETURN)

    threads = [Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        flap(len(WAYS))
        before = Size(server)
        flap(FLAPS)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    back = seconds_until_ready(server)
    time.sleep(3)  # what was being made has ended
    after, connections = Size(server), told_connections(server)
    with psycopg.connect(cluster.url(database)) as other:
        found = other.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sallyport'").fetchone()
    print(f"\n{FLAPS} flaps: {before} -> {after}; {connections} connections, {found} on the server; {back:.2f} s")  # noqa: T201  # figures
    assert statuses == {200, 503}
    assert back < LONGEST_RETURN
    assert 1 <= connections <= _MOST_CONNECTIONS
    assert found == (connections,)
    assert proxy.lines == connections
    assert after.files <= before.files + _MOST_CONNECTIONS
    assert after.threads <= before.threads + 1  # of the four that connect, the first flaps may not have met all
    assert after.mebibytes < before.mebibytes + 8


class Size:
    """How large a service is at this moment."""

    def __init__(self, server: Server) -> None:
        process = Path(f"/proc/{server.process.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        self.files = len(list((process / "fd").iterdir()))
        self.threads = int(status["Threads"])
        self.mebibytes = int(status["VmRSS"].split()[0]) / 1024

    def __str__(self) -> str:
        return f"{self.files} files, {self.threads} threads, {self.mebibytes:.1f} MiB"


def told_connections(server: Server) -> int:
    lines = ask(server, "GET", "/metrics").body.splitlines()
    return int(float(next(line for line in lines if line.startswith("sallyport_database_connections ")).split()[1]))
