"""The connections to PostgreSQL: bounded in number and in time, given back by whoever leaves, replaced when lost."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
import uvloop

from sallyport.kernel.hidden import Hidden
from sallyport.store.postgres.pool import Pool
from sallyport.store.postgres.server import PostgresServer
from sallyport.store.work import Rows, Sql, StorageUnavailableError
from tests.store.test_postgres import ALL, MAKE, NAP, PATIENCE, added, all_at_rest, numbers, runner_on, transaction

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
PID = Sql("SELECT pg_backend_pid()")
_MOST = 2


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    server = PostgresServer(Hidden(database_url))
    made = Pool(lambda: server._connect(1.0), _MOST)
    yield made
    made.close()


async def test_the_link_used_last_is_given_first(pool: Pool) -> None:
    first, second = await pool.take(PATIENCE), await pool.take(PATIENCE)
    pool.give(first)
    pool.give(second)
    assert await pool.take(PATIENCE) is second


async def test_who_comes_when_all_are_out_waits_for_one_and_not_for_ever(pool: Pool) -> None:
    first, _ = await pool.take(PATIENCE), await pool.take(PATIENCE)
    for seconds in (0.05, 0, -1):
        with pytest.raises(StorageUnavailableError, match="came free in time"):
            await pool.take(seconds)
    waiting = asyncio.ensure_future(pool.take(PATIENCE))
    await asyncio.sleep(0)
    pool.give(first)
    assert await waiting is first
    assert pool.size == _MOST


@pytest.mark.parametrize("way", ["cancelled", "out of time"])
async def test_a_link_that_comes_as_its_caller_leaves_is_not_lost(pool: Pool, way: str) -> None:
    first, second = await pool.take(PATIENCE), await pool.take(PATIENCE)
    waiting = asyncio.ensure_future(pool.take(0.05 if way == "out of time" else PATIENCE))
    await asyncio.sleep(0)
    if way == "cancelled":
        pool.give(first)
        waiting.cancel()
    else:
        # Later than the time-out was set, and in the same turn of the loop: this turn ends behind both.
        asyncio.get_running_loop().call_later(0.05, pool.give, first)
        asyncio.get_running_loop().call_soon(time.sleep, 0.1)
    await asyncio.wait([waiting])
    if not waiting.cancelled() and not waiting.exception():
        pool.give(waiting.result())
    assert await asyncio.wait_for(pool.take(PATIENCE), PATIENCE) is first
    pool.give(second)


async def test_a_lost_link_is_replaced_for_those_who_wait(pool: Pool) -> None:
    first, second = await pool.take(PATIENCE), await pool.take(PATIENCE)
    waiting = [asyncio.ensure_future(pool.take(PATIENCE)) for _ in range(2)]
    await asyncio.sleep(0)
    first.lose("as a test wants it")
    second.lose("as a test wants it")
    got = await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
    assert not set(got) & {first, second}
    assert pool.size == _MOST


async def test_a_connection_that_the_server_ends_is_forgotten(database_url: str) -> None:
    work = runner_on(database_url)
    before = await work.read(lambda rows: rows.one(PID))
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(TERMINATE, [other.info.dbname])
    for _ in range(PATIENCE * 100):
        if work._pool.size == 0:
            break
        await asyncio.sleep(0.01)
    assert work._pool.size == 0
    assert await work.read(lambda rows: rows.one(PID)) != before
    work.close()


async def test_more_units_than_connections_wait_and_no_more_are_made(database_url: str) -> None:
    work = runner_on(database_url)
    await work(lambda rows: rows.change(MAKE))
    with psycopg.connect(database_url, autocommit=True) as other:
        with transaction(database_url, "LOCK TABLE t"):
            units = [asyncio.ensure_future(work(added(number))) for number in range(60)]
            outcomes = await asyncio.wait_for(asyncio.gather(*units, return_exceptions=True), PATIENCE)
        assert {type(outcome) for outcome in outcomes} == {StorageUnavailableError}
        assert await all_at_rest(other) <= 16
        assert sorted(await asyncio.gather(*(work(added(number)) for number in range(60)))) == list(range(60))
    work.close()


async def test_after_a_thousand_units_and_many_who_left_every_connection_is_at_rest(database_url: str) -> None:
    work, draw = runner_on(database_url), random.Random(4)
    await work(lambda rows: rows.change(MAKE))

    def raises(rows: Rows) -> None:
        rows.change(Sql("UPDATE t SET word = 'x' WHERE n = 1"))
        raise LookupError("mine")

    def refused(rows: Rows) -> Any:
        return rows.one(Sql("SELECT 1 / CAST(:zero AS INTEGER)"), zero=0)

    async def one(number: int) -> None:
        unit: Callable[[Rows], Any] = draw.choice([added(number), added(number), raises, refused, lambda _: None])
        asked = asyncio.ensure_future(work.read(numbers) if draw.random() < 0.3 else work(unit))
        if draw.random() < 0.3:
            for _ in range(draw.randrange(6)):
                await asyncio.sleep(0)
            asked.cancel()
        await asyncio.wait([asked])
        # Whatever came of it was told, or its caller had left.
        assert asked.cancelled() or not isinstance(asked.exception(), AssertionError)

    for _ in range(20):
        await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(50))), PATIENCE)
    with psycopg.connect(database_url, autocommit=True) as other:
        there = await all_at_rest(other)
    for _ in range(100):
        if len(work._pool._idle) == there:
            break
        await asyncio.sleep(0.01)
    assert work._pool.size == there == len(work._pool._idle) <= 16
    work.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_runner_follows_its_callers_into_another_loop(database_url: str, run: Callable[[Any], Any]) -> None:
    work = runner_on(database_url)
    run(work(lambda rows: rows.change(MAKE)))
    for number in (1, 2):
        assert run(work(added(number))) == number
    assert run(work.read(lambda rows: rows.all(ALL))) == [(1,), (2,)]
    work.close()
    with psycopg.connect(database_url, autocommit=True) as other:
        assert asyncio.run(all_at_rest(other)) == 0


async def test_a_unit_after_closing_is_refused_and_closing_hangs_up(database_url: str) -> None:
    work = runner_on(database_url)
    under_way = asyncio.ensure_future(work(lambda rows: rows.all(NAP)))
    with psycopg.connect(database_url, autocommit=True) as other:
        for _ in range(PATIENCE * 100):
            if other.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchall():
                break
            await asyncio.sleep(0.01)
    work.close()
    for unit in (under_way, work(added(1)), work.read(numbers)):
        with pytest.raises(StorageUnavailableError):
            await asyncio.wait_for(unit, PATIENCE)


@pytest.mark.parametrize("place", ["a port that nobody listens on", "a database that is not there"])
async def test_a_server_that_can_not_be_reached_is_told_without_a_password(database_url: str, place: str) -> None:
    url = "postgresql://me:secret@127.0.0.1:1/x"
    if place == "a database that is not there":
        url = database_url.replace("/sallyport_test", "/no_such")
    work = runner_on(url)
    with pytest.raises(StorageUnavailableError, match="can't reach") as caught:
        await work(added(1))
    assert "secret" not in str(caught.value)
    work.close()
