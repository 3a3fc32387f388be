"""Nodes whose clocks differ, and a clock that is set back: nothing spent comes back, nobody waits for good."""

import pytest

from sallyport.audit import store as audit
from sallyport.kernel.clock import DAY, SECOND
from sallyport.sessions.mint import LEEWAY
from tests.conftest import MakeWorld
from tests.expect import refused
from tests.world import UNTHROTTLED, Person, TurnedClock, World

YEAR = 365 * DAY // SECOND


async def another_node(make_world: MakeWorld, world: World, ahead: float) -> World:
    """Start a second node on the same database, whose clock is off."""
    clock = TurnedClock()
    clock.micros = world.clock.micros
    clock.advance(ahead)
    other: World = await make_world(UNTHROTTLED, clock)
    return other


@pytest.mark.parametrize("ahead", [-90, -60, -30, 0, 30, 60, 90])
async def test_a_code_that_was_spent_on_one_node_is_refused_on_another(make_world: MakeWorld, ahead: int) -> None:
    one = await make_world(UNTHROTTLED)
    other = await another_node(make_world, one, ahead)
    alice = await one.enrolled("alice")
    one.clock.advance(30)
    other.clock.advance(30)
    assert alice.phone
    codes = {steps: alice.phone.code(steps) for steps in range(-4, 5)}
    assert (await one.answer(await alice.challenge(), codes[0])).status_code == 200
    spent = [codes[steps] for steps in range(-4, 1)]
    for code in spent:
        challenge = (await other.password("alice", alice.password)).json()["token"]
        refused(await other.answer(challenge, code), 401, "code_invalid")


async def test_a_clock_that_is_set_back_accepts_no_step_up_to_the_spent_one(unthrottled: World) -> None:
    alice = await unthrottled.enrolled("alice")
    assert alice.phone
    await alice.login()
    codes = {steps: alice.phone.code(steps) for steps in range(-5, 2)}
    for _ in range(4):
        for steps in range(-5, 1):
            refused(await unthrottled.answer(await alice.challenge(), codes[steps]), 401, "code_invalid")
        unthrottled.clock.advance(-30)
    unthrottled.clock.advance(4 * 30)
    assert (await unthrottled.answer(await alice.challenge(), codes[1])).status_code == 200


@pytest.mark.parametrize("ahead", [-90, 90])
async def test_tokens_of_a_node_that_is_off_are_good_on_the_others(make_world: MakeWorld, ahead: int) -> None:
    one = await make_world()
    other = await another_node(make_world, one, ahead)
    alice = await one.enrolled("alice")
    there = Person(other, "alice", alice.uid, alice.token, alice.refresh, phone=alice.phone)
    assert (await there.call("GET", "/users/me")).status_code == 200
    assert (await there.call("POST", "/users/me/secrets", {"type": "mfabackup"})).status_code == 200, "a fresh proof"
    answer = await other.call("POST", "/auth/refresh", {"refresh": alice.refresh})
    assert answer.status_code == 200
    alice.hold(answer.json())
    assert (await alice.call("GET", "/users/me")).status_code == 200


async def test_a_node_that_is_ahead_spends_the_steps_up_to_its_own(make_world: MakeWorld) -> None:
    one = await make_world(UNTHROTTLED)
    ahead = await another_node(make_world, one, 90)
    alice = await one.enrolled("alice")
    assert alice.phone
    codes = [alice.phone.code(steps) for steps in range(5)]
    assert (await ahead.answer(await alice.challenge(), codes[3])).status_code == 200
    for code in codes[:4]:
        refused(await one.answer(await alice.challenge(), code), 401, "code_invalid")
    one.clock.advance(90)
    assert (await one.answer(await alice.challenge(), codes[4])).status_code == 200, "once the time has passed them"


async def test_a_token_from_further_ahead_than_the_leeway_is_refused_until_the_clock_comes_there(world: World) -> None:
    alice = await world.register("alice")
    world.clock.advance(-LEEWAY / SECOND)
    assert (await alice.call("GET", "/users/me")).status_code == 200
    world.clock.advance(-1)
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    answer = await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})
    assert answer.status_code == 200, "the session stands, and gives a token of this clock"
    alice.hold(answer.json())
    assert (await alice.call("GET", "/users/me")).status_code == 200


async def test_a_spent_refresh_token_has_no_longer_grace_after_the_clock_was_set_back(world: World) -> None:
    alice = await world.register("alice")
    spent = alice.refresh
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": spent})).json())
    world.clock.advance(-YEAR)
    refused(await world.call("POST", "/auth/refresh", {"refresh": spent}), 401, "invalid_token")
    # That was no proof of a theft: the session goes on.
    assert (await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).status_code == 200


@pytest.mark.parametrize("back", [90, YEAR])
async def test_waits_do_not_grow_when_the_clock_is_set_back(world: World, back: int) -> None:
    alice = await world.register("alice")
    for _ in range(5):
        await world.password("alice", "other words than those")
    answer = await world.password("alice", "other words than those")
    assert int(answer.headers["retry-after"]) == 30
    world.clock.advance(-back)
    answer = await world.password("alice", alice.password)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    world.clock.advance(20)
    assert (await world.password("alice", alice.password)).headers["retry-after"] == "10", "it does not begin anew"
    world.clock.advance(10)
    assert (await world.password("alice", alice.password)).status_code == 200


async def test_waits_for_a_code_do_not_grow_when_the_clock_is_set_back(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    challenge = await alice.challenge()
    for _ in range(4):
        refused(await world.answer(challenge, alice.phone.wrong()), 401, "code_invalid")
    again = await alice.challenge()
    await world.answer(again, alice.phone.wrong())
    refused(await world.answer(again, alice.phone.wrong()), 429, "throttled")
    world.clock.advance(-YEAR)
    challenge = await alice.challenge()
    waits = int((await world.answer(challenge, alice.phone.wrong())).headers["retry-after"])
    assert 0 < waits <= 300
    world.clock.advance(waits)
    challenge = await alice.challenge()
    refused(await world.answer(challenge, alice.phone.wrong()), 401, "code_invalid")


async def test_a_success_that_is_to_count_does_so_after_the_clock_was_set_back(world: World) -> None:
    alice = await world.register("alice")
    for _ in range(6):
        await world.password("alice", "other words than those")
    world.clock.advance(-YEAR)
    await world.password("alice", "other words than those")
    world.clock.advance(30)
    assert (await world.password("alice", alice.password)).status_code == 200
    world.clock.advance(6)
    for _ in range(5):
        refused(await world.password("alice", "other words than those"), 401, "invalid_credentials")


async def test_a_challenge_survives_a_clock_that_is_set_back_and_is_good_once(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    world.clock.advance(60)
    challenge = await alice.challenge()
    world.clock.advance(-30)
    assert (await world.answer(challenge, alice.phone.code())).status_code == 200
    refused(await world.answer(challenge, alice.phone.code(1)), 401, "challenge_invalid")


async def test_the_audit_log_is_sealed_and_marked_after_the_clock_was_set_back(world: World) -> None:
    alice = await world.register("alice")
    await world.service.seal()
    world.clock.advance(-YEAR)
    await world.password("alice", alice.password)
    await world.service.seal()
    head = await world.service.work.read(audit.head)
    marked = (world.service.settings.keys_dir / "audit.checkpoint").read_text()
    assert f'"position": {head.position}' in marked
