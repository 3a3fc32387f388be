"""Each race, again and again, between two nodes that share a PostgreSQL: there is one winner in every round.

`make torture` runs a thousand rounds; SALLYPORT_TEST_ROUNDS says how many.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from sallyport.app import Application
from tests.conftest import MakeWorld
from tests.engines import Engine
from tests.world import PASSWORD, UNTHROTTLED, Person, TurnedClock, World, bearer, service_in

ROUNDS = int(os.environ.get("SALLYPORT_TEST_ROUNDS", "20"))
CROWD = 10

Round = Callable[[World, Person, int], Awaitable[None]]


@pytest.fixture
async def world(make_world: MakeWorld) -> AsyncIterator[World]:
    """Two nodes; requests go to them in turn."""
    clock = TurnedClock()
    nodes = [Application((await make_world(UNTHROTTLED, clock=clock)).service) for _ in range(2)]
    turn = cycle(nodes)

    async def spread(scope: Scope, receive: Receive, send: Send) -> None:
        await next(turn)(scope, receive, send)

    transport = httpx2.ASGITransport(spread, client=("127.0.0.1", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://sallyport.test") as client:
        yield World(nodes[0].service, client, clock)


async def together(calls: Iterable[Any]) -> list[httpx2.Response]:
    answers: list[httpx2.Response] = await asyncio.gather(*calls)
    assert [answer.text for answer in answers if answer.status_code >= 500] == []
    return answers


def one_of(answers: list[httpx2.Response], *refusals: str, status: int = 200) -> httpx2.Response:
    """Return the answer of the one winner; the others may have been told this."""
    (won,) = [answer for answer in answers if answer.status_code == status]
    assert {answer.json()["code"] for answer in answers if answer is not won} <= set(refusals)
    return won


async def a_code_at_one_challenge(world: World, alice: Person, _: int) -> None:
    world.clock.advance(30)
    assert alice.phone
    challenge, code = await alice.challenge(), alice.phone.code()
    won = one_of(
        await together(world.answer(challenge, code) for _ in range(CROWD)), "challenge_invalid", "code_invalid"
    )
    alice.hold(won.json())


async def a_code_at_many_challenges(world: World, alice: Person, _: int) -> None:
    world.clock.advance(30)
    assert alice.phone
    challenges, code = [await alice.challenge() for _ in range(CROWD)], alice.phone.code()
    won = one_of(await together(world.answer(challenge, code) for challenge in challenges), "code_invalid")
    alice.hold(won.json())


async def a_backup_code(world: World, alice: Person, _: int) -> None:
    world.clock.advance(1)  # of too many challenges the oldest go
    if not alice.codes:
        await alice.login()
        alice.codes = (await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"})).json()["codes"]
    code, challenges = alice.codes.pop(), [await alice.challenge() for _ in range(CROWD)]
    one_of(await together(world.answer(challenge, code) for challenge in challenges), "code_invalid")


async def a_code_at_two_doors(world: World, alice: Person, _: int) -> None:
    world.clock.advance(30)
    assert alice.phone
    challenge, code = await alice.challenge(), alice.phone.code()
    doors = [world.answer(challenge, code) for _ in range(CROWD // 2)]
    elevation = {"password": PASSWORD, "token": code}
    doors += [alice.call("POST", "/auth/elevate", elevation) for _ in range(CROWD // 2)]
    alice.hold(one_of(await together(doors), "code_invalid", "challenge_invalid").json())


async def five_tries_of_a_challenge(world: World, alice: Person, _: int) -> None:
    challenge = await alice.challenge()
    answers = await together(world.answer(challenge, "not a code") for _ in range(CROWD))
    codes = [answer.json()["code"] for answer in answers]
    assert (codes.count("code_invalid"), codes.count("challenge_invalid")) == (5, CROWD - 5)


async def a_refresh_token(world: World, alice: Person, _: int) -> None:
    answers = await together(world.call("POST", "/auth/refresh", {"refresh": alice.refresh}) for _ in range(CROWD))
    (successor,) = {answer.json()["refresh"] for answer in answers}
    assert successor != alice.refresh
    alice.refresh = successor


async def an_enrollment(world: World, _: Person, turn: int) -> None:
    newcomer = await world.register(f"newcomer{turn}")
    path = f"/users/me/secrets/{await newcomer.begin_enrollment()}/enroll"
    assert newcomer.phone
    body = {"token": newcomer.phone.code()}
    answers = await together(newcomer.call("PUT", path, body) for _ in range(CROWD))
    won = one_of(answers, "already_enrolled", "not_found", "step_up_required")
    newcomer.hold(won.json()["session"])
    assert len((await newcomer.call("GET", "/users/me/sessions")).json()) == 1


async def a_first_password(world: World, _: Person, turn: int) -> None:
    newcomer = await world.register(f"newcomer{turn}", password=None)
    bodies = [{"type": "password", "secret": f"{PASSWORD} {number}"} for number in range(CROWD)]
    answers = await together(newcomer.call("POST", "/users/me/secrets", body) for body in bodies)
    one_of(answers, "already_exists", "step_up_required")


async def a_new_password(world: World, alice: Person, _: int) -> None:
    (secret,) = [one for one in (await alice.call("GET", "/users/me/secrets")).json() if one["type"] == "password"]
    words = [f"{PASSWORD} {secret['version']} {number}" for number in range(CROWD)]
    given = {"version": secret["version"], "current": alice.password}
    path = f"/users/me/secrets/{secret['uid']}"
    answers = await together(alice.call("PUT", path, given | {"secret": word}) for word in words)
    alice.password = words[answers.index(one_of(answers, "version_conflict", "invalid_credentials"))]


async def a_name(world: World, _: Person, turn: int) -> None:
    names = [f"{'Wanted' if number % 2 else 'wanted'}{turn}" for number in range(CROWD)]
    one_of(await together(world.call("POST", "/users", {"name": name}) for name in names), "name_taken", status=201)


async def a_version(world: World, alice: Person, turn: int) -> None:
    bodies = [{"version": turn, "firstName": f"name {number}"} for number in range(CROWD)]
    won = one_of(await together(alice.call("PUT", "/users/me", body) for body in bodies), "version_conflict")
    assert won.json()["version"] == turn + 1


async def the_end_of_a_session(world: World, alice: Person, _: int) -> None:
    ending = Person(world, alice.name, alice.uid, "", "", phone=alice.phone)
    await ending.login()
    renewals = [world.call("POST", "/auth/refresh", {"refresh": ending.refresh}) for _ in range(CROWD)]
    answers = await together([*renewals, ending.call("POST", "/auth/logout")])
    for token in [ending.token, *(answer.json()["token"] for answer in answers if answer.status_code == 200)]:
        assert (await world.call("GET", "/users/me", headers=bearer(token))).status_code == 401


async def the_end_of_an_account(world: World, _: Person, turn: int) -> None:
    leaving = await world.register(f"leaving{turn}")
    answers = await together(leaving.call("DELETE", "/users/me") for _ in range(CROWD))
    one_of(answers, "invalid_token", "not_found", status=204)


@pytest.mark.parametrize(
    "race",
    [
        a_code_at_one_challenge,
        a_code_at_many_challenges,
        a_backup_code,
        a_code_at_two_doors,
        five_tries_of_a_challenge,
        a_refresh_token,
        an_enrollment,
        a_first_password,
        a_new_password,
        a_name,
        a_version,
        the_end_of_a_session,
        the_end_of_an_account,
    ],
    ids=lambda race: race.__name__,
)
async def test_between_two_nodes_there_is_one_winner_in_every_round(world: World, race: Round) -> None:
    with_a_phone = race not in {a_new_password, a_version, a_refresh_token}
    alice = await (world.enrolled("alice") if with_a_phone else world.register("alice"))
    for turn in range(ROUNDS):
        await race(world, alice, turn)
    print(f"{race.__name__}: one winner in each of {ROUNDS} rounds")  # noqa: T201  # `make torture` shows it


async def test_the_first_admin_of_two_nodes_is_made_once_in_every_round(tmp_path: Path, engine: Engine) -> None:
    clock = TurnedClock()
    for turn in range(min(ROUNDS, 100)):
        home = engine.settle(tmp_path / str(turn))
        nodes = [service_in(home, clock) for _ in range(2)]
        made = await asyncio.gather(*(node.first_start() for node in nodes))
        assert len([admin for admin in made if admin]) == 1
        for node in nodes:
            node.close()
