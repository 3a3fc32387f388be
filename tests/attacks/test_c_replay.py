"""Class C: replay of one-time material.

CVE-2021-45331 Gitea; CVE-2026-33473 Vikunja; CVE-2026-103655 MISP; CVE-2025-6014 Vault; CVE-2025-55000 OpenBao;
Keycloak #13607: a TOTP code was good again inside its window. CVE-2026-1035 Keycloak: one refresh token, two answers.
"""

from pathlib import Path

import pytest

from tests.attacks.surface import running
from tests.conftest import MakeWorld
from tests.expect import granted, refused
from tests.surgery import count
from tests.world import PASSWORD, UNTHROTTLED, Person, TurnedClock, World, bearer

FULL = ["pwd", "otp", "mfa"]


async def ready(world: World) -> tuple[Person, str]:
    """Return an enrolled victim, and a code of theirs that is not spent yet."""
    victim = await world.enrolled("victim")
    world.clock.advance(30)
    assert victim.phone
    return victim, victim.phone.code()


async def spend(world: World, victim: Person, code: str) -> None:
    granted(await world.answer(await victim.challenge(), code), "aal2", FULL)


async def test_the_same_code_at_the_same_challenge(world: World) -> None:
    victim, code = await ready(world)
    challenge = await victim.challenge()
    granted(await world.answer(challenge, code), "aal2", FULL)
    refused(await world.answer(challenge, code), 401, "challenge_invalid")


@pytest.mark.parametrize("later", [0, 1, 29, 30, 59])
async def test_the_same_code_at_a_new_challenge(world: World, later: int) -> None:
    victim, code = await ready(world)
    await spend(world, victim, code)
    world.clock.advance(later)
    sessions = await count(world, "sessions")
    refused(await world.answer(await victim.challenge(), code), 401, "code_invalid")
    assert await count(world, "sessions") == sessions


@pytest.mark.parametrize("spelled", ["{0}", " {0} ", "{1} {2}", "{1}-{2}"])
async def test_the_same_code_spelled_another_way(world: World, spelled: str) -> None:
    """PyPI: a code that is parsed twice walks around the guard."""
    victim, code = await ready(world)
    await spend(world, victim, code)
    typed = spelled.format(code, code[:3], code[3:])
    refused(await world.answer(await victim.challenge(), typed), 401, "code_invalid")
    refused(await world.answer(await victim.challenge(), int(code)), 401, "code_invalid")


async def test_the_same_code_at_a_challenge_that_was_open_all_the_time(world: World) -> None:
    victim, code = await ready(world)
    waiting = await victim.challenge()
    await spend(world, victim, code)
    refused(await world.answer(waiting, code), 401, "code_invalid")


async def test_the_same_code_on_another_node(make_world: MakeWorld) -> None:
    first: World = await make_world()
    second: World = await make_world(clock=first.clock)
    victim, code = await ready(first)
    waiting = await victim.challenge()
    await spend(first, victim, code)
    refused(await second.answer(waiting, code), 401, "code_invalid")
    challenge = (await second.password("victim", PASSWORD)).json()["token"]
    refused(await second.answer(challenge, code), 401, "code_invalid")


async def test_the_same_code_after_a_restart(home: Path) -> None:
    clock = TurnedClock()
    async with running(home, clock) as world:
        victim, code = await ready(world)
        waiting = await victim.challenge()
        await spend(world, victim, code)
        await world.answer(await victim.challenge(), victim.codes[0])
    async with running(home, clock) as world:
        refused(await world.answer(waiting, code), 401, "code_invalid")
        refused(await world.answer(waiting, victim.codes[0]), 401, "code_invalid")
        challenge = (await world.password("victim", PASSWORD)).json()["token"]
        refused(await world.answer(challenge, code), 401, "code_invalid")


async def test_the_code_of_enrollment_at_login_and_at_elevation(world: World) -> None:
    victim = await world.enrolled("victim")
    assert victim.phone
    code = victim.phone.code()
    refused(await world.answer(await victim.challenge(), code), 401, "code_invalid")
    body = {"password": PASSWORD, "token": code}
    refused(await victim.call("POST", "/auth/elevate", body), 401, "code_invalid")


async def test_the_code_of_a_login_at_elevation_and_the_other_way_round(world: World) -> None:
    victim, code = await ready(world)
    await spend(world, victim, code)
    refused(await victim.call("POST", "/auth/elevate", {"password": PASSWORD, "token": code}), 401, "code_invalid")
    world.clock.advance(30)
    assert victim.phone
    body = {"password": PASSWORD, "token": victim.phone.code()}
    granted(await victim.call("POST", "/auth/elevate", body), "aal2", FULL)
    refused(await world.answer(await victim.challenge(), body["token"]), 401, "code_invalid")


