"""Two nodes behind the proxy of compose.yaml: what they see of a client, and what a client sees of their end."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.server import HOST, SECONDS_TO_END, SECONDS_TO_START, serving

CADDYFILE = Path(__file__).resolve().parents[2] / "deploy" / "Caddyfile"
CLIENT = "127.0.0.2"
CHOSEN = "an operator chose these words"
NODE = {
    "SALLYPORT_ENV": "production",
    "SALLYPORT_PUBLIC_URL": "https://accounts.example.org",
    "SALLYPORT_TRUSTED_PROXIES": HOST,
    "SALLYPORT_LOG_LEVEL": "debug",
    "SALLYPORT_ADMIN_PASSWORD": CHOSEN,
}


def test_two_nodes_behind_the_proxy_are_one_service_and_see_the_client(tmp_path: Path) -> None:
    shared = {
        "SALLYPORT_DATABASE_URL": f"sqlite:///{tmp_path}/sallyport.db",
        "SALLYPORT_KEYS_DIR": f"{tmp_path}/keys",
    }
    for name in ("one", "two", "proxy"):
        (tmp_path / name).mkdir()
    with (
        serving(tmp_path / "one", environ=NODE | shared) as one,
        serving(tmp_path / "two", environ=NODE | shared) as two,
        proxied(tmp_path / "proxy", one.port, two.port) as port,
    ):
        # The first journey: what the client says of its own address is not believed, and cookies are for https.
        forged = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}
        status, headers, login = ask(port, "/auth/password", {"identifier": "admin", "password": CHOSEN}, forged)
        assert status == 200
        cookie = headers["Set-Cookie"].split("; ")
        assert cookie[0].startswith("__Host-sallyport-client=spd_")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie)
        bearer = {"Authorization": f"Bearer {login['token']}"}
        sessions = ask(port, "/users/me/sessions", None, bearer | forged)[2]
        assert [session["ip"] for session in sessions] == [CLIENT]

        for _ in range(24):
            assert ask(port, "/users/me", None, bearer)[0] == 200
        for node in (one, two):
            requests = [line for line in node.log() if line["event"] == "request" and line["route"] == "/users/{id}"]
            assert {line["ip"] for line in requests} == {CLIENT}

        # A node that is gone is not missed, whatever the proxy knows of it yet.
        one.process.kill()
        one.process.wait(SECONDS_TO_END)
        assert [ask(port, "/auth/elevate", {"password": CHOSEN}, bearer)[0] for _ in range(6)] == [200] * 6

        two.end()
        status, headers, problem = ask(port, "/users/me", None, bearer)
        assert (status, headers["Content-Type"], headers["Retry-After"]) == (503, "application/problem+json", "2")
        assert (problem["status"], problem["code"]) == (503, "storage_unavailable")


@contextmanager
def proxied(folder: Path, *ports: int) -> Iterator[int]:
    """Run the proxy before these nodes, without TLS and for this machine alone; yields its port."""
    port, file = free_port(), folder / "Caddyfile"
    file.write_text(CADDYFILE.read_text().replace("admin off\n", f"admin off\n\tdefault_bind {HOST}\n", 1))
    environ = os.environ | {
        "HOME": str(folder),
        "SALLYPORT_SITE": f"http://{HOST}:{port}",
        "SALLYPORT_NODES": " ".join(f"{HOST}:{node}" for node in ports),
    }
    caddy = [str(Path(sys.executable).parent / "caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]
    with (folder / "err").open("w") as err:
        process = subprocess.Popen(caddy, env=environ, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
    try:
        wait_until_ready(process, port, folder / "err")
        yield port
    finally:
        process.terminate()
        process.wait(SECONDS_TO_END)


def wait_until_ready(process: subprocess.Popen[bytes], port: int, err: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not is_ready(port):
        assert process.poll() is None, f"the proxy ended: {err.read_text()}"
        assert time.monotonic() < deadline, f"the proxy is not ready: {err.read_text()}"
        time.sleep(0.05)


def is_ready(port: int) -> bool:
    try:
        return ask(port, "/readyz")[0] == 200
    except OSError:
        return False


def ask(port: int, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, HTTPMessage, Any]:
    """Send one request as a client that is not the proxy's machine."""
    connection = HTTPConnection(HOST, port, timeout=SECONDS_TO_END, source_address=(CLIENT, 0))
    try:
        sent = {"Content-Type": "application/json"} if body is not None else {}
        text = json.dumps(body) if body is not None else None
        connection.request("POST" if body is not None else "GET", path, text, sent | (headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())
    finally:
        connection.close()
