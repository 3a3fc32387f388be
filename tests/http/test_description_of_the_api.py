"""api.md section 8: `/openapi.json` and `/docs`."""

import pytest

from tests.world import World


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_the_api_describes_itself(world: World, prefix: str, path: str) -> None:
    assert (await world.call("GET", prefix + path)).status_code == 200
