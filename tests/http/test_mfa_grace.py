"""api.md section 10: a rule about second factors that gives a grace, or only reports."""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.expect import granted, refused
from tests.surgery import everything, fetch, give_roles
from tests.world import PASSWORD, Person, World, bearer

DAY = 86_400
WEEK = {"SALLYPORT_REQUIRE_MFA": "all", "SALLYPORT_MFA_GRACE": "7d"}
CLERKS = WEEK | {"SALLYPORT_REQUIRE_MFA": "roles:clerk"}
NONE = {"SALLYPORT_REQUIRE_MFA": "none"}


async def met(world: World) -> list[tuple[Any, ...]]:
    return await fetch(world, "SELECT user_id, detail FROM audit_log WHERE event = 'policy.met' ORDER BY id")


async def demanded(world: World) -> bool:
    """Log in anew (sessions of a week would be over otherwise) and see whether all but enrollment is closed."""
    token = (await world.password("alice", PASSWORD)).json()["token"]
    answer = await world.call("GET", "/users", headers=bearer(token))
    if answer.status_code != 200:
        refused(answer, 403, "mfa_enrollment_required")
    return answer.status_code == 403


async def test_within_the_grace_everything_is_open_and_behind_it_only_what_leads_to_enrollment(
    make_world: MakeWorld,
) -> None:
    world: World = await make_world(WEEK)
    alice = await world.register("alice")
    assert (await alice.call("GET", "/users")).status_code == 200
    world.clock.advance(7 * DAY - 1)
    assert not await demanded(world)
    world.clock.advance(1)
    assert await demanded(world)
    alice.hold((await world.password("alice", PASSWORD)).json())
    assert (await alice.call("GET", "/users/me")).status_code == 200
    await alice.enroll()
    assert (await alice.call("GET", "/users")).status_code == 200


async def test_the_deadline_is_told_with_the_tokens_and_written_down_once(make_world: MakeWorld) -> None:
    world: World = await make_world(WEEK)
    alice = await world.register("alice")
    body = granted(await world.password("alice", PASSWORD), "aal1", ["pwd"], in_grace=True)
    assert body["mfa"] == {"enabled": False, "backupCodesRemaining": 0, "enrollBy": "2027-01-22T08:00:00.000000Z"}
    world.clock.advance(DAY)
    renewed = (await world.call("POST", "/auth/refresh", {"refresh": body["refresh"]})).json()
    assert renewed["mfa"] == body["mfa"]
    assert await met(world) == [(alice.uid, "all by 2027-01-22T08:00:00.000000Z")]
    alice.hold(renewed)
    await alice.login()
    await alice.enroll()
    world.clock.advance(30)
    assert alice.phone
    body = granted(await world.answer(await alice.challenge(), alice.phone.code()), "aal2", ["pwd", "otp", "mfa"])
    assert body["mfa"] == {"enabled": True, "backupCodesRemaining": 10}


async def test_whoever_the_rule_leaves_alone_is_told_nothing(make_world: MakeWorld) -> None:
    world: World = await make_world(CLERKS)
    await world.register("alice")
    body = granted(await world.password("alice", PASSWORD), "aal1", ["pwd"])
    assert body["mfa"] == {"enabled": False, "backupCodesRemaining": 0}
    assert await met(world) == []


async def test_a_session_of_before_the_rule_meets_it_at_its_next_request(make_world: MakeWorld) -> None:
    old: World = await make_world(NONE)
    alice = await old.register("alice")
    world: World = await make_world(WEEK, clock=old.clock)
    assert (await world.call("GET", "/users/me", headers=alice.auth)).status_code == 200
    assert [user for user, _ in await met(world)] == [alice.uid]
    before = await everything(world)
    assert (await world.call("GET", "/users", headers=alice.auth)).status_code == 200
    assert await everything(world) == before


