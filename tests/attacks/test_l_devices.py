"""Class L: known devices.

GHSA-h6mp-mc7g-mg49 scheb/2fa: the cookie of a device was not verified, and self-made ones skipped the second factor.
Forged, another user's, from before MFA, revoked, of a disabled user: none of them opens anything, and a good one gives
`aal1` and never a fresh proof.
"""

import asyncio
from typing import Any

import pytest

from tests.attacks.surface import guarded, knock, opens_nothing
from tests.conftest import MakeWorld
from tests.expect import claims, granted, refused, step_up
from tests.surgery import count, everything, fetch, give_roles
from tests.world import PASSWORD, UNTHROTTLED, Person, World, bearer

VALUE = "the device of the victim, as it drew it"
FRESH_ROUTES = {
    ("DELETE", "/users/{id}"),
    ("POST", "/users/{id}/secrets"),
    ("PUT", "/users/{id}/secrets/{sid}"),
    ("PUT", "/users/{id}/secrets/{sid}/enroll"),
    ("DELETE", "/users/{id}/secrets/{sid}"),
}


async def know(person: Person, value: str = VALUE) -> str:
    made = await person.call("POST", "/users/me/secrets", {"type": "device", "secret": value})
    assert made.status_code == 200, made.text
    return str(made.json()["uid"])


async def test_what_is_no_device_of_this_user_opens_nothing(make_world: MakeWorld) -> None:
    world: World = await make_world(UNTHROTTLED)
    victim, attacker = await world.register("victim"), await world.register("attacker")
    await know(victim, "from before the second factor, long")
    await victim.enroll()
    await know(victim)
    revoked = await know(victim, "a device that was stolen and revoked")
    assert (await victim.call("DELETE", f"/users/me/secrets/{revoked}")).status_code == 204
    await know(attacker, "the attacker has a device as well...")
    (row,) = await fetch(world, "SELECT value_digest FROM devices WHERE user_id = :user", user=victim.uid)
    before = await everything(world)
    for value in (
        "x" * 32,
        VALUE[:-1],
        VALUE + " ",
        VALUE.upper(),
        "from before the second factor, long",
        "a device that was stolen and revoked",
        "the attacker has a device as well...",
        bytes(row[0]).hex(),
        revoked + revoked,
        "spd_" + "A" * 54,
        victim.token,
        victim.refresh,
        f"{VALUE}\x00",
    ):
        answer = await world.password("victim", value[:1_000])
        refused(answer, 401, "invalid_credentials")
        opens_nothing(answer)
    assert await everything(world) == before
    granted(await world.password("victim", VALUE), "aal1", ["swk"])
    refused(await world.password("attacker", VALUE), 401, "invalid_credentials")


@pytest.mark.parametrize("mfa", [True, False])
async def test_a_device_never_proves_anything_fresh(world: World, *, mfa: bool) -> None:
    victim = await world.enrolled("victim") if mfa else await world.register("victim")
    victim.totp = await know(victim)
    body = granted(await world.password("victim", VALUE), "aal1", ["swk"])
    before = await everything(world)
    for route in guarded(world):
        if (route.method, route.path) in FRESH_ROUTES:
            step_up(await knock(world, route, victim, bearer(body["token"])), "aal2" if mfa else "aal1")
    assert await everything(world) == before


async def test_a_device_of_the_desk_is_no_desk(world: World) -> None:
    admin, victim = await world.admin(), await world.enrolled("victim")
    await know(admin)
    body = granted(await world.password("admin", VALUE), "aal1", ["swk"])
    before = await everything(world)
    for route in guarded(world):
        if "{id}" in route.path:
            answer = await knock(world, route, victim, bearer(body["token"]))
            if (route.method, route.path) == ("GET", "/users/{id}"):
                assert answer.json() == {"uid": victim.uid, "name": "victim"}
            else:
                assert answer.status_code in {403, 404}, route.path
    refused(await world.call("GET", "/audit", headers=bearer(body["token"])), 403, "forbidden")
    assert await everything(world) == before


