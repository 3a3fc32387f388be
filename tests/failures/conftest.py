"""Servers of the tests' own, which they may do anything to."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.failures.proxy import HOST, Proxy, proxied
from tests.postgres import Cluster
from tests.server import Server, serving

_NUMBERS = itertools.count()
SECRET = "pa55-in-the-url"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server for a module; nobody may kill it."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> str:
    """The name of an empty database."""
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