async def test_a_session_that_is_only_refreshed_meets_it_too(make_world: MakeWorld) -> None:
    old: World = await make_world(NONE)
    alice = await old.register("alice")
    world: World = await make_world(WEEK, clock=old.clock)
    renewed = (await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json()
    assert renewed["mfa"]["enrollBy"] == "2027-01-22T08:00:00.000000Z"
    assert [user for user, _ in await met(world)] == [alice.uid]


async def test_leaving_the_role_and_taking_it_again_begins_no_new_grace(make_world: MakeWorld) -> None:
    world: World = await make_world(CLERKS)
    alice = await world.register("alice")
    await give_roles(alice, "clerk")
    assert not await demanded(world)
    await give_roles(alice)
    world.clock.advance(8 * DAY)
    assert not await demanded(world)
    await give_roles(alice, "clerk")
    assert await demanded(world)


async def test_switching_the_rule_off_and_on_begins_no_new_grace(make_world: MakeWorld) -> None:
    world: World = await make_world(CLERKS)
    alice = await world.register("alice")
    await give_roles(alice, "clerk")
    assert not await demanded(world)
    world.clock.advance(8 * DAY)
    off: World = await make_world(NONE, clock=world.clock)
    assert not await demanded(off)
    on: World = await make_world(WEEK, clock=world.clock)
    assert await demanded(on)


async def test_a_longer_grace_is_longer_for_those_too_whom_the_rule_met_before(make_world: MakeWorld) -> None:
    world: World = await make_world(WEEK)
    await world.register("alice")
    world.clock.advance(8 * DAY)
    assert await demanded(world)
    longer: World = await make_world(WEEK | {"SALLYPORT_MFA_GRACE": "9d"}, clock=world.clock)
    assert not await demanded(longer)
    world.clock.advance(DAY)
    assert await demanded(longer)


async def test_one_whose_second_factor_the_desk_took_away_has_had_their_grace(make_world: MakeWorld) -> None:
    old: World = await make_world(NONE)
    alice, admin = await old.enrolled("alice"), await old.admin()
    await admin.enroll()
    old.clock.advance(8 * DAY)
    world: World = await make_world(WEEK, clock=old.clock)
    admin.world = world
    await admin.login()
    assert (await admin.call("DELETE", f"/users/{alice.uid}/secrets/{alice.totp}")).status_code == 204
    assert await demanded(world)


async def test_the_desk_that_takes_a_second_factor_away_begins_no_new_grace(make_world: MakeWorld) -> None:
    world: World = await make_world(WEEK)
    alice, admin = await world.register("alice"), await world.admin()
    await admin.enroll()
    world.clock.advance(6 * DAY)
    await alice.login()
    await alice.enroll()
    world.clock.advance(2 * DAY)
    await admin.login()
    assert (await admin.call("DELETE", f"/users/{alice.uid}/secrets/{alice.totp}")).status_code == 204
    assert await demanded(world)


async def test_the_owner_keeps_the_last_authenticator_within_the_grace_too(make_world: MakeWorld) -> None:
    world: World = await make_world(WEEK)
    alice = await world.enrolled("alice")
    refused(await alice.call("DELETE", f"/users/me/secrets/{alice.totp}"), 409, "last_authenticator")


async def password_of(person: Person) -> str:
    listed = (await person.call("GET", "/users/me/secrets")).json()
    return str(next(one["uid"] for one in listed if one["type"] == "password"))


@pytest.mark.parametrize("rule", [WEEK, WEEK | {"SALLYPORT_MFA_GRACE": "0"}])
async def test_who_has_to_enroll_keeps_the_password_that_it_takes(make_world: MakeWorld, rule: dict[str, str]) -> None:
    world: World = await make_world(rule)
    alice = await world.register("alice")
    uid = await password_of(alice)
    before = await everything(world)
    refused(await alice.call("DELETE", f"/users/me/secrets/{uid}"), 409, "last_authenticator")
    assert await everything(world) == before


@pytest.mark.parametrize("rule", ["report:all", "report:roles:clerk"])
async def test_a_rule_that_only_reports_asks_for_nothing_and_counts_what_it_would_have_refused(
    make_world: MakeWorld, rule: str
) -> None:
    world: World = await make_world(WEEK | {"SALLYPORT_REQUIRE_MFA": rule, "SALLYPORT_MFA_GRACE": "0"})
    alice = await world.register("alice")
    await give_roles(alice, "clerk")
    assert (await alice.call("GET", "/users/me")).status_code == 200
    assert await reported(world) == 0
    body = granted(await world.password("alice", PASSWORD), "aal1", ["pwd"])
    assert body["mfa"] == {"enabled": False, "backupCodesRemaining": 0}
    assert (await alice.call("GET", "/users")).status_code == 200
    assert await reported(world) == 1
    await alice.enroll()
    assert (await alice.call("GET", "/users")).status_code == 200
    assert await reported(world) == 1
    assert (await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")).status_code == 204
    assert await met(world) == []


async def reported(world: World) -> int:
    text = (await world.call("GET", "/metrics")).text
    (line,) = [line for line in text.splitlines() if line.startswith("sallyport_policy_reported_total")]
    return round(float(line.rpartition(" ")[2]))
