"""What a migration may say to a database that serves. What is not listed is a fault, until somebody has thought."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

_HARMLESS = re.compile(
    r"SELECT|PRAGMA|BEGIN|SET lock_timeout|(INSERT INTO|UPDATE) alembic_version|DROP INDEX CONCURRENTLY"
)
# A trigger waits for writers as a new reference does; what it keeps is counted once, into a table that is new.
_TRIGGER = re.compile(r"CREATE (FUNCTION|TRIGGER) ")
_COUNT = re.compile(r"INSERT INTO (\w+) \(\w+\) SELECT count\((\*|\w+)\) FROM \w+")
# Tables that no release before knows are filled, from what is read without a lock.
_FILL = re.compile(r"INSERT INTO (roles|role_members) ")
_NEW_TABLE = re.compile(r"CREATE TABLE (\w+)")
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (?P<beside>CONCURRENTLY )?(?:IF NOT EXISTS )?\w+ ON (?P<table>\w+)")
# Nullable, or with a constant: PostgreSQL 11 and SQLite write that beside the table, and touch no row.
_COLUMN = re.compile(
    r"""ALTER TABLE \w+ ADD COLUMN (IF NOT EXISTS )?\w+ [A-Z]+(\(\d+\))?( COLLATE "C")?( DEFAULT '?\w+'? NOT NULL)?"""
)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Write down what SQLAlchemy says to any database."""
    said: list[str] = []

    def hear(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        text = " ".join(statement.split())
        is_held = statement.startswith("ALTER") and not getattr(cursor.connection, "autocommit", True)
        # With a lock of one table in its hands, a transaction waits for the next table.
        said.append(f"in a transaction: {text}" if is_held else text)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


def faults(said: list[str], *, is_sqlite: bool) -> list[str]:
    """Return what holds others up for longer than a moment, of the statements of one revision."""
    new = {found[1] for one in said if (found := _NEW_TABLE.match(one))}
    changes = [one for one in said if not _HARMLESS.match(one)]
    return [one for one in changes if not _is_online(one, new, alone=len(changes) == 1, is_sqlite=is_sqlite)]


def _is_online(said: str, new: set[str], *, alone: bool, is_sqlite: bool) -> bool:
    if found := _INDEX.match(said):
        return found["table"] in new or (alone if is_sqlite else bool(found["beside"]))
    if found := _COUNT.fullmatch(said):
        return found[1] in new
    return bool(_NEW_TABLE.match(said) or _FILL.match(said) or _TRIGGER.match(said) or _COLUMN.fullmatch(said))
