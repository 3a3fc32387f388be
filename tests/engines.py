"""The engines under the tests: a file of SQLite in a folder, or a database of its own on a PostgreSQL server.

A folder is the home of a service. A file in it names its database, if that is not the file of SQLite beside it.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import cache
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Final, Protocol
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from sallyport.kernel.hidden import Hidden
from sallyport.store import schema
from sallyport.store.database import database_at
from tests.postgres import NEWEST, Cluster

SQLITE: Final = "sqlite"
POSTGRES: Final = "postgres"
OLDEST: Final = "oldest postgres"
BOTH: Final = (SQLITE, POSTGRES)

ON_BOTH: Final = ("attacks/", "journeys/", "flow/test_races.py")
"""What runs on both engines; everything else asks nothing of a database that the two could answer differently."""

ON_SQLITE: Final = {
    "attacks/test_j_jwt.py": "tokens are judged before a database is asked",
    "attacks/test_m_web_edges.py": "headers and addresses, which end before the store",
    "attacks/test_l_n_resources.py": "sizes of bodies, paths and names, which end before the store",
    "attacks/test_o_logs.py": "what is printed, and the bytes of a file",
}
"""Files of those folders whose subject is not the store, with the reason."""

_FILE: Final = "sallyport.db"
_NAMED: Final = "database-url"
_LINGERING: Final = 4
"""Databases of tests before whose connections may not have ended yet."""
_LONGEST_FOLDER: Final = 80  # a socket's path has 107 bytes at most
# Waits until its input ends, which it does however we do; then nothing runs any more and nothing is left.
_JANITOR: Final = """
read -r _
if pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null); then
    kill -INT "$pid" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
fi
rm -rf "$1"
"""


class Engine(Protocol):
    """Where the databases of a test are."""

    name: str

    def settle(self, home: Path) -> Path:
        """Give the service of that folder a database of its own, if it has none; returns the folder."""
        ...


class Sqlite:
    """Files, each a copy of one that was migrated once."""

    name = SQLITE

    def settle(self, home: Path) -> Path:
        home.mkdir(exist_ok=True)
        if not (file := home / _FILE).exists():
            file.touch(0o600)
            file.write_bytes(_migrated_file())
        return home


class Server:
    """A PostgreSQL server, and a migrated database on it to copy."""

    def __init__(self, url: str, *, is_borrowed: bool) -> None:
        """Whatever is made on a borrowed server is taken away at the end."""
        self._url = url
        self._is_borrowed = is_borrowed
        self._prefix = f"sallyport_test_{token_hex(4)}_"
        self._numbers = count()
        self._over: list[str] = []
        self._admin = psycopg.connect(url, autocommit=True)
        self._template = self._create("template0")
        schema.migrate(database_at(Hidden(self.url_of(self._template))))

    def url_of(self, name: str) -> str:
        return urlsplit(self._url)._replace(path=f"/{name}").geturl()

    def empty(self) -> str:
        """Return the name of a new database without tables."""
        return self._create("template0")

    def fresh(self) -> str:
        """Return the name of a new database with an empty schema."""
        return self._create(self._template)

    def give_up(self, name: str) -> None:
        self._over.append(name)

    def close(self) -> None:
        for name in [*self._over, self._template] if self._is_borrowed else []:
            self._drop(name)
        self._admin.close()

    def _create(self, template: str) -> str:
        # Dropped only now, and the newest later: to wait for a connection that has not ended, PostgreSQL sleeps 0.1 s.
        over, self._over = self._over[:-_LINGERING], self._over[-_LINGERING:]
        for over_name in over:
            self._drop(over_name)
        name = f"{self._prefix}{next(self._numbers)}"
        # To copy the files of so small a database is faster than to write all its pages to the log.
        words = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self._admin.execute(words.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def _drop(self, name: str) -> None:
        self._admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


class Postgres:
    """Databases on a server, which go with the test."""

    name = POSTGRES

    def __init__(self, server: Server) -> None:
        self.server = server
        self._made: list[str] = []

    def settle(self, home: Path) -> Path:
        home.mkdir(exist_ok=True)
        if not (home / _NAMED).exists():
            self.made(name := self.server.fresh())
            (home / _NAMED).write_text(self.server.url_of(name))
        return home

    def made(self, name: str) -> None:
        """Remember a database that goes with the test."""
        self._made.append(name)

    def release(self) -> None:
        for name in self._made:
            self.server.give_up(name)


def url_in(home: Path) -> str:
    """Return the URL of the database of the service of a folder."""
    named = home / _NAMED
    return named.read_text() if named.exists() else f"sqlite:///{home}/{_FILE}"


@cache
def _migrated_file() -> bytes:
    """Return a file of SQLite with an empty schema: to come all the way from nothing takes each test 0.1 s."""
    with tempfile.TemporaryDirectory() as folder:
        schema.migrate(database_at(Hidden(url_in(Path(folder)))))
        return (Path(folder) / _FILE).read_bytes()


def engines_of(path: str) -> tuple[str, ...]:
    """Return on which engines the tests of a file run; the path is that under `tests/`."""
    if path == "attacks/test_races_over_nodes.py":
        return (POSTGRES,)
    if path == "journeys/test_documented_journey.py":
        return (*BOTH, OLDEST)
    return BOTH if path.startswith(ON_BOTH) and path not in ON_SQLITE else (SQLITE,)


@contextmanager
def postgres(install: str = NEWEST) -> Iterator[Server]:
    """Run a server of our own for the length of a `with`, unless SALLYPORT_TEST_PG_URL names another."""
    named = os.environ.get("SALLYPORT_TEST_PG_URL")
    with (
        nullcontext(named) if named else own_cluster(install) as url,
        closing(Server(url, is_borrowed=bool(named))) as server,
    ):
        yield server


@contextmanager
def own_cluster(install: str) -> Iterator[str]:
    """Run a server in a folder with a short path; both are gone at the end, even if this process is killed.

    Yields its URL.
    """
    parent = tempfile.gettempdir() if len(tempfile.gettempdir()) < _LONGEST_FOLDER else "/tmp"  # noqa: S108  # mkdtemp makes it safe
    folder = Path(tempfile.mkdtemp(prefix="sallyport-", dir=parent))
    # In a session of its own: a Ctrl-C is not meant for it.
    tidy = ["sh", "-c", _JANITOR, "sh", str(folder)]
    with subprocess.Popen(tidy, stdin=subprocess.PIPE, start_new_session=True), ExitStack() as running:
        cluster = Cluster(folder, install=install)
        running.callback(cluster.stop)
        cluster.start()
        yield cluster.url()
