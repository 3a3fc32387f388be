"""Where the folders of the tests are: in memory where there is room, and on a disk where a test is about that."""

import os
import tempfile
from pathlib import Path
from typing import Final

from sallyport.doctor.flow import file_system_of

_ROOM: Final = 4 << 30
_MOUNTS: Final = Path("/proc/self/mountinfo")


def has_room(memory: Path) -> bool:
    """Tell whether everything fits there, and may be run there: containers often have 64 MB, and forbid programs."""
    try:
        found = os.statvfs(memory)
    except OSError:
        return False
    may_run = not found.f_flag & os.ST_NOEXEC
    return may_run and os.access(memory, os.W_OK) and found.f_bavail * found.f_frsize > _ROOM


def a_disk() -> str:
    """Return a folder for temporary ones that is no memory."""
    usual = tempfile.gettempdir()
    return "/var/tmp" if file_system_of(Path(usual).resolve(), _MOUNTS) in {"tmpfs", "ramfs"} else usual  # noqa: S108  # as above
