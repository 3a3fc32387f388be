"""api.md section 3, the fresh proof: no older than ten minutes, at the account's strongest level."""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.expect import granted, refused, step_up
from tests.surgery import everything, give_roles
from tests.world import ADMIN_PASSWORD, PASSWORD, Person, World

NEW = "an entirely different sentence"


async def refreshed(person: Person) -> None:
    person.hold((await person.world.call("POST", "/auth/refresh", {"refresh": person.refresh})).json())


async def wishes(person: Person) -> dict[str, tuple[str, str, Any]]:
    """Return every request that needs a fresh proof of a user about themself."""
    secrets = (await person.call("GET", "/users/me/secrets")).json()
    held = {(one["type"], one.get("enrolled")): one for one in secrets}
    word = held["password", None]
    found: dict[str, tuple[str, str, Any]] = {
        "another name": ("PUT", "/users/me", {"version": 0, "name": "other"}),
        "another address": ("PUT", "/users/me", {"version": 0, "email": "other@example.org"}),
        "deleting oneself": ("DELETE", "/users/me", None),
        "a new password": ("POST", "/users/me/secrets", {"type": "password", "secret": NEW}),
        "a new phone": ("POST", "/users/me/secrets", {"type": "mfa"}),
        "new codes": ("POST", "/users/me/secrets", {"type": "mfabackup"}),
    }
    for (type_, enrolled), one in held.items():
        path = f"/users/me/secrets/{one['uid']}"
        found[f"describing {type_} {enrolled}"] = ("PUT", path, {"version": one["version"], "description": "x"})
        found[f"deleting {type_} {enrolled}"] = ("DELETE", path, None)
    path = f"/users/me/secrets/{word['uid']}"
    found["changing the password"] = ("PUT", path, {"version": word["version"], "secret": NEW, "current": PASSWORD})
    if ("mfa", False) in held:
        pending = f"/users/me/secrets/{held['mfa', False]['uid']}"
        assert person.phone
        found["enrolling"] = ("PUT", f"{pending}/enroll", {"token": person.phone.code()})
        found["enrolling, short"] = ("PUT", pending, {"token": person.phone.code()})
    return found


async def test_a_password_that_is_too_old_is_no_proof(world: World) -> None:
    alice = await world.register("alice")
    world.clock.advance(500)
    await refreshed(alice)
    await alice.begin_enrollment()
    world.clock.advance(101)
    before = await everything(world)
    for method, path, body in (await wishes(alice)).values():
        step_up(await alice.call(method, path, body), "aal1")
    assert await everything(world) == before
    assert (await alice.call("PUT", "/users/me", {"version": 0, "firstName": "A"})).status_code == 200


async def test_with_mfa_the_proof_is_password_and_code(world: World) -> None:
    alice = await world.enrolled("alice")
    world.clock.advance(500)
    await refreshed(alice)
    await alice.begin_enrollment()
    world.clock.advance(101)
    before = await everything(world)
    for method, path, body in (await wishes(alice)).values():
        step_up(await alice.call(method, path, body), "aal2")
    assert await everything(world) == before


async def test_proof_is_fresh_for_ten_minutes_to_the_second(world: World) -> None:
    alice = await world.register("alice")
    world.clock.advance(300)
    await refreshed(alice)
    world.clock.advance(300)
    assert (await alice.call("POST", "/users/me/secrets", {"type": "mfa"})).status_code == 200
    world.clock.advance(1)
    step_up(await alice.call("POST", "/users/me/secrets", {"type": "mfa"}), "aal1")


async def test_a_token_from_before_the_second_factor_is_no_proof_however_young(world: World) -> None:
    """Pocket ID: a step-up that looks at the age of a token alone lets any login through."""
    alice = await world.register("alice")
    weak = alice.token
    await alice.enroll()
    alice.token = weak
    before = await everything(world)
    for method, path, body in (await wishes(alice)).values():
        step_up(await alice.call(method, path, body), "aal2")
    assert await everything(world) == before


