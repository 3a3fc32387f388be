from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import Server
from tests.releases.places import Place


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database on each engine."""
    if request.param == "sqlite":
        yield Place(folder=tmp_path, url=f"sqlite:///{tmp_path}/sallyport.db")
    else:
        yield from _on(request.getfixturevalue("server"), tmp_path)


@pytest.fixture
def postgres(server: Server, tmp_path: Path) -> Iterator[Place]:
    """An empty database on PostgreSQL."""
    yield from _on(server, tmp_path)


def _on(server: Server, folder: Path) -> Iterator[Place]:
    name = server.empty()
    yield Place(folder=folder, url=server.url_of(name))
    server.give_up(name)
