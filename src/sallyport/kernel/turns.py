"""One process at a time: for what a start has to make."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sallyport.kernel.durable import make_folder


@contextmanager
def turn_in(directory: Path) -> Iterator[None]:
    """Hold a folder, made if it is missing, for the length of a `with`. Raises `OSError` where it can't be used."""
    make_folder(directory)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
