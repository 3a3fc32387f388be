"""A first start that kills itself at its nth step: a statement, a written file, a sync, a new name. Run as a process.

`python dying.py FOLDER N` dies at step N, or prints how many steps there are where it comes to its end.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from sallyport.settings import load
from sallyport.store.migrations import steps as revisions
from sallyport.wiring import build


def main(folder: Path, last: int) -> None:
    """Start in a folder, and die at the last step."""
    steps = 0

    def step(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)

    _count(step)
    revisions._BREATH = 0  # type: ignore[misc]  # nobody is waiting
    environ = {
        "SALLYPORT_DATABASE_URL": f"sqlite:///{folder}/sallyport.db",
        "SALLYPORT_KEYS_DIR": f"{folder}/keys",
        "SALLYPORT_ADMIN_PASSWORD": "an operator chose these words",
    }
    service = build(load({}, environ, folder))
    asyncio.run(service.first_start())
    service.close()
    print(steps)  # noqa: T201  # read by the test


def _count(step: Any) -> None:
    """Take a step before each statement of SQLite, after each sync, and before each new name."""
    connect, fsync, rename = sqlite3.connect, os.fsync, Path.rename

    def connect_counted(*given: Any, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*given, **more)
        connection.set_trace_callback(step)
        return connection

    def fsync_counted(handle: Any) -> None:
        fsync(handle)
        step()

    def rename_counted(path: Path, target: Any) -> Path:
        step()
        return rename(path, target)

    sqlite3.connect = sqlite3.dbapi2.connect = connect_counted  # type: ignore[assignment]  # it is called in the same way
    os.fsync = fsync_counted  # type: ignore[assignment]  # as above
    Path.rename = rename_counted  # type: ignore[method-assign, assignment]  # as above


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
