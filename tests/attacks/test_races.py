"""Fifty requests at once, on one node and on two that share a database: what is good once is good once."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from sallyport.app import Application
from sallyport.store.work import Sql
from tests.conftest import MakeWorld
from tests.world import PASSWORD, UNTHROTTLED, Person, TurnedClock, World, bearer, service_in

pytestmark = pytest.mark.on_disk("while a write waits for it, others come in between")
CROWD = 50
ROUNDS = 3
OTHER = "another set of plain words"

LIVE_TOKENS = Sql(
    """SELECT count(*) FROM refresh_tokens JOIN sessions ON sessions.id = refresh_tokens.session_id
       WHERE sessions.user_id = :user AND spent_at IS NULL AND retired_at IS NULL"""
)
OPEN_CHALLENGES = Sql("SELECT count(*) FROM challenges WHERE user_id = :user")
PENDING = Sql("SELECT count(*) FROM totp WHERE user_id = :user AND enrolled_at IS NULL")


@pytest.fixture(params=[1, 2], ids=["one node", "two nodes"])
async def world(request: pytest.FixtureRequest, make_world: MakeWorld) -> AsyncIterator[World]:
    """A service of one node, or of two that share database and keys; requests go to them in turn."""
    clock = TurnedClock()
    nodes = [Application((await make_world(UNTHROTTLED, clock=clock)).service) for _ in range(request.param)]
    turn = cycle(nodes)

    async def spread(scope: Scope, receive: Receive, send: Send) -> None:
        await next(turn)(scope, receive, send)

    transport = httpx2.ASGITransport(spread, client=("127.0.0.1", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://sallyport.test") as client:
        yield World(nodes[0].service, client, clock)


async def together(calls: Iterable[Any]) -> list[httpx2.Response]:
    """Send requests at once, in an order that changes from run to run; nothing may ever be our fault."""
    waiting = list(calls)
    random.shuffle(waiting)
    answers: list[httpx2.Response] = await asyncio.gather(*waiting)
    assert [answer.text for answer in answers if answer.status_code >= 500] == []
    return answers


def winners(answers: list[httpx2.Response], status: int = 200) -> list[httpx2.Response]:
    return [answer for answer in answers if answer.status_code == status]


def refusals(answers: list[httpx2.Response]) -> set[tuple[int, str]]:
    return {(answer.status_code, answer.json()["code"]) for answer in answers if answer.status_code >= 300}


async def count(world: World, sql: Sql, user: str) -> int:
    row = await world.service.work.read(lambda rows: rows.one(sql, user=user))
    assert row
    return int(row[0])


async def sessions(person: Person) -> list[str]:
    found = await person.call("GET", "/users/me/sessions")
    assert found.status_code == 200, found.text
    return [session["uid"] for session in found.json()]


async def stands(world: World, token: str) -> bool:
    return (await world.call("GET", "/users/me", headers=bearer(token))).status_code == 200


async def test_one_code_at_one_challenge_opens_one_session(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    for _ in range(ROUNDS):
        world.clock.advance(30)
        before, challenge, code = await sessions(alice), await alice.challenge(), alice.phone.code()
        answers = await together(world.answer(challenge, code) for _ in range(CROWD))
        assert len(winners(answers)) == 1
        assert refusals(answers) <= {(401, "code_invalid"), (401, "challenge_invalid")}
        assert len(await sessions(alice)) == len(before) + 1
        alice.hold(winners(answers)[0].json())


async def test_one_code_at_fifty_challenges_opens_one_session(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    for _ in range(ROUNDS):
        world.clock.advance(30)
        code, before = alice.phone.code(), await sessions(alice)
        challenges = [await alice.challenge() for _ in range(CROWD)]
        answers = await together(world.answer(challenge, code) for challenge in challenges)
        assert len(winners(answers)) == 1
        assert refusals(answers) <= {(401, "code_invalid"), (401, "challenge_invalid")}
        assert len(await sessions(alice)) == len(before) + 1
        alice.hold(winners(answers)[0].json())


async def test_one_backup_code_at_fifty_challenges_opens_one_session(world: World) -> None:
    alice = await world.enrolled("alice")
    for left, code in zip((9, 8, 7), alice.codes, strict=False):
        challenges = [await alice.challenge() for _ in range(CROWD)]
        spellings = cycle((code, code.lower(), code.replace("-", ""), code.replace("-", " ")))
        answers = await together(world.answer(*pair) for pair in zip(challenges, spellings, strict=False))
        (won,) = winners(answers)
        assert won.json()["mfa"]["backupCodesRemaining"] == left
        assert refusals(answers) <= {(401, "code_invalid"), (401, "challenge_invalid")}


async def test_one_challenge_with_fifty_good_codes_opens_one_session(world: World) -> None:
    alice = await world.register("alice")
    phones = []
    for _ in range(5):
        await alice.enroll()
        phones.append(alice.phone)
    # One step back would be spent by the enrollment: now three steps of five phones and ten codes are good.
    world.clock.advance(90)
    good = [phone.code(step) for phone in phones if phone for step in (-1, 0, 1)] + alice.codes
    good += [code.lower() if "-" in code else f"{code[:3]} {code[3:]}" for code in good]
    for _ in range(ROUNDS):
        before, challenge = await sessions(alice), await alice.challenge()
        answers = await together(world.answer(challenge, code) for code in good)
        assert len(answers) == CROWD
        assert len(winners(answers)) == 1
        # Codes of one phone use each other up: a later step spends the earlier ones.
        assert refusals(answers) <= {(401, "code_invalid"), (401, "challenge_invalid")}
        assert len(await sessions(alice)) == len(before) + 1
        world.clock.advance(90)
        good = [phone.code(step) for phone in phones if phone for step in (-1, 0, 1)] * 3 + alice.codes[:5]


async def test_of_fifty_wrong_codes_at_one_challenge_five_are_judged(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    world.clock.advance(30)
    for wrong in (alice.phone.wrong(), "AAAA-BBBB-CCCC-DDDD", "not a code"):
        challenge = await alice.challenge()
        answers = await together(world.answer(challenge, wrong) for _ in range(CROWD))
        codes = [answer.json()["code"] for answer in answers]
        assert (codes.count("code_invalid"), codes.count("challenge_invalid")) == (5, 45)
        right = await world.answer(challenge, alice.phone.code())
        assert (right.status_code, right.json()["code"]) == (401, "challenge_invalid")


async def test_fifty_logins_leave_twenty_challenges(world: World) -> None:
    alice = await world.enrolled("alice")
    answers = await together(world.password("alice", PASSWORD) for _ in range(CROWD))
    assert {answer.json()["type"] for answer in answers} == {"CHALLENGE"}
    assert len({answer.json()["token"] for answer in answers}) == CROWD
    assert await count(world, OPEN_CHALLENGES, alice.uid) == 20


async def test_one_refresh_token_has_one_successor(world: World) -> None:
    alice = await world.register("alice")
    successor = alice.refresh
    for _ in range(ROUNDS):
        answers = await together(world.call("POST", "/auth/refresh", {"refresh": alice.refresh}) for _ in range(CROWD))
        assert len(winners(answers)) == CROWD
        (successor,) = {answer.json()["refresh"] for answer in answers}
        assert successor != alice.refresh
        assert await count(world, LIVE_TOKENS, alice.uid) == 1
        assert len(await sessions(alice)) == 1
        alice.refresh = successor
    world.clock.advance(11)
    assert (await world.call("POST", "/auth/refresh", {"refresh": successor})).status_code == 200


async def test_a_stolen_refresh_token_ends_the_session_once_its_successor_is_spent(world: World) -> None:
    for turn in range(ROUNDS):
        alice = await world.register(f"alice{turn}")
        first = (await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json()
        both = [alice.refresh, first["refresh"]] * (CROWD // 2)
        answers = await together(world.call("POST", "/auth/refresh", {"refresh": token}) for token in both)
        assert refusals(answers) <= {(401, "invalid_token")}
        again = await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})
        assert (again.status_code, again.json()["code"]) == (401, "invalid_token")
        for answer in winners(answers):
            assert not await stands(world, answer.json()["token"])
        assert await count(world, LIVE_TOKENS, alice.uid) == 0


@pytest.mark.parametrize("mfa", [False, True], ids=["the first authenticator", "one more"])
async def test_one_enrollment_is_done_once(world: World, mfa: bool) -> None:  # noqa: FBT001  # a case
    for turn in range(ROUNDS):
        alice = await world.enrolled(f"alice{turn}") if mfa else await world.register(f"alice{turn}")
        other = Person(world, alice.name, alice.uid, alice.token, alice.refresh, phone=alice.phone)
        await other.login()
        path = f"/users/me/secrets/{await alice.begin_enrollment()}"
        assert alice.phone
        body = {"token": alice.phone.code()}
        paths = cycle((path, f"{path}/enroll"))
        answers = await together(alice.call("PUT", next(paths), body) for _ in range(CROWD))
        (won,) = winners(answers)
        # Four are judged beside the winner and find that MFA is on; the rest find a dead or an enrolled secret.
        assert refusals(answers) <= {(409, "already_enrolled"), (404, "not_found"), (401, "step_up_required")}
        alice.hold(won.json()["session"])
        assert len(await sessions(alice)) == 1
        assert not await stands(world, other.token)
        assert await count(world, LIVE_TOKENS, alice.uid) == 1
        listed = (await alice.call("GET", "/users/me/secrets")).json()
        assert [secret["remaining"] for secret in listed if secret["type"] == "mfabackup"] == [10]
        assert (await world.answer(await alice.challenge(), won.json()["codes"][0])).status_code == 200


async def test_of_fifty_wrong_codes_at_one_enrollment_five_are_judged(world: World) -> None:
    alice = await world.register("alice")
    path = f"/users/me/secrets/{await alice.begin_enrollment()}/enroll"
    assert alice.phone
    answers = await together(alice.call("PUT", path, {"token": alice.phone.wrong()}) for _ in range(CROWD))
    codes = [answer.json()["code"] for answer in answers]
    assert (codes.count("code_invalid"), codes.count("not_found")) == (5, 45)
    assert (await alice.call("PUT", path, {"token": alice.phone.code()})).status_code == 404


async def test_fifty_enrollments_begun_leave_one_pending(world: World) -> None:
    alice = await world.register("alice")
    answers = await together(alice.call("POST", "/users/me/secrets", {"type": "mfa"}) for _ in range(CROWD))
    assert len({answer.json()["secret"]["secret"] for answer in winners(answers)}) == CROWD
    assert await count(world, PENDING, alice.uid) == 1


@pytest.mark.parametrize("password", [None, PASSWORD])
async def test_a_name_is_taken_once_whatever_its_case(world: World, password: str | None) -> None:
    for turn in range(ROUNDS):
        names = cycle((f"Zoë{turn}", f"zoë{turn}", f"ZOË{turn}", f"zoe\u0308{turn}"))
        bodies = [{"name": next(names)} | ({"password": password} if password else {}) for _ in range(CROWD)]
        answers = await together(world.call("POST", "/users", body) for body in bodies)
        (won,) = winners(answers, 201)
        assert refusals(answers) == {(409, "name_taken")}
        assert await stands(world, won.json()["token"])


async def test_a_name_is_renamed_to_once(world: World) -> None:
    people = [await world.register(f"person{number}") for number in range(CROWD)]
    names = cycle(("Wanted", "wanted", "WANTED"))
    answers = await together(person.call("PUT", "/users/me", {"version": 0, "name": next(names)}) for person in people)
    assert len(winners(answers)) == 1
    assert refusals(answers) == {(409, "name_taken")}


async def test_one_of_fifty_first_passwords_is_set(world: World) -> None:
    for turn in range(ROUNDS):
        alice = await world.register(f"alice{turn}", password=None)
        words = [f"{OTHER} number {number}" for number in range(CROWD)]
        bodies = [{"type": "password", "secret": word} for word in words]
        answers: list[httpx2.Response] = await asyncio.gather(
            *(alice.call("POST", "/users/me/secrets", body) for body in bodies)
        )
        assert len(winners(answers)) == 1
        # Once there is a password, the token of the newcomer is no proof any more.
        assert refusals(answers) <= {(409, "already_exists"), (401, "step_up_required")}
        for word, answer in zip(words[:5] + words[-5:], answers[:5] + answers[-5:], strict=True):
            login = await world.password(alice.name, word)
            assert (login.status_code == 200) == (answer.status_code == 200)


async def test_one_of_fifty_changes_of_a_version_wins(world: World) -> None:
    alice = await world.register("alice")
    for version in range(ROUNDS):
        bodies = [{"version": version, "firstName": f"name {number}"} for number in range(CROWD)]
        answers = await together(alice.call("PUT", "/users/me", body) for body in bodies)
        (won,) = winners(answers)
        assert refusals(answers) == {(409, "version_conflict")}
        assert won.json()["version"] == version + 1
        assert (await alice.call("GET", "/users/me")).json() == won.json()


async def test_one_of_fifty_descriptions_of_a_version_wins(world: World) -> None:
    alice = await world.enrolled("alice")
    listed = (await alice.call("GET", "/users/me/secrets")).json()
    assert {secret["type"] for secret in listed} == {"password", "mfa", "mfabackup"}
    for secret in listed:
        path = f"/users/me/secrets/{secret['uid']}"
        bodies = [{"version": secret["version"], "description": f"{number}"} for number in range(CROWD)]
        answers = await together(alice.call("PUT", path, body) for body in bodies)
        (won,) = winners(answers)
        assert refusals(answers) == {(409, "version_conflict")}
        assert (await alice.call("GET", path)).json() == won.json()


async def test_one_of_fifty_changes_of_a_password_wins(world: World) -> None:
    alice = await world.register("alice")
    (secret,) = (await alice.call("GET", "/users/me/secrets")).json()
    path, words = f"/users/me/secrets/{secret['uid']}", [f"{OTHER} number {number}" for number in range(CROWD)]
    answers: list[httpx2.Response] = await asyncio.gather(
        *(alice.call("PUT", path, {"version": 0, "current": PASSWORD, "secret": word}) for word in words)
    )
    (won,) = winners(answers)
    assert refusals(answers) == {(409, "version_conflict")}
    assert (await world.password("alice", PASSWORD)).status_code == 401
    for word, answer in zip(words, answers, strict=True):
        assert ((await world.password("alice", word)).status_code == 200) == (answer is won)


async def test_one_of_fifty_elevations_with_one_code_is_granted(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    for code in (alice.phone.code(1), alice.codes[0], alice.codes[1]):
        body = {"password": PASSWORD, "token": code}
        answers = await together(alice.call("POST", "/auth/elevate", body) for _ in range(CROWD))
        (won,) = winners(answers)
        assert refusals(answers) == {(401, "code_invalid")}
        alice.hold(won.json())
        assert await count(world, LIVE_TOKENS, alice.uid) == 1


async def test_one_code_is_good_at_one_door_of_two(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    for _ in range(ROUNDS):
        world.clock.advance(30)
        code, challenge = alice.phone.code(), await alice.challenge()
        elevation = {"password": PASSWORD, "token": code}
        doors = [world.answer(challenge, code) for _ in range(5)]
        doors += [world.answer(await alice.challenge(), code) for _ in range(5)]
        answers = await together(doors + [alice.call("POST", "/auth/elevate", elevation) for _ in range(40)])
        (won,) = winners(answers)
        alice.hold(won.json())


async def test_of_fifty_new_sets_of_codes_one_is_good(world: World) -> None:
    alice = await world.enrolled("alice")
    answers = await together(alice.call("POST", "/users/me/secrets", {"type": "mfabackup"}) for _ in range(CROWD))
    good = []
    for answer in winners(answers):
        world.clock.advance(0.001)
        login = await world.answer(await alice.challenge(), answer.json()["codes"][0])
        good += [login.json()["mfa"]["backupCodesRemaining"]] if login.status_code == 200 else []
    assert good == [9]
    assert (await world.answer(await alice.challenge(), alice.codes[0])).status_code == 401


async def test_both_of_two_authenticators_deleted_at_once_switch_mfa_off(world: World) -> None:
    for turn in range(ROUNDS):
        alice = await world.register(f"alice{turn}")
        await alice.enroll()
        await alice.enroll()
        listed = (await alice.call("GET", "/users/me/secrets")).json()
        paths = [f"/users/me/secrets/{secret['uid']}" for secret in listed if secret["type"] == "mfa"]
        answers = await together(alice.call("DELETE", path) for path in paths * 5)
        assert len(winners(answers, 204)) == 2
        refreshed = await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})
        alice.hold(refreshed.json())
        assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is False
        assert [secret["type"] for secret in (await alice.call("GET", "/users/me/secrets")).json()] == ["password"]


async def test_one_account_is_erased_once(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    own = [alice.call("DELETE", "/users/me") for _ in range(CROWD // 2)]
    desk = [admin.call("DELETE", f"/users/{alice.uid}") for _ in range(CROWD // 2)]
    answers = await together(own + desk)
    assert len(winners(answers, 204)) == 1
    assert refusals(answers) <= {(401, "invalid_token"), (404, "not_found")}


async def test_the_first_admin_is_made_once(home: Path) -> None:
    clock = TurnedClock()
    nodes = [service_in(home, clock) for _ in range(3)]
    made = await asyncio.gather(*(node.first_start() for node in nodes for _ in range(5)))
    assert len([admin for admin in made if admin]) == 1
    for node in nodes:
        node.close()


async def test_a_code_that_came_too_late_for_its_challenge_is_not_used_up(world: World) -> None:
    alice = await world.enrolled("alice")
    challenge = await alice.challenge()
    answers = await together(world.answer(challenge, code) for code in alice.codes[:5])
    assert len(winners(answers)) == 1
    assert refusals(answers) <= {(401, "challenge_invalid")}
    alice.hold(winners(answers)[0].json())
    (codes,) = [one for one in (await alice.call("GET", "/users/me/secrets")).json() if one["type"] == "mfabackup"]
    # Refused means that nothing has changed.
    assert codes["remaining"] == 9


async def test_of_too_many_challenges_the_new_one_stays_even_where_the_clock_was_put_back(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    for _ in range(20):
        world.clock.advance(1)
        await alice.challenge()
    world.clock.advance(-30)
    newest = await alice.challenge()
    world.clock.advance(60)
    assert (await world.answer(newest, alice.phone.code())).status_code == 200
