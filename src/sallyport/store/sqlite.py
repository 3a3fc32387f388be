"""The SQLite runner: one writer thread that commits groups, and a read-only connection beside it.

Whatever units wait are run in one transaction, those that come meanwhile too, and one commit answers them all.
While it waits for the disk new units pile up: the slower the disk, the larger the group.
"""

import asyncio
import sqlite3
import time
from contextlib import closing, suppress
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, Final, TypeVar

from sallyport.kernel.meters import Histogram, Meter, Tally
from sallyport.store.files import create_file
from sallyport.store.presence import Presence
from sallyport.store.sqlite_rows import SqliteRows
from sallyport.store.work import StorageUnavailableError, Unit

T = TypeVar("T")

_LONGEST_WAIT_MS: Final = 1_000
_SECONDS_BETWEEN_LOOKS: Final = 0.0002
_SECONDS_BETWEEN_CHECKPOINTS: Final = 1.0
_UNITS_BETWEEN_CHECKPOINTS: Final = 100
"""Or sooner, after so many units: what is copied at once is synced at once, and commits wait for the same disk."""
_SECONDS_OF_REST: Final = 0.2
"""But no more often than this: where thousands of units come in a second, copying the same pages time and again is what
takes the disk from them."""
_LARGE: Final = 64
"""A group of so many units takes in no more of those that come while it runs: by then it has taken some milliseconds,
and those in it wait for their answers."""
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)
# 16,000 pages are 64 MiB of log: rarer checkpoints took the p99 of a commit from 8 ms to under 3.
WRITER_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA wal_autocheckpoint = 16000",
    "PRAGMA secure_delete = FAST",
    # 32 MB, filled as they are wanted: among a million users the inner pages of all indexes take as much, and with the
    # usual 2 MB each statement read them anew (a refresh took 1.28 times what it took among a thousand).
    "PRAGMA cache_size = -32000",
    # The last: from here on the writer waits by itself, see `_begin`.
    "PRAGMA busy_timeout = 0",
)
_READER_PRAGMAS: Final = ("PRAGMA query_only = ON", f"PRAGMA busy_timeout = {_LONGEST_WAIT_MS}")


class _Waiting:
    """A unit of work in the queue, and later its outcome."""

    __slots__ = ("failure", "future", "outcome", "unit")

    def __init__(self, unit: Unit[Any], future: asyncio.Future[Any]) -> None:
        self.unit = unit
        self.future = future
        self.outcome: Any = None
        self.failure: Exception | None = None

    def answer(self) -> None:
        """Hand the outcome over. A caller who left meanwhile gets none; the commit stands."""
        if self.future.cancelled():
            return
        if self.failure is None:
            self.future.set_result(self.outcome)
        else:
            self.future.set_exception(self.failure)


