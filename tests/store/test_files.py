"""Whole database files: copied beside a writer, and exchanged so that no crash leaves half of one."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sallyport.store import files
from sallyport.store.presence import InUseError, Presence, alone_at, is_in_use
from sallyport.store.work import Rows, Sql, StorageUnavailableError

MAKE = "CREATE TABLE t (n INTEGER PRIMARY KEY, parent INTEGER REFERENCES t (n), text TEXT)"
ADD = Sql("INSERT INTO t (n, text) VALUES (:n, :text)")


def made(path: Path, *numbers: int) -> Path:
    """A database in WAL mode with these numbers."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(MAKE)
        connection.executemany("INSERT INTO t (n, text) VALUES (?, ?)", [(number, "x" * 500) for number in numbers])
    return path


def numbers(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [row[0] for row in connection.execute("SELECT n FROM t ORDER BY n")]


def crashed(path: Path, *numbers: int) -> Path:
    """A database whose process died: these numbers stand in its log alone."""
    living = made(path.with_name("living.db"))
    with closing(sqlite3.connect(living, isolation_level=None)) as connection:
        connection.executemany("INSERT INTO t (n) VALUES (?)", [(number,) for number in numbers])
        for ending in ("", "-wal"):
            path.with_name(path.name + ending).write_bytes(living.with_name(living.name + ending).read_bytes())
    return path


def spoil(path: Path) -> None:
    """Overwrite pages in the middle, as a bad disk does."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 8192)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection in the middle of its work, with a transaction that is not committed."""
    made(tmp_path / "live.db", *range(100))
    with closing(sqlite3.connect(tmp_path / "live.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO t (n) VALUES (100)")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t (n) VALUES (101)")
        yield connection


def test_a_copy_beside_a_writer_has_what_is_committed_and_nothing_else(
    tmp_path: Path, live: sqlite3.Connection
) -> None:
    files.copy(tmp_path / "live.db", tmp_path / "copy.db")
    assert numbers(tmp_path / "copy.db") == list(range(101))
    live.execute("COMMIT")
    assert numbers(tmp_path / "live.db") == list(range(102))


def test_a_copy_is_one_file_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files.copy(made(tmp_path / "live.db", 1), tmp_path / "copy.db")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "live.db"]


def test_a_copy_has_nothing_that_was_erased(tmp_path: Path) -> None:
    with closing(sqlite3.connect(made(tmp_path / "live.db", *range(1000)), isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("UPDATE t SET text = 'a canary sings' WHERE n = 500")
        connection.execute("DELETE FROM t WHERE n >= 400")
    assert b"a canary sings" in (tmp_path / "live.db").read_bytes()
    files.copy(tmp_path / "live.db", tmp_path / "copy.db")
    assert b"a canary sings" not in (tmp_path / "copy.db").read_bytes()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    made(tmp_path / "live.db", 1)
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(FileExistsError):
        files.copy(tmp_path / "live.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_a_damaged_database_makes_no_copy(tmp_path: Path) -> None:
    spoil(made(tmp_path / "live.db", *range(1000)))
    with pytest.raises(files.DamagedError):
        files.copy(tmp_path / "live.db", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_rows_without_their_parents_are_damage(tmp_path: Path) -> None:
    with closing(sqlite3.connect(made(tmp_path / "live.db"), isolation_level=None)) as connection:
        connection.execute("INSERT INTO t (n, parent) VALUES (1, 99)")
    with pytest.raises(files.DamagedError, match="without its t"):
        files.check(tmp_path / "live.db")
    with pytest.raises(files.DamagedError, match="without its t"):
        files.copy(tmp_path / "live.db", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_copy_into_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="No such file"):
        files.copy(made(tmp_path / "live.db"), tmp_path / "nowhere" / "copy.db")


def test_a_copy_of_nothing_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="there is no"):
        files.copy(tmp_path / "live.db", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_a_unit_on_a_file_is_all_or_nothing(tmp_path: Path) -> None:
    made(tmp_path / "live.db")

    def half(rows: Rows) -> None:
        rows.change(ADD, n=1, text="")
        raise LookupError("mine")

    with pytest.raises(LookupError):
        files.once(tmp_path / "live.db", half)
    assert files.once(tmp_path / "live.db", lambda rows: rows.change(ADD, n=2, text="")) == 1
    assert numbers(tmp_path / "live.db") == [2]


def test_the_log_of_the_old_database_is_not_played_into_the_new_one(tmp_path: Path) -> None:
    old, new, aside = crashed(tmp_path / "a.db", 1, 2), tmp_path / "new.db", tmp_path / "aside.db"
    files.copy(made(tmp_path / "other.db", 7), new)
    assert files.exchange(old, new, aside)
    assert numbers(old) == [7]
    assert numbers(aside) == [1, 2], "what the old one had answered is kept with it"
    assert not new.exists()


def test_a_log_that_stayed_behind_alone_is_not_played_into_the_new_one(tmp_path: Path) -> None:
    path, new = crashed(tmp_path / "a.db", 1, 2), tmp_path / "new.db"
    path.unlink()
    files.copy(made(tmp_path / "other.db", 7), new)
    assert not files.exchange(path, new, tmp_path / "aside.db")
    assert numbers(path) == [7]
    assert (tmp_path / "aside.db-wal").exists()


def test_a_database_that_can_not_be_read_any_more_is_kept_as_it_is(tmp_path: Path) -> None:
    path, new, aside = crashed(tmp_path / "a.db", 1), tmp_path / "new.db", tmp_path / "aside.db"
    path.write_bytes(b"no database at all" * 100)
    (tmp_path / "a.db-wal").write_bytes(b"and no log")
    files.copy(made(tmp_path / "other.db", 7), new)
    assert files.exchange(path, new, aside)
    assert numbers(path) == [7]
    assert aside.read_bytes() == b"no database at all" * 100


def test_a_database_that_somebody_has_open_is_not_exchanged(tmp_path: Path, live: sqlite3.Connection) -> None:
    live.execute("COMMIT")
    files.copy(made(tmp_path / "other.db", 7), tmp_path / "new.db")
    with pytest.raises(StorageUnavailableError, match="end every program that has it open"):
        files.exchange(tmp_path / "live.db", tmp_path / "new.db", tmp_path / "aside.db")
    assert numbers(tmp_path / "live.db") == list(range(102))
    assert not (tmp_path / "aside.db").exists()


def test_a_file_that_was_kept_before_is_not_overwritten(tmp_path: Path) -> None:
    made(tmp_path / "a.db", 1)
    files.copy(tmp_path / "a.db", tmp_path / "new.db")
    (tmp_path / "aside.db").write_text("mine")
    with pytest.raises(StorageUnavailableError, match="File exists"):
        files.exchange(tmp_path / "a.db", tmp_path / "new.db", tmp_path / "aside.db")
    assert (tmp_path / "aside.db").read_text() == "mine"
    assert numbers(tmp_path / "a.db") == [1]


def test_many_may_use_a_database_and_one_alone_may_replace_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert not is_in_use(path)
    one, other = Presence(path), Presence(path)
    for leaving in (one, other):
        assert is_in_use(path)
        with pytest.raises(InUseError, match="stop the service"), alone_at(path):
            pytest.fail("it came in")
        leaving.leave()
    assert not is_in_use(path)
    with alone_at(path), pytest.raises(InUseError, match="being restored"):
        Presence(path)
    Presence(path).leave()


def test_a_lock_that_can_not_be_made_is_a_clear_fault(tmp_path: Path) -> None:
    (tmp_path / "a.db.lock").mkdir()
    with pytest.raises(StorageUnavailableError, match="can't open the database"):
        Presence(tmp_path / "a.db")
