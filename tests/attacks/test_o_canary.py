"""Class O again, from outside: a real service at log level debug, and everything that it answers, prints and stores.

CVE-2026-0519 Absolute, CVE-2026-44883 Portainer, CVE-2026-34969 nhost: tokens in logs and URLs.
"""

import http.client
import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyotp
import pytest

from tests.canary import Secrets
from tests.server import HOST, Server, basic, serving

ADMIN = "Gr\u00fcnspecht klopft am Bergwerk 1893"
PASSWORD = 'Kanarienvogel "Hansi" im Bergwerk 4711'
NEXT = "Zeisig und Stieglitz 0815 im Flug"
WRONG = "Rotkehlchen, das falsche Wort"
BOBS = "Distelfink & Gimpel 2026 im Nest"


@dataclass
class Journey:
    """Someone who uses the service, and keeps every answer beside the secrets that it was the one to give."""

    server: Server
    secrets: Secrets = field(default_factory=Secrets)
    answers: list[tuple[str, bytes, set[str]]] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    request_ids: set[str] = field(default_factory=set)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request; what the answer gives is planted from then on."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        if raw is not None:
            sent |= {"Content-Type": "application/json"}
        with closing(http.client.HTTPConnection(HOST, self.server.port, timeout=20)) as wire:
            wire.request(method, path, raw, sent)
            response = wire.getresponse()
            text = response.read()
        before = self.secrets.names()
        read = json.loads(text) if "json" in response.getheader("content-type", "") else {}
        self._plant(read)
        given = self.secrets.names() - before
        self.answers.append((f"{method} {path.partition('?')[0]}", str(response.headers).encode() + text, given))
        self.statuses.add(response.status)
        self.request_ids.add(response.getheader("x-request-id", ""))
        return read

    def _plant(self, read: Any) -> None:
        if not isinstance(read, dict):
            return
        if "refresh" in read:
            self.secrets.add_tokens(read["token"], read["refresh"])
            if "client" in read:
                self.secrets.add(client=read["client"], random=read["client"][4:])
        elif read.get("type") == "CHALLENGE":
            self.secrets.add(challenge=read["token"], random=read["token"][4:])
        if isinstance(read.get("secret"), dict):
            self.secrets.add_seed(read["secret"]["secret"])
        elif "secret" in read:
            # Its prefix is told, and stored.
            self.secrets.add(apikey=read["secret"], random=read["secret"][12:])
        self.secrets.add_codes(read.get("codes", []))
        self._plant(read.get("session"))

    def send(self, raw: str) -> None:
        """Send what no HTTP client would."""
        with socket.create_connection((HOST, self.server.port), timeout=20) as wire:
            wire.sendall(raw.encode())
            self.answers.append(("no HTTP", wire.recv(65_536), set()))


@dataclass
class Alice:
    """The one whose secrets are planted."""

    journey: Journey
    auth: str = ""
    refresh: str = ""
    client: str = ""
    seed: str = ""
    totp: str = ""
    codes: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.journey.ask(method, path, body, **({"Authorization": self.auth} | headers))

    def hold(self, read: Any) -> None:
        self.auth, self.refresh = f"Bearer {read['token']}", read["refresh"]
        self.client = read.get("client", self.client)

    def code(self, steps: int) -> str:
        """Return the code so many steps from now; it is planted, too."""
        code = pyotp.TOTP(self.seed).at(int(time.time()), counter_offset=steps)
        self.journey.secrets.add_digits(code)
        return code

    def challenge(self, password: str) -> str:
        shown = {"X-Sallyport-Client": self.client} if self.client else {}
        read = self.journey.ask("GET", "/auth/password", Authorization=basic("alice", password), **shown)
        return f"jwt {read['token']}"


def enroll(journey: Journey) -> Alice:
    """Register, and switch MFA on, with a slip on the way."""
    alice = Alice(journey)
    body = {"name": "alice", "password": PASSWORD, "email": "alice@example.org"}
    alice.hold(journey.ask("POST", "/users", body))
    made = alice.ask("POST", "/users/me/secrets?qr=svg", {"type": "mfa"})
    alice.seed, alice.totp = made["secret"]["secret"], made["uid"]
    alice.ask("PUT", f"/users/me/secrets/{alice.totp}/enroll", {"token": alice.code(40)})
    enrolled = alice.ask("PUT", f"/users/me/secrets/{alice.totp}/enroll", {"token": alice.code(-1)})
    alice.codes = enrolled["codes"]
    alice.hold(enrolled["session"])
    return alice


