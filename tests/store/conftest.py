"""What the tests of the store share: PostgreSQL as we know it best, and the oldest release that is supported."""

from collections.abc import Iterator

import pytest

from tests.engines import Server


@pytest.fixture(params=["server", "oldest_server"], ids=["newest", "oldest"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database on each of the two."""
    server: Server = request.getfixturevalue(request.param)
    name = server.empty()
    yield server.url_of(name)
    server.give_up(name)
