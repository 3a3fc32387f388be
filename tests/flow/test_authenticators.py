"""Passwords, authenticator apps and backup codes: made, changed, described, removed."""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.flow.test_login import claims, refusal
from tests.world import PASSWORD, Person, World

NEW_PASSWORD = "another horse, another battery"
NOWHERE = "0190b3c4-0000-7000-8000-000000000000"


async def secret(person: Person, kind: str) -> dict[str, Any]:
    listed = (await person.call("GET", "/users/me/secrets")).json()
    return next(one for one in listed if one["type"] == kind)


async def change(person: Person, current: str = PASSWORD, new: str = NEW_PASSWORD, **more: Any) -> Any:
    held = await secret(person, "password")
    body = {"current": current, "secret": new, "version": held["version"], **more}
    return await person.call("PUT", f"/users/me/secrets/{held['uid']}", body)


async def test_the_first_password_is_given_once(world: World) -> None:
    alice = await world.register("alice", password=None)
    body = {"type": "password", "secret": PASSWORD, "description": "the long one"}
    made = await alice.call("POST", "/users/me/secrets", body)
    assert (made.status_code, made.json()["description"]) == (200, "the long one")
    await alice.login()
    assert refusal(await alice.call("POST", "/users/me/secrets", body)) == (409, "already_exists")


async def test_a_poor_first_password_is_refused_with_its_reason(world: World) -> None:
    alice = await world.register("alice", password=None)
    refused = await alice.call("POST", "/users/me/secrets", {"type": "password", "secret": "my name is alice"})
    assert refusal(refused) == (400, "password_rejected")
    assert "name" in refused.json()["errors"][0]["detail"]


async def test_a_changed_password_ends_the_other_sessions_and_keeps_the_callers(world: World) -> None:
    alice, other = await world.register("alice"), await world.register("unused")
    elsewhere = (await world.password("alice", PASSWORD)).json()
    other.hold(elsewhere)
    changed = await change(alice)
    assert changed.status_code == 200
    assert refusal(await other.call("GET", "/users/me")) == (401, "invalid_token")
    assert claims(changed.json()["session"]["token"])["sid"] == claims(alice.token)["sid"]
    assert refusal(await world.password("alice", PASSWORD)) == (401, "invalid_credentials")
    assert (await world.password("alice", NEW_PASSWORD)).status_code == 200


async def test_a_change_keeps_or_replaces_the_description(world: World) -> None:
    alice = await world.register("alice")
    assert (await change(alice, description="mine")).json()["description"] == "mine"
    assert (await change(alice, NEW_PASSWORD, PASSWORD)).json()["description"] == "mine"
    assert (await change(alice, description=None)).json()["description"] is None


async def test_a_change_wants_the_current_password_and_a_good_new_one(world: World) -> None:
    alice = await world.register("alice")
    assert refusal(await change(alice, current="wrong horse battery staple")) == (400, "current_wrong")
    assert refusal(await change(alice, new="alice and her battery")) == (400, "password_rejected")
    assert refusal(await change(alice, version=7)) == (409, "version_conflict")
    assert (await world.password("alice", PASSWORD)).status_code == 200


async def test_an_authenticator_needs_a_password_first(world: World) -> None:
    alice = await world.register("alice", password=None)
    refused = await alice.call("POST", "/users/me/secrets", {"type": "mfa"})
    assert refusal(refused) == (409, "password_required")


async def test_a_sixth_authenticator_is_too_many(world: World) -> None:
    alice = await world.register("alice")
    for _ in range(5):
        await alice.enroll()
        world.clock.advance(30)
    assert refusal(await alice.call("POST", "/users/me/secrets", {"type": "mfa"})) == (409, "limit_reached")


async def test_enrollment_takes_the_first_code_and_gives_ten_others(world: World) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    path = f"/users/me/secrets/{uid}/enroll"
    assert refusal(await alice.call("PUT", path, {"token": alice.phone.wrong()})) == (400, "code_invalid")
    assert refusal(await alice.call("PUT", path, {"token": "0000-0000-0000-0000"})) == (400, "code_invalid")
    assert refusal(await alice.call("PUT", path, {"token": "what is this"})) == (400, "code_invalid")
    done = await alice.call("PUT", path, {"token": alice.phone.code()})
    assert (done.json()["enrolled"], len(done.json()["codes"])) == (True, 10)
    alice.hold(done.json()["session"])
    assert claims(alice.token)["acr"] == "aal2"
    assert refusal(await alice.call("PUT", path, {"token": alice.phone.code(1)})) == (409, "already_enrolled")
    nowhere = f"/users/me/secrets/{NOWHERE}/enroll"
    assert refusal(await alice.call("PUT", nowhere, {"token": "123456"})) == (404, "not_found")


@pytest.mark.parametrize(("steps", "offset"), [(-20, -600), (-2, -60), (2, 60), (20, 600)])
async def test_a_phone_whose_clock_is_off_is_told_so(world: World, steps: int, offset: int) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    refused = await alice.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": alice.phone.code(steps)})
    assert refusal(refused) == (400, "code_out_of_step")
    assert refused.json()["clockOffsetSeconds"] == offset


@pytest.mark.parametrize("steps", [-21, 21])
async def test_a_phone_whose_clock_is_far_off_is_only_told_that_its_code_is_wrong(world: World, steps: int) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    refused = await alice.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": alice.phone.code(steps)})
    assert refusal(refused) == (400, "code_invalid")


async def test_a_pending_authenticator_dies_after_five_wrong_codes(world: World) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    path = f"/users/me/secrets/{uid}/enroll"
    for _ in range(5):
        assert refusal(await alice.call("PUT", path, {"token": alice.phone.wrong()})) == (400, "code_invalid")
    assert refusal(await alice.call("PUT", path, {"token": alice.phone.code()})) == (404, "not_found")


