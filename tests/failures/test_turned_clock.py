"""A real server whose clock is set while it serves, and one beside another whose clock is right."""

import http.client
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
import pytest

from tests.server import HOST, Server, serving
from tests.shims.preload import compiled

CHOSEN = "an operator chose these words"
PASSWORD = "correct horse battery staple"
OFF = 90
STEP = 30


@dataclass(frozen=True)
class Clock:
    """The clock of one server."""

    library: Path
    file: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "SHIM_CLOCK": str(self.file), "SALLYPORT_ADMIN_PASSWORD": CHOSEN}

    def turn(self, seconds: int) -> "Clock":
        # In place: the library has mapped this very file.
        with self.file.open("r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds * 1_000_000))
            file.truncate(4096)
        return self


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("clock", tmp_path_factory.mktemp("shims"))


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.05)


def complaints(server: Server) -> list[str]:
    return [line["fault"] for line in server.log() if line["event"] == "clock"]


def number(server: Server, name: str) -> float:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=20)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def logged_in(server: Server, name: str) -> tuple[pyotp.TOTP, dict[str, Any], str]:
    """Register somebody with a second factor, and log in; returns the phone, the tokens, and the code that was good."""
    made = server.call("POST", "/users", {"name": name, "password": PASSWORD}).body
    authorization = f"Bearer {made['token']}"
    secret = server.call("POST", "/users/me/secrets", {"type": "mfa"}, authorization).body
    phone = pyotp.TOTP(secret["secret"]["secret"])
    now = int(time.time())
    path, token = f"/users/me/secrets/{secret['uid']}/enroll", phone.at(now, counter_offset=-1)
    assert server.call("PUT", path, {"token": token}, authorization).status == 200
    code = phone.at(now)
    answer = answered(server, name, code)
    assert answer.status == 200
    return phone, answer.body, code


def answered(server: Server, name: str, code: str) -> Any:
    challenge = server.log_in(name, PASSWORD).body["token"]
    return server.call("POST", "/auth/totp", {"token": code}, f"jwt {challenge}")


def test_a_clock_that_is_set_back_accepts_no_spent_step_and_rings(tmp_path: Path, library: Path) -> None:
    clock = Clock(library, tmp_path / "turned").turn(0)
    with serving(tmp_path, environ=clock.environ) as server:
        phone, tokens, code = logged_in(server, "alice")
        assert number(server, "sallyport_clock_steps_total") == 0
        clock.turn(-STEP)
        # The very code, and the one before it: both are in the window of the clock, and it has seen both.
        for spent in (code, phone.at(int(time.time()) - STEP)):
            refused = answered(server, "alice", spent)
            assert (refused.status, refused.body["code"]) == (401, "code_invalid")
        clock.turn(-OFF)
        assert server.call("GET", "/users/me", authorization=f"Bearer {tokens['token']}").status == 200
        assert server.call("POST", "/auth/refresh", {"refresh": tokens["refresh"]}).status == 200
        until(lambda: complaints(server))
        assert "set back by" in complaints(server)[0]
        until(lambda: number(server, "sallyport_clock_behind_total") >= 1)
        assert number(server, "sallyport_clock_steps_total") >= 1
        clock.turn(0)
        until(lambda: any("set ahead by" in fault for fault in complaints(server)))
        assert server.end() == 0
    assert "Traceback" not in server.err.read_text()


def test_a_node_that_is_off_verifies_the_tokens_of_the_others_and_rings(tmp_path: Path, library: Path) -> None:
    right, behind = tmp_path / "right", tmp_path / "behind"
    right.mkdir()
    behind.mkdir()
    files = {"SALLYPORT_DATABASE_URL": f"sqlite:///{right}/sallyport.db", "SALLYPORT_KEYS_DIR": f"{right}/keys"}
    public = {"SALLYPORT_PUBLIC_URL": "https://sallyport.example"}
    clock = Clock(library, tmp_path / "turned").turn(-OFF)
    with (
        serving(right, environ=files | public | {"SALLYPORT_ADMIN_PASSWORD": CHOSEN}) as one,
        serving(behind, environ=clock.environ | files | public) as other,
    ):
        _, tokens, _ = logged_in(one, "alice")
        for issuer, reader in ((one, other), (other, one)):
            token = tokens["token"] if issuer is one else other.log_in("admin", CHOSEN).body["token"]
            assert reader.call("GET", "/users/me", authorization=f"Bearer {token}").status == 200
        until(lambda: complaints(other))
        assert "behind another node" in complaints(other)[0]
        assert number(other, "sallyport_clock_behind_total") >= 1
        assert complaints(one) == []
