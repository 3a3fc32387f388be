"""api.md section 1, the order of refusals, where the service does not keep it yet."""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.expect import refused
from tests.world import Person, World


async def stale(world: World) -> Person:
    """Return a person whose proof is older than ten minutes, and whose session goes on."""
    alice = await world.register("alice")
    world.clock.advance(601)
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json())
    return alice


@pytest.mark.parametrize(
    "body", [{"type": "password"}, {"type": "password", "secret": "x" * 1025}, {"type": "mfa", "description": "a\x00b"}]
)
async def test_a_body_that_fits_no_use_is_refused_before_a_fresh_proof_is_asked_for(
    world: World, body: dict[str, Any]
) -> None:
    alice = await stale(world)
    refused(await alice.call("POST", "/users/me/secrets", body), 400, "invalid_request")


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": "123456", "version": 0}, {"version": 0, "secret": "x"}])
async def test_a_change_that_fits_no_use_is_refused_before_a_fresh_proof_is_asked_for(
    world: World, body: dict[str, Any]
) -> None:
    alice = await stale(world)
    uid = (await alice.call("GET", "/users/me/secrets")).json()[0]["uid"]
    refused(await alice.call("PUT", f"/users/me/secrets/{uid}", body), 400, "invalid_request")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"name": 7}', b'{"nonsense": 1}', b"x" * 70_000])
async def test_closed_registration_is_told_before_the_body_is_judged(make_world: MakeWorld, body: bytes) -> None:
    """401 and 403 by route come before 413, 415 and 400 of the body."""
    world: World = await make_world({"SALLYPORT_REGISTRATION": "closed"})
    admin = await world.admin()
    await admin.call("POST", "/users", {"name": "alice", "password": "correct horse battery staple"})
    alice = (await world.password("alice", "correct horse battery staple")).json()
    refused(await world.call("POST", "/users", body), 401, "unauthenticated")
    headers = {"authorization": f"jwt {alice['token']}"}
    refused(await world.call("POST", "/users", body, headers=headers), 403, "forbidden")