def go_through_the_doors(alice: Alice) -> None:
    """Log in by every factor, right, wrong and twice."""
    ask = alice.journey.ask
    challenge = alice.challenge(PASSWORD)
    ask("POST", "/auth/totp", {"token": alice.code(60)}, Authorization=challenge)
    code = alice.code(0)
    alice.hold(ask("POST", "/auth/totp", {"token": code}, Authorization=challenge))
    ask("POST", "/auth/totp", {"token": code, "challenge": alice.challenge(PASSWORD)[4:]})
    alice.ask("POST", "/auth/elevate", {"password": WRONG, "token": alice.code(1)})
    alice.hold(alice.ask("POST", "/auth/elevate", {"password": PASSWORD, "token": alice.codes[0]}))
    alice.hold(ask("POST", "/auth/totp", {"token": alice.codes[1]}, Authorization=alice.challenge(PASSWORD)))
    ask("POST", "/auth/totp", {"token": alice.codes[1]}, Authorization=alice.challenge(PASSWORD))
    ask("POST", "/auth/password", {"identifier": "alice@example.org", "password": WRONG})
    ask("POST", "/auth/password", {"identifier": "alice", "password": NEXT}, Cookie=f"sallyport-client={alice.client}")


def change_everything(alice: Alice) -> None:
    """Change the password, draw new codes, begin another authenticator, renew the session."""
    secrets = alice.ask("GET", "/users/me/secrets")
    (password,) = [one for one in secrets if one["type"] == "password"]
    place = f"/users/me/secrets/{password['uid']}"
    alice.ask("PUT", place, {"version": password["version"], "secret": NEXT, "current": WRONG})
    changed = alice.ask("PUT", place, {"version": password["version"], "secret": NEXT, "current": PASSWORD})
    alice.hold(changed["session"])
    alice.codes = alice.ask("POST", "/users/me/secrets", {"type": "mfabackup"})["codes"]
    alice.ask("POST", "/users/me/secrets", {"type": "mfa"})
    alice.hold(alice.journey.ask("POST", "/auth/refresh", {"refresh": alice.refresh}))
    for path in ("", "/secrets", "/sessions", "/secrets/count", f"/secrets/{alice.totp}"):
        alice.ask("GET", f"/users/me{path}")


def show_what_one_has(alice: Alice) -> list[str]:
    """Make a device and an API key, show both everywhere, right and wrong, and ask about them."""
    ask, device = alice.journey.ask, "the value of a device, which nobody sees"
    alice.journey.secrets.add(device=device)
    known = alice.ask("POST", "/users/me/secrets", {"type": "device", "secret": device, "description": "tablet"})
    made = alice.ask("POST", "/users/me/secrets", {"type": "apikey", "scopes": ["self:read", "users:read"]})
    key = made["secret"]
    for value in (device, key):
        ask("GET", "/auth/password", Authorization=basic("alice", value))
        ask("POST", "/auth/password", {"identifier": "bob", "password": value})
        ask("GET", "/users/me", Authorization=f"Bearer {value}")
        ask("GET", f"/users/{quote(value, safe='')}", Authorization=f"Bearer {key}")
        alice.ask("POST", "/users/me/secrets", {"type": "device", "secret": value})
        ask("POST", "/auth/introspect", {"token": value}, Authorization=f"Bearer {key}")
        ask("POST", "/auth/introspect", {"token": value, value: value}, Authorization=alice.auth)
    ask("DELETE", "/users/me/sessions", Authorization=f"Bearer {key}")
    for secret in (known, made):
        alice.ask("PUT", f"/users/me/secrets/{secret['uid']}", {"version": 0, "description": "mine"})
    return [device, key]


