"""`sallyport migrate`: bring the schema up before the nodes, or tell what waits."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sallyport.settings import SettingsRefusedError, load
from sallyport.store import schema
from sallyport.store.database import Database, database_at
from sallyport.store.work import StorageUnavailableError

UP_TO_DATE: Final = 0
WAITS: Final = 1
FAILED: Final = 1
WRONG_USE: Final = 2


def run(flags: Mapping[str, str]) -> int:
    """Bring the schema up; returns 0 where it is up, 1 where that failed, 2 for wrong use."""
    try:
        database = _database(flags)
    except (SettingsRefusedError, StorageUnavailableError) as no:
        return _no(no, WRONG_USE)
    try:
        schema.migrate(database, _say)
        _say(f"{database.name} has the schema {schema.version_of(database)}")
    except StorageUnavailableError as fault:
        return _no(fault, FAILED)
    return UP_TO_DATE


def check(flags: Mapping[str, str], *, as_json: bool) -> int:
    """Tell what a migration would do; returns 0 where it has nothing to do, 1 where it has, 2 where nobody can tell."""
    try:
        database = _database(flags)
        version, steps = schema.version_of(database), schema.missing(database)
    except (SettingsRefusedError, StorageUnavailableError) as no:
        return _no(no, WRONG_USE)
    sys.stdout.write((_json if as_json else _table)(version, steps))
    return WAITS if steps else UP_TO_DATE


def _database(flags: Mapping[str, str]) -> Database:
    return database_at(load(flags, os.environ, Path.cwd()).database_url)


def _beside(version: str | None) -> bool:
    """Tell whether the release that serves now may go on: on what comes of the migration, and on all between."""
    return version is None or schema.bears(schema.HEAD, version)


def _table(version: str | None, steps: list[schema.Step]) -> str:
    if not steps:
        return f"schema {version}: nothing to do\n"
    beside = "while the service runs" if _beside(version) else "only while every node is stopped"
    lines = [f"schema {version or 'none yet'}; {len(steps)} to come, {beside}"]
    for step in steps:
        lines += [f"  {step.revision:<15} {step.brings}", f"  {'':<15} holds up: {step.locks}"]
    return "\n".join(lines) + "\n"


def _json(version: str | None, steps: list[schema.Step]) -> str:
    told = [{"revision": step.revision, "brings": step.brings, "holdsUp": step.locks} for step in steps]
    answer = {"schema": version, "newest": schema.HEAD, "whileServing": _beside(version), "steps": told}
    return json.dumps(answer, indent=2) + "\n"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _no(what: object, status: int) -> int:
    sys.stderr.write(f"sallyport migrate: {what}\n")
    return status
