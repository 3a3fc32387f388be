"""A start that is killed, wherever it is, hinders no later one: it happens wholly or not at all."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.command import upgrade

from sallyport.store import schema
from sallyport.store.database import SqliteFile
from tests.server import environment

DYING = Path(__file__).parent / "dying.py"
KILLS = int(os.environ.get("SALLYPORT_TEST_KILLS", "10"))
WHOLE = {"installation": 1, "users": 1, "passwords": 1}
"""What the first start writes, all of it or none."""


def start(folder: Path, last: int) -> int:
    """Start in a process that dies at its `last` step; returns how many steps there were, or 0 where it died."""
    command = [sys.executable, str(DYING), str(folder), str(last)]
    ran = subprocess.run(command, env=environment(folder), capture_output=True, text=True, check=False)
    assert ran.returncode in {0, -signal.SIGKILL}, ran.stderr
    return int(ran.stdout) if ran.returncode == 0 else 0


def counts(folder: Path) -> dict[str, int]:
    """Return how many rows the tables of a first start have; nothing where there are no tables."""
    with closing(sqlite3.connect(folder / "sallyport.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608  # names from above
            for name in tables & set(WHOLE)
        }


def test_the_next_start_ends_what_a_killed_one_began(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    steps = start(whole, 0)
    assert steps > 60
    assert counts(whole) == WHOLE
    # The last steps are the first admin's; those before are tables by the dozen.
    tender, others = [*range(1, 8), *range(steps - 11, steps)], list(range(8, steps - 11))
    chosen = random.sample(tender, min(KILLS // 3, len(tender))) + random.sample(others, min(KILLS // 5, len(others)))
    for last in chosen:
        folder = tmp_path / f"killed-at-{last}"
        folder.mkdir()
        assert start(folder, last) == 0
        assert counts(folder) in ({}, dict.fromkeys(WHOLE, 0), WHOLE), f"killed at step {last} of {steps}"
        assert start(folder, 0), f"killed at step {last} of {steps}"
        assert counts(folder) == WHOLE, f"killed at step {last} of {steps}"


@pytest.mark.parametrize("last", [20, 32, 44, 56, 62, 68, 74])
def test_a_killed_migration_leaves_the_schema_of_a_revision(tmp_path: Path, last: int) -> None:
    taken_to("0001", tmp_path)
    assert start(tmp_path, last) == 0
    (whole := tmp_path / "whole").mkdir()
    taken_to(str(schema.version_of(SqliteFile(tmp_path / "sallyport.db"))), whole)
    assert shape(tmp_path) == shape(whole)
    assert start(tmp_path, 0)
    taken_to(schema.HEAD, whole)
    assert shape(tmp_path) == shape(whole)


def taken_to(revision: str, folder: Path) -> None:
    upgrade(schema.alembic_config(SqliteFile(folder / "sallyport.db")), revision)


def shape(folder: Path) -> set[str]:
    """Return the names of all tables and indexes."""
    with closing(sqlite3.connect(folder / "sallyport.db")) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