async def test_renewing_and_changing_tokens_makes_no_device_more_than_it_is(world: World) -> None:
    victim = await world.enrolled("victim")
    await know(victim)
    body = granted(await world.password("victim", VALUE), "aal1", ["swk"])
    for _ in range(3):
        body = granted(await world.call("POST", "/auth/refresh", {"refresh": body["refresh"]}), "aal1", ["swk"])
    # The client token that it is given proves nothing beside a password.
    client = granted(await world.password("victim", VALUE), "aal1", ["swk"])["client"]
    given: Any = {"identifier": "victim", "password": PASSWORD}
    answer = await world.call("POST", "/auth/password", given, headers={"x-sallyport-client": client})
    assert answer.json()["type"] == "CHALLENGE"
    # A device alone lends no part of what is kept for clients that have passed the second door.
    proven = [row[0] for row in await fetch(world, "SELECT proven FROM known_clients ORDER BY created_at")]
    assert "swk" in proven
    assert not any("otp" in one.split() for one in proven if "swk" in one.split())


async def test_revoking_a_device_ends_its_sessions_and_no_others(world: World) -> None:
    victim = await world.enrolled("victim")
    uid = await know(victim)
    await know(victim, "another device of the same victim.")
    gone = [granted(await world.password("victim", VALUE), "aal1", ["swk"]) for _ in range(2)]
    stays = granted(await world.password("victim", "another device of the same victim."), "aal1", ["swk"])
    assert (await victim.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204
    for body in gone:
        refused(await world.call("GET", "/users/me", headers=bearer(body["token"])), 401, "invalid_token")
        refused(await world.call("POST", "/auth/refresh", {"refresh": body["refresh"]}), 401, "invalid_token")
    assert (await world.call("GET", "/users/me", headers=bearer(stays["token"]))).status_code == 200
    assert (await victim.call("GET", "/users/me")).status_code == 200


async def test_a_device_is_revoked_by_its_owner_or_the_desk_alone(world: World) -> None:
    victim, attacker, admin = await world.enrolled("victim"), await world.enrolled("attacker"), await world.admin()
    uid = await know(victim)
    for path in (f"/users/{victim.uid}/secrets/{uid}", f"/users/me/secrets/{uid}"):
        refused(await attacker.call("DELETE", path), 404, "not_found")
        refused(await attacker.call("PUT", path, {"version": 0, "description": "mine"}), 404, "not_found")
    body = {"type": "device", "secret": "x" * 32}
    refused(await admin.call("POST", f"/users/{victim.uid}/secrets", body), 403, "forbidden")
    refused(await attacker.call("POST", "/users/me/secrets", body | {"userId": victim.uid}), 403, "field_forbidden")
    await give_roles(victim, "admin")
    refused(await admin.call("DELETE", f"/users/{victim.uid}/secrets/{uid}"), 403, "forbidden")
    await give_roles(victim)
    assert (await admin.call("DELETE", f"/users/{victim.uid}/secrets/{uid}")).status_code == 204
    refused(await world.password("victim", VALUE), 401, "invalid_credentials")


async def test_a_device_that_is_revoked_while_it_logs_in_leaves_no_session(make_world: MakeWorld) -> None:
    world: World = await make_world(UNTHROTTLED)
    victim = await world.register("victim")
    for _ in range(5):
        uid = await know(victim)
        asked = [world.password("victim", VALUE) for _ in range(6)]
        asked.insert(3, victim.call("DELETE", f"/users/me/secrets/{uid}"))
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} <= {200, 204, 401}
        left = await fetch(world, "SELECT count(*) FROM sessions WHERE secret_id IS NOT NULL")
        assert left == [(0,)], "who was granted a session lost it again, and who was slower got none"
    assert await count(world, "devices") == 0


async def test_a_backup_code_is_no_device_and_a_device_spends_none(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": "true", **UNTHROTTLED})
    victim = await world.enrolled("victim")
    await know(victim)
    body = granted(await world.password("victim", VALUE), "aal1", ["swk"])
    assert body["mfa"]["backupCodesRemaining"] == 10
    padded = victim.codes[0].replace("-", "    ")
    assert len(padded) >= 28
    code = granted(await world.password("victim", padded.ljust(40)), "aal1", ["otp"])
    assert code["mfa"]["backupCodesRemaining"] == 9
    assert claims(code["token"])["acr"] == "aal1"
