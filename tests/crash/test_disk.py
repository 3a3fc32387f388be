"""The disk of the power cuts forgets what was not synced: without that they would show nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.disk import Disk
from tests.server import environment
from tests.shims.preload import compiled

ROWS = 20
INSERTS = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = " + sys.argv[2])
connection.execute("CREATE TABLE told (number INTEGER)")
for number in range(20):
    connection.execute("INSERT INTO told VALUES (?)", (number,))
os.kill(os.getpid(), signal.SIGKILL)
"""
COUNT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("PRAGMA integrity_check").fetchone()[0])
print(connection.execute("SELECT count(*) FROM told").fetchone()[0])
"""
REPLACES = """
import os, signal, sys
from pathlib import Path
from sallyport.kernel import durable
if sys.argv[2] == "never": os.fsync = lambda handle: None
durable.replace(Path(sys.argv[1]), "old")
durable.replace(Path(sys.argv[1]), "new")
os.kill(os.getpid(), signal.SIGKILL)
"""
DEEP = """
import os, signal, sys
from pathlib import Path
from sallyport.kernel import durable, turns
if sys.argv[2] == "never": durable.make_folder = turns.make_folder = lambda path: path.mkdir(parents=True)
with turns.turn_in(Path(sys.argv[1])):
    durable.replace(Path(sys.argv[1]) / "file", "new")
os.kill(os.getpid(), signal.SIGKILL)
"""

DATABASE = """
import os, signal, sqlite3, sys
from pathlib import Path
from sallyport.store.files import create_file
create_file(Path(sys.argv[1]))
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("CREATE TABLE told (number INTEGER)")
connection.execute("INSERT INTO told VALUES (1)")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("disk", tmp_path_factory.mktemp("shims"))


def died(folder: Path, library: Path, program: str, *arguments: str) -> Disk:
    """Run a program that kills itself, and let the power go with it."""
    disk = Disk(folder, library, folder.with_suffix(".trace"), seed=7)
    command, environ = [sys.executable, "-c", program, *arguments], environment(folder) | disk.begin()
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == -9, ran.stderr
    disk.lose_power()
    return disk


def count(path: Path) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", COUNT, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    return ran.stdout.split()


def test_the_disk_keeps_what_was_synced(tmp_path: Path, library: Path) -> None:
    (tmp_path / "disk").mkdir()
    disk = died(tmp_path / "disk", library, INSERTS, str(tmp_path / "disk" / "rows.db"), "FULL")
    assert disk.syncs >= ROWS
    assert count(tmp_path / "disk" / "rows.db") == ["ok", str(ROWS)]


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_the_disk_forgets_what_was_not_synced(tmp_path: Path, library: Path, synchronous: str) -> None:
    (tmp_path / "disk").mkdir()
    disk = died(tmp_path / "disk", library, INSERTS, str(tmp_path / "disk" / "rows.db"), synchronous)
    assert disk.dropped
    assert count(tmp_path / "disk" / "rows.db") != ["ok", str(ROWS)]


def test_a_replaced_file_is_the_new_one(tmp_path: Path, library: Path) -> None:
    (tmp_path / "disk").mkdir()
    died(tmp_path / "disk", library, REPLACES, str(tmp_path / "disk" / "file"), "always")
    assert (tmp_path / "disk" / "file").read_text() == "new"


def test_a_file_that_was_replaced_without_a_sync_is_not(tmp_path: Path, library: Path) -> None:
    (tmp_path / "disk").mkdir()
    died(tmp_path / "disk", library, REPLACES, str(tmp_path / "disk" / "file"), "never")
    path = tmp_path / "disk" / "file"
    assert not path.exists() or path.read_text() != "new"


@pytest.mark.parametrize("synced", ["always", "never"])
def test_a_folder_lasts_with_what_is_in_it(tmp_path: Path, library: Path, synced: str) -> None:
    deep = tmp_path / "disk" / "one" / "two"
    (tmp_path / "disk").mkdir()
    died(tmp_path / "disk", library, DEEP, str(deep), synced)
    assert (deep / "file").exists() is (synced == "always")


def test_the_folder_of_a_new_database_lasts(tmp_path: Path, library: Path) -> None:
    path = tmp_path / "disk" / "one" / "two" / "rows.db"
    (tmp_path / "disk").mkdir()
    died(tmp_path / "disk", library, DATABASE, str(path))
    assert count(path)[0] == "ok"
