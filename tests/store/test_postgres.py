"""The PostgreSQL runner: a unit is one transaction, is undone alone, and is run again where another was in the way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sallyport.kernel.hidden import Hidden
from sallyport.store.postgres.link import RefusedError
from sallyport.store.postgres.runner import PostgresWork
from sallyport.store.postgres.server import PostgresServer
from sallyport.store.work import Rows, Sql, StorageUnavailableError, Value

PATIENCE = 20
"""Seconds after which a hang is called one."""

MAKE = Sql("CREATE TABLE t (n BIGINT PRIMARY KEY, word TEXT)")
ADD = Sql("INSERT INTO t (n) VALUES (:n)")
SAY = Sql("UPDATE t SET word = :word WHERE n = :n")
HAS = Sql("SELECT n FROM t WHERE n = :n")
ALL = Sql("SELECT n FROM t ORDER BY n")
LARGEST = Sql("SELECT COALESCE(max(n), 0) FROM t")
PREPARED = Sql("SELECT count(*) FROM pg_prepared_statements")
NAP = Sql("SELECT pg_sleep(30)")
MOMENT = Sql("SELECT CAST(extract(epoch FROM now()) * 1000000 AS BIGINT)")
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
HELD = """SELECT count(*) FILTER (WHERE granted), count(*) FROM pg_locks JOIN pg_database ON oid = database
          WHERE locktype = 'advisory' AND datname = current_database()"""
SESSIONS = """SELECT count(*), count(*) FILTER (WHERE state <> 'idle') FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def runner_on(url: str) -> PostgresWork:
    runner = PostgresServer(Hidden(url)).work()
    assert isinstance(runner, PostgresWork)
    return runner


def again(work: PostgresWork) -> float:
    """Return how many units were run again."""
    (family,) = [meter.family() for meter in work.meters if meter.family().name.name == "sallyport_units_run_again"]
    return float(family.rows[()][0])


def added(number: int) -> Callable[[Rows], int]:
    def unit(rows: Rows) -> int:
        rows.change(ADD, n=number)
        return number

    return unit


def numbers(rows: Rows) -> list[int]:
    return [row[0] for row in rows.all(ALL)]


@pytest.fixture
async def work(database_url: str) -> AsyncIterator[PostgresWork]:
    made = runner_on(database_url)
    await made(lambda rows: rows.change(MAKE))
    yield made
    made.close()


@pytest.fixture
def other(database_url: str, work: PostgresWork) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else in the same database."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@contextmanager
def transaction(url: str, words: str) -> Iterator[psycopg.Connection[Any]]:
    """Hold a transaction open that has run a statement; it is committed at the end."""
    with psycopg.connect(url) as connection:
        connection.execute(words)
        yield connection


async def blocked(other: psycopg.Connection[Any], sessions: int = 1) -> None:
    """Wait until so many sessions wait for a lock."""
    for _ in range(PATIENCE * 100):
        if other.execute(BLOCKED).fetchall()[0][0] >= sessions:
            return
        await asyncio.sleep(0.01)
    pytest.fail("nobody waits")


async def all_at_rest(other: psycopg.Connection[Any], at_most: int = 16) -> int:
    """Wait until no session does anything, and no more are left than wanted; returns how many there are.

    The server takes a moment to see that a client has gone.
    """
    there = busy = 0
    for _ in range(PATIENCE * 100):
        there, busy = other.execute(SESSIONS).fetchall()[0]
        if not busy and there <= at_most:
            return int(there)
        await asyncio.sleep(0.01)
    pytest.fail(f"{there} sessions, {busy} of them busy")


async def test_a_unit_is_durable_when_it_is_answered(work: PostgresWork, other: psycopg.Connection[Any]) -> None:
    assert await work(added(1)) == 1
    assert other.execute("SELECT n FROM t").fetchall() == [(1,)]
    assert await work.read(numbers) == [1]


