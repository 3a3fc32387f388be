"""The SQLite runner: groups share a commit, a unit fails alone, a failed commit fails its whole group."""

import asyncio
import os
import sqlite3
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.sessions.signing import SigningKeysRefusedError
from sallyport.settings import load
from sallyport.store import schema
from sallyport.store import sqlite as sqlite_module
from sallyport.store.database import SqliteFile
from sallyport.store.sqlite import SqliteWork
from sallyport.store.work import Rows, Sql, StorageUnavailableError
from sallyport.wiring import build

PATIENCE = 20
"""Seconds after which a hang is called one. Nothing here takes long."""

MAKE = Sql("CREATE TABLE t (n INTEGER PRIMARY KEY, parent INTEGER REFERENCES t (n))")
ADD = Sql("INSERT INTO t (n) VALUES (:n)")
ADD_CHILD = Sql("INSERT INTO t (n, parent) VALUES (:n, :parent)")
ALL = Sql("SELECT n FROM t ORDER BY n")


def added(number: int) -> Callable[[Rows], int]:
    def unit(rows: Rows) -> int:
        rows.change(ADD, n=number)
        return number

    return unit


def numbers(rows: Rows) -> list[int]:
    return [row[0] for row in rows.all(ALL)]


def size(path: Path) -> int:
    return path.stat().st_size


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "test.db"


@pytest.fixture
async def work(path: Path) -> AsyncIterator[SqliteWork]:
    made = SqliteWork(path)
    await made(lambda rows: rows.change(MAKE))
    yield made
    made.close()


class Held:
    """A unit that keeps the writer busy until it is let go, so that others come while it runs."""

    def __init__(self, work: SqliteWork, unit: Callable[[Rows], Any] = lambda _: None) -> None:
        self._begun, self._go, self._does = Event(), Event(), unit
        self.task = asyncio.ensure_future(work(self._unit))

    def _unit(self, rows: Rows) -> None:
        self._does(rows)
        self._begun.set()
        assert self._go.wait(PATIENCE)

    async def begun(self) -> None:
        assert await asyncio.to_thread(self._begun.wait, PATIENCE)

    async def let_go(self) -> None:
        self._go.set()
        await asyncio.wait_for(self.task, PATIENCE)


async def together(work: SqliteWork, units: list[Callable[[Rows], Any]]) -> list[Any]:
    """Run units in one group; returns what each gave or raised."""
    return await asyncio.wait_for(asyncio.gather(*map(work, units), return_exceptions=True), PATIENCE)


async def test_a_unit_is_durable_when_it_is_answered(work: SqliteWork, path: Path) -> None:
    assert await work(added(1)) == 1
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT n FROM t").fetchall() == [(1,)]
    assert await work.read(numbers) == [1]


async def test_the_log_is_copied_into_the_database_beside_the_writer(work: SqliteWork, path: Path) -> None:
    # Otherwise one commit in some hundreds does it all, and whoever waits behind it waits for the disk.
    fresh = size(path)
    await work(added(1))
    for _ in range(PATIENCE * 20):
        if size(path) > fresh:
            break
        await asyncio.sleep(0.05)
    assert size(path) > fresh


async def test_a_busy_writer_has_the_log_copied_in_small_steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is copied at once is synced at once, and commits wait for the disk meanwhile.
    monkeypatch.setattr(sqlite_module, "_SECONDS_BETWEEN_CHECKPOINTS", 10 * PATIENCE)
    work = SqliteWork(path)
    await work(lambda rows: rows.change(MAKE))
    fresh = size(path)
    await asyncio.gather(*(work(added(number)) for number in range(sqlite_module._UNITS_BETWEEN_CHECKPOINTS)))
    for _ in range(PATIENCE * 20):
        if size(path) > fresh:
            break
        await asyncio.sleep(0.05)
    grown = size(path)  # by now, and not by the copy that the last one to leave makes
    work.close()
    assert grown > fresh


