"""api.md section 5: `POST /auth/refresh`, and how long a session lives."""

from typing import Any

import pytest

from sallyport.kernel.clock import SECOND
from tests.expect import claims, granted, refused
from tests.surgery import everything, give_roles
from tests.world import Person, World, bearer

DAY = 86_400


async def turn(world: World, refresh: str) -> Any:
    return await world.call("POST", "/auth/refresh", {"refresh": refresh})


async def test_a_refresh_token_is_traded_for_its_successor(world: World) -> None:
    alice = await world.register("alice")
    world.clock.advance(60)
    body = granted(await turn(world, alice.refresh), "aal1", ["pwd"])
    assert body["refresh"].startswith("spr_")
    assert body["refresh"] != alice.refresh
    assert body["userUid"] == alice.uid
    assert (await world.call("GET", "/users/me", headers=bearer(body["token"]))).status_code == 200
    granted(await turn(world, body["refresh"]), "aal1", ["pwd"])


async def test_refreshing_is_no_proof(world: World) -> None:
    alice = await world.enrolled("alice")
    before = claims(alice.token)
    world.clock.advance(3600)
    after = claims(granted(await turn(world, alice.refresh), "aal2", ["pwd", "otp", "mfa"])["token"])
    assert {key: after[key] for key in ("auth_time", "acr", "amr", "sid", "sub")} == {
        key: before[key] for key in ("auth_time", "acr", "amr", "sid", "sub")
    }
    assert after["iat"] == world.clock.now() // SECOND
    assert after["jti"] != before["jti"]


@pytest.mark.parametrize("given", ["", "spr_", "spr_" + "A" * 43, "null", "x" * 4096])
async def test_an_unknown_token_is_refused(world: World, given: str) -> None:
    await world.register("alice")
    before = await everything(world)
    refused(await turn(world, given), 401, "invalid_token")
    assert await everything(world) == before


@pytest.mark.parametrize(
    "body", [None, {}, {"token": "x"}, {"refresh": None}, {"refresh": 7}, {"refresh": ["x"]}, {"refresh": "x" * 4097}]
)
async def test_what_is_no_token_at_all_is_an_invalid_request(world: World, body: Any) -> None:
    answer = await world.call("POST", "/auth/refresh", body)
    refused(answer, 400, "unknown_field" if body == {"token": "x"} else "invalid_request")


async def test_a_refresh_token_is_not_read_from_the_header(world: World) -> None:
    alice = await world.register("alice")
    refused(await world.call("POST", "/auth/refresh", headers=bearer(alice.refresh)), 400, "invalid_request")


@pytest.mark.parametrize("seconds", [0, 5, 10])
async def test_within_ten_seconds_the_same_successor_is_given_again(world: World, seconds: int) -> None:
    alice = await world.register("alice")
    first = granted(await turn(world, alice.refresh), "aal1", ["pwd"])
    world.clock.advance(seconds)
    again = granted(await turn(world, alice.refresh), "aal1", ["pwd"])
    assert again["refresh"] == first["refresh"]
    granted(await turn(world, first["refresh"]), "aal1", ["pwd"])


async def test_after_ten_seconds_a_spent_token_ends_the_session(world: World) -> None:
    alice = await world.register("alice")
    thief = granted(await turn(world, alice.refresh), "aal1", ["pwd"])
    world.clock.advance(10.001)
    refused(await turn(world, alice.refresh), 401, "invalid_token")
    refused(await turn(world, thief["refresh"]), 401, "invalid_token")
    for token in (alice.token, thief["token"]):
        refused(await world.call("GET", "/users/me", headers=bearer(token)), 401, "invalid_token")


async def test_a_spent_token_whose_successor_is_spent_too_ends_the_session_at_once(world: World) -> None:
    alice = await world.register("alice")
    second = granted(await turn(world, alice.refresh), "aal1", ["pwd"])
    third = granted(await turn(world, second["refresh"]), "aal1", ["pwd"])
    refused(await turn(world, alice.refresh), 401, "invalid_token")
    refused(await turn(world, third["refresh"]), 401, "invalid_token")
    refused(await world.call("GET", "/users/me", headers=bearer(third["token"])), 401, "invalid_token")


async def test_theft_in_one_session_leaves_the_others(world: World) -> None:
    alice = await world.register("alice")
    other = (await world.password("alice", alice.password)).json()
    await turn(world, alice.refresh)
    world.clock.advance(60)
    refused(await turn(world, alice.refresh), 401, "invalid_token")
    granted(await turn(world, other["refresh"]), "aal1", ["pwd"])


async def kept_alive(person: Person, days: float, *, every: float) -> Any:
    """Refresh a session so often that it never falls idle, for so many days; returns the last answer."""
    answer: Any = None
    for _ in range(round(days / every)):
        person.world.clock.advance(every * DAY)
        answer = await turn(person.world, person.refresh)
        if answer.status_code != 200:
            return answer
        person.hold(answer.json())
    return answer


@pytest.mark.parametrize(("seconds", "alive"), [(7 * DAY - 1, True), (7 * DAY, False)])
async def test_a_session_lives_seven_days_idle(world: World, seconds: int, *, alive: bool) -> None:
    alice = await world.register("alice")
    world.clock.advance(seconds)
    answer = await turn(world, alice.refresh)
    assert answer.status_code == (200 if alive else 401)


async def test_a_session_lives_thirty_days_at_most(world: World) -> None:
    alice = await world.register("alice")
    assert (await kept_alive(alice, 29.5, every=0.5)).status_code == 200
    refused(await kept_alive(alice, 0.5, every=0.5), 401, "invalid_token")


async def test_a_trusted_role_is_logged_in_for_one_hour_idle(world: World) -> None:
    admin = await world.admin()
    world.clock.advance(3599)
    admin.hold((await turn(world, admin.refresh)).json())
    world.clock.advance(3600)
    refused(await turn(world, admin.refresh), 401, "invalid_token")


async def test_a_trusted_role_is_logged_in_for_one_day_at_most(world: World) -> None:
    admin = await world.admin()
    assert (await kept_alive(admin, 23.5 / 24, every=0.5 / 24)).status_code == 200
    refused(await kept_alive(admin, 0.5 / 24, every=0.5 / 24), 401, "invalid_token")


async def test_an_access_token_does_not_outlive_its_session(world: World) -> None:
    admin = await world.admin()
    await kept_alive(admin, 23.5 / 24, every=0.5 / 24)
    world.clock.advance(1500)
    body = (await turn(world, admin.refresh)).json()
    assert body["expiresIn"] == 300
    assert claims(body["token"])["exp"] - claims(body["token"])["iat"] == 300


async def test_a_role_that_becomes_trusted_shortens_a_session_that_stands(world: World) -> None:
    alice = await world.register("alice")
    await give_roles(alice, "admin")
    world.clock.advance(3600)
    refused(await turn(world, alice.refresh), 401, "invalid_token")