class SqliteWork:
    """Runs units of work on one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._presence = Presence(path)
        try:
            self._writer = _connect(path, WRITER_PRAGMAS)
            self._reader = _connect(path, _READER_PRAGMAS)
        except StorageUnavailableError:
            self._presence.leave()
            raise
        self._read_rows = SqliteRows(self._reader)
        self._turn: list[_Waiting] = []
        """Units of this turn of the event loop: requests that came in together are in one group."""
        self._ending = Event()
        self._sizes = Histogram("sallyport_commit_units", "Units of work made durable by one commit.", bounds=_SIZES)
        self._seconds = Histogram("sallyport_commit_seconds", "Time of a group, from its first unit to its commit.")
        self._failures = Tally("sallyport_commit_failures", "Groups of units that could not be committed.")
        self.meters: tuple[Meter, ...] = (self._sizes, self._seconds, self._failures)
        self._turns: SimpleQueue[list[_Waiting] | None] = SimpleQueue()
        self._thread = Thread(target=self._write_groups, name="sqlite-writer", daemon=True)
        self._written = 0
        """Units since the log was copied last."""
        self._due = Event()
        self._thread.start()
        self._checkpointer = Thread(target=self._checkpoint, name="sqlite-checkpointer", daemon=True)
        self._checkpointer.start()

    async def __call__(self, unit: Unit[T]) -> T:
        """Run a unit that writes, and return its outcome once it is durable."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._ending.is_set():
            message = "the service is closing"
            raise StorageUnavailableError(message)
        if not self._turn:
            asyncio.get_running_loop().call_soon(self._send_turn)
        self._turn.append(_Waiting(unit, future))
        return await future

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads, here in the event loop: 10 µs of work beside 50 of a thread's hop."""
        try:
            self._reader.execute("BEGIN")
            try:
                return unit(self._read_rows)
            finally:
                self._reader.execute("COMMIT")
        except sqlite3.Error as fault:
            raise StorageUnavailableError(str(fault)) from fault

    def close(self) -> None:
        """Commit what waits, then close the file. Units that come later are refused."""
        self._ending.set()
        self._send_turn()
        self._turns.put(None)
        self._due.set()
        self._thread.join()
        self._checkpointer.join()
        self._writer.close()
        self._reader.close()
        self._presence.leave()

    def _send_turn(self) -> None:
        turn, self._turn = self._turn, []
        if turn:
            self._turns.put(turn)

    def _write_groups(self) -> None:
        rows = SqliteRows(self._writer)
        while group := self._next_group():
            begun = time.perf_counter()
            try:
                self._run_group(rows, group)
                self._written += len(group)
                if self._written >= _UNITS_BETWEEN_CHECKPOINTS:
                    self._due.set()
                self._sizes.observe(len(group))
                self._seconds.observe(time.perf_counter() - begun)
            except sqlite3.Error as fault:
                self._failures.count()
                _fail_group(self._writer, group, fault)
            _hand_over(group)

    def _next_group(self) -> list[_Waiting]:
        """Wait for units, and return all that wait by then; none where the runner closes."""
        turn = self._turns.get()
        return turn + self._arrived() if turn else []

    def _arrived(self) -> list[_Waiting]:
        """Return all units that wait by now."""
        found: list[_Waiting] = []
        with suppress(Empty):
            while turn := self._turns.get_nowait():
                found += turn
            self._turns.put(None)  # the last of all: whoever looks next is to find it again
        return found

    def _run_group(self, rows: SqliteRows, group: list[_Waiting]) -> None:
        """Run all units, and those that come meanwhile, and commit once; a unit that raises undoes itself alone.

        Hardly any does, so there are no savepoints at first: each costs two statements and a copy of every page that
        its unit changes. Where one raises all is undone, and the group is run again with them. Raises `sqlite3.Error`
        if nothing is stored.
        """
        connection = self._writer
        _begin(connection)
        try:
            for waiting in group:
                waiting.outcome = waiting.unit(rows)
                if waiting is group[-1] and len(group) < _LARGE:
                    group += self._arrived()
        except sqlite3.OperationalError:
            raise  # the disk or the file, not the unit: the whole group fails
        except Exception:  # noqa: BLE001  # which unit it was, and that it is its caller's, comes out below
            connection.execute("ROLLBACK")
            _begin(connection)
            _run_each(connection, rows, group)
        connection.execute("COMMIT")

    def _checkpoint(self) -> None:
        """Copy the log into the database beside the writer, in small steps.

        A step holds no lock that a commit needs, but it ends with a sync of the database's file, and a commit's sync
        waits behind it for the disk: what a second has left there can take a tenth of one.
        """
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=0)) as connection:
            while self._goes_on():
                with suppress(sqlite3.Error):  # the writer's own checkpoint comes later, and says what is wrong
                    self._copy(connection)

    def _copy(self, connection: sqlite3.Connection) -> None:
        if self._written:
            self._written = 0
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _goes_on(self) -> bool:
        """Wait until it is time to copy; False where the runner closes."""
        self._ending.wait(_SECONDS_OF_REST)
        self._due.wait(_SECONDS_BETWEEN_CHECKPOINTS)
        self._due.clear()
        return not self._ending.is_set()


def _hand_over(group: list[_Waiting]) -> None:
    for loop, those in groupby(group, lambda waiting: waiting.future.get_loop()):
        with suppress(RuntimeError):  # the loop has ended, and whoever waited in it is gone
            loop.call_soon_threadsafe(_answer, [*those])


def _answer(group: list[_Waiting]) -> None:
    for waiting in group:
        waiting.answer()


def _begin(connection: sqlite3.Connection) -> None:
    """Take the lock of the one writer. Raises `sqlite3.OperationalError` where others hold it for a second.

    SQLite's own waiting looks again after up to 100 ms. A worker that writes group after group leaves the lock free for
    less than one, and others would find it taken time and again.
    """
    until = time.monotonic() + _LONGEST_WAIT_MS / 1_000
    while not _takes_lock(connection, patient=time.monotonic() < until):
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _takes_lock(connection: sqlite3.Connection, *, patient: bool) -> bool:
    """Begin, and return True; False where others hold the lock and that is waited for. Raises `OperationalError`."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as fault:
        # Also SQLITE_BUSY_RECOVERY: another process has just found a log that was cut off.
        if patient and fault.sqlite_errorname.startswith("SQLITE_BUSY"):
            return False
        raise
    return True


def _run_each(connection: sqlite3.Connection, rows: SqliteRows, group: list[_Waiting]) -> None:
    """Run each unit in its savepoint."""
    for waiting in group:
        connection.execute("SAVEPOINT unit")
        try:
            waiting.outcome = waiting.unit(rows)
        except sqlite3.OperationalError:
            raise  # the disk or the file, not the unit: the whole group fails
        except Exception as fault:  # noqa: BLE001  # whatever a unit raises is its caller's, and undoes it alone
            waiting.failure = fault
            connection.execute("ROLLBACK TO unit")
        connection.execute("RELEASE unit")


def _fail_group(connection: sqlite3.Connection, group: list[_Waiting], fault: sqlite3.Error) -> None:
    # A disk that takes nothing may not give up the transaction either: then the next group begins by failing here.
    with suppress(sqlite3.Error):
        connection.rollback()
    for waiting in group:
        waiting.failure = StorageUnavailableError(str(fault))


def _connect(path: Path, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    """Open the file for owner's eyes only. Raises `StorageUnavailableError` with what to do."""
    try:
        create_file(path)
        connection = sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
            timeout=_LONGEST_WAIT_MS / 1000,
        )
        for pragma in pragmas:
            connection.execute(pragma)
    except sqlite3.Error as fault:
        message = f"can't open the database {path}: {fault}"
        raise StorageUnavailableError(message) from fault
    return connection