async def test_copies_of_the_log_keep_their_distance_and_closing_waits_for_none(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same pages copied at each hundred of thousands of units are what takes the disk from these.
    monkeypatch.setattr(sqlite_module, "_SECONDS_OF_REST", 10 * PATIENCE)
    work = SqliteWork(path)
    await work(lambda rows: rows.change(MAKE))
    fresh = size(path)
    await asyncio.gather(*(work(added(number)) for number in range(3 * sqlite_module._UNITS_BETWEEN_CHECKPOINTS)))
    await asyncio.sleep(0.3)
    assert size(path) == fresh
    await asyncio.wait_for(asyncio.to_thread(work.close), PATIENCE)


def counting(number: int, other: sqlite3.Connection) -> Callable[[Rows], tuple[int, int]]:
    """Return a unit that adds a row, and tells how many it sees and how many anybody outside does."""

    def run(rows: Rows) -> tuple[int, int]:
        rows.change(ADD, n=number)
        outside = other.execute("SELECT count(*) FROM t").fetchone()[0]
        return len(numbers(rows)), outside

    return run


async def test_units_that_come_together_share_one_transaction(work: SqliteWork, path: Path) -> None:
    with closing(sqlite3.connect(path, check_same_thread=False)) as other:
        seen = await together(work, [counting(number, other) for number in range(10)])
        # Each sees those before it, and nobody outside sees any before the commit.
        assert seen == [(number + 1, 0) for number in range(10)]
        assert other.execute("SELECT count(*) FROM t").fetchone()[0] == 10


async def come_while_one_runs(work: SqliteWork, other: sqlite3.Connection) -> list[tuple[int, int]]:
    """Run a unit that adds a row, and one by one two that come meanwhile."""
    held = Held(work, added(99))
    await held.begun()
    coming = []
    for number in range(2):
        coming.append(asyncio.ensure_future(work(counting(number, other))))
        await asyncio.sleep(0.01)
    await held.let_go()
    return await asyncio.wait_for(asyncio.gather(*coming), PATIENCE)


async def test_units_that_come_while_a_group_runs_share_its_commit(work: SqliteWork, path: Path) -> None:
    with closing(sqlite3.connect(path, check_same_thread=False)) as other:
        assert await come_while_one_runs(work, other) == [(2, 0), (3, 0)]


async def test_a_large_group_ends_however_many_come(
    work: SqliteWork, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "_LARGE", 1)
    with closing(sqlite3.connect(path, check_same_thread=False)) as other:
        assert await come_while_one_runs(work, other) == [(2, 1), (3, 1)]


async def test_a_unit_that_raises_undoes_itself_alone(work: SqliteWork) -> None:
    def raises(rows: Rows) -> None:
        rows.change(ADD, n=99)
        raise LookupError("mine")

    before, failed, twice, after = await together(work, [added(1), raises, added(1), added(2)])
    assert (before, after) == (1, 2)
    assert isinstance(failed, LookupError)
    assert isinstance(twice, sqlite3.IntegrityError)
    assert await work.read(numbers) == [1, 2]


async def test_a_failed_commit_fails_the_whole_group_and_stores_nothing(work: SqliteWork) -> None:
    def breaks_the_commit(rows: Rows) -> None:
        rows.change(Sql("PRAGMA defer_foreign_keys = ON"))
        rows.change(ADD_CHILD, n=50, parent=12_345)

    outcomes = await together(work, [added(1), breaks_the_commit, added(2)])
    assert [type(outcome) for outcome in outcomes] == [StorageUnavailableError] * 3
    assert await work.read(numbers) == []
    assert await work(added(3)) == 3


async def test_a_full_disk_fails_the_whole_group_and_the_next_one_has_its_chance(work: SqliteWork) -> None:
    def fills_the_disk(rows: Rows) -> None:
        rows.change(Sql("PRAGMA max_page_count = 8"))
        rows.change(Sql("CREATE TABLE big AS SELECT zeroblob(1000000)"))

    outcomes = await together(work, [added(1), fills_the_disk, added(2)])
    assert [str(outcome) for outcome in outcomes] == ["database or disk is full"] * 3
    assert all(isinstance(outcome, StorageUnavailableError) for outcome in outcomes)
    assert await work.read(numbers) == []
    await work(lambda rows: rows.change(Sql("PRAGMA max_page_count = 1000000")))
    assert await work(added(3)) == 3


class Stubborn:
    """A connection whose disk is so broken that it can't even give a transaction up, once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._refusals = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def rollback(self) -> None:
        self._refusals -= 1
        if self._refusals >= 0:
            raise sqlite3.OperationalError("disk I/O error")
        self._connection.rollback()


async def test_a_transaction_that_can_not_be_given_up_is_given_up_later(
    work: SqliteWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To begin fails then; but only a lock that others hold is waited for.
    monkeypatch.setattr(sqlite_module, "_LONGEST_WAIT_MS", 10_000 * PATIENCE)

    def breaks(_rows: Rows) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    work._writer = Stubborn(work._writer)  # type: ignore[assignment]  # it is one but for its rollback
    async with asyncio.timeout(10):
        for unit in (breaks, added(1)):
            with pytest.raises(StorageUnavailableError):
                await work(unit)
        assert await work(added(2)) == 2
    assert await work.read(numbers) == [2]


async def test_a_database_that_another_process_holds_is_unavailable(work: SqliteWork, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailableError, match="locked"):
            await work(added(1))
        assert await work.read(numbers) == []
        other.execute("ROLLBACK")
    assert await work(added(1)) == 1


@contextmanager
def hardly_ever_free(path: Path) -> Iterator[None]:
    """Hold the write lock as another worker does that writes group after group: free for a moment, held for longer."""
    ended = Event()

    def write() -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)) as other:
            while not ended.wait(0.002):
                other.execute("BEGIN IMMEDIATE")
                ended.wait(0.05)
                other.execute("COMMIT")

    writer = Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


async def test_another_worker_that_writes_all_the_time_keeps_nobody_out(work: SqliteWork, path: Path) -> None:
    with hardly_ever_free(path):
        for number in range(10):
            await asyncio.sleep(0.02)  # so that the other is first
            assert await work(added(number)) == number


async def test_a_caller_who_leaves_gets_nothing_and_the_others_theirs(work: SqliteWork) -> None:
    held = Held(work)
    await held.begun()
    leaving, staying = (asyncio.ensure_future(work(added(number))) for number in (1, 2))
    await asyncio.sleep(0)
    leaving.cancel()
    await held.let_go()
    assert await asyncio.wait_for(staying, PATIENCE) == 2
    assert leaving.cancelled()
    assert await work(numbers) == [1, 2]


async def test_a_caller_who_leaves_while_the_unit_runs_leaves_a_commit(work: SqliteWork) -> None:
    held = Held(work)
    await held.begun()
    held.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held.let_go()
    assert await asyncio.wait_for(work(added(1)), PATIENCE) == 1


def test_a_writer_outlives_the_loop_of_one_who_left(path: Path) -> None:
    work, begun, go = SqliteWork(path), Event(), Event()

    def slow(rows: Rows) -> None:
        rows.change(MAKE)
        begun.set()
        assert go.wait(PATIENCE)

    async def leave() -> None:
        leaving = asyncio.ensure_future(work(slow))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        leaving.cancel()

    async def come() -> int:
        coming = asyncio.ensure_future(work(added(1)))
        await asyncio.sleep(0)
        go.set()
        return await asyncio.wait_for(coming, PATIENCE)

    asyncio.run(leave())
    assert asyncio.run(come()) == 1
    work.close()


async def test_closing_lets_the_unit_in_flight_end(path: Path) -> None:
    work = SqliteWork(path)
    await work(lambda rows: rows.change(MAKE))
    held = Held(work)
    await held.begun()
    closing_down = asyncio.ensure_future(asyncio.to_thread(work.close))
    await held.let_go()
    await asyncio.wait_for(closing_down, PATIENCE)


async def test_foreign_keys_hold(work: SqliteWork) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        await work(lambda rows: rows.change(ADD_CHILD, n=1, parent=2))


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("synchronous", 2), ("journal_mode", "wal"), ("foreign_keys", 1), ("secure_delete", 2), ("busy_timeout", 0)],
)
async def test_the_writer_is_set_up_to_lose_nothing(work: SqliteWork, pragma: str, value: object) -> None:
    # 2 is FULL for synchronous: the log is synced at each commit. No time-out: a turn at the lock is not lost asleep.
    row = await work(lambda rows: rows.one(Sql(f"PRAGMA {pragma}")))
    assert row == (value,)


async def test_a_reading_unit_writes_nothing(work: SqliteWork) -> None:
    with pytest.raises(StorageUnavailableError, match="readonly"):
        await work.read(added(1))


async def test_only_the_owner_reads_the_files(work: SqliteWork, path: Path) -> None:
    await work(added(1))
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["test.db", "test.db-shm", "test.db-wal", "test.db.lock"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_missing_value_of_a_statement_is_a_fault() -> None:
    with pytest.raises(KeyError):
        Sql("SELECT :one, :two, :one").values({"one": 1})
    assert Sql("SELECT :one, :two, :one").values({"one": 1, "two": 2}) == (1, 2, 1)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    path.write_text("this is a letter to my aunt, and longer than the header of a database" * 20)
    for opens in (SqliteWork, lambda path: schema.migrate(SqliteFile(path))):
        with pytest.raises(StorageUnavailableError, match=f"{path}.*not a database"):
            opens(path)


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match=f"can't open the database {tmp_path}"):
        SqliteWork(tmp_path)


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailableError, match="can't open the database"):
        SqliteWork(tmp_path / "file" / "test.db")


def test_a_file_that_may_not_be_written_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / "test.db"
        SqliteWork(path).close()
        (folder / "test.db.lock").chmod(0o666)
        path.chmod(0o444)
        folder.chmod(0o555)
        me = os.geteuid()
        try:
            if me == 0:
                os.seteuid(65_534)  # root may write everything
            with pytest.raises(StorageUnavailableError, match=f"can't open the database {path}.*readonly"):
                SqliteWork(path)
            with pytest.raises(StorageUnavailableError, match=r"can't open the database.*denied"):
                SqliteWork(folder / "new.db")
        finally:
            os.seteuid(me)
            folder.chmod(0o700)


def test_a_service_on_a_healthy_database_starts_twice(tmp_path: Path) -> None:
    environ = {
        "SALLYPORT_DATABASE_URL": f"sqlite:///{tmp_path}/a.db",
        "SALLYPORT_KEYS_DIR": f"{tmp_path}/keys",
    }
    for _ in range(2):
        build(load({}, environ, tmp_path)).close()


async def test_closing_commits_what_waits(path: Path) -> None:
    work = SqliteWork(path)
    await work(lambda rows: rows.change(MAKE))
    held = Held(work)
    await held.begun()
    waiting = asyncio.ensure_future(work(added(1)))
    await asyncio.sleep(0)
    held._go.set()
    work.close()
    assert await asyncio.wait_for(waiting, 5) == 1


async def test_closing_commits_what_came_in_the_same_turn(path: Path) -> None:
    work = SqliteWork(path)
    await work(lambda rows: rows.change(MAKE))
    waiting = asyncio.ensure_future(work(added(1)))
    await asyncio.sleep(0)
    work.close()
    assert await asyncio.wait_for(waiting, PATIENCE) == 1
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT n FROM t").fetchall() == [(1,)]


async def test_a_unit_after_closing_is_refused_and_does_not_hang(path: Path) -> None:
    work = SqliteWork(path)
    work.close()
    with pytest.raises(StorageUnavailableError):
        await asyncio.wait_for(work(added(1)), 5)


async def test_a_reading_unit_sees_one_moment(work: SqliteWork, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:

        def looks_twice(rows: Rows) -> tuple[list[int], list[int]]:
            first = numbers(rows)
            other.execute("INSERT INTO t (n) VALUES (7)")
            other.commit()
            return first, numbers(rows)

        first, second = await work.read(looks_twice)
    assert first == second


def environ(database: Path, keys: Path) -> dict[str, str]:
    return {"SALLYPORT_DATABASE_URL": f"sqlite:///{database}", "SALLYPORT_KEYS_DIR": str(keys)}


def test_a_start_where_no_database_can_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = load({}, environ(tmp_path / "file" / "a.db", tmp_path / "keys"), tmp_path)
    with pytest.raises(StorageUnavailableError):
        build(settings)


def test_a_start_where_no_keys_can_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = load({}, environ(tmp_path / "a.db", tmp_path / "file" / "keys"), tmp_path)
    with pytest.raises(KeysRefusedError):
        build(settings)


def test_a_start_on_the_schema_of_a_later_release_says_so(tmp_path: Path) -> None:
    settings = load({}, environ(tmp_path / "a.db", tmp_path / "keys"), tmp_path)
    build(settings).close()
    with closing(sqlite3.connect(tmp_path / "a.db")) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
        other.commit()
    with pytest.raises(StorageUnavailableError):
        build(settings)


def test_a_start_with_a_signing_key_that_is_none_says_so(tmp_path: Path) -> None:
    settings = load({}, environ(tmp_path / "a.db", tmp_path / "keys"), tmp_path)
    build(settings).close()
    ring = tmp_path / "keys" / "signing.json"
    ring.write_text(ring.read_text().replace("MIGH", "AAAA"))
    with pytest.raises((KeysRefusedError, SigningKeysRefusedError)):
        build(settings)