def put_them_where_they_do_not_belong(alice: Alice, more: list[str]) -> None:
    """Send secrets in paths, queries, headers and fields that are for something else."""
    ask, token = alice.journey.ask, alice.auth.partition(" ")[2]
    held = [token, alice.refresh, NEXT, PASSWORD, alice.codes[2], alice.seed, alice.client, *more]
    for secret in held:
        ask("GET", f"/users/{quote(secret, safe='')}")
        ask("GET", f"/auth/totp?jwt_token={quote(secret)}&token={quote(secret)}")
        alice.ask("GET", f"/users?after={quote(secret)}&limit={quote(secret)}")
        ask("GET", f"/metrics?{quote(secret)}", Referer=f"https://example.org/#{secret}", Cookie=f"session={secret}")
        ask("GET", "/users/me", Authorization=f"Bearer {secret}")
        ask("GET", "/users/me", Authorization=secret)
        ask("POST", "/auth/totp", {"token": secret, "challenge": secret})
        ask("POST", "/auth/refresh", {"refresh": secret})
        ask("POST", "/auth/password", {"identifier": secret, "password": "x"})
        ask("GET", "/auth/password", Authorization=basic(secret.replace(":", ""), secret))
        ask("POST", "/auth/password", f'{{"identifier": "x", "password": {json.dumps(secret)}'.encode())
        ask("POST", "/users", {"name": f"{secret}\x00"})
        ask("POST", "/users", {"name": secret, "password": "short"})
        ask("POST", "/users", {"name": "carol", secret: secret})
        ask("POST", "/users", {"name": [secret]})
        alice.ask("POST", "/users/me/secrets", {"type": secret})
        alice.ask("POST", "/users/me/secrets", {"type": "mfa", "description": [secret]})
        alice.ask("PUT", f"/users/me/secrets/{alice.totp}", {"version": secret})
        alice.ask("PUT", "/users/me", {"version": 0, "uid": secret, "phone": 7})
        ask("PATCH", "/users/me", {"secret": secret}, X_Sallyport_Client=secret)
        alice.journey.send(f"GET /?{quote(secret)} HTTP/9.9\r\nHost: x\r\n\r\n")
        alice.journey.send(f"{quote(secret)} / HTTP/1.1\r\nHost: x\r\n\r\n")


def remove_one(alice: Alice) -> None:
    """Enroll another app, and remove it: its seed waits, to come back."""
    known = alice.seed
    made = alice.ask("POST", "/users/me/secrets", {"type": "mfa"})
    alice.seed = made["secret"]["secret"]
    place = f"/users/me/secrets/{made['uid']}"
    enrolled = alice.ask("PUT", f"{place}/enroll", {"token": alice.code(-1)})
    alice.codes = enrolled["codes"]
    alice.hold(enrolled["session"])
    alice.ask("DELETE", place)
    alice.seed = known


def meet_faults(alice: Alice, folder: Path) -> None:
    """Meet a database that is held by another, a row that nobody can have written, and a seed that does not open."""
    with closing(sqlite3.connect(folder / "sallyport.db", isolation_level=None)) as other:
        challenge = alice.challenge(NEXT)
        other.execute("BEGIN IMMEDIATE")
        alice.journey.ask("POST", "/auth/totp", {"token": alice.codes[3]}, Authorization=challenge)
        alice.journey.ask("POST", "/auth/refresh", {"refresh": alice.refresh})
        other.execute("ROLLBACK")
        other.execute("UPDATE users SET roles = 'x' WHERE name_key = 'alice'")
        alice.journey.ask("POST", "/auth/refresh", {"refresh": alice.refresh})
        other.execute("UPDATE users SET roles = '[]' WHERE name_key = 'alice'")
        other.execute("UPDATE totp SET seed_sealed = zeroblob(77)")
    alice.journey.ask("POST", "/auth/totp", {"token": alice.code(2)}, Authorization=challenge)


def others(journey: Journey, alice: str) -> None:
    """Let the admin and a stranger look at her, and a thief come too late."""
    admin = journey.ask("GET", "/auth/password", Authorization=basic("admin", ADMIN))
    bob = journey.ask("POST", "/users", {"name": "bob", "password": BOBS})
    for who in (admin, bob):
        for path in ("", "/secrets", "/sessions"):
            journey.ask("GET", f"/users/{alice}{path}", Authorization=f"Bearer {who['token']}")
        journey.ask("GET", "/users", Authorization=f"jwt {who['token']}")
    renewed = journey.ask("POST", "/auth/refresh", {"refresh": bob["refresh"]})
    journey.ask("POST", "/auth/refresh", {"refresh": renewed["refresh"]})
    journey.ask("POST", "/auth/refresh", {"refresh": bob["refresh"]})
    journey.ask("POST", "/auth/logout", Authorization=f"Bearer {admin['token']}")
    for path in ("/metrics", "/openapi.json", "/docs", "/.well-known/jwks.json", "/healthz", "/readyz"):
        journey.ask("GET", path)


