"""RFC 7239 section 4: a node may stand with its port, also for IPv4; and so write some proxies X-Forwarded-For."""

import pytest

from tests.conftest import MakeWorld
from tests.world import PASSWORD, World, client_of


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("forwarded", 'for="203.0.113.9:4711"'),
        ("x-forwarded-for", "203.0.113.9:4711"),
        ("x-forwarded-for", "[2001:db8::7]:4711"),
    ],
)
async def test_a_port_behind_the_address_of_a_client_is_left_out(
    make_world: MakeWorld, header: str, value: str
) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_PROXIES": "10.0.0.1"})
    await world.register("alice")
    async with client_of(world.service, "10.0.0.1") as client:
        body = {"identifier": "alice", "password": PASSWORD}
        answer = await client.post("/auth/password", json=body, headers={header: value})
        listed = await client.get("/users/me/sessions", headers={"authorization": f"jwt {answer.json()['token']}"})
    seen = next(session["ip"] for session in listed.json() if session["current"])
    assert seen == ("2001:db8::7" if "2001" in value else "203.0.113.9")
