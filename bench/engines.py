"""Where a crowd lives: one seam for filling a database in bulk, and for making it forget what it has in memory."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol

import psycopg

from sallyport.store.tables import metadata
from tests.postgres import SAFE, Cluster

_CACHE_KB: Final = 256 * 1024
_PIECE: Final = 1 << 20

# In life the sweep adds them up.
_COUNT_USERS: Final = (
    "DELETE FROM user_counts",
    "INSERT INTO user_counts (change) SELECT count(*) FROM users",
    "DELETE FROM mfa_counts",
    "INSERT INTO mfa_counts (change) SELECT count(mfa_since) FROM users",
)


class Engine(Protocol):
    """A database that nobody serves yet."""

    name: str

    def environ(self) -> dict[str, str]:
        """Return the settings of a service on it."""
        ...

    def fill(self, chunks: Iterable[Mapping[str, Sequence[tuple[object, ...]]]]) -> None:
        """Write chunks of rows by table, each chunk in one transaction."""
        ...

    def cool(self) -> None:
        """Let nothing of it be in memory. Nobody serves it meanwhile."""
        ...

    def warm(self) -> None:
        """Let all of it be in the kernel's memory."""
        ...

    def megabytes(self) -> float:
        """Return its size on the disk."""
        ...

    def close(self) -> None:
        """End what serves it."""
        ...


class Sqlite:
    """A file."""

    name = "SQLite"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "sallyport.db"

    def environ(self) -> dict[str, str]:
        """Return the settings of a service on it."""
        return {"SALLYPORT_DATABASE_URL": f"sqlite:///{self.path}"}

    def fill(self, chunks: Iterable[Mapping[str, Sequence[tuple[object, ...]]]]) -> None:
        """Write chunks without a journal: a load that fails is begun anew. References are right by construction."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KB}"):
                connection.execute(f"PRAGMA {pragma}")
            for chunk in chunks:
                connection.execute("BEGIN")
                for table, rows in chunk.items():
                    places = ", ".join("?" * len(rows[0]))
                    insert = f"INSERT INTO {table} ({_columns(table)}) VALUES ({places})"  # noqa: S608  # our tables
                    connection.executemany(insert, rows)
                connection.execute("COMMIT")
            for statement in _COUNT_USERS:
                connection.execute(statement)
        _to_disk([self.path])

    def cool(self) -> None:
        """Drop the file from the page cache; a connection's own cache went with its server."""
        _forget([self.path])

    def warm(self) -> None:
        """Read the file."""
        _read([self.path])

    def megabytes(self) -> float:
        """Return the size of the file."""
        return self.path.stat().st_size / 1e6

    def close(self) -> None:
        """Do nothing."""


class Postgres:
    """A server of its own, durable as in production, with a quarter of a gigabyte of buffers.

    It runs on the core of the load, which has little else to do while one person asks at a time.
    """

    name = "PostgreSQL"

    def __init__(self, directory: Path) -> None:
        self._cluster = Cluster(directory / "pg", settings=(*SAFE, "shared_buffers=256MB", "max_wal_size=4GB"))
        self._data = directory / "pg" / "data"
        self._cluster.start()

    def environ(self) -> dict[str, str]:
        """Return the settings of a service on it."""
        return {"SALLYPORT_DATABASE_URL": self._cluster.url()}

    def fill(self, chunks: Iterable[Mapping[str, Sequence[tuple[object, ...]]]]) -> None:
        """Copy chunks in; then do what autovacuum would have done over a year."""
        with psycopg.connect(self._cluster.url(), autocommit=True) as connection:
            # References are right by construction, and triggers count below.
            connection.execute("SET session_replication_role = replica")
            connection.execute("SET synchronous_commit = off")
            for chunk in chunks:
                with connection.transaction():
                    for table, rows in chunk.items():
                        self._copy(connection, table, rows)
            for statement in (*_COUNT_USERS, "VACUUM ANALYZE", "CHECKPOINT"):
                connection.execute(statement)

    @staticmethod
    def _copy(connection: psycopg.Connection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        copy = f"COPY {table} ({_columns(table)}) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(copy.encode()) as into:
            for row in rows:
                into.write_row(row)

    def cool(self) -> None:
        """Restart the server, and drop its files from the page cache meanwhile."""
        self._cluster.stop()
        _forget(path for path in self._data.rglob("*") if path.is_file())
        self._cluster.start()

    def warm(self) -> None:
        """Read the files of its tables; its own buffers fill by themselves."""
        _read(path for path in (self._data / "base").rglob("*") if path.is_file())

    def megabytes(self) -> float:
        """Return the size of the database, its log left out."""
        with psycopg.connect(self._cluster.url()) as connection:
            (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
        return float(size) / 1e6

    def close(self) -> None:
        """Stop the server."""
        self._cluster.stop()


ENGINES: Final[tuple[Callable[[Path], Engine], ...]] = (Sqlite, Postgres)


def _columns(table: str) -> str:
    return ", ".join(metadata.tables[table].columns.keys())


def _to_disk(paths: Iterable[Path]) -> None:
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _forget(paths: Iterable[Path]) -> None:
    """Take files out of the kernel's page cache, which gives up only what is on the disk."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read(paths: Iterable[Path]) -> None:
    for path in paths:
        with path.open("rb") as file:
            while file.read(_PIECE):
                pass
