"""How long the disk itself takes: a process that syncs a small file beside a scenario, twenty times a second.

Nothing that is durable can be answered sooner than this, and a shared disk has moments of its own.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

_A_SECOND: Final = 20.0
_BYTES: Final = bytes(8_192)


class Disk:
    """Watches the disk of a folder until it is asked."""

    def __init__(self, directory: Path, seconds: float) -> None:
        command = [sys.executable, "-m", "bench.disk", str(directory), str(seconds)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def milliseconds(self) -> list[float]:
        """Wait for the end, and return how long each sync took."""
        told, _ = self._process.communicate()
        return [float(line) for line in told.split()]


def main(directory: Path, seconds: float) -> None:
    """Sync, and print how long each time took."""
    until = time.monotonic() + seconds
    path = directory / "disk"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    while time.monotonic() < until:
        os.write(handle, _BYTES)
        begun = time.perf_counter()
        os.fdatasync(handle)
        print((time.perf_counter() - begun) * 1e3)
        time.sleep(1 / _A_SECOND)
    os.close(handle)
    path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
