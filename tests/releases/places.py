"""Databases that releases of before have left behind, on both engines."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from alembic.command import upgrade

from sallyport.kernel.hidden import Hidden
from sallyport.store import schema
from sallyport.store.database import Database, database_at
from sallyport.store.work import Sql

HERE = Path(__file__).parent
RELEASES = sorted(path.name for path in HERE.iterdir() if (path / "database.sql").exists())
LONGEST_WAIT = 2
"""Seconds that a migration may hold a statement up on PostgreSQL. On SQLite the release itself waits for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a database is, and a folder for the keys beside it."""

    folder: Path
    url: str

    @property
    def database(self) -> Database:
        return database_at(Hidden(self.url))

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """Connect as the service of a release does: it gives up after a while."""
        if self.is_sqlite:
            with closing(sqlite3.connect(self._path, isolation_level=None, timeout=1)) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
        else:
            options = f"-c lock_timeout={LONGEST_WAIT}s -c statement_timeout={LONGEST_WAIT}s"
            with psycopg.connect(self.url, autocommit=True, options=options) as connection:
                yield psycopg.RawCursor(connection)

    def run(self, rows: Any, text: str, values: dict[str, Any]) -> Any:
        """Run a statement with named values."""
        sql = Sql(text)
        if self.is_sqlite:
            return rows.execute(sql.positional, sql.values(values))
        return rows.execute(sql.numbered, sql.each(values))

    def take_to(self, revision: str) -> None:
        upgrade(schema.alembic_config(self.database), revision)

    def left_by(self, release: str) -> None:
        """Put the database of a release here."""
        text = (HERE / release / "database.sql").read_text()
        if self.is_sqlite:
            with closing(sqlite3.connect(self._path)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(text)
            self._path.chmod(0o600)
            return
        self.take_to(release)
        with closing(sqlite3.connect(":memory:")) as old, psycopg.connect(self.url) as new:
            old.executescript(text)
            new.execute("SET session_replication_role = replica")  # so that the order of the tables does not matter
            for (table,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                if table != "alembic_version":
                    _copy(table, old, new)

    @property
    def _path(self) -> Path:
        return Path(urlsplit(self.url).path)


def statements(release: str) -> dict[str, list[dict[str, Any]]]:
    """Return how a release serves: for each move of its people the statements, with values of this database."""
    moves: dict[str, list[dict[str, Any]]] = json.loads(
        (HERE / release / "statements.json").read_text(), object_hook=_read
    )
    return moves


def _read(found: dict[str, Any]) -> Any:
    return bytes.fromhex(found["hex"]) if found.keys() == {"hex"} else found


def _copy(table: str, old: sqlite3.Connection, new: Any) -> None:
    rows = old.execute(f"SELECT * FROM {table}")  # noqa: S608  # the names of our own tables
    names = [column[0] for column in rows.description]
    places = ", ".join(["%s"] * len(names))
    with new.cursor() as cursor:
        into = f"{table} ({', '.join(names)})"
        cursor.executemany(f"INSERT INTO {into} VALUES ({places})", rows.fetchall())  # noqa: S608  # as above