async def test_a_commit_waits_for_the_disk_whatever_the_database_has_by_default(
    database_url: str, other: psycopg.Connection[Any]
) -> None:
    name = other.info.dbname
    other.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    other.execute(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'")
    work = runner_on(database_url)
    for setting, value in (("synchronous_commit", "on"), ("default_transaction_isolation", "read committed")):
        asked = Sql(f"SELECT current_setting('{setting}')")
        assert await work(lambda rows: rows.one(asked)) == (value,)  # noqa: B023  # it has run by the next turn
    work.close()


async def test_a_unit_that_raises_undoes_itself_alone(work: PostgresWork) -> None:
    def raises(rows: Rows) -> None:
        rows.change(ADD, n=99)
        raise LookupError("mine")

    def raises_before_anything_is_sent(rows: Rows) -> None:
        rows.post(ADD, n=98)
        raise LookupError("mine")

    units: list[Callable[[Rows], Any]] = [added(1), raises, raises_before_anything_is_sent, added(2)]
    outcomes = await asyncio.gather(*(work(unit) for unit in units), return_exceptions=True)
    assert (outcomes[0], outcomes[3]) == (1, 2)
    assert [type(outcome) for outcome in outcomes[1:3]] == [LookupError] * 2
    assert await work.read(numbers) == [1, 2]


async def test_a_unit_that_meets_a_row_that_came_meanwhile_is_run_again(
    work: PostgresWork, other: psycopg.Connection[Any], database_url: str
) -> None:
    seen: list[bool] = []

    def unit(rows: Rows) -> str:
        seen.append(rows.one(HAS, n=1) is not None)
        if seen[-1]:
            return "taken"
        rows.change(ADD, n=1)
        return "mine"

    with transaction(database_url, "INSERT INTO t (n) VALUES (1)"):
        asked = asyncio.ensure_future(work(unit))
        await blocked(other)
    assert await asyncio.wait_for(asked, PATIENCE) == "taken"
    assert (seen[0], seen[-1]) == (False, True)


async def test_a_row_that_was_there_before_is_its_callers_matter(work: PostgresWork) -> None:
    await work(added(1))
    with pytest.raises(RefusedError) as caught:
        await work(added(1))
    assert caught.value.state == "23505"


async def test_two_units_that_wait_for_each_other_both_come_through(work: PostgresWork) -> None:
    for number in (1, 2):
        await work(added(number))
    met = asyncio.Barrier(2)

    def unit(first: int, second: int) -> Callable[[Rows], int]:
        def run(rows: Rows) -> int:
            return rows.change(SAY, n=first, word="x") + rows.change(SAY, n=second, word="x")

        return run

    async def ran(first: int, second: int) -> int:
        await met.wait()
        return await work(unit(first, second))

    for _ in range(3):
        assert set(await asyncio.wait_for(asyncio.gather(ran(1, 2), ran(2, 1)), PATIENCE)) == {2}


async def test_a_caller_who_leaves_while_the_unit_runs_leaves_a_commit(
    work: PostgresWork, other: psycopg.Connection[Any], database_url: str
) -> None:
    await work(added(1))
    with transaction(database_url, "SELECT n FROM t WHERE n = 1 FOR UPDATE"):
        leaving = asyncio.ensure_future(work(lambda rows: rows.change(SAY, n=1, word="said")))
        await blocked(other)
        leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await all_at_rest(other, at_most=1) == 1
    assert other.execute("SELECT word FROM t").fetchall() == [("said",)]


async def test_a_statement_that_takes_too_long_is_a_database_that_is_not_there(work: PostgresWork) -> None:
    for run in (work, work.read):
        with pytest.raises(StorageUnavailableError):
            await asyncio.wait_for(run(lambda rows: rows.all(NAP)), PATIENCE)
    assert await work(added(1)) == 1


async def test_a_key_is_held_by_one_unit_of_all_nodes(work: PostgresWork, database_url: str) -> None:
    def next_one(rows: Rows) -> int:
        rows.alone("the last number")
        row = rows.one(LARGEST)
        assert row
        return added(row[0] + 1)(rows)

    elsewhere = runner_on(database_url)
    given_out = await asyncio.gather(*(node(next_one) for _ in range(15) for node in (work, elsewhere)))
    elsewhere.close()
    assert sorted(given_out) == list(range(1, 31))
    # None of them met the row of another one, and was run again.
    assert again(work) == again(elsewhere) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 4])
async def test_however_many_keys_are_held_to_the_end(
    work: PostgresWork, other: psycopg.Connection[Any], count: int
) -> None:
    def unit(rows: Rows) -> tuple[Any, ...] | None:
        rows.alone(*"abcd"[:count])
        rows.one(LARGEST)
        return other.execute(HELD).fetchone()

    assert await work(unit) == (count, count)
    assert other.execute(HELD).fetchone() == (0, 0)


async def test_of_two_keys_the_first_is_taken_first(work: PostgresWork, other: psycopg.Connection[Any]) -> None:
    """Or two units that want both would wait for each other, though each named them in order."""
    with other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('b', 0))")
        waiting = asyncio.ensure_future(work(lambda rows: rows.alone("a", "b")))
        await blocked(other)
        assert other.execute(HELD).fetchone() == (2, 3)
    await asyncio.wait_for(waiting, PATIENCE)


