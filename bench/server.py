"""The processes that are measured: the service and the bare application, each on the core of the server."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Final

from bench.cores import cpu_seconds, server_core
from tests.ports import free_port

_LONGEST_START: Final = 20.0
_ASK: Final = b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"


class Server:
    """A server process that answers."""

    def __init__(
        self, module: str, environ: Mapping[str, str], *, ready: bytes = b"/readyz", pinned: bool = True
    ) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", module, "serve", "--port", str(self.port)]
        begun = time.perf_counter()
        with server_core() if pinned else nullcontext():
            self._process = subprocess.Popen(
                command, env={**os.environ, **environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        self.seconds_to_start = self._wait(ready, begun) - begun

    def resident_megabytes(self) -> float:
        """Return how much memory the process holds (RSS)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(kilobytes) / 1024

    def cpu_seconds(self) -> float:
        """Return how long the process has run."""
        return cpu_seconds(self._process.pid)

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(timeout=_LONGEST_START)

    def _wait(self, path: bytes, begun: float) -> float:
        """Return the moment of the first 200, or of the first connection where `path` is empty."""
        while time.perf_counter() < begun + _LONGEST_START and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as asked:
                if not path:
                    return time.perf_counter()
                asked.sendall(_ASK % path)
                if asked.recv(4096).startswith(b"HTTP/1.1 200"):
                    return time.perf_counter()
            time.sleep(0.002)
        message = f"the server ended with status {self._process.poll()} or did not answer in time"
        raise RuntimeError(message)
