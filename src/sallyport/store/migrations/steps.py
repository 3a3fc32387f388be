"""Going from schema to schema, a revision at a time. Imports Alembic: for who has a way to go."""

import time
from collections.abc import Callable
from inspect import getdoc
from typing import Any, Final

from alembic.command import upgrade
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from sallyport.store.database import Database, SqliteFile
from sallyport.store.work import Sql, StorageUnavailableError

Tell = Callable[[str], object]

_TRIES: Final = 100
_PAUSE: Final = 0.5
"""Seconds between two tries."""
_BREATH: Final = 0.25
"""Seconds between two revisions. Who waits for SQLite's lock looks every 0.1 s: in between, everybody gets a turn."""


def scripts(config: Config, version: str | None) -> list[Script]:
    """Return what leads from a version to the newest, in order."""
    found = ScriptDirectory.from_config(config).iterate_revisions("head", version or "base")
    return list(found)[::-1]


def told(script: Script) -> tuple[str, str]:
    """Return what a revision brings, and what it locks."""
    return str(getdoc(script.module)).splitlines()[0], script.module.LOCKS


def climb(database: Database, config: Config, version: str | None, tell: Tell) -> None:
    """Take every revision that is missing, each in a transaction of its own: one that is killed leads on from there.

    A new database comes into being as a whole. Raises `StorageUnavailableError`.
    """
    if version is None:
        _take(database, config, "head", tell)
        return
    for script in scripts(config, version):
        tell(f"{script.revision}: {told(script)[0]}")
        _read_first(database, getattr(script.module, "LARGE", None))
        _take(database, config, script.revision, tell)
        time.sleep(_BREATH)


def _take(database: Database, config: Config, revision: str, tell: Tell) -> None:
    for left in range(_TRIES - 1, -1, -1):
        try:
            upgrade(config, revision)
        except SQLAlchemyError as fault:
            if not left or not _is_busy(fault):
                why = fault.orig if isinstance(fault, DBAPIError) else fault  # without the statement and its values
                message = f"can't bring the schema of {database.name} to {revision}: {why}{database.hint}"
                raise StorageUnavailableError(message) from fault
            tell(f"{revision}: the tables are in use, trying again")
            time.sleep(_PAUSE)
        else:
            return


def _is_busy(fault: SQLAlchemyError) -> bool:
    """Tell whether somebody else's lock was in the way, and nothing else is wrong."""
    driver: Any = fault.orig if isinstance(fault, OperationalError) else None
    state, name = getattr(driver, "sqlstate", None), getattr(driver, "sqlite_errorname", "")
    # lock_not_available, deadlock_detected
    return state in {"55P03", "40P01"} or name.startswith("SQLITE_BUSY")


def _read_first(database: Database, table: str | None) -> None:
    """Bring a table into memory, so that nobody waits for the disk while SQLite's lock is held."""
    if table and isinstance(database, SqliteFile):
        database.ask(lambda rows: rows.one(Sql(f"SELECT count(*) FROM {table} NOT INDEXED")), None)  # noqa: S608  # named in a file of ours
