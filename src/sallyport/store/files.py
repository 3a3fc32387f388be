"""Whole SQLite files: a new one, a copy taken beside a running service, work on one that nobody serves, an exchange."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final, TypeVar

from sallyport.kernel.durable import OWNER_ONLY, make_folder, sync
from sallyport.store.sqlite_rows import SqliteRows
from sallyport.store.work import StorageUnavailableError, Unit

T = TypeVar("T")

_SECONDS_OF_PATIENCE: Final = 10
_MOST_FAULTS: Final = 5
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")


class DamagedError(StorageUnavailableError):
    """A database file that is broken. The message has what SQLite says of it."""


def create_file(path: Path) -> None:
    """Create an empty database file for its owner's eyes only; leaves alone what is there.

    A file that is there is never opened here: closing a second handle would drop every POSIX lock that this process
    has on it, and another process would then delete the log under our feet. sqlite.org/howtocorrupt.html 2.2
    """
    try:
        make_folder(path.parent)
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY))
    except OSError as fault:
        message = f"can't open the database {path}: {fault.strerror}"
        raise StorageUnavailableError(message) from fault


def copy(source: Path, target: Path) -> None:
    """Write a consistent, checked copy into a new file for its owner alone; it is on the disk when this returns.

    SQLite reads one moment of the source while others go on writing to it, and leaves out what was erased. Nothing is
    left where it fails. Raises `FileExistsError`, `DamagedError`, `StorageUnavailableError`.
    """
    with _new_file(target):
        with _connection(source, f"can't copy {source} to {target}") as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
        check(target)
        sync(target)


def check(path: Path, *, quick: bool = False) -> None:
    """Read a whole database; `quick` leaves out comparing indexes with their tables.

    Raises `DamagedError` where it is not sound, `StorageUnavailableError` where it can't be read.
    """
    kind = "quick_check" if quick else "integrity_check"
    with _connection(path) as connection:
        told = [str(row[0]) for row in connection.execute(f"PRAGMA {kind}({_MOST_FAULTS})")]
        orphans = connection.execute("PRAGMA foreign_key_check").fetchmany(_MOST_FAULTS)
    faults = [line for line in told if line != "ok"] + [f"a row of {row[0]} without its {row[2]}" for row in orphans]
    if faults:
        raise DamagedError(f"{path} is damaged: " + "; ".join(faults))


def journal_mode(path: Path) -> str:
    """Return how a database keeps its log. Raises `StorageUnavailableError`."""
    with _connection(path) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def look(path: Path, unit: Unit[T]) -> T:
    """Run a unit that only reads, beside whoever else has the file. Raises `StorageUnavailableError`."""
    with _connection(path) as connection:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        return unit(SqliteRows(connection))


def once(path: Path, unit: Unit[T]) -> T:
    """Run one unit of work, in a transaction of its own, on a file without a runner.

    Raises `StorageUnavailableError`.
    """
    with _connection(path) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcome = unit(SqliteRows(connection))
        except BaseException:
            connection.rollback()
            raise
        connection.execute("COMMIT")
    return outcome


def exchange(path: Path, new: Path, aside: Path) -> bool:
    """Put `new` where the database at `path` is, which stays as `aside`; False where there was none.

    One rename decides: whoever looks, and whoever comes after a crash, finds the old database whole or the new one.
    Before it the old one's log is folded into it, for a log that stays behind would be played into the new one.
    Of a database that SQLite can't read any more, all that is left of it is kept aside.

    Raises `StorageUnavailableError`.
    """
    try:
        with ExitStack() as held:
            if not _taken(held, path):
                _set_aside(path, aside)
            had_one = path.exists()
            if had_one:
                os.link(path, aside)
            new.rename(path)
            sync(path.parent)
    except OSError as fault:
        message = f"can't exchange {path}: {fault.strerror}"
        raise StorageUnavailableError(message) from fault
    return had_one


def discard(path: Path) -> None:
    """Remove a file that died with the process that made it, and what SQLite left beside it. Raises `OSError`."""
    for ending in ("", *_SIDE_FILES):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _taken(held: ExitStack, path: Path) -> bool:
    """Take a database from everybody, its log folded in; False where there is none that SQLite can read."""
    if not path.exists():
        return False
    connection = held.enter_context(closing(sqlite3.connect(path, isolation_level=None, timeout=0)))
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as fault:
        if fault.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            connection.close()  # before its files are moved
            return False
        message = f"{path} can't be exchanged ({fault}): end every program that has it open"
        raise StorageUnavailableError(message) from fault
    return True


def _set_aside(path: Path, aside: Path) -> None:
    for ending in _SIDE_FILES:
        beside = path.with_name(path.name + ending)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + ending))


@contextmanager
def _new_file(path: Path) -> Iterator[None]:
    """Make an empty file, and remove it again if what is done inside fails. Raises `FileExistsError`."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
    except FileExistsError:
        raise
    except OSError as fault:
        message = f"can't write {path}: {fault.strerror}"
        raise StorageUnavailableError(message) from fault
    try:
        yield
    except BaseException:
        discard(path)
        raise


@contextmanager
def _connection(path: Path, trouble: str = "") -> Iterator[sqlite3.Connection]:
    """Open a file by SQLite for a moment, and turn what it says into `StorageUnavailableError`."""
    if not path.exists():
        message = f"there is no {path}"
        raise StorageUnavailableError(message)
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=_SECONDS_OF_PATIENCE)) as connection:
            yield connection
    except sqlite3.DatabaseError as fault:
        message = f"{trouble or path}: {fault}"
        is_damage = fault.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
        raise (DamagedError if is_damage else StorageUnavailableError)(message) from fault