async def test_keys_are_taken_in_order_and_before_the_first_write(work: PostgresWork) -> None:
    def behind_a_write(rows: Rows) -> None:
        rows.post(ADD, n=1)
        rows.alone("a")

    def backwards(rows: Rows) -> None:
        rows.alone("b")
        rows.alone("a")

    for unit in (behind_a_write, backwards):
        with pytest.raises(RuntimeError, match="in order and before it writes"):
            await work(unit)
    assert await work.read(numbers) == []


async def test_a_posted_write_is_stored_and_one_that_fails_fails_the_unit(work: PostgresWork) -> None:
    await work(lambda rows: rows.post(ADD, n=1))

    def last(rows: Rows) -> None:
        rows.change(ADD, n=2)
        rows.post(ADD, n=1)

    def before_a_question(rows: Rows) -> list[int]:
        rows.post(ADD, n=1)
        return numbers(rows)

    for unit in (last, before_a_question):
        with pytest.raises(RefusedError):
            await work(unit)
    assert await work.read(numbers) == [1]


async def test_questions_that_travel_together_get_each_its_answer(work: PostgresWork) -> None:
    def unit(rows: Rows) -> list[Any]:
        first = rows.soon(ADD, n=1)
        rows.post(ADD, n=2)
        second, third = rows.soon(HAS, n=1), rows.soon(HAS, n=9)
        return [rows.one(HAS, n=2), first.count(), second.one(), third.one(), rows.soon(HAS, n=2).one()]

    assert await work(unit) == [(2,), 1, (1,), None, (2,)]


async def test_a_text_with_nul_is_refused_and_the_connection_goes_on(work: PostgresWork) -> None:
    for run in (work, work.read):
        with pytest.raises(RefusedError):
            await run(lambda rows: rows.one(Sql("SELECT CAST(:word AS TEXT)"), word="a\0b"))
    assert await work(added(1)) == 1
    assert work._pool.size == 1


async def test_statements_behind_a_refused_one_are_prepared_later(work: PostgresWork) -> None:
    await work(added(1))
    behind = Sql("SELECT count(*) FROM t")

    def unit(rows: Rows) -> Any:
        rows.post(ADD, n=1)
        return rows.one(behind)

    with pytest.raises(RefusedError):
        await work(unit)
    assert await work.read(lambda rows: rows.one(behind)) == (1,)
    assert await work.read(lambda rows: rows.one(behind)) == (1,)


async def test_a_statement_that_is_refused_again_and_again_is_prepared_once(
    work: PostgresWork, other: psycopg.Connection[Any]
) -> None:
    other.execute("INSERT INTO t (n) VALUES (1)")
    held = []
    for _ in range(4):
        await asyncio.gather(work(added(1)), return_exceptions=True)
        held.append(await work.read(lambda rows: rows.one(PREPARED)))
    assert work._pool.size == 1
    assert held == [held[0]] * 4


async def test_a_reading_unit_opens_no_transaction_and_writes_nothing(work: PostgresWork) -> None:
    def looks_twice(rows: Rows) -> list[Any]:
        return [rows.one(MOMENT), rows.one(MOMENT)]

    first, second = await work.read(looks_twice)
    assert first != second
    within = await work(looks_twice)
    assert within[0] == within[1]
    for unit in (added(1), lambda rows: rows.post(ADD, n=1), lambda rows: rows.soon(ADD, n=1)):
        with pytest.raises(RuntimeError, match="only reads"):
            await work.read(unit)
    assert await work.read(numbers) == []


VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=300),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=100),
    st.booleans(),
    st.none(),
)
KINDS = {int: "BIGINT", bytes: "BYTEA", str: "TEXT", bool: "BOOLEAN", type(None): "TEXT"}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(values=st.lists(VALUES, min_size=1, max_size=8))
def test_values_of_every_type_come_back_as_they_went(database_url: str, values: list[Value]) -> None:
    names = [f"v_{'x' * (place + 1)}" for place in range(len(values))]
    asked = ", ".join(f"CAST(:{name} AS {KINDS[type(value)]})" for name, value in zip(names, values, strict=True))
    work = runner_on(database_url)
    back = asyncio.run(
        work.read(lambda rows: rows.one(Sql(f"SELECT {asked}"), **dict(zip(names, values, strict=True))))
    )
    work.close()
    assert back == tuple(values)
    assert [type(value) for value in back or ()] == [type(value) for value in values]