async def test_an_earlier_code_after_a_later_one(world: World) -> None:
    victim, _ = await ready(world)
    assert victim.phone
    await spend(world, victim, victim.phone.code(1))
    for steps in (-1, 0, 1):
        refused(await world.answer(await victim.challenge(), victim.phone.code(steps)), 401, "code_invalid")


@pytest.mark.parametrize("back", [30, 60, 3600, 86_400])
async def test_a_clock_that_steps_backward_brings_no_code_back(world: World, back: int) -> None:
    victim, code = await ready(world)
    world.clock.advance(86_400 * 2)
    assert victim.phone
    code = victim.phone.code()
    await spend(world, victim, code)
    world.clock.advance(-back)
    refused(await world.answer(await victim.challenge(), code), 401, "code_invalid")
    refused(await world.answer(await victim.challenge(), victim.phone.code()), 401, "code_invalid")
    granted(await world.answer(await victim.challenge(), victim.codes[0]), "aal2", FULL)


async def test_a_backup_code_on_every_route_that_takes_one(make_world: MakeWorld) -> None:
    first: World = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": "true", **UNTHROTTLED})
    second: World = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": "true", **UNTHROTTLED}, clock=first.clock)
    victim = await first.enrolled("victim")
    at_door, at_login, at_elevation = victim.codes[:3]
    granted(await first.answer(await victim.challenge(), at_door), "aal2", FULL)
    granted(await first.password("victim", at_login), "aal1", ["otp"])
    body = {"password": PASSWORD, "token": at_elevation}
    granted(await victim.call("POST", "/auth/elevate", body), "aal2", FULL)
    for code in (at_door, at_login, at_elevation):
        for node in (first, second):
            refused(await node.answer(await victim.challenge(), code), 401, "code_invalid")
            refused(await node.password("victim", code), 401, "invalid_credentials")
            again = {"password": PASSWORD, "token": code}
            answer = await node.call("POST", "/auth/elevate", again, headers=victim.auth)
            assert answer.status_code == 401


async def test_a_code_is_spent_even_where_its_login_came_too_late(world: World) -> None:
    victim, code = await ready(world)
    challenge = await victim.challenge()
    assert (await victim.call("DELETE", "/users/me/sessions")).status_code == 204
    refused(await world.answer(challenge, code), 401, "challenge_invalid")


async def test_a_spent_challenge_after_a_restart(home: Path) -> None:
    clock = TurnedClock()
    async with running(home, clock) as world:
        victim, code = await ready(world)
        challenge = await victim.challenge()
        granted(await world.answer(challenge, code), "aal2", FULL)
    async with running(home, clock) as world:
        for other in victim.codes[:2]:
            refused(await world.answer(challenge, other), 401, "challenge_invalid")


async def test_a_spent_refresh_token_on_every_node_and_after_a_restart(make_world: MakeWorld) -> None:
    first: World = await make_world()
    second: World = await make_world(clock=first.clock)
    victim = await first.register("victim")
    body = granted(await first.call("POST", "/auth/refresh", {"refresh": victim.refresh}), "aal1", ["pwd"])
    again = granted(await second.call("POST", "/auth/refresh", {"refresh": victim.refresh}), "aal1", ["pwd"])
    assert again["refresh"] == body["refresh"]
    first.clock.advance(11)
    refused(await second.call("POST", "/auth/refresh", {"refresh": victim.refresh}), 401, "invalid_token")
    for node in (first, second):
        refused(await node.call("POST", "/auth/refresh", {"refresh": body["refresh"]}), 401, "invalid_token")
        refused(await node.call("GET", "/users/me", headers=bearer(body["token"])), 401, "invalid_token")


async def test_a_clock_that_steps_backward_gives_one_successor_and_no_more(world: World) -> None:
    victim = await world.register("victim")
    body = granted(await world.call("POST", "/auth/refresh", {"refresh": victim.refresh}), "aal1", ["pwd"])
    world.clock.advance(-3600)
    again = await world.call("POST", "/auth/refresh", {"refresh": victim.refresh})
    assert again.status_code == 401 or again.json()["refresh"] == body["refresh"]


async def test_an_enrollment_is_not_played_again(world: World) -> None:
    """CVE-2022-42731 django-mfa2: the registration challenge was not consumed."""
    victim = await world.register("victim")
    uid = await victim.begin_enrollment()
    assert victim.phone
    body, path = {"token": victim.phone.code()}, f"/users/me/secrets/{uid}/enroll"
    first = await victim.call("PUT", path, body)
    assert first.status_code == 200
    victim.hold(first.json()["session"])
    refused(await victim.call("PUT", path, body), 409, "already_enrolled")
    assert (await victim.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204
    victim.hold((await world.call("POST", "/auth/refresh", {"refresh": victim.refresh})).json())
    refused(await victim.call("PUT", path, body), 404, "not_found")
