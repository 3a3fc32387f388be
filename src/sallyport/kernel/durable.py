"""Small files that are whole or not there at all, whenever the power goes."""

import os
from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o600


def replace(path: Path, text: str) -> None:
    """Write a file for its owner's eyes only: who reads it finds the old text or the new. Raises `OSError`."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)  # of a process that died
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    give_to_owner_of(path.parent, part)
    part.rename(path)
    sync(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder for its owner alone, and what is missing above it, so that its name lasts too. Raises `OSError`.

    A file in it may be synced as often as it likes: where the folder's own name is not, all of it can be gone.
    """
    missing = [place for place in (path, *path.parents) if not place.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place in missing:
        sync(place.parent)


def set_aside(path: Path, ending: str) -> None:
    """Put an ending behind the name of a file, if it is there. Raises `OSError`."""
    if path.exists():
        path.rename(path.with_name(path.name + ending))
        sync(path.parent)


def sync(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk before this returns. Raises `OSError`."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def give_to_owner_of(folder: Path, path: Path) -> None:
    """Where root does the work of a service that runs as somebody else, leave it a file that it can open."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