async def test_a_pending_authenticator_dies_after_ten_minutes(world: World) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    world.clock.advance(599)
    assert (await alice.call("GET", f"/users/me/secrets/{uid}")).status_code == 200
    world.clock.advance(1)
    pending, alice.phone = alice.phone, None
    await alice.login()
    assert pending
    assert refusal(await alice.call("GET", f"/users/me/secrets/{uid}")) == (404, "not_found")


async def test_the_qr_code_is_drawn_when_it_is_asked_for(world: World) -> None:
    alice = await world.register("alice")
    made = await alice.call("POST", "/users/me/secrets?qr=svg", {"type": "mfa"})
    assert made.json()["secret"]["qr_svg"].startswith("<svg")


async def test_new_backup_codes_void_the_old_ones(world: World) -> None:
    alice, bob = await world.enrolled("alice"), await world.register("bob")
    made = await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"})
    assert refusal(await world.answer(await alice.challenge(), alice.codes[0])) == (401, "code_invalid")
    assert (await world.answer(await alice.challenge(), made.json()["codes"][0])).status_code == 200
    refused = await bob.call("POST", "/users/me/secrets", {"type": "mfabackup"})
    assert refusal(refused) == (409, "mfa_not_enabled")


@pytest.mark.parametrize("kind", ["password", "mfa", "mfabackup"])
async def test_every_kind_is_described(world: World, kind: str) -> None:
    alice = await world.enrolled("alice")
    held = await secret(alice, kind)
    path = f"/users/me/secrets/{held['uid']}"
    body = {"description": "mine", "version": held["version"]}
    assert (await alice.call("PUT", path, body)).json()["version"] == held["version"] + 1
    assert refusal(await alice.call("PUT", path, body)) == (409, "version_conflict")
    kept = await alice.call("PUT", path, {"version": held["version"] + 1})
    assert kept.json()["description"] == "mine"
    forged = {"version": held["version"] + 2, "userId": NOWHERE}
    assert refusal(await alice.call("PUT", path, forged)) == (403, "field_forbidden")
    unknown = await alice.call("PUT", f"/users/me/secrets/{NOWHERE}", {"version": 0})
    assert refusal(unknown) == (404, "not_found")


async def test_a_password_is_removed_only_while_mfa_is_off(world: World) -> None:
    alice, bob = await world.enrolled("alice"), await world.register("bob")
    held = await secret(alice, "password")
    refused = await alice.call("DELETE", f"/users/me/secrets/{held['uid']}")
    assert refusal(refused) == (409, "last_authenticator")
    held = await secret(bob, "password")
    assert (await bob.call("DELETE", f"/users/me/secrets/{held['uid']}")).status_code == 204
    assert refusal(await world.password("bob", PASSWORD)) == (401, "invalid_credentials")
    assert (await bob.call("GET", "/users/me")).status_code == 200


async def test_the_last_authenticator_takes_mfa_and_codes_with_it(world: World) -> None:
    alice = await world.enrolled("alice")
    first = alice.totp
    world.clock.advance(30)
    await alice.enroll()
    assert (await alice.call("DELETE", f"/users/me/secrets/{first}")).status_code == 204
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is True
    assert (await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")).status_code == 204
    assert [one["type"] for one in (await alice.call("GET", "/users/me/secrets")).json()] == ["password"]
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is False
    refreshed = await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})
    assert claims(refreshed.json()["token"])["acr"] == "aal1"
    assert (await world.password("alice", PASSWORD)).json()["type"] == "ACCESS"


async def test_a_pending_authenticator_is_removed_without_a_trace(world: World) -> None:
    alice = await world.enrolled("alice")
    enrolled = alice.phone
    uid = await alice.begin_enrollment()
    assert (await alice.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204
    alice.phone = enrolled
    await alice.login()


async def test_an_open_challenge_ends_when_an_authenticator_is_removed(world: World) -> None:
    alice = await world.enrolled("alice")
    first, phone = alice.totp, alice.phone
    world.clock.advance(30)
    await alice.enroll()
    world.clock.advance(30)
    challenge = await alice.challenge()
    assert (await alice.call("DELETE", f"/users/me/secrets/{first}")).status_code == 204
    assert phone
    assert alice.phone
    assert refusal(await world.answer(challenge, alice.phone.code())) == (401, "challenge_invalid")


async def test_where_policy_demands_mfa_only_the_desk_takes_the_last_one(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "all"})
    alice = await world.enrolled("alice")
    refused = await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")
    assert refusal(refused) == (409, "last_authenticator")
    desk = await world.admin()
    await desk.enroll()
    removed = await desk.call("DELETE", f"/users/{alice.uid}/secrets/{alice.totp}", {"reason": "lost phone"})
    assert removed.status_code == 204
    assert refusal(await alice.call("GET", "/users/me")) == (401, "invalid_token")
    assert (await world.password("alice", PASSWORD)).json()["type"] == "ACCESS"


async def test_the_desk_reads_counts_and_removes(world: World) -> None:
    alice, desk = await world.register("alice"), await world.admin()
    held = await secret(alice, "password")
    base = f"/users/{alice.uid}/secrets"
    assert (await desk.call("GET", f"{base}/count")).json() == {"count": 1}
    assert (await desk.call("GET", f"{base}/{held['uid']}")).json() == held
    assert refusal(await desk.call("GET", f"{base}/{NOWHERE}")) == (404, "not_found")
    assert refusal(await desk.call("DELETE", f"{base}/{NOWHERE}")) == (404, "not_found")
    assert (await desk.call("DELETE", f"{base}/{held['uid']}")).status_code == 204
    assert refusal(await alice.call("GET", "/users/me")) == (401, "invalid_token")
