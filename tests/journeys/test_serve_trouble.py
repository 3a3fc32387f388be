"""`sallyport serve` where an operator's slip, a second process or a signal must not hurt."""

import os
import re
import signal
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.server import HOST, Server, run, serving

CHOSEN = "an operator chose these words"
ENVIRON = {"SALLYPORT_ADMIN_PASSWORD": CHOSEN}
# uvicorn's own parent of workers leaves its socket to the collector.
WORKERS_ENVIRON = ENVIRON | {"PYTHONWARNINGS": "default"}


def test_nothing_is_lost_when_another_process_looks_at_the_database(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON) as server:
        server.end(signal.SIGINT)
    with serving(tmp_path, environ=ENVIRON) as server:
        # A backup, an operator with sqlite3, a second start by mistake: each opens the file, reads, and closes it.
        with closing(sqlite3.connect(tmp_path / "sallyport.db")) as looking:
            assert looking.execute("SELECT count(*) FROM users").fetchone() == (1,)
        assert server.call("POST", "/users", {"name": "alice", "password": CHOSEN}).status == 201
        server.process.kill()
        server.process.wait()
    with serving(tmp_path, environ=ENVIRON) as server:
        assert server.log_in("alice", CHOSEN).status == 200


def test_two_workers_know_the_same_sessions(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", environ=WORKERS_ENVIRON) as server:
        one, other = workers_of(server)
        try:
            os.kill(other, signal.SIGSTOP)
            made = server.log_in("admin", CHOSEN).body
            os.kill(other, signal.SIGCONT)
            os.kill(one, signal.SIGSTOP)
            me = server.call("GET", "/users/me", authorization=f"Bearer {made['token']}")
            assert (me.status, me.body.get("name")) == (200, "admin")
            renewed = server.call("POST", "/auth/refresh", {"refresh": made["refresh"]})
            assert renewed.status == 200
            assert server.call("POST", "/auth/logout", authorization=f"Bearer {made['token']}").status == 204
            os.kill(one, signal.SIGCONT)
            os.kill(other, signal.SIGSTOP)
            me = server.call("GET", "/users/me", authorization=f"Bearer {renewed.body['token']}")
            assert me.status == 401
        finally:
            for pid in (one, other):
                os.kill(pid, signal.SIGCONT)


def test_nothing_that_two_workers_have_answered_is_lost(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", environ=WORKERS_ENVIRON) as server:
        workers_of(server)
        names = [f"user{number}" for number in range(30)]
        answers = [server.call("POST", "/users", {"name": name}).status for name in names]
        assert set(answers) == {201}
        token = server.log_in("admin", CHOSEN).body["token"]
        count = server.call("GET", "/users/count", authorization=f"Bearer {token}")
        assert count.body == {"count": len(names) + 1}


def test_sigterm_ends_one_process_with_status_0(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON) as server:
        assert server.end(signal.SIGTERM) == 0
        assert "Traceback" not in server.err.read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_refused(tmp_path: Path, workers: str) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = run(tmp_path, "serve", "--port", port, "--workers", workers, environ=WORKERS_ENVIRON)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "sallyport can't start:" in refused.stderr
    assert port in refused.stderr
    assert '"event": "serving"' not in refused.stderr, "it does not claim to serve"


def test_a_port_in_use_does_not_swallow_the_admin_password(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        refused = run(tmp_path, "serve", "--port", str(taken.getsockname()[1]))
    assert refused.returncode != 0
    with serving(tmp_path) as server:
        told = refused.stdout + server.out.read_text()
        (password,) = [line.strip() for line in told.splitlines() if line.startswith("      ")]
        assert server.log_in("admin", password).status == 200


def a_folder(folder: Path) -> Path:
    (folder / "folder").mkdir()
    return folder / "folder"


def below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file" / "below"


@pytest.mark.parametrize("place", [a_folder, below_a_file])
def test_a_path_that_can_not_be_a_database_is_refused(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    path = place(tmp_path)
    refused = run(tmp_path, "serve", "--database", f"sqlite:///{path}")
    assert_refused(refused.returncode, refused.stdout, refused.stderr, str(path))


def test_a_key_directory_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    keys = below_a_file(tmp_path)
    refused = run(tmp_path, "serve", environ={"SALLYPORT_KEYS_DIR": str(keys)})
    assert_refused(refused.returncode, refused.stdout, refused.stderr, str(keys))


def test_a_path_may_have_any_characters(tmp_path: Path) -> None:
    folder = tmp_path / "100% ours? #1 & ünïcode"
    environ = ENVIRON | {"SALLYPORT_KEYS_DIR": f"{folder}/keys"}
    with serving(tmp_path, "--database", f"sqlite:///{folder}/sallyport.db", environ=environ):
        assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [folder.name]
        assert (folder / "sallyport.db").exists()


def test_the_default_data_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environ = ENVIRON | {
        "SALLYPORT_DATABASE_URL": f"sqlite:///{data}/sallyport.db",
        "SALLYPORT_KEYS_DIR": f"{data}/keys",
    }
    with serving(tmp_path, environ=environ):
        assert data.stat().st_mode & 0o077 == 0


def test_its_help_names_flags_and_defaults(tmp_path: Path) -> None:
    told = run(tmp_path, "serve", "--help", environ={"COLUMNS": "100"})
    assert told.returncode == 0
    for words in ("--host", "127.0.0.1", "--port", "8080", "--database", "--workers", "SALLYPORT_*", "sallyport.toml"):
        assert words in told.stdout


def assert_refused(status: int, out: str, err: str, *named: str) -> None:
    """Assert that a start was refused in one message that names all this, without a traceback."""
    assert status == 1, err
    assert out == ""
    assert err.count("sallyport can't start:") == 1, err
    assert "Traceback" not in err
    for words in named:
        assert words in err


def workers_of(server: Server) -> tuple[int, int]:
    """Return both processes that serve, once both do."""
    pid = server.process.pid
    found = Path(f"/proc/{pid}/task/{pid}/children")
    if not found.exists():
        pytest.skip("not run: this system does not tell the children of a process")
    while True:
        children = [int(child) for child in found.read_text().split()]
        assert server.process.poll() is None
        # A worker that serves has the database open.
        workers = [child for child in children if any("sallyport.db" in name for name in open_files(child))]
        if len(workers) == 2:
            return workers[0], workers[1]


def open_files(pid: int) -> list[str]:
    """Return the names of what a process has open."""
    found = []
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(handle.readlink()))
        except OSError:
            continue  # closed meanwhile
    return found


def test_any_of_two_workers_tells_the_numbers_of_both_and_they_never_fall(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", environ=WORKERS_ENVIRON) as server:
        one, other = workers_of(server)
        shown = []
        for held in (other, one):
            os.kill(held, signal.SIGSTOP)
            for _ in range(5):
                assert server.call("GET", "/users/me").status == 401
            # The held one can't answer: the one that is asked is the one that counted.
            shown.append(requests_to_me(server))
            os.kill(held, signal.SIGCONT)
        assert shown == [5, 10]
        os.kill(one, signal.SIGKILL)
        for _ in range(20):
            assert requests_to_me(server) == 10
        assert server.end() == 0


def requests_to_me(server: Server) -> float:
    """Ask for the numbers, of whichever worker."""
    with socket.create_connection((HOST, server.port), timeout=20) as wire:
        wire.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: wire.recv(65_536), b"")).decode()
    found = re.search(r'^sallyport_http_request_seconds_count\{.*"/users/\{id\}".*\} (.*)$', text, re.MULTILINE)
    assert "process_resident_memory_bytes" not in text, "one process is not the whole service"
    return float(found[1]) if found else 0
