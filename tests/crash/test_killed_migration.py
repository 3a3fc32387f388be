"""A migration happens wholly or not at all, wherever in it the process is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.command import upgrade

from sallyport.store import schema
from tests.server import environment

DYING = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from sallyport.store import schema

left = int(sys.argv[2])

def executed(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "after_cursor_execute", executed)
schema.migrate(Path(sys.argv[1]))
"""


@pytest.fixture(params=["base", "0001"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database without a schema, or with the first one."""
    path = tmp_path / "sallyport.db"
    if request.param != "base":
        upgrade(schema.alembic_config(path), request.param)
    return path


def killed(path: Path, statements: int) -> bool:
    """Migrate in a process of its own, which is killed after so many statements; False where it had no more."""
    command = [sys.executable, "-c", DYING, str(path), str(statements)]
    died = subprocess.run(command, env=environment(path.parent), check=False)
    assert died.returncode in {0, -signal.SIGKILL}
    return died.returncode != 0


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


@pytest.mark.parametrize("statements", [4, 9, 14])
def test_a_killed_migration_leaves_nothing_and_the_next_one_ends_it(database: Path, statements: int) -> None:
    before = tables(database)
    assert killed(database, statements)
    assert tables(database) == before
    schema.migrate(database)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute(schema.VERSION.text).fetchone() == (schema.HEAD,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_dying_process_dies_inside_the_migration(tmp_path: Path) -> None:
    assert not killed(tmp_path / "sallyport.db", 1_000)
    assert os.access(tmp_path / "sallyport.db", os.R_OK)
