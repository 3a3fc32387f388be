"""Class E: limits on guessing that stand without the throttle: five tries a challenge, five a pending enrollment.

CVE-2026-78655 Punk::TOTP, CVE-2026-103977 FileRise: the counter lived with the client. CVE-2026-35597 Vikunja,
CVE-2018-14657 Keycloak: the lockout was there and did not work. CVE-2024-32868, CVE-2025-64102 Zitadel,
CVE-2026-27801 Vaultwarden: some factor had no limit. CVE-2026-9798 Keycloak: the locked got in by another way.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.surface import running
from tests.conftest import MakeWorld
from tests.expect import granted, refused
from tests.surgery import count, fetch
from tests.world import UNTHROTTLED, Person, TurnedClock, World, client_of

FULL = ["pwd", "otp", "mfa"]


@pytest.fixture
async def world(unthrottled: World) -> World:
    """What stands by itself is tested without what stands in front of it."""
    return unthrottled


def wrong_codes(victim: Person) -> Iterator[str | int]:
    """Return wrong answers of every kind, again and again."""
    assert victim.phone
    return itertools.cycle([victim.phone.wrong(), "0000-0000-0000-0000", int(victim.phone.wrong()), "no code at all"])


async def test_the_sixth_try_of_a_challenge_is_not_judged(world: World) -> None:
    victim = await world.enrolled("victim")
    assert victim.phone
    world.clock.advance(30)
    challenge = await victim.challenge()
    for _, wrong in zip(range(5), wrong_codes(victim), strict=False):
        refused(await world.answer(challenge, wrong), 401, "code_invalid")
    for right in (victim.phone.code(), *victim.codes):
        refused(await world.answer(challenge, right), 401, "challenge_invalid")
    # Neither the step nor a backup code was spent by tries that came too late.
    granted(await world.answer(await victim.challenge(), victim.phone.code()), "aal2", FULL)
    granted(await world.answer(await victim.challenge(), victim.codes[0]), "aal2", FULL)


async def test_a_challenge_that_was_saved_before_the_failures_is_dead_too(world: World) -> None:
    """Punk::TOTP, FileRise: the count stood in what the client holds."""
    victim = await world.enrolled("victim")
    saved = await victim.challenge()
    for _, wrong in zip(range(5), wrong_codes(victim), strict=False):
        await world.answer(saved, wrong)
    body = {"token": victim.codes[0], "challenge": saved}
    refused(await world.call("POST", "/auth/totp", body), 401, "challenge_invalid")
    refused(await world.call("POST", "/v1/auth/totp", body), 401, "challenge_invalid")


async def test_the_count_of_a_challenge_is_the_same_from_every_address_and_spelling(world: World) -> None:
    victim = await world.enrolled("victim")
    assert victim.phone
    challenge, wrong = await victim.challenge(), victim.phone.wrong()
    for number in range(5):
        async with client_of(world.service, f"127.0.0.{number + 10}") as elsewhere:
            headers = {"x-forwarded-for": f"203.0.113.{number}", "user-agent": f"bot {number}"}
            body = {"token": wrong, "challenge": challenge}
            refused(await elsewhere.post("/auth/totp", json=body, headers=headers), 401, "code_invalid")
    refused(await world.answer(challenge, victim.codes[0]), 401, "challenge_invalid")


async def test_a_fresh_challenge_neither_lends_nor_takes_tries(world: World) -> None:
    victim = await world.enrolled("victim")
    first, wrong = await victim.challenge(), wrong_codes(victim)
    for _ in range(4):
        refused(await world.answer(first, next(wrong)), 401, "code_invalid")
    second = await victim.challenge()
    refused(await world.answer(first, next(wrong)), 401, "code_invalid")
    refused(await world.answer(first, victim.codes[0]), 401, "challenge_invalid")
    for _ in range(5):
        refused(await world.answer(second, next(wrong)), 401, "code_invalid")
    await victim.challenge()
    for dead in (first, second):
        refused(await world.answer(dead, victim.codes[0]), 401, "challenge_invalid")


async def test_what_is_no_code_at_all_costs_no_try_and_is_not_judged(world: World) -> None:
    victim = await world.enrolled("victim")
    challenge = await victim.challenge()
    for _ in range(20):
        refused(await world.answer(challenge, ""), 400, "invalid_request")
    assert await fetch(world, "SELECT tries_left FROM challenges") == [(5,)]
    granted(await world.answer(challenge, victim.codes[0]), "aal2", FULL)


async def test_two_nodes_share_the_tries_of_a_challenge(make_world: MakeWorld) -> None:
    nodes: list[World] = [await make_world(UNTHROTTLED)]
    nodes.append(await make_world(UNTHROTTLED, clock=nodes[0].clock))
    victim = await nodes[0].enrolled("victim")
    challenge, wrong = await victim.challenge(), wrong_codes(victim)
    for number in range(5):
        refused(await nodes[number % 2].answer(challenge, next(wrong)), 401, "code_invalid")
    for node in nodes:
        refused(await node.answer(challenge, victim.codes[0]), 401, "challenge_invalid")


async def test_a_restart_gives_no_tries_back(home: Path) -> None:
    clock = TurnedClock()
    async with running(home, clock, UNTHROTTLED) as world:
        victim = await world.enrolled("victim")
        path = f"/users/me/secrets/{await victim.begin_enrollment()}/enroll"
        pending, challenge = victim.phone, await victim.challenge()
    assert pending
    for tries in (2, 2, 1):
        async with running(home, clock, UNTHROTTLED) as world:
            for _ in range(tries):
                refused(await world.answer(challenge, "no code"), 401, "code_invalid")
                answer = await world.call("PUT", path, {"token": pending.wrong()}, headers=victim.auth)
                refused(answer, 400, "code_invalid")
    async with running(home, clock, UNTHROTTLED) as world:
        refused(await world.answer(challenge, victim.codes[0]), 401, "challenge_invalid")
        answer = await world.call("PUT", path, {"token": pending.code()}, headers=victim.auth)
        refused(answer, 404, "not_found")


async def test_the_sixth_try_of_an_enrollment_is_not_judged(world: World) -> None:
    victim = await world.register("victim")
    uid = await victim.begin_enrollment()
    assert victim.phone
    for number, wrong in zip(range(5), wrong_codes(victim), strict=False):
        tail = "/enroll" if number % 2 else ""
        answer = await victim.call("PUT", f"/users/me/secrets/{uid}{tail}", {"token": wrong})
        refused(answer, 400, "code_invalid")
    for tail in ("", "/enroll"):
        answer = await victim.call("PUT", f"/users/me/secrets/{uid}{tail}", {"token": victim.phone.code()})
        refused(answer, 404, "not_found")
    assert (await victim.call("GET", "/users/me")).json()["mfaEnabled"] is False


async def test_the_hint_about_a_clock_costs_a_try_as_well(world: World) -> None:
    """Else the hint is an oracle: forty steps a guess instead of three."""
    victim = await world.register("victim")
    uid = await victim.begin_enrollment()
    assert victim.phone
    path = f"/users/me/secrets/{uid}/enroll"
    for steps in (5, -5, 6, -6, 7):
        refused(await victim.call("PUT", path, {"token": victim.phone.code(steps)}), 400, "code_out_of_step")
    refused(await victim.call("PUT", path, {"token": victim.phone.code()}), 404, "not_found")


async def test_two_nodes_share_the_tries_of_an_enrollment(make_world: MakeWorld) -> None:
    nodes: list[World] = [await make_world(UNTHROTTLED)]
    nodes.append(await make_world(UNTHROTTLED, clock=nodes[0].clock))
    victim = await nodes[0].register("victim")
    uid = await victim.begin_enrollment()
    assert victim.phone
    path = f"/users/{victim.uid}/secrets/{uid}/enroll"
    for number in range(5):
        body = {"token": victim.phone.wrong()}
        refused(await nodes[number % 2].call("PUT", path, body, headers=victim.auth), 400, "code_invalid")
    for node in nodes:
        body = {"token": victim.phone.code()}
        refused(await node.call("PUT", path, body, headers=victim.auth), 404, "not_found")


async def test_a_new_pending_one_has_another_key_so_that_tries_do_not_add_up(world: World) -> None:
    victim = await world.register("victim")
    await victim.begin_enrollment()
    first = victim.phone
    uid = await victim.begin_enrollment()
    assert first
    assert victim.phone
    assert first.secret != victim.phone.secret
    answer = await victim.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": first.code()})
    refused(answer, 400, "code_invalid")


@pytest.mark.parametrize("kind", ["totp", "backup"])
async def test_the_code_of_one_user_is_a_try_of_the_other(world: World, kind: str) -> None:
    """CVE-2025-64175 Gogs: the backup code of another user worked."""
    victim, attacker = await world.enrolled("victim"), await world.enrolled("attacker")
    assert attacker.phone
    world.clock.advance(30)
    challenge = await victim.challenge()
    for number in range(5):
        code = attacker.phone.code() if kind == "totp" else attacker.codes[number]
        refused(await world.answer(challenge, code), 401, "code_invalid")
    refused(await world.answer(challenge, victim.codes[0]), 401, "challenge_invalid")
    granted(await world.answer(await attacker.challenge(), attacker.codes[0]), "aal2", FULL)


async def test_failures_leave_no_more_than_the_open_challenges_behind(world: World) -> None:
    victim = await world.enrolled("victim")
    for _ in range(30):
        world.clock.advance(1)
        challenge = await victim.challenge()
        refused(await world.answer(challenge, "no code"), 401, "code_invalid")
    assert await count(world, "challenges") == 20
    assert await count(world, "sessions") == 1
