"""Who has the database in use: a lock file beside it, held by the kernel and gone with the process, however it ends.

Every runner holds `<database>.lock` shared for as long as it lives; a restore needs it alone. The database file itself
is no place for this lock: see ADR 9.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sallyport.kernel.durable import OWNER_ONLY, give_to_owner_of, make_folder
from sallyport.store.work import StorageUnavailableError

_LOOKS: Final = 10
_SECONDS_BETWEEN_LOOKS: Final = 0.1


class InUseError(StorageUnavailableError):
    """The database is served, or being restored."""


class Presence:
    """One user of a database, for as long as it has not left."""

    __slots__ = ("_handle",)

    def __init__(self, path: Path) -> None:
        """Come in. Raises `InUseError` while it is being restored, `StorageUnavailableError` where nothing can be."""
        self._handle = _opened(path)
        # A second of patience: `doctor` and a restore that is refused hold the lock for an instant.
        for _ in range(_LOOKS):
            if _locks(self._handle, fcntl.LOCK_SH):
                return
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        self.leave()
        message = f"{path} is being restored: start again when that is done"
        raise InUseError(message)

    def leave(self) -> None:
        """Let the next one in; the file stays, because another may hold it already. Once is enough."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@contextmanager
def alone_at(path: Path) -> Iterator[None]:
    """Keep every runner away from a database for the length of a `with`. Raises `InUseError` while one is there."""
    handle = _opened(path)
    try:
        if not _locks(handle, fcntl.LOCK_EX):
            message = f"{path} is in use: stop the service first"
            raise InUseError(message)
        yield
    finally:
        os.close(handle)


def is_in_use(path: Path) -> bool:
    """Tell whether a runner, or a restore, has the database. Leaves no trace. Raises `OSError`."""
    lock = _lock_of(path)
    if not lock.exists():
        return False
    handle = os.open(lock, os.O_RDONLY)
    try:
        return not _locks(handle, fcntl.LOCK_EX)
    finally:
        os.close(handle)


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _opened(path: Path) -> int:
    lock = _lock_of(path)
    try:
        make_folder(path.parent)
        is_new = not lock.exists()
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
        if is_new:
            give_to_owner_of(path.parent, lock)
    except OSError as fault:
        message = f"can't open the database {path}: {fault.strerror} ({lock})"
        raise StorageUnavailableError(message) from fault
    return handle


def _locks(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