async def test_a_login_by_backup_code_alone_is_never_a_proof(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": "true"})
    alice = await world.enrolled("alice")
    alice.hold(granted(await world.password("alice", alice.codes[0]), "aal1", ["otp"]))
    before = await everything(world)
    for method, path, body in (await wishes(alice)).values():
        step_up(await alice.call(method, path, body), "aal2")
    assert await everything(world) == before


async def test_the_first_secret_of_a_newcomer_is_exempt_for_ten_minutes(world: World) -> None:
    alice, bob = await world.register("alice", password=None), await world.register("bob", password=None)
    first = {"type": "password", "secret": PASSWORD}
    world.clock.advance(300)
    await refreshed(alice)
    await refreshed(bob)
    world.clock.advance(300)
    assert (await alice.call("POST", "/users/me/secrets", first)).status_code == 200
    world.clock.advance(1)
    step_up(await bob.call("POST", "/users/me/secrets", first), "aal1")


async def test_the_exemption_is_for_one_secret(world: World) -> None:
    alice = await world.register("alice", password=None)
    first = {"type": "password", "secret": PASSWORD}
    assert (await alice.call("POST", "/users/me/secrets", first)).status_code == 200
    for body in (first, {"type": "mfa"}, {"type": "mfabackup"}):
        step_up(await alice.call("POST", "/users/me/secrets", body), "aal1")
    uid = (await alice.call("GET", "/users/me/secrets")).json()[0]["uid"]
    step_up(await alice.call("DELETE", f"/users/me/secrets/{uid}"), "aal1")


async def test_reading_and_logging_out_need_no_proof(world: World) -> None:
    alice = await world.enrolled("alice")
    world.clock.advance(601)
    await refreshed(alice)
    for path in ("/users/me", "/users", "/users/me/secrets", "/users/me/secrets/count", "/users/me/sessions"):
        assert (await alice.call("GET", path)).status_code == 200
    assert (await alice.call("DELETE", "/users/me/sessions")).status_code == 204
    assert (await alice.call("POST", "/auth/logout")).status_code == 204


async def desk_wishes(desk: Person, alice: Person) -> list[tuple[str, str, Any]]:
    secret = (await alice.call("GET", "/users/me/secrets")).json()[0]["uid"]
    session = (await alice.call("GET", "/users/me/sessions")).json()[0]["uid"]
    user = f"/users/{alice.uid}"
    return [
        ("POST", "/users", {"name": "another"}),
        ("PUT", user, {"version": 0, "firstName": "X"}),
        ("PUT", user, {"version": 0, "disabled": True}),
        ("DELETE", user, None),
        ("GET", f"{user}/secrets", None),
        ("GET", f"{user}/secrets/count", None),
        ("GET", f"{user}/secrets/{secret}", None),
        ("DELETE", f"{user}/secrets/{secret}", None),
        ("DELETE", f"{user}/sessions/{session}", None),
        ("DELETE", f"{user}/sessions", None),
    ]


@pytest.mark.parametrize("mfa", [False, True])
async def test_a_trusted_role_acts_on_another_with_a_fresh_proof_alone(world: World, *, mfa: bool) -> None:
    admin = await world.admin()
    if mfa:
        await admin.enroll()
    world.clock.advance(601)
    await refreshed(admin)
    alice = await world.register("alice")
    before = await everything(world)
    for method, path, body in await desk_wishes(admin, alice):
        step_up(await admin.call(method, path, body), "aal2" if mfa else "aal1")
    assert await everything(world) == before


async def test_a_trusted_role_acts_only_through_its_strongest_level(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": "true"})
    admin = await world.admin()
    await admin.enroll()
    alice = await world.register("alice", email="alice@example.org")
    weak = granted(await world.password("admin", admin.codes[0]), "aal1", ["otp"])
    admin.hold(weak)
    before = await everything(world)
    assert set((await admin.call("GET", f"/users/{alice.uid}")).json()) == {"uid", "name"}
    for method, path, body in (await desk_wishes(admin, alice))[1:]:
        answer = await admin.call(method, path, body)
        refused(answer, *((404, "not_found") if "/s" in path.removeprefix("/users") else (403, "forbidden")))
    assert await everything(world) == before


async def test_a_role_does_not_make_an_old_session_a_proof(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    await give_roles(alice, "admin")
    world.clock.advance(601)
    await refreshed(alice)
    step_up(await alice.call("DELETE", f"/users/{bob.uid}"), "aal1")


async def test_elevation_is_what_the_refusal_asks_for(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    world.clock.advance(601)
    await refreshed(admin)
    path = f"/users/{alice.uid}/secrets"
    step_up(await admin.call("GET", path), "aal1")
    admin.hold((await admin.call("POST", "/auth/elevate", {"password": ADMIN_PASSWORD})).json())
    assert (await admin.call("GET", path)).status_code == 200
