"""A folder whose disk takes nothing for a while, as the processes see it that run under the library `disk`."""

import errno
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FULL, READ_ONLY, BROKEN = errno.ENOSPC, errno.EROFS, errno.EIO


@dataclass(frozen=True)
class Stuck:
    """Says to the library which errno every change of the folder is to fail with."""

    folder: Path
    library: Path
    switch: Path

    @property
    def environ(self) -> dict[str, str]:
        self._set(0)
        return {
            "LD_PRELOAD": str(self.library),
            "SHIM_FOLDER": str(self.folder.resolve()),
            "SHIM_FAULT": str(self.switch),
        }

    @contextmanager
    def by(self, fault: int) -> Iterator[None]:
        """Let every change fail until the end of a `with`."""
        self._set(fault)
        try:
            yield
        finally:
            self._set(0)

    def _set(self, fault: int) -> None:
        # In place: the library has mapped this very file.
        with self.switch.open("r+b" if self.switch.exists() else "wb") as file:
            file.write(struct.pack("=i", fault).ljust(0 if self.switch.stat().st_size else 4096, b"\0"))
