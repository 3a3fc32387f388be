"""Servers of the tests' own, which they may do anything to."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from tests.failures.proxy import HOST, Proxy, proxied
from tests.places import a_disk
from tests.postgres import Cluster
from tests.server import Server, serving

_NUMBERS = itertools.count()
SECRET = "pa55-in-the-url"


@contextmanager
def running(**how: Any) -> Iterator[Cluster]:
    """Run a server until the end of a `with`, on a disk, which is what one that promises to sync waits for.

    Not in pytest's folder: whenever another pytest begins, that is shut to the user whom the server runs as.
    """
    with TemporaryDirectory(prefix="sallyport-pg-", dir=a_disk()) as folder:
        made = Cluster(Path(folder) / "c", **how)
        made.start()
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server for a module; nobody may kill it."""
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> str:
    """The name of an empty database."""
    return new_database(cluster)


def new_database(cluster: Cluster) -> str:
    """Make an empty database, and return its name."""
    name = f"test{next(_NUMBERS)}"
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return name


@pytest.fixture(scope="module")
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    """A network that misbehaves when it is told to."""
    with proxied(socket_of(cluster)) as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, proxy: Proxy, database: str) -> Iterator[Server]:
    """A service on a database behind that network."""
    url = f"postgresql://sallyport:{SECRET}@{HOST}:{proxy.port}/{database}?sslmode=disable"
    with serving(tmp_path_factory.mktemp("service"), environ={"SALLYPORT_DATABASE_URL": url}) as made:
        yield made


def socket_of(cluster: Cluster) -> Path:
    """Return where a cluster listens."""
    folder = cluster.url().partition("host=")[2].partition("&")[0]
    return Path(folder) / ".s.PGSQL.5432"
