"""A key ring that follows its file: a rotation reaches a running service without a restart."""

import time
from pathlib import Path
from threading import Lock
from typing import Final

import structlog

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.keyfiles import KeysRefusedError, RingPlan, read_ring, ring_path
from sallyport.kernel.vault import Ring

_SECONDS_BETWEEN_LOOKS: Final = 0.1
"""A guesser who names keys that nobody has must not make the service read files all day."""

_Mark = tuple[int, ...]

log = structlog.get_logger()


class LiveRing:
    """The ring of one file. `now` is replaced as a whole, so that whoever reads it sees one state of it.

    A file that can't be used any more (missing, readable by others, not a ring) is told to the log once a change, and
    the keys in memory stay: a slip of an operator must not end what runs.
    """

    def __init__(self, directory: Path, plan: RingPlan, ring: Ring) -> None:
        self.now = ring
        self._directory = directory
        self._plan = plan
        self._path = ring_path(directory, plan.name)
        self._seen: _Mark = ()
        self._looked = 0.0
        self._lock = Lock()

    @property
    def active(self) -> str:
        """The id of the key that new values are made with."""
        return self.now.active

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys."""
        return self.now.ids

    def key(self, key_id: str) -> Hidden[bytes]:
        """Return a key by its id. Raises `DoesNotOpenError` if the ring does not hold it, in its file neither."""
        if key_id not in self.now.keys:
            self.look_for_unknown()
        return self.now.key(key_id)

    def look_for_unknown(self) -> None:
        """Look at the file, because somebody names a key that is not here: a node that slept may have missed it."""
        if time.monotonic() - self._looked >= _SECONDS_BETWEEN_LOOKS:
            self.look()

    def look(self) -> None:
        """Read the file again if it is not the one that was read last. Any thread may call this."""
        with self._lock:
            self._looked = time.monotonic()
            mark = _mark(self._path)
            if mark == self._seen:
                return
            self._seen = mark
            try:
                ring = read_ring(self._directory, self._plan)
            except KeysRefusedError as fault:
                told = {"ring": self._plan.name, "fault": str(fault), "keys": "those in memory stay"}
                log.error("key file refused", **told)  # noqa: TRY400  # a slip of an operator has no stack of ours
                return
            before, self.now = self.now, ring
        if _told(before) != _told(ring):
            log.info("key ring changed", ring=ring.name, active=ring.active, next=ring.following, keys=len(ring.keys))


def _mark(path: Path) -> _Mark:
    """Return what changes whenever the file does: its rights, too."""
    try:
        found = path.stat()
    except OSError as fault:
        return (fault.errno or 0,)
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _told(ring: Ring) -> tuple[str, str | None, frozenset[str]]:
    return ring.active, ring.following, frozenset(ring.keys)
