"""The whole database as text, to see that a refused request has changed nothing."""

import sqlite3
from contextlib import closing

from tests.world import World


def dump(world: World) -> list[str]:
    """Return the database as SQL, one statement a line; without the audit log, which tells of refusals too."""
    path = world.service.settings.database_path
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [line for line in connection.iterdump() if not line.startswith('INSERT INTO "audit_log"')]
