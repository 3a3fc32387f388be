"""Many writers of roles at once, on one node and on two: no name is lost or left over, and somebody stays trusted."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import cycle
from typing import Any

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from sallyport.app import Application
from tests.attacks.test_races import refusals, together, winners
from tests.conftest import MakeWorld
from tests.surgery import fetch, give_roles
from tests.world import UNTHROTTLED, Person, TurnedClock, World

pytestmark = pytest.mark.on_disk("while a write waits for it, others come in between")
CROWD = 12
ROUNDS = 4


@pytest.fixture(params=[1, 2], ids=["one node", "two nodes"])
async def world(request: pytest.FixtureRequest, make_world: MakeWorld) -> AsyncIterator[World]:
    """A service of one node, or of two that share a database; requests go to them in turn."""
    clock = TurnedClock()
    nodes = [Application((await make_world(UNTHROTTLED, clock=clock)).service) for _ in range(request.param)]
    turn = cycle(nodes)

    async def spread(scope: Scope, receive: Receive, send: Send) -> None:
        await next(turn)(scope, receive, send)

    transport = httpx2.ASGITransport(spread, client=("127.0.0.1", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://sallyport.test") as client:
        yield World(nodes[0].service, client, clock)


async def make(admin: Person, name: str, **fields: Any) -> dict[str, Any]:
    answer = await admin.call("POST", "/roles", {"name": name} | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def is_in_step(world: World) -> None:
    """Assert that each user carries exactly the names of the roles that they are in."""
    placed = await fetch(
        world,
        """SELECT users.id, roles.name FROM users
           LEFT JOIN role_members ON role_members.user_id = users.id LEFT JOIN roles ON roles.id = role_id""",
    )
    held: dict[str, set[str]] = {}
    for uid, name in placed:
        held.setdefault(uid, set()).update({name} - {None})
    carried = await fetch(world, "SELECT id, roles FROM users")
    assert {uid: set(json.loads(text)) for uid, text in carried} == held


async def test_of_many_writers_of_one_role_one_wins(world: World) -> None:
    admin, people = await world.admin(), [await world.register(f"p{number}x") for number in range(CROWD)]
    role = await make(admin, "staff")
    for turn in range(ROUNDS):
        answers = await together(
            admin.call("PUT", f"/roles/{role['uid']}", {"version": turn, "members": [one.uid]}) for one in people
        )
        (won,) = winners(answers)
        assert refusals(answers) == {(409, "version_conflict")}
        assert (await admin.call("GET", f"/roles/{role['uid']}")).json() == won.json()
        await is_in_step(world)


async def test_of_many_who_make_a_role_of_one_name_one_wins(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    answers = await together(
        admin.call("POST", "/roles", {"name": name, "members": [alice.uid]}) for name in ["staff", "STAFF"] * CROWD
    )
    assert len(winners(answers, 201)) == 1
    assert refusals(answers) == {(409, "name_taken")}
    await is_in_step(world)


async def test_one_who_is_let_into_many_roles_at_once_carries_them_all(world: World) -> None:
    admin, alice, bob = await world.admin(), await world.register("alice"), await world.register("bob")
    roles = [await make(admin, f"r{number}x") for number in range(CROWD)]
    body = {"version": 0, "members": [alice.uid, bob.uid]}
    # Each by somebody else: what one caller does, stands in one queue anyway.
    desks = [await world.register(f"desk{number}x") for number in range(CROWD)]
    for desk in desks:
        await give_roles(desk, "admin")
    answers = await together(
        desk.call("PUT", f"/roles/{role['uid']}", body) for desk, role in zip(desks, roles, strict=True)
    )
    assert len(winners(answers)) == CROWD
    assert len((await alice.call("GET", "/users/me")).json()["roles"]) == CROWD
    await is_in_step(world)
    changes = [{"members": []}, {"name": "n{}y"}, {"members": [bob.uid]}]
    answers = await together(
        desk.call(
            "PUT",
            f"/roles/{role['uid']}",
            {"version": 1} | json.loads(json.dumps(change).replace("{}", str(number))),
        )
        for number, (desk, role, change) in enumerate(zip(desks, roles, cycle(changes), strict=False))
    )
    assert len(winners(answers)) == CROWD
    await is_in_step(world)


async def test_a_role_that_is_deleted_while_somebody_is_let_in_leaves_nobody_behind(world: World) -> None:
    admin, people = await world.admin(), [await world.register(f"p{number}x") for number in range(4)]
    for turn in range(ROUNDS):
        role = await make(admin, f"staff{turn}", members=[people[0].uid])
        path = f"/roles/{role['uid']}"
        body = {"version": 0, "members": [one.uid for one in people]}
        answers = await together(
            [admin.call("DELETE", path), *(admin.call("PUT", path, body) for _ in range(3)), admin.call("DELETE", path)]
        )
        assert refusals(answers) <= {(404, "not_found"), (409, "version_conflict")}
        await admin.call("DELETE", path)
        await is_in_step(world)
        await people[1].login()
        assert (await people[1].call("GET", "/users/me")).json()["roles"] == []


async def test_a_user_who_is_erased_while_being_let_in_is_in_no_role(world: World) -> None:
    admin = await world.admin()
    for turn in range(ROUNDS):
        role = await make(admin, f"staff{turn}")
        going = await world.register(f"going{turn}")
        body = {"version": 0, "members": [going.uid], "owners": [going.uid]}
        answers = await together(
            [
                going.call("DELETE", "/users/me"),
                admin.call("PUT", f"/roles/{role['uid']}", body),
                admin.call("POST", "/roles", {"name": f"crew{turn}", "members": [going.uid]}),
            ]
        )
        assert refusals(answers) <= {(400, "invalid_request"), (409, "version_conflict")}
        left = (await admin.call("GET", f"/roles/{role['uid']}")).json()
        assert (left["members"], left["owners"]) == ([], [])
        assert await fetch(world, "SELECT 1 FROM role_members WHERE user_id = :uid", uid=going.uid) == []
        await is_in_step(world)


async def test_of_all_who_are_trusted_the_last_one_stays(world: World) -> None:
    admin, peers = await world.admin(), [await world.register(f"p{number}x") for number in range(CROWD)]
    for peer in peers:
        await give_roles(peer, "admin")
    everybody = [admin, *peers]
    answers = await together(one.call("DELETE", "/users/me") for one in everybody)
    assert refusals(answers) == {(409, "last_trusted")}
    assert len(winners(answers, 204)) == CROWD
    await is_in_step(world)


async def test_one_who_goes_and_one_who_is_sent_are_not_both_the_last(world: World) -> None:
    for turn in range(ROUNDS):
        admin, peer = await world.admin(), await world.register(f"peer{turn}")
        (role,) = (await admin.call("GET", "/roles?name=admin")).json()
        body = {"version": role["version"], "members": [admin.uid, peer.uid]}
        role = (await admin.call("PUT", f"/roles/{role['uid']}", body)).json()
        sent = {"version": role["version"], "members": [peer.uid]}
        answers = await together([peer.call("DELETE", "/users/me"), admin.call("PUT", f"/roles/{role['uid']}", sent)])
        assert refusals(answers) <= {(409, "last_trusted"), (409, "version_conflict"), (400, "invalid_request")}
        (left,) = (await fetch(world, "SELECT count(*) FROM users WHERE roles <> '[]'"))[0]
        assert left >= 1
        await is_in_step(world)
        if (await admin.call("GET", "/users/me")).status_code != 200:
            return  # the admin was sent, and the peer stays


async def test_a_power_that_is_taken_away_is_not_used_behind_it(world: World) -> None:
    for turn in range(ROUNDS):
        admin, desk = await world.admin(), await world.register(f"desk{turn}")
        victims = [await world.register(f"v{turn}x{number}", password=None) for number in range(CROWD)]
        await give_roles(desk, "admin")
        (role,) = (await admin.call("GET", "/roles?name=admin")).json()
        body = {"version": role["version"], "members": [admin.uid]}
        taking = asyncio.create_task(admin.call("PUT", f"/roles/{role['uid']}", body))
        answers = await together(desk.call("DELETE", f"/users/{victim.uid}") for victim in victims)
        assert (await taking).status_code == 200
        assert refusals(answers) <= {(401, "invalid_token"), (403, "forbidden")}
        late = await desk.call("DELETE", f"/users/{victims[0].uid}")
        assert (late.status_code, late.json()["code"]) == (401, "invalid_token")
        await is_in_step(world)
