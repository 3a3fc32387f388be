"""Roles that change in the middle of a request: what the gate saw is judged again where it is written."""

from functools import partial
from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.expect import refused
from tests.flow.stage import Stage
from tests.surgery import fetch, give_roles, operate
from tests.world import Person, World, client_of

GATHER, RECORD = 1, 2
"""The units of a change of a role, behind the gate."""


async def role_of(stage: Stage, **fields: Any) -> tuple[Person, dict[str, Any]]:
    admin = await stage.world.admin()
    made = await admin.call("POST", "/roles", {"name": "staff"} | fields)
    assert made.status_code == 201
    return admin, made.json()


@pytest.mark.parametrize("before", [GATHER, RECORD])
async def test_a_role_that_was_deleted_meanwhile_is_not_found(stage: Stage, before: int) -> None:
    for method, body in (("PUT", {"version": 0, "description": "late"}), ("DELETE", None)):
        admin, role = await role_of(stage)
        path = f"/roles/{role['uid']}"
        late = await stage.in_vain(admin.call(method, path, body), partial(admin.call, "DELETE", path), before=before)
        refused(late, 404, "not_found")


@pytest.mark.parametrize("before", [GATHER, RECORD])
async def test_an_owner_who_was_sent_away_meanwhile_rules_nothing(stage: Stage, before: int) -> None:
    for method, code in (("PUT", "forbidden"), ("DELETE", "forbidden")):
        owner = await stage.world.register(f"owner{method}{before}".lower())
        # Another owner, and no trusted role: that would end the session as well.
        other = await stage.world.register(f"other{method}{before}".lower())
        _, role = await role_of(stage, name=f"s{method}{before}", owners=[owner.uid, other.uid])
        path = f"/roles/{role['uid']}"
        away = {"version": 0, "owners": [other.uid]}
        # Whoever guesses the version that the role will have is no owner all the same.
        body = {"version": int(before == GATHER), "members": [owner.uid]} if method == "PUT" else None
        late = await stage.in_vain(
            owner.call(method, path, body),
            partial(other.call, "PUT", path, away),
            before=before,
        )
        if before == RECORD:
            refused(late, 409, "version_conflict")
        else:
            refused(late, 403, code)


async def test_a_caller_whose_session_ended_meanwhile_makes_no_role(stage: Stage) -> None:
    admin = await stage.world.admin()
    other = await stage.second_session(admin)
    late = await stage.in_vain(
        admin.call("POST", "/roles", {"name": "late"}), lambda: other.call("DELETE", "/users/me/sessions"), before=1
    )
    refused(late, 401, "invalid_token")
    admin, role = await role_of(stage)
    for method, body in (("PUT", {"version": 0, "description": "late"}), ("DELETE", None)):
        other = await stage.second_session(admin)
        late = await stage.in_vain(
            admin.call(method, f"/roles/{role['uid']}", body),
            partial(other.call, "DELETE", "/users/me/sessions"),
            before=RECORD,
        )
        refused(late, 401, "invalid_token")
        await admin.login()


async def test_one_who_was_erased_meanwhile_is_let_into_nothing(stage: Stage) -> None:
    admin, role = await role_of(stage)
    alice = await stage.world.register("alice")
    body = {"version": 0, "members": [admin.uid, alice.uid]}
    late = await stage.in_vain(
        admin.call("PUT", f"/roles/{role['uid']}", body), lambda: alice.call("DELETE", "/users/me"), before=RECORD
    )
    assert refused(late, 400, "invalid_request")["errors"][0]["pointer"] == "/members/1"


async def test_nobody_acts_on_one_who_was_given_a_trusted_role_meanwhile(stage: Stage) -> None:
    """The gate saw a user; by the time of the write it is an equal."""
    admin = await stage.world.admin()
    for number, (method, path, body) in enumerate(
        (
            ("PUT", "", {"version": 0, "name": "puppet"}),
            ("PUT", "", {"version": 0, "disabled": True}),
            ("DELETE", "", None),
            ("DELETE", "/sessions", None),
            ("DELETE", "/secrets/{sid}", None),
        )
    ):
        peer = await stage.world.enrolled(f"peer{number}x")
        late = await stage.in_vain(
            admin.call(method, f"/users/{peer.uid}{path.replace('{sid}', peer.totp)}", body),
            partial(give_roles, peer, "admin"),
            before=1,
        )
        refused(late, 403, "forbidden")


async def test_a_start_makes_a_trusted_role_that_is_missing_and_writes_it_down(make_world: MakeWorld) -> None:
    world: World = await make_world()
    await operate(world, "DELETE FROM roles WHERE name_key = 'admin'")
    assert await fetch(world, "SELECT event FROM audit_log WHERE event = 'role.created'") == []
    assert await world.service.first_start() is None
    (told,) = await fetch(world, "SELECT user_id, actor_id, detail FROM audit_log WHERE event = 'role.created'")
    (made,) = await fetch(world, "SELECT id, name FROM roles")
    assert told == (None, None, " ".join(made))
    assert await world.service.first_start() is None
    assert len(await fetch(world, "SELECT id FROM roles")) == 1


async def test_the_first_start_makes_all_trusted_roles_and_its_admin_is_in_the_first(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_ROLES": "Root,desk"})
    placed = """SELECT roles.name, users.name, is_member, is_owner FROM roles
                LEFT JOIN role_members ON role_id = roles.id LEFT JOIN users ON users.id = user_id
                ORDER BY roles.name"""
    assert await fetch(world, placed) == [("Root", "admin", 1, 0), ("desk", None, None, None)]
    admin = await world.admin()
    assert (await admin.call("GET", "/users/me")).json()["roles"] == ["Root"]


async def test_another_spelling_in_the_settings_is_taken_over_at_the_next_start(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_ROLES": "admin"})
    admin = await world.admin()
    again: World = await make_world({"SALLYPORT_TRUSTED_ROLES": "Admin"}, clock=world.clock)
    async with client_of(again.service) as client:
        seen = await client.get("/users/me", headers=admin.auth)
        assert seen.json()["roles"] == ["Admin"]
        assert (await client.get("/audit", headers=admin.auth)).status_code == 200
    assert await fetch(world, "SELECT name, version FROM roles") == [("Admin", 1)]


async def test_settings_may_name_a_role_that_nobody_could_make(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_ROLES": "Help Desk,admin,ADMIN"})
    for _ in range(2):
        assert await world.service.first_start() is None
        named = await fetch(world, "SELECT name, name_key, version FROM roles ORDER BY name")
        assert named == [("Help Desk", "help desk", 0), ("admin", "admin", 0)]
    admin = await world.admin()
    assert (await admin.call("GET", "/audit")).status_code == 200
    (role,) = (await admin.call("GET", "/roles?name=help%20desk")).json()
    assert role["members"] == [admin.uid]
    assert [one["uid"] for one in (await admin.call("GET", "/users?role=HELP%20desk")).json()] == [admin.uid]
    body = {"version": 0, "members": []}
    refused(await admin.call("PUT", f"/roles/{role['uid']}", body), 409, "last_trusted")
