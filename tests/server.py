"""The service as a process of its own, as an operator starts it: real clock, real hashes, a real port."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sallyport
from tests.engines import url_in
from tests.ports import free_port

HOST = "127.0.0.1"
SECONDS_TO_START = 60
SECONDS_TO_END = 30


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status, the parsed body, and for how many seconds it says to wait."""

    status: int
    body: Any
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A running service; `out` and `err` are files with what it has printed."""

    process: subprocess.Popen[str]
    port: int
    out: Path
    err: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def call(self, method: str, path: str, body: Any = None, authorization: str = "") -> Reply:
        """Send one request over a connection of its own."""
        headers = {"Authorization": authorization} if authorization else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(HOST, self.port, timeout=SECONDS_TO_END)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            text = response.read()
            body = json.loads(text) if text else None
            return Reply(response.status, body, response.getheader("Retry-After"))
        finally:
            connection.close()

    def log_in(self, name: str, password: str) -> Reply:
        """Give a password in a Basic header."""
        return self.call("GET", "/auth/password", authorization=basic(name, password))

    def log(self) -> list[dict[str, Any]]:
        """Return what the service has logged; every line of it must be a JSON object."""
        lines = [json.loads(line) for line in self.err.read_text().splitlines()]
        assert all(isinstance(line, dict) for line in lines)
        return lines

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask the service to end, and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS_TO_END)


def basic(name: str, password: str) -> str:
    """Return the value of a Basic header."""
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


def command(*arguments: str) -> list[str]:
    """Return the command line of this project's `sallyport`."""
    return [sys.executable, "-m", "sallyport", *arguments]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the variables of a service whose files live in a folder; warnings are errors in it, too."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SALLYPORT_")}
    return inherited | {
        "PYTHONPATH": str(Path(sallyport.__file__).resolve().parents[1]),
        "PYTHONWARNINGS": "error",
        # Where no port is given, any free one: two tests at once must not meet at the default.
        "SALLYPORT_PORT": "0",
        "SALLYPORT_DATABASE_URL": url_in(folder),
        "SALLYPORT_KEYS_DIR": f"{folder}/keys",
        **more,
    }


def run(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `sallyport` to its end, which must come by itself."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(folder, **(environ or {})),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_TO_START,
    )


@contextmanager
def serving(
    folder: Path, *flags: str, environ: Mapping[str, str] | None = None, inside: Sequence[str] = ()
) -> Iterator[Server]:
    """Run `sallyport serve` in a folder until the end of a `with`; it is ready when the block begins.

    `inside` is a command that runs it, in its own process: `exec` or the like.
    """
    port = free_port()
    out, err = folder / "out", folder / "err"
    given = {"SALLYPORT_PUBLIC_URL": f"http://{HOST}:{port}"} | dict(environ or {})
    with out.open("w") as out_file, err.open("w") as err_file:
        process = subprocess.Popen(
            [*inside, *command("serve", "--port", str(port), *flags)],
            cwd=folder,
            env=environment(folder, **given),
            stdin=subprocess.DEVNULL,
            stdout=out_file,
            stderr=err_file,
            text=True,
        )
    server = Server(process, port, out, err)
    try:
        _wait_until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not _is_ready(server):
        assert server.process.poll() is None, f"serve ended: {server.err.read_text()}"
        assert time.monotonic() < deadline, f"serve is not ready: {server.err.read_text()}"
        time.sleep(0.02)


def _is_ready(server: Server) -> bool:
    try:
        return server.call("GET", "/readyz").status == 200
    except OSError:
        return False
