"""api.md section 8: `/openapi.json` and `/docs`."""

import pytest

from tests.world import World


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_the_api_describes_itself(world: World, prefix: str, path: str) -> None:
    assert (await world.call("GET", prefix + path)).status_code == 200


async def test_the_description_names_every_scope_that_opens_a_route(world: World) -> None:
    """A key that reads oneself alone opens what is about oneself, and no list."""
    paths = (await world.call("GET", "/openapi.json")).json()["paths"]
    assert (
        "API keys: with the scope `users:read`, or `self:read` about oneself."
        in paths["/users/{id}"]["get"]["description"]
    )
    assert paths["/users"]["get"]["description"].endswith("API keys: with the scope `users:read`.")
    assert paths["/users/{id}/audit"]["get"]["description"].endswith("API keys: with the scope `audit:read`.")


async def test_the_description_names_the_header_that_a_refusal_carries(world: World) -> None:
    """api.md sections 1 and 7: when to come again, and what to come with."""
    paths = (await world.call("GET", "/openapi.json")).json()["paths"]
    answers = [one["responses"] for methods in paths.values() for one in methods.values()]
    for status, header in (("401", "WWW-Authenticate"), ("429", "Retry-After"), ("503", "Retry-After")):
        told = [list(one[status]["headers"]) for one in answers if status in one]
        assert told == [[header]] * len(told)
        assert len(told) > 5
