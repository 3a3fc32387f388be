"""Where the rows are: what a start, a command on the host and a migration know of a database, whichever it is."""

import sqlite3
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from sallyport.kernel.turns import turn_in
from sallyport.store.sqlite import SqliteRows, SqliteWork, create_file
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
    def alembic_url(self) -> str:
        """How SQLAlchemy reaches it. May have a password in it."""
        ...

    def ask(self, unit: Unit[T], otherwise: T) -> T:
        """Run a unit that only reads; `otherwise` where there is no database or no such table yet.

        Raises `StorageUnavailableError`.
        """
        ...

    def work(self) -> Runner:
        """Return a runner. Raises `StorageUnavailableError`."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Let one process at a time bring up the schema. Raises `StorageUnavailableError`."""
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
    def alembic_url(self) -> str:
        """As SQLAlchemy writes it."""
        return f"{_SQLITE}{self.path}"

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

    def work(self) -> Runner:
        """Return a runner on the file."""
        return SqliteWork(self.path)

    def turn(self) -> AbstractContextManager[None]:
        """Hold the folder of the file, in which the file is made if it is missing."""
        create_file(self.path)
        return turn_in(self.path.parent)


def database_at(url: str) -> Database:
    """Return the database that a URL names."""
    return SqliteFile(Path(url.removeprefix(_SQLITE)))


def scalar(database: Database, sql: Sql) -> Any:  # noqa: ANN401  # one value of whatever type the question has
    """Ask a database one question at start; None where there is no answer. Raises `StorageUnavailableError`."""
    row = database.ask(lambda rows: rows.one(sql), None)
    return row[0] if row else None
