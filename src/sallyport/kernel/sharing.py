"""The numbers of several processes as those of one service: each leaves its own in a folder, whoever is asked adds up.

A process leaves its numbers every second, and whenever it is asked: so no number that was once shown falls later,
whichever process is asked next. Those of a process that ended stay, all but its gauges.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

import msgspec

from sallyport.kernel.meters import Family, total

_DECODER = msgspec.msgpack.Decoder(list[Family])


class Shared:
    """One process's view of the folder, which lives as long as the service does."""

    def __init__(self, directory: Path, own: Callable[[], list[Family]]) -> None:
        self._directory = directory
        self._own = own
        self._file = directory / str(os.getpid())
        # Two threads at once, the scrape and the clock's beat, would write one file.
        self._lock = Lock()

    def leave(self) -> None:
        """Leave this process's numbers for the others. Raises `OSError`, for example on a full disk."""
        with self._lock:
            self._write(self._own())

    def families(self) -> list[Family]:
        """Return the numbers of all processes, those of the others at most a second old."""
        with self._lock:
            own = self._own()
            with suppress(OSError):  # what can't be left is told all the same
                self._write(own)
        return total([*own, *self._of_others()])

    def _write(self, families: list[Family]) -> None:
        written = self._file.with_suffix(".new")
        written.write_bytes(msgspec.msgpack.encode(families))
        written.replace(self._file)

    def _of_others(self) -> Iterator[Family]:
        for path in self._directory.iterdir():
            if path == self._file or path.suffix:
                continue
            families = _DECODER.decode(path.read_bytes())
            lives = _lives(int(path.name))
            yield from (family for family in families if lives or family.kind != "gauge")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
