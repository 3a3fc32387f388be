from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from tests.postgres import Cluster
from tests.releases.places import Place


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    # Not below pytest's own folders: another pytest that starts meanwhile shuts those for the server's user.
    with TemporaryDirectory(prefix="sallyport-pg-") as folder:
        made = Cluster(Path(folder))
        made.start()
        yield made
        made.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database on each engine."""
    if request.param == "sqlite":
        yield Place(folder=tmp_path, url=f"sqlite:///{tmp_path}/sallyport.db")
    else:
        yield from _on_postgres(request, tmp_path)


@pytest.fixture
def postgres(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database on PostgreSQL."""
    yield from _on_postgres(request, tmp_path)


def _on_postgres(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    cluster: Cluster = request.getfixturevalue("cluster")
    name = "release"
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield Place(folder=folder, url=cluster.url(name))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
