"""A service for the demo: a process of its own, a folder of its own, both gone afterwards."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import sallyport
from sallyport.settings import PREFIX

HOST: Final = "127.0.0.1"
_SECONDS_TO_START: Final = 30
_SECONDS_TO_END: Final = 15
_SECONDS_BETWEEN_LOOKS: Final = 0.02
_LINES_OF_LOG: Final = 12
_LOG: Final = "log"
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DidNotStartError(Exception):
    """The service did not come up. The message has its last words."""


class StoppedError(Exception):
    """A signal asked the demo to stop. `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningService:
    """Where the service of the demo is."""

    port: int
    folder: Path
    signals: list[int]
    """Those that came since it was started."""

    def go_on(self) -> None:
        """Raise `StoppedError` if a signal has come."""
        if self.signals:
            raise StoppedError(self.signals[0])


def noted_signals() -> list[int]:
    """Return the list into which signals go from now on. They take effect only where `go_on` asks for them.

    A signal that raises in the middle of making a folder or a process would lose sight of it.
    """
    signals: list[int] = []
    for number in _STOPPING:
        # A function, for a process that is started here would inherit "ignore" and "block", and never end.
        signal.signal(number, lambda number, _: signals.append(number))
    return signals


@contextmanager
def running(signals: list[int]) -> Iterator[RunningService]:
    """Run a service with an empty database for the length of a `with`.

    Raises `DidNotStartError`, and `StoppedError` where a signal came before or meanwhile.
    """
    with TemporaryDirectory(prefix="sallyport-demo-") as name:
        service = RunningService(port=_free_port(), folder=Path(name), signals=signals)
        process = _started(service.folder, service.port)
        try:
            _wait_until_ready(service, process)
            yield service
        finally:
            _end(process)
    service.go_on()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _started(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start `serve` with defaults: neither the caller's settings nor their sallyport.toml reach it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environ |= {
        f"{PREFIX}DATABASE_URL": f"sqlite:///{folder}/sallyport.db",
        f"{PREFIX}KEYS_DIR": f"{folder}/keys",
        f"{PREFIX}PUBLIC_URL": f"http://{HOST}:{port}",
        # The same code as the demo's, wherever that was found.
        "PYTHONPATH": str(Path(sallyport.__file__).resolve().parents[1]),
    }
    with (folder / _LOG).open("wb") as log:
        return subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-m", "sallyport", "serve", "--host", HOST, "--port", str(port)],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,  # Ctrl-C ends the demo, and the demo ends the service
        )


def _wait_until_ready(service: RunningService, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while not _is_ready(service.port):
        service.go_on()
        words = _last_words(service.folder / _LOG)
        if process.poll() is not None:
            raise DidNotStartError(f"It ended with exit status {process.returncode}:\n{words}")
        if time.monotonic() > deadline:
            raise DidNotStartError(f"It was not ready after {_SECONDS_TO_START} seconds:\n{words}")
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _is_ready(port: int) -> bool:
    connection = HTTPConnection(HOST, port, timeout=_SECONDS_TO_START)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200  # noqa: PLR2004  # OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _last_words(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LINES_OF_LOG:])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