def tables(folder: Path) -> bytes:
    """Return all rows as text."""
    with closing(sqlite3.connect(f"file:{folder}/sallyport.db?mode=ro", uri=True)) as connection:
        return "\n".join(connection.iterdump()).encode()


def places(folder: Path, when: str) -> Iterator[tuple[str, bytes, set[str]]]:
    """Yield all that the service has written, files of keys included, and the rows as text."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield f"{path.name} {when}", path.read_bytes(), set()
    yield f"rows {when}", tables(folder), set()


@pytest.fixture(scope="module")
def travelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Journey, Path]]:
    """A journey through everything, on a service that still runs."""
    folder = tmp_path_factory.mktemp("canary")
    environ = {"SALLYPORT_LOG_LEVEL": "debug", "SALLYPORT_ADMIN_PASSWORD": ADMIN}
    with serving(folder, environ=environ) as server:
        journey = Journey(server)
        journey.secrets.add(admin=ADMIN, password=PASSWORD, next=NEXT, wrong=WRONG, bobs=BOBS)
        alice = enroll(journey)
        go_through_the_doors(alice)
        change_everything(alice)
        held = show_what_one_has(alice)
        uid = alice.ask("GET", "/users/me")["uid"]
        put_them_where_they_do_not_belong(alice, held)
        remove_one(alice)
        meet_faults(alice, folder)
        others(journey, uid)
        yield journey, folder


def test_the_journey_met_everything_that_it_was_meant_to_meet(travelled: tuple[Journey, Path]) -> None:
    journey, folder = travelled
    assert {200, 201, 204, 400, 401, 404, 405, 500, 503} <= journey.statuses
    kinds = {name.partition(" ")[0] for name in journey.secrets.names()}
    assert kinds >= {
        "password",
        "seed",
        "key",
        "digits",
        "code",
        "challenge",
        "access",
        "refresh",
        "client",
        "device",
        "apikey",
    }
    assert len(journey.secrets.names()) > 80
    assert b'INSERT INTO "removed_totp"' in tables(folder)
    assert {path.name for path in folder.iterdir()} >= {"sallyport.db", "sallyport.db-wal", "sallyport.db-shm", "err"}


def test_every_request_is_in_the_log_under_its_id(travelled: tuple[Journey, Path]) -> None:
    journey, _ = travelled
    lines = journey.server.log()
    told = {line["request_id"] for line in lines if line["event"] == "request"}
    assert journey.request_ids <= told
    assert {line["level"] for line in lines} >= {"debug", "info", "warning", "error"}
    assert any("Traceback" in line.get("exception", "") for line in lines)
    assert any(line["event"] == "sealed value does not open" for line in lines)


def test_the_search_would_find_what_is_there(travelled: tuple[Journey, Path]) -> None:
    journey, folder = travelled
    public = Secrets()
    public.add(mail="alice@example.org")
    assert public.leak(tables(folder))
    assert public.leak((folder / "sallyport.db").read_bytes() + (folder / "sallyport.db-wal").read_bytes())
    ours = Secrets()
    ours.add(route="/users/{id}")
    assert ours.leak((folder / "err").read_bytes())
    gave = [(text, given) for _, text, given in journey.answers if given]
    assert len(gave) > 10
    assert all(given & set(journey.secrets.leak(text)) for text, given in gave), "what an answer gives is found in it"


def test_no_answer_shows_a_secret_but_the_one_that_gives_it(travelled: tuple[Journey, Path]) -> None:
    journey, _ = travelled
    assert len(journey.answers) > 100
    assert journey.secrets.leaks(journey.answers) == []


def test_nothing_that_is_printed_logged_or_stored_shows_a_secret(travelled: tuple[Journey, Path]) -> None:
    """Printed: out and err. Stored: every file, with the log of the database while it runs and after its end."""
    journey, folder = travelled
    assert journey.secrets.leaks(places(folder, "while it runs")) == []
    assert journey.server.end() == 0
    assert journey.secrets.leaks(places(folder, "after its end")) == []
