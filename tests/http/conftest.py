"""The routes without the throttle: what it adds to them is told in `tests/attacks/test_e_throttle.py`."""

import pytest

from tests.world import World


@pytest.fixture
async def world(unthrottled: World) -> World:
    """A service that counts no tries: these tests send many wrong ones."""
    return unthrottled
