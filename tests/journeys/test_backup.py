"""`sallyport backup` and `sallyport restore` as an operator meets them, and a restore that is killed at every step."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server, environment, run, serving

CHOSEN = "an operator chose these words"
ENVIRON = {"SALLYPORT_ADMIN_PASSWORD": CHOSEN}


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a backup of one user, and a service killed later, whose log alone knows a second one."""
    folder = tmp_path_factory.mktemp("used")
    with serving(folder, environ=ENVIRON) as server:
        taken = run(folder, "backup", "--to", "backup.db")
        assert taken.returncode == 0, taken.stderr
        assert server.call("POST", "/users", {"name": "alice", "password": CHOSEN}).status == 201
        server.process.kill()
        server.process.wait()
    assert (folder / "sallyport.db-wal").stat().st_size > 0
    return folder


@pytest.fixture
def copy(used: Path, tmp_path: Path) -> Path:
    made: Path = shutil.copytree(used, tmp_path / "copy")
    return made


def test_a_backup_is_taken_while_people_log_in_and_says_that_the_keys_are_not_in_it(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON) as server:
        token = server.log_in("admin", CHOSEN).body["token"]
        done = run(tmp_path, "backup", "--to", "backup.db")
        assert (done.returncode, done.stderr) == (0, "")
        assert "NOT in it" in done.stdout
        assert str(tmp_path / "keys") in done.stdout
        assert (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600
        again = run(tmp_path, "backup", "--to", "backup.db")
        assert (again.returncode, again.stdout) == (1, "")
        assert "not overwritten" in again.stderr
        refused = run(tmp_path, "restore", "backup.db")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "stop the service first" in refused.stderr
        # The service does not notice any of it, and neither does its log.
        assert server.call("GET", "/users/me", authorization=f"Bearer {token}").status == 200
        assert server.call("POST", "/users", {"name": "alice", "password": CHOSEN}).status == 201
        server.process.kill()
        server.process.wait()
    with serving(tmp_path) as server:
        assert server.log_in("alice", CHOSEN).status == 200


def test_a_backup_comes_back_and_the_service_goes_on(copy: Path) -> None:
    done = run(copy, "restore", "backup.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert "epoch 1" in done.stdout
    (aside,) = copy.glob("sallyport.db.before-restore-*")
    assert str(aside) in done.stdout
    with serving(copy) as server:
        assert server.log_in("admin", CHOSEN).status == 200
        assert server.log_in("alice", CHOSEN).status == 401, "she came after the backup"
    # What was replaced is whole, log and all, and can be restored like any other.
    assert run(copy, "restore", aside.name).returncode == 0
    with serving(copy) as server:
        assert server.log_in("alice", CHOSEN).status == 200


def test_a_database_that_was_copied_back_by_hand_is_refused_with_what_to_do(copy: Path) -> None:
    assert run(copy, "restore", "backup.db").returncode == 0
    shutil.copy(copy / "backup.db", copy / "sallyport.db")
    refused = run(copy, "serve")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "copied back by hand" in refused.stderr
    assert run(copy, "restore", "sallyport.db").returncode == 0
    with serving(copy) as server:
        assert server.log_in("admin", CHOSEN).status == 200


def test_no_start_comes_in_while_a_restore_works(copy: Path) -> None:
    with Held(copy):
        refused = run(copy, "serve")
    assert refused.returncode == 1
    assert "being restored" in refused.stderr


class Held:
    """A restore that stands still: a process that holds what a restore holds."""

    def __init__(self, folder: Path) -> None:
        script = "import sys; from pathlib import Path; from sallyport.store.presence import alone_at\n"
        script += "with alone_at(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, str(folder / "sallyport.db")],
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> None:
        assert self._process.stdout
        assert self._process.stdout.readline() == "held\n"

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_of_any_number_of_processes_is_seen(copy: Path, workers: str) -> None:
    # uvicorn's own parent of workers leaves its socket to the collector.
    with serving(copy, "--workers", workers, environ={"PYTHONWARNINGS": "default"}):
        assert "stop the service first" in run(copy, "restore", "backup.db").stderr


def test_wrong_use_has_a_status_of_its_own(tmp_path: Path) -> None:
    for words in (["backup"], ["restore"], ["backup", "--keys"]):
        assert run(tmp_path, *words).returncode == 2
    refused = run(tmp_path, "backup", "--to", "x", environ={"SALLYPORT_WORKERS": "many"})
    assert refused.returncode == 1
    assert "SALLYPORT_WORKERS" in refused.stderr


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
import alembic.command, sqlalchemy
from sallyport.settings import load
from sallyport.wiring.host import restore

source, target = Path(sys.argv[1]), Path(sys.argv[2])

def attempt(folder, last):
    seen = 0
    def count(event, arguments):
        nonlocal seen
        if event.startswith("sqlite3.") or any(str(folder) in str(one) for one in arguments):
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)
    environ = {"SALLYPORT_DATABASE_URL": f"sqlite:///{folder}/sallyport.db", "SALLYPORT_KEYS_DIR": f"{folder}/keys"}
    settings = load({}, environ, folder)
    sys.addaudithook(count)
    fsync = os.fsync
    def counted(handle):
        count("fsync", [str(folder)])
        fsync(handle)
    os.fsync = counted
    restore(settings)(folder / "backup.db")

number, status = 0, 1
while status:
    number += 1
    folder = target / str(number)
    shutil.copytree(source, folder)
    child = os.fork()
    if not child:
        attempt(folder, number)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
"""


def test_a_restore_that_is_killed_at_any_step_leaves_the_old_database_or_the_new_one(
    used: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(used), str(tmp_path)],
        env=environment(tmp_path, PYTHONWARNINGS="default"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    folders = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    assert len(folders) > 20, "it was stopped at every call that touches a file"
    states = [state(folder) for folder in folders]
    assert set(states) == {"old", "new"}
    assert states == sorted(states, key=["old", "new"].index), "one step decides, and nothing goes back"
    # Whatever is left: a second attempt finishes, and the service starts.
    for folder in (folders[0], folders[states.index("new") - 1], folders[states.index("new")], folders[-2]):
        with serving(folder) as server:
            assert server.log_in("admin", CHOSEN).status == 200
        assert run(folder, "restore", "backup.db").returncode == 0
        with serving(folder) as server:
            assert_is_new(server)


def assert_is_new(server: Server) -> None:
    assert server.log_in("admin", CHOSEN).status == 200
    assert server.log_in("alice", CHOSEN).status == 401


def state(folder: Path) -> str:
    """Tell which database is in its place, by everything that tells the two apart; neither is ever half."""
    found = looked_at(folder / "sallyport.db")
    old: dict[str, Any] = {"users": 2, "sessions": 1, "refresh_tokens": 1, "epoch": 0}
    new: dict[str, Any] = {"users": 1, "sessions": 0, "refresh_tokens": 0, "epoch": 1}
    assert found in (old, new), found
    if found == new:
        (aside,) = folder.glob("sallyport.db.before-restore-*")
        assert looked_at(aside) == old
    return "old" if found == old else "new"


def looked_at(path: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        told = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  # our own names
            for table in ("users", "sessions", "refresh_tokens")
        }
        told["epoch"] = connection.execute("SELECT epoch FROM installation").fetchone()[0]
        return told
