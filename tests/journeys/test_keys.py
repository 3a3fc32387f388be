"""Keys turn under a running service, as an operator turns them: real processes, real files, real clients."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import joserfc.jwt
import pyotp
import pytest
from joserfc.jwk import KeySet

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import system_randomness
from sallyport.kernel.keyfiles import read_ring
from sallyport.kernel.vault import Place, Vault
from sallyport.keys.plans import ring_plans
from tests.server import Reply, Server, command, environment, run, serving

CHOSEN = "an operator chose these words"
PASSWORD = "correct horse battery staple"
# A load test of many logins from one address; uvicorn's own parent of workers leaves its socket to the collector.
ENVIRON = {"SALLYPORT_ADMIN_PASSWORD": CHOSEN, "SALLYPORT_THROTTLE": "off", "PYTHONWARNINGS": "default"}
WAIT = ("--wait", "1.5")


@dataclass
class Client:
    """A user who comes again and again, with whatever they hold."""

    server: Server
    name: str
    token: str = ""
    refresh: str = ""
    codes: list[str] = field(default_factory=list)
    replies: list[tuple[str, Reply]] = field(default_factory=list)
    kids: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, body: Any = None, authorization: str = "") -> Any:
        reply = self.server.call(method, path, body, authorization or (f"Bearer {self.token}" if self.token else ""))
        self.replies.append((f"{method} {path}", reply))
        if isinstance(reply.body, dict) and reply.body.get("type") == "ACCESS":
            self.token, self.refresh = reply.body["token"], reply.body["refresh"]
            self.kids.append(json.loads(urlsafe_b64decode(self.token.partition(".")[0] + "=="))["kid"])
        return reply.body

    def register(self) -> None:
        self.call("POST", "/users", {"name": self.name, "password": PASSWORD})

    def enroll(self) -> None:
        secret = self.call("POST", "/users/me/secrets", {"type": "mfa"})
        code = pyotp.TOTP(secret["secret"]["secret"]).now()
        told = self.call("PUT", f"/users/me/secrets/{secret['uid']}/enroll", {"token": code})
        self.codes, self.token = told["codes"], told["session"]["token"]
        self.refresh = told["session"]["refresh"]

    def log_in(self) -> None:
        reply = self.server.log_in(self.name, PASSWORD)
        self.replies.append(("GET /auth/password", reply))
        if reply.body.get("type") == "CHALLENGE":
            challenge = reply.body["token"]
            self.call("POST", "/auth/totp", {"token": self.codes.pop()}, f"jwt {challenge}")

    def come_again(self) -> None:
        self.call("GET", "/users/me")
        self.call("POST", "/auth/refresh", {"refresh": self.refresh})
        self.call("GET", "/users/me")
        self.call("GET", "/users/me/secrets")


def enroll_and_leave(server: Server, number: int) -> Client:
    """Register, enroll and log in with a second factor: whatever writes under the keys."""
    client = Client(server, f"new-{number}-{time.monotonic_ns()}")
    client.register()
    client.enroll()
    client.log_in()
    return client


@contextmanager
def load(server: Server) -> Iterator[list[Client]]:
    """Let clients come and go until the end of a `with`; whatever was refused fails it."""
    ended = Event()
    clients = [Client(server, f"alice{number}") for number in range(2)]
    for client in clients:
        client.register()

    def come(client: Client) -> None:
        while not ended.is_set():
            client.come_again()
            client.log_in()
            time.sleep(0.02)

    def join() -> None:
        number = 0
        while not ended.is_set():
            clients.append(enroll_and_leave(server, number))
            number += 1
            time.sleep(0.05)

    threads = [*(Thread(target=come, args=(client,)) for client in clients), Thread(target=join)]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    replies = [reply for client in clients for reply in client.replies]
    refused = [(what, reply.status, reply.body) for what, reply in replies if reply.status not in {200, 201, 204}]
    assert refused == []
    assert len(replies) > 50, "there was a load"


def keys(folder: Path, *arguments: str, status: int = 0) -> str:
    done = run(folder, "keys", *arguments)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


def listed(folder: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for key in json.loads(keys(folder, "list", "--output", "json")):
        found.setdefault(key["ring"], []).append(key)
    return found


@pytest.mark.on_disk("while a write waits for it, others come in between")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_ring_turns_under_load_and_no_request_fails(tmp_path: Path, workers: str) -> None:
    with serving(tmp_path, "--workers", workers, environ=ENVIRON) as server:
        jwks = server.call("GET", "/.well-known/jwks.json").body
        before = listed(tmp_path)
        with load(server) as clients:
            with ThreadPoolExecutor(3) as operators:
                for told in operators.map(lambda ring: keys(tmp_path, "rotate", ring, *WAIT), before):
                    assert "is active" in told
            time.sleep(0.5)
        after = listed(tmp_path)
        assert {ring: [key["state"] for key in told] for ring, told in after.items()} == {
            "sealing": ["old", "active"],
            "pepper": ["old", "active"],
            "audit": ["old", "active"],
            "signing": ["old", "active", "next"],
        }
        assert set(after["sealing"][0]["rows"].values()) == {0}, "no row is on the old key"
        assert after["pepper"][1]["rows"]["backup_sets.pepper_id"] > 0, "new codes are made with the new pepper"
        assert [key["key"] for key in after["signing"][:2]] == [key["key"] for key in before["signing"]]
        # The JWKS of before the rotation verifies what the new key signs.
        assert clients[0].kids[-1] == before["signing"][1]["key"] != clients[0].kids[0]
        verified = joserfc.jwt.decode(clients[0].token, KeySet.import_key_set(jwks), algorithms=["ES256"])
        assert verified.claims["iss"] == server.url
        published = {key["kid"] for key in server.call("GET", "/.well-known/jwks.json").body["keys"]}
        assert published == {key["key"] for key in after["signing"]}
        assert run(tmp_path, "audit", "verify").returncode == 0, "the chain goes on over the rotation"
        if workers == "1":
            retire_what_may_go(tmp_path, after)
        for client in clients[-3:]:
            client.come_again()
            client.log_in()
            assert {reply.status for _, reply in client.replies[-6:]} <= {200}
        log = server.log()
    assert [line for line in log if line["level"] == "error"] == []


def retire_what_may_go(folder: Path, after: dict[str, list[dict[str, Any]]]) -> None:
    old, pepper = after["sealing"][0]["key"], after["pepper"][0]["key"]
    assert "rows still name it" in keys(folder, "retire", "pepper", pepper, "--yes", status=1)
    audit = after["audit"][0]["key"]
    assert "rows still name it" in keys(folder, "retire", "audit", audit, "--yes", status=1)
    assert "say --yes" in keys(folder, "retire", "sealing", old, status=2), "nobody is at a terminal"
    assert "Erase key" in at_a_terminal(folder, "no\n", "retire", "sealing", old)
    assert old in (folder / "keys" / "sealing.json").read_text()
    assert "is retired" in keys(folder, "retire", "sealing", old, "--yes", "--wait", "1")
    assert old not in (folder / "keys" / "sealing.json").read_text()
    time.sleep(1.2)  # the service looks once a second


def at_a_terminal(folder: Path, answer: str, *arguments: str) -> str:
    """Run a command with somebody at the keyboard; returns what was shown. It must end with status 1: kept."""
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, answer.encode())
        ended = subprocess.run(
            command("keys", *arguments),
            cwd=folder,
            env=environment(folder),
            stdin=terminal,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert ended.returncode == 1, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.on_disk("in memory it might come to its end before it is killed")
def test_a_resealing_that_is_killed_again_and_again_comes_to_its_end(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON) as server:
        rows = many_rows(tmp_path, 6_000)
        old = json.loads((tmp_path / "keys" / "sealing.json").read_text())["active"]
        left = [rows + 1]
        for _ in range(4):
            left.append(killed_after_progress(tmp_path, old, left[-1]))
            assert server.log_in("admin", CHOSEN).status == 200
        assert 0 < left[-1] < left[-2] < left[-3] < left[-4] < left[0], "each time it was killed in the middle"
        assert "the interrupted rotation is at its end" in keys(tmp_path, "rotate", "sealing", "--wait", "0")
        assert rows_on(tmp_path, old) == 0
        first, second = listed(tmp_path)["sealing"]
        assert (first["state"], second["state"]) == ("old", "active"), "it went on where it was, with no further key"
        assert second["rows"]["passwords.hash_sealed"] == rows + 1
        assert server.log_in("admin", CHOSEN).status == 200
        assert server.end() == 0
    vault = vault_of(tmp_path)
    with closing(sqlite3.connect(tmp_path / "sallyport.db")) as connection:
        for user, uid, sealed in connection.execute("SELECT user_id, id, hash_sealed FROM passwords"):
            assert vault.open(sealed, place(user, uid)).reveal().startswith(b"$argon2id$")


def killed_after_progress(folder: Path, old: str, left: int) -> int:
    """Let a rotation run until fewer rows are on the old key, kill it, and return how many are left."""
    process = subprocess.Popen(
        command("keys", "rotate", "sealing", "--wait", "0"),
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while rows_on(folder, old) >= left and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    _, told = process.communicate()
    assert process.returncode == -signal.SIGKILL, told
    return rows_on(folder, old)


def rows_on(folder: Path, key: str) -> int:
    with closing(sqlite3.connect(folder / "sallyport.db")) as connection:
        sql = "SELECT count(*) FROM passwords WHERE substr(hash_sealed, 2, 8) = ?"
        return int(connection.execute(sql, [bytes.fromhex(key)]).fetchone()[0])


def vault_of(folder: Path) -> Vault:
    plans = {plan.name: plan for plan in ring_plans("ES256", system_randomness)}
    rings = {name: read_ring(folder / "keys", plans[name]) for name in ("sealing", "pepper")}
    return Vault(rings["sealing"], rings["pepper"], system_randomness)


def place(user: str, uid: str) -> Place:
    return Place(table="passwords", column="hash_sealed", user=user, row=uid)


def many_rows(folder: Path, count: int) -> int:
    """Write users whose passwords nobody knows, sealed as the service seals them."""
    vault = vault_of(folder)
    ids = [f"00000000-0000-7000-8000-{number:012x}" for number in range(count)]
    with closing(sqlite3.connect(folder / "sallyport.db", timeout=20)) as connection:
        connection.executemany(
            "INSERT INTO users (id, name, name_key, roles, created_at, modified_at, version) VALUES (?,?,?,'[]',0,0,0)",
            [(uid, uid, uid) for uid in ids],
        )
        connection.executemany(
            """INSERT INTO passwords (user_id, id, hash_sealed, generation, created_at, modified_at, version)
               VALUES (?,?,?,0,0,0,0)""",
            [(uid, uid, vault.seal(Hidden(b"$argon2id$"), place(uid, uid))) for uid in ids],
        )
        connection.commit()
    return count


def test_a_slip_with_a_key_file_is_told_and_ends_nothing_that_runs(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON) as server:
        (tmp_path / "keys" / "pepper.json").chmod(0o644)
        deadline = time.monotonic() + 10
        while not [line for line in server.log() if line["event"] == "key file refused"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert server.log_in("admin", CHOSEN).status == 200
        assert "chmod 600" in keys(tmp_path, "rotate", "signing", "--wait", "0", status=1)
        time.sleep(1.5)
        assert len([line for line in server.log() if line["event"] == "key file refused"]) == 1, "once a change"


def test_a_start_tells_every_reason_in_one_message(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON) as server:
        server.end()
    with closing(sqlite3.connect(tmp_path / "sallyport.db")) as connection:
        (sealed,) = connection.execute("SELECT hash_sealed FROM passwords").fetchone()
        stranger = sealed[:1] + b"\xee" * 8 + sealed[9:]
        connection.execute("UPDATE passwords SET hash_sealed = ?", [stranger])
        connection.commit()
    (tmp_path / "keys" / "pepper.json").unlink()
    (tmp_path / "keys" / "signing.json").chmod(0o604)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "keys").iterdir()}
    refused = run(
        tmp_path,
        "serve",
        environ={"SALLYPORT_ENV": "production", "SALLYPORT_PUBLIC_URL": "http://accounts.example.org"},
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.count("sallyport can't start:") == 1
    assert "Traceback" not in refused.stderr
    for words in (
        "SALLYPORT_PUBLIC_URL: https is wanted",
        "pepper.json is missing beside a database that is in use",
        "signing.json can be read by others (mode 0604)",
        "rows of passwords.hash_sealed name the sealing key eeeeeeeeeeeeeeee",
    ):
        assert words in refused.stderr
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "keys").iterdir()} == files, "and it makes nothing"


def test_without_a_service_that_was_ever_started_there_is_nothing_to_turn(tmp_path: Path) -> None:
    for arguments in (["list"], ["rotate", "sealing"]):
        assert "start the service" in keys(tmp_path, *arguments, status=1)
    for arguments in (["list", "--output", "xml"], ["retire", "sealing"]):
        keys(tmp_path, *arguments, status=2)
    assert list(tmp_path.iterdir()) == []
