"""Class I: nobody becomes the operator of the host by anything that a request can say."""

from typing import Any

import httpx2
import pytest

from sallyport.app import Application
from sallyport.kernel.caller import ON_HOST, OPERATOR
from tests import house
from tests.world import World, bearer

CLAIMS: list[dict[str, str]] = [
    {},
    {"host": "localhost"},
    {"x-sallyport-host": "true"},
    {"x-sallyport-operator": "1"},
    {"remote-user": "root"},
    {"x-forwarded-for": ""},
    {"forwarded": "for=unix:"},
    {"user-agent": ""},
    {"x-request-id": "(host)"},
    {"x-sallyport-client": "host"},
    {"authorization": "host"},
    {"authorization": "host operator"},
    {"authorization": "Bearer"},
    {"authorization": "Bearer (host)"},
    {"authorization": "jwt "},
]


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
async def test_no_header_makes_an_operator_not_even_over_a_socket_file(world: World, claim: dict[str, str]) -> None:
    async with over_a_socket_file(world) as client:
        for method, path in (("GET", "/users"), ("GET", "/audit"), ("GET", "/users/count")):
            answer = await client.request(method, path, headers=claim)
            assert answer.status_code == 401, (method, path, answer.text)
        made = await client.post(
            "/users", json={"name": "alice"}, headers=claim if "authorization" not in claim else {}
        )
        assert "token" in made.json()  # one who registers, and not the operator who makes an account for another


async def test_the_gate_makes_no_operator_of_an_admin_who_says_so_too(world: World) -> None:
    admin = await world.admin()
    seen = await callers(world, admin.token)
    assert len(seen) > len(CLAIMS)
    assert not any(caller.host or caller.client.host or caller == OPERATOR for caller in seen)


async def callers(world: World, token: str) -> list[Any]:
    """Return the callers that the gate makes of requests with this token, whatever else they say."""
    seen: list[Any] = []
    judge = world.service.gate.caller

    async def noted(*given: Any) -> Any:
        seen.append(await judge(*given))
        return seen[-1]

    vars(world.service.gate)["caller"] = noted
    async with over_a_socket_file(world) as socket:
        for client in (world.client, socket):
            for claim in CLAIMS:
                if "authorization" not in claim:
                    await client.get("/users/me", headers=claim | bearer(token))
    return seen


def over_a_socket_file(world: World) -> httpx2.AsyncClient:
    """Return a client as a server behind a Unix socket sees it: without any address."""
    transport = httpx2.ASGITransport(Application(world.service), client=None)  # type: ignore[arg-type]  # as said
    return httpx2.AsyncClient(transport=transport, base_url="http://sallyport.test")


def test_the_operator_is_named_in_known_places_only() -> None:
    assert house.makers_of_the_operator() == set(house.OPERATORS)
    assert ON_HOST.host
    assert OPERATOR.client is ON_HOST
