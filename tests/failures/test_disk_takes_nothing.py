"""SQLite on a disk that is full, read-only or broken: a clear 503 for every write, no half state, healed by itself."""

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
import pytest

from tests.server import Reply, Server, run, serving
from tests.shims.preload import compiled
from tests.shims.stuck import BROKEN, FULL, READ_ONLY, Stuck

CHOSEN = "an operator chose these words"
PASSWORD = "correct horse battery staple"
ENVIRON = {"SALLYPORT_ADMIN_PASSWORD": CHOSEN}
LONGEST_MS = 1_000
"""What a write that can't be stored may take, by the service's own log."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("disk", tmp_path_factory.mktemp("shims"))


@dataclass
class User:
    """Somebody with a second factor, at the moment before the disk fills."""

    server: Server
    uid: str
    access: str
    refresh: str
    challenge: str
    code: str
    backup_code: str

    def call(self, method: str, path: str, body: Any = None) -> Reply:
        return self.server.call(method, path, body, f"Bearer {self.access}")


def enrolled(server: Server, name: str) -> User:
    made = server.call("POST", "/users", {"name": name, "password": PASSWORD}).body
    authorization = f"Bearer {made['token']}"
    secret = server.call("POST", "/users/me/secrets", {"type": "mfa"}, authorization).body
    phone = pyotp.TOTP(secret["secret"]["secret"])
    # The step before this one: so that this one is good for a login.
    path, token = f"/users/me/secrets/{secret['uid']}/enroll", phone.at(int(time.time()), counter_offset=-1)
    enrollment = server.call("PUT", path, {"token": token}, authorization).body
    challenge = server.log_in(name, PASSWORD).body["token"]
    session = enrollment["session"]
    codes = enrollment["codes"]
    return User(server, made["userUid"], session["token"], session["refresh"], challenge, phone.now(), codes[0])


def writes(user: User) -> dict[str, Reply]:
    """Try everything that writes, with credentials that are good."""
    server, challenge = user.server, f"jwt {user.challenge}"
    version = user.call("GET", "/users/me").body["version"]
    return {
        "register": server.call("POST", "/users", {"name": "late", "password": PASSWORD}),
        "log in": server.log_in("admin", CHOSEN),
        "log in with a wrong password": server.log_in("admin", "other words than those"),
        "log in as nobody": server.log_in("nobody", PASSWORD),
        "code": server.call("POST", "/auth/totp", {"token": user.code}, challenge),
        "wrong code": server.call("POST", "/auth/totp", {"token": "000000"}, challenge),
        "backup code": server.call("POST", "/auth/totp", {"token": user.backup_code}, challenge),
        "refresh": server.call("POST", "/auth/refresh", {"refresh": user.refresh}),
        "elevate": user.call("POST", "/auth/elevate", {"password": PASSWORD, "token": user.code}),
        "new secret": user.call("POST", "/users/me/secrets", {"type": "mfa"}),
        "new codes": user.call("POST", "/users/me/secrets", {"type": "mfabackup"}),
        "change": user.call("PUT", "/users/me", {"version": version, "firstName": "Ann"}),
        "end sessions": user.call("DELETE", "/users/me/sessions"),
        "log out": user.call("POST", "/auth/logout"),
        "delete": user.call("DELETE", "/users/me"),
    }


def reads(user: User) -> dict[str, Reply]:
    """Try what only reads."""
    paths = ("/users/me", "/users", "/users/me/secrets", "/users/me/sessions", "/.well-known/jwks.json", "/healthz")
    return {path: user.call("GET", path) for path in paths}


def assert_unavailable(reply: Reply, what: str) -> None:
    assert (reply.status, reply.body["code"]) == (503, "storage_unavailable"), f"{what}: {reply}"
    assert reply.retry_after == "1", what


def assert_sound(folder: Path, copy: Path) -> None:
    """Look at a copy of a database that nobody writes to at this moment."""
    copy.mkdir()
    for file in folder.glob("sallyport.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, copy)
    with closing(sqlite3.connect(copy / "sallyport.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def assert_clear_log(server: Server) -> None:
    """See that the log says why, that nothing took long, and that nothing is a fault of ours."""
    lines = server.log()
    assert not [line for line in lines if line["level"] in {"error", "critical"}], lines
    unavailable = [line for line in lines if line["event"] == "storage unavailable"]
    assert unavailable
    assert all(line["fault"] and line["request_id"] and line["route"] for line in unavailable)
    refused = [line for line in lines if line["event"] == "request" and line["status"] == 503]
    assert refused
    assert max(line["ms"] for line in refused) < LONGEST_MS


@pytest.mark.parametrize("fault", [FULL, READ_ONLY, BROKEN], ids=["full", "read-only", "broken"])
def test_no_write_is_answered_but_by_503_and_all_goes_on_by_itself(tmp_path: Path, library: Path, fault: int) -> None:
    stuck = Stuck(tmp_path, library, tmp_path.with_suffix(".switch"))
    with serving(tmp_path, environ=ENVIRON | stuck.environ) as server:
        user = enrolled(server, "alice")
        with stuck.by(fault):
            for what, reply in writes(user).items():
                assert_unavailable(reply, what)
            for what, reply in reads(user).items():
                assert reply.status == 200, f"{what}: {reply}"
            time.sleep(1.1)  # what was found before the fault is worth a second
            assert_unavailable(server.call("GET", "/readyz"), "/readyz")
        # What was refused has not happened: nothing is spent, ended, changed or made, and no try was counted.
        assert server.call("GET", "/readyz").status == 200
        assert all(reply.status == 200 for reply in reads(user).values())
        answer = server.call("POST", "/auth/totp", {"token": user.code}, f"jwt {user.challenge}")
        assert (answer.status, answer.body["mfa"]["backupCodesRemaining"]) == (200, 10)
        assert server.call("POST", "/auth/refresh", {"refresh": user.refresh}).status == 200
        assert server.call("POST", "/users", {"name": "late", "password": PASSWORD}).status == 201
        assert server.log_in("admin", CHOSEN).status == 200
        assert_sound(tmp_path, tmp_path / "copy")
        assert_clear_log(server)
        assert server.end() == 0


def test_a_power_cut_after_a_full_disk_leaves_what_was_acknowledged(tmp_path: Path, library: Path) -> None:
    stuck = Stuck(tmp_path, library, tmp_path.with_suffix(".switch"))
    with serving(tmp_path, environ=ENVIRON | stuck.environ) as server:
        enrolled(server, "alice")
        with stuck.by(FULL):
            assert_unavailable(server.call("POST", "/users", {"name": "bob", "password": PASSWORD}), "register")
            server.process.kill()
            server.process.wait()
    with serving(tmp_path, environ=ENVIRON) as server:
        assert server.log_in("alice", PASSWORD).body["type"] == "CHALLENGE"
        assert server.log_in("bob", PASSWORD).status == 401
        assert_sound(tmp_path, tmp_path / "copy")


@pytest.mark.parametrize("fault", [FULL, READ_ONLY], ids=["full", "read-only"])
def test_a_start_on_a_disk_that_takes_nothing_says_so(tmp_path: Path, library: Path, fault: int) -> None:
    stuck = Stuck(tmp_path, library, tmp_path.with_suffix(".switch"))
    with serving(tmp_path, environ=ENVIRON):
        pass
    environ = stuck.environ
    with stuck.by(fault):
        refused = run(tmp_path, "serve", environ=ENVIRON | environ)
    assert refused.returncode == 1
    assert "sallyport can't start" in refused.stderr
    assert "Traceback" not in refused.stderr
    with serving(tmp_path, environ=ENVIRON) as server:
        assert server.log_in("admin", CHOSEN).status == 200


def test_a_key_directory_that_takes_nothing_stops_no_login(tmp_path: Path, library: Path) -> None:
    stuck = Stuck(tmp_path / "keys", library, tmp_path.with_suffix(".switch"))
    checkpoint = tmp_path / "keys" / "audit.checkpoint"
    environ = stuck.environ
    with serving(tmp_path, environ=ENVIRON | environ) as server:
        until(checkpoint.exists)
        with stuck.by(FULL):
            before = checkpoint.read_text()
            assert server.log_in("admin", CHOSEN).status == 200
            until(lambda: complaints(server) != [])
            assert server.call("GET", "/readyz").status == 200
            rotated = run(tmp_path, "keys", "rotate", "sealing", environ=ENVIRON | environ)
            assert rotated.returncode == 1
            assert "Traceback" not in rotated.stderr
            assert "No space left on device" in rotated.stderr
            assert checkpoint.read_text() == before
        until(lambda: checkpoint.read_text() != before)
        (complaint,) = complaints(server)
        assert "No space left on device" in complaint["fault"]
        assert server.end() == 0
    assert run(tmp_path, "audit", "verify").returncode == 0


def test_a_backup_onto_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path, library: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    stuck = Stuck(target, library, tmp_path.with_suffix(".switch"))
    with serving(tmp_path, environ=ENVIRON):
        environ = stuck.environ
        with stuck.by(FULL):
            taken = run(tmp_path, "backup", "--to", str(target / "backup.db"), environ=environ)
    assert taken.returncode == 1
    assert "Traceback" not in taken.stderr
    assert str(target) in taken.stderr
    assert list(target.iterdir()) == []


def complaints(server: Server) -> list[dict[str, Any]]:
    return [line for line in server.log() if line["event"] == "audit log"]


def until(holds: Any) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.05)


@contextmanager
def small_disk(folder: Path) -> Iterator[tuple[list[str], Path]]:
    """Give a command that runs another one with a file system of its own, of 32 MiB, mounted below a folder.

    When there is room again, the log of all who were refused fits in before it is copied.
    """
    place = folder / "small"
    place.mkdir()
    shell = 'mount -t tmpfs -o size=32m,mode=700 none "$0" && exec "$@"'
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", shell, str(place)]
    tried = subprocess.run([*inside, "true"], capture_output=True, text=True, check=False)
    if tried.returncode and os.environ.get("CI") == "true":
        pytest.fail(f"nobody may mount here ({tried.stderr.strip()}), and under CI nothing is left out")
    if tried.returncode:
        pytest.skip(f"not run: nobody may mount a small file system here ({tried.stderr.strip()})")
    yield inside, place


def test_a_disk_that_is_really_full_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with small_disk(tmp_path) as (inside, place):
        environ = ENVIRON | {
            "SALLYPORT_DATABASE_URL": f"sqlite:///{place}/sallyport.db",
            "SALLYPORT_KEYS_DIR": f"{place}/keys",
            "SALLYPORT_THROTTLE": "off",
        }
        with serving(tmp_path, environ=environ, inside=inside) as server:
            disk = Path(f"/proc/{server.process.pid}/root{place}")
            fill(disk / "ballast")
            made, refused = register_until_full(server)
            # Not `/readyz`: its one page may find room where a registration does not.
            assert server.call("GET", "/healthz").status == 200
            (disk / "ballast").unlink()
            assert server.call("GET", "/readyz").status == 200
            for name in refused:
                assert server.call("POST", "/users", {"name": name}).status == 201, (
                    "it was refused, and yet it is there"
                )
            admin = server.log_in("admin", CHOSEN).body
            count = server.call("GET", "/users/count", authorization=f"Bearer {admin['token']}").body
            assert count == {"count": 1 + len(made) + len(refused)}
            until((disk / "keys" / "audit.checkpoint").exists)
            assert_sound(disk, tmp_path / "copy")
            assert server.end() == 0
        assert "Traceback" not in server.err.read_text()


def fill(ballast: Path) -> None:
    """Take all the room there is."""
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


def register_until_full(server: Server) -> tuple[list[str], list[str]]:
    """Register people until nobody can be for a while; returns who was, and who was not.

    At first the log has room that it uses again; it ends where the database itself must grow.
    """
    made, refused, in_a_row = list[str](), list[str](), 0
    deadline = time.monotonic() + 60
    while in_a_row < 30:
        assert time.monotonic() < deadline, f"{len(made)} were registered, and the disk is not full"
        name = f"user{len(made) + len(refused)}"
        reply = server.call("POST", "/users", {"name": name})
        if reply.status == 201:
            made, in_a_row = [*made, name], 0
            continue
        assert_unavailable(reply, "register")
        refused, in_a_row = [*refused, name], in_a_row + 1
        time.sleep(0.05)
    return made, refused
