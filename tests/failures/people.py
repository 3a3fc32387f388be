"""Clients of a service whose database is in trouble: every answer with its headers and its time."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any

import pyotp

from tests.server import HOST, Server, basic

PASSWORD = "correct horse battery staple"
STEP = 30


@dataclass(frozen=True)
class Told:
    """An answer, and how many seconds it took."""

    status: int
    headers: dict[str, str]
    body: Any
    took: float

    @property
    def code(self) -> str:
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


def ask(server: Server, method: str, path: str, body: Any = None, authorization: str = "") -> Told:
    """Send one request over a connection of its own."""
    headers = {"Authorization": authorization} if authorization else {}
    content = None if body is None else json.dumps(body)
    if content is not None:
        headers["Content-Type"] = "application/json"
    begun = time.monotonic()
    connection = http.client.HTTPConnection(HOST, server.port, timeout=20)
    try:
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        raw = answer.read()
        found = {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()
    is_json = "json" in found.get("content-type", "")
    return Told(answer.status, found, json.loads(raw) if is_json else raw.decode(), time.monotonic() - begun)


class Somebody:
    """A user with password and phone, who always knows which steps they have shown."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        made = ask(server, "POST", "/users", {"name": name, "password": PASSWORD})
        assert made.status == 201, made
        self.access, self.refresh = made.body["token"], made.body["refresh"]
        self.seed = ""
        self.step = 0

    @property
    def bearer(self) -> str:
        return f"Bearer {self.access}"

    def enroll(self) -> None:
        """Switch MFA on, with the code of the step before this one."""
        begun = ask(self.server, "POST", "/users/me/secrets", {"type": "mfa"}, self.bearer)
        assert begun.status == 200, begun
        self.seed, self.step = begun.body["secret"]["secret"], int(time.time()) // STEP - 1
        path = f"/users/me/secrets/{begun.body['uid']}/enroll"
        done = ask(self.server, "PUT", path, {"token": self.code(self.step)}, self.bearer)
        assert done.status == 200, done
        self.access, self.refresh = done.body["session"]["token"], done.body["session"]["refresh"]

    def code(self, step: int) -> str:
        return pyotp.TOTP(self.seed).generate_otp(step)

    def next_code(self) -> str:
        """Return a code that was never shown; waits for it where all that are good were."""
        while self.step >= int(time.time()) // STEP + 1:
            time.sleep(0.2)
        self.step = max(self.step + 1, int(time.time()) // STEP)
        return self.code(self.step)

    def log_in(self) -> Told:
        """Give the password."""
        return ask(self.server, "GET", "/auth/password", authorization=basic(self.name, PASSWORD))

    def challenge(self) -> str:
        """Give the password; returns the challenge."""
        told = self.log_in()
        assert told.status == 200, told
        return str(told.body["token"])

    def answer(self, challenge: str, code: str) -> Told:
        """Answer a challenge."""
        return ask(self.server, "POST", "/auth/totp", {"token": code}, f"jwt {challenge}")


def seconds_until_ready(server: Server, longest: float = 30) -> float:
    """Wait until /readyz is 200; returns how long that took."""
    begun = time.monotonic()
    while time.monotonic() < begun + longest:
        if ask(server, "GET", "/readyz").status == 200:
            return time.monotonic() - begun
        time.sleep(0.05)
    raise AssertionError(f"not ready after {longest} s: {server.err.read_text()[-2000:]}")
