"""Class I: what an API key may reach, and for whom it is made.

CVE-2025-61928 better-auth: API keys could be made for any user by a `userId` in the body. CVE-2021-39890 GitLab: a key
was accepted where accounts are managed.
"""

from typing import Any

import pytest

from sallyport.kernel.scopes import Scope
from tests.attacks.surface import guarded, knock
from tests.expect import refused
from tests.surgery import count, everything, give_roles
from tests.world import Person, World, bearer

EVERY = {"type": "apikey", "scopes": list(Scope)}


async def key_of(person: Person) -> dict[str, str]:
    """Make a key with every scope, and use it once."""
    made = await person.call("POST", "/users/me/secrets", EVERY)
    assert made.status_code == 200, made.text
    headers = bearer(made.json()["secret"])
    assert (await person.world.call("GET", "/users/me", headers=headers)).status_code == 200
    return headers


@pytest.mark.parametrize("where", ["body", "query", "header", "path"])
@pytest.mark.parametrize("type_", ["apikey", "device"])
async def test_a_key_is_made_for_whoever_asks_and_nobody_else(world: World, type_: str, where: str) -> None:
    victim, attacker = await world.enrolled("victim"), await world.enrolled("attacker")
    body: dict[str, Any] = {"type": type_} | ({"secret": "x" * 32} if type_ == "device" else {})
    if where == "path":
        refused(await attacker.call("POST", f"/users/{victim.uid}/secrets", body), 404, "not_found")
    elif where == "body":
        for field in ("userId", "uid"):
            answer = await attacker.call("POST", "/users/me/secrets", body | {field: victim.uid})
            refused(answer, 403, "field_forbidden")
        for field in ("user_id", "owner", "sub", "makerId", "maker_id", "byTrusted"):
            answer = await attacker.call("POST", "/users/me/secrets", body | {field: victim.uid})
            refused(answer, 400, "unknown_field")
    else:
        params = {"userId": victim.uid, "id": victim.uid} if where == "query" else {}
        headers = {"x-user-id": victim.uid, "remote-user": "victim"} if where == "header" else {}
        answer = await attacker.call("POST", "/users/me/secrets", body, params=params, headers=headers)
        if answer.status_code == 200:
            assert answer.json()["userId"] == attacker.uid
    kinds = [one["type"] for one in (await victim.call("GET", "/users/me/secrets")).json()]
    assert type_ not in kinds
    assert await count(world, "devices" if type_ == "apikey" else "api_keys") == 0


@pytest.mark.parametrize("role", ["user", "admin"])
async def test_a_key_does_nothing_to_its_own_account(world: World, role: str) -> None:
    owner = await world.enrolled("owner") if role == "user" else await world.admin()
    headers = await key_of(owner)
    owner.totp = owner.totp or owner.uid
    before = await everything(world)
    for route in guarded(world):
        answer = await knock(world, route, owner, headers)
        if route.scope is None:
            refused(answer, 403, "forbidden")
        elif route.path == "/roles/{id}":
            refused(answer, 404, "not_found")  # the uid of a user is no role's
        else:
            assert answer.status_code in {200, 403}, route.path
    assert await everything(world) == before


@pytest.mark.parametrize("role", ["user", "admin"])
async def test_a_key_does_nothing_to_others(world: World, role: str) -> None:
    victim = await world.enrolled("victim")
    owner = await world.register("owner") if role == "user" else await world.admin()
    headers = await key_of(owner)
    before = await everything(world)
    for route in guarded(world):
        if "{id}" not in route.path:
            continue
        answer = await knock(world, route, victim, headers)
        if (route.method, route.path) == ("GET", "/users/{id}"):
            assert ("email" in answer.json()) == (role == "admin")
        elif route.path in {"/users/{id}/audit", "/users/{id}/audit/count"} and role == "admin":
            assert answer.status_code == 200
        else:
            assert answer.status_code in {403, 404}, route.path
    assert await everything(world) == before


async def test_a_key_climbs_with_no_role(world: World) -> None:
    """A key made by a user reads as a user, whatever becomes of them; made by the desk, while they are the desk."""
    victim, owner = await world.enrolled("victim"), await world.register("owner")
    early = await key_of(owner)
    await give_roles(owner, "admin")
    late = await key_of(owner)
    path = f"/users/{victim.uid}"
    assert set((await world.call("GET", path, headers=early)).json()) == {"uid", "name"}
    assert "email" in (await world.call("GET", path, headers=late)).json()
    refused(await world.call("GET", "/audit", headers=early), 403, "forbidden")
    await give_roles(owner, "clerk")
    assert set((await world.call("GET", path, headers=late)).json()) == {"uid", "name"}
    refused(await world.call("GET", "/audit", headers=late), 403, "forbidden")
    refused(await world.call("POST", "/auth/introspect", {"token": owner.token}, headers=late), 403, "forbidden")
