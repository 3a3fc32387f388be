"""Where the rows are: what a start, a command on the host and a migration know of a database, whichever it is."""

import sqlite3
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.serverstate import ServerState
from sallyport.kernel.turns import turn_in
from sallyport.store.files import create_file
from sallyport.store.presence import alone_at
from sallyport.store.sqlite import SqliteWork
from sallyport.store.sqlite_rows import SqliteRows
from sallyport.store.work import Runner, Sql, StorageUnavailableError, Unit

T = TypeVar("T")

_SQLITE: Final = "sqlite:///"


class Database(Protocol):
    """A database, before there is a runner on it."""

    @property
    def name(self) -> str:
        """What people call it: a path or an address, never a password."""
        ...

    @property
    def hint(self) -> str:
        """Where to look when it can't be used; a line of its own, or nothing."""
        ...

    def engine(self) -> Any:  # noqa: ANN401  # its type would import SQLAlchemy
        """Return SQLAlchemy's engine, for migrations."""
        ...

    def ask(self, unit: Unit[T], otherwise: T) -> T:
        """Run a unit that only reads; `otherwise` where there is no database or no such table yet.

        Raises `StorageUnavailableError`.
        """
        ...

    def work(self, *, patient: bool = False) -> Runner:
        """Return a runner; a `patient` one is for commands that may take long. Raises `StorageUnavailableError`."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Let one process at a time bring up the schema. Raises `StorageUnavailableError`."""
        ...

    def demand_alone(self) -> None:
        """Raise `InUseError` where somebody else works on it, `StorageUnavailableError` where nobody can."""
        ...

    def server(self) -> ServerState | None:
        """Return what its server tells of itself; None for a file. Raises `StorageUnavailableError`."""
        ...


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A database in one file."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def hint(self) -> str:
        """Nothing: a path says where it is."""
        return ""

    def ask(self, unit: Unit[T], otherwise: T) -> T:
        """Run a unit that only reads, beside whoever else has the file."""
        if not self.path.exists():
            return otherwise
        try:
            with closing(sqlite3.connect(self.path)) as connection:
                return unit(SqliteRows(connection))
        except sqlite3.DatabaseError as fault:
            if "no such table" in str(fault):
                return otherwise
            message = f"can't open the database {self.path}: {fault}"
            raise StorageUnavailableError(message) from fault

    def work(self, *, patient: bool = False) -> Runner:  # noqa: ARG002  # patience is for servers
        """Return a runner on the file."""
        return SqliteWork(self.path)

    def demand_alone(self) -> None:
        """Look whether a runner, or a restore, has the file."""
        with alone_at(self.path):
            pass

    def server(self) -> ServerState | None:
        """Return None: there is none."""
        return None

    def turn(self) -> AbstractContextManager[None]:
        """Hold the folder of the file, in which the file is made if it is missing."""
        create_file(self.path)
        return turn_in(self.path.parent)

    def engine(self) -> Any:  # noqa: ANN401  # its type would import SQLAlchemy
        """Return SQLAlchemy's engine, whose transactions hold DDL as well.

        SQLite can undo DDL, but the driver begins no transaction for it: without these listeners a process that is
        killed half-way leaves half a schema, which no start gets past.
        """
        from sqlalchemy import URL, create_engine, event  # noqa: PLC0415  # 0.2 s and 18 MB that a start does not need
        from sqlalchemy.pool import NullPool  # noqa: PLC0415  # as above

        def leave_transactions_to_us(driver: Any, _: object) -> None:  # noqa: ANN401  # the driver's own connection
            driver.isolation_level = None

        made = create_engine(URL.create("sqlite", database=str(self.path)), poolclass=NullPool)
        event.listen(made, "connect", leave_transactions_to_us)
        event.listen(made, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return made


def database_at(url: Hidden[str]) -> Database:
    """Return the database that a URL names. Raises `StorageUnavailableError` where its driver is not installed."""
    text = url.reveal()
    if text.startswith(_SQLITE):
        return SqliteFile(Path(text.removeprefix(_SQLITE)))
    try:
        from sallyport.store.postgres.server import PostgresServer  # noqa: PLC0415  # an extra; SQLite needs none of it
    except ImportError as missing:
        message = f"PostgreSQL needs the extra `postgres` ({missing}): pip install 'sallyport[postgres]'"
        raise StorageUnavailableError(message) from missing
    return PostgresServer(url)


def scalar(database: Database, sql: Sql) -> Any:  # noqa: ANN401  # one value of whatever type the question has
    """Ask a database one question at start; None where there is no answer. Raises `StorageUnavailableError`."""
    row = database.ask(lambda rows: rows.one(sql), None)
    return row[0] if row else None
