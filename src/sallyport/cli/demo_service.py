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
from types import FrameType
from typing import Final

import sallyport
from sallyport.settings import PREFIX

HOST: Final = "127.0.0.1"
_SECONDS_TO_START: Final = 30
_SECONDS_TO_END: Final = 15
_SECONDS_BETWEEN_LOOKS: Final = 0.02
_LINES_OF_LOG: Final = 12
_LOG: Final = "log"
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_PUT_OFF: Final = (signal.SIGINT, *_ENDING)


class DidNotStartError(Exception):
    """The service did not come up. The message has its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningService:
    """Where the service of the demo is."""

    port: int
    folder: Path


@contextmanager
def running() -> Iterator[RunningService]:
    """Run a service with an empty database for the length of a `with`. Raises `DidNotStartError`."""
    for number in _ENDING:
        signal.signal(number, _leave)
    process = None
    with TemporaryDirectory(prefix="sallyport-demo-") as name:
        folder, port = Path(name), _free_port()
        try:
            with _undisturbed():
                process = _started(folder, port)
            _wait_until_ready(process, port, folder / _LOG)
            yield RunningService(port=port, folder=folder)
        finally:
            _end(process)


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put signals off: one in the middle of starting or ending a process would lose sight of it."""
    caught: list[int] = []
    # A function, for a process that is started here would inherit "ignore" and "block", and never end.
    before = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in _PUT_OFF}
    try:
        yield
    finally:
        for put_off, handler in before.items():
            signal.signal(put_off, handler)
    for number in caught:
        signal.raise_signal(number)


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


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while not _is_ready(port):
        if process.poll() is not None:
            raise DidNotStartError(f"It ended with exit status {process.returncode}:\n{_last_words(log)}")
        if time.monotonic() > deadline:
            raise DidNotStartError(f"It was not ready after {_SECONDS_TO_START} seconds:\n{_last_words(log)}")
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


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    with _undisturbed():
        process.terminate()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
