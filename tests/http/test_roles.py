"""api.md section 8: roles, with members and owners."""

from typing import Any

import httpx2
import pytest

from sallyport.store.work import Sql
from tests.conftest import MakeWorld
from tests.expect import claims, refused, step_up
from tests.surgery import everything, fetch, give_roles
from tests.world import Person, World

NOBODY = "01912345-0000-7000-8000-000000000000"
DROP_ADMIN = Sql("DELETE FROM roles WHERE name_key = 'admin'")
SETTLER = Sql(
    """INSERT INTO users (id, name, name_key, roles, created_at, modified_at, version)
       VALUES (:uid, :name, :name, '[]', 0, 0, 0)"""
)
SNEAKED_IN = Sql("INSERT INTO role_members (role_id, user_id, is_member, is_owner) VALUES (:role, :uid, true, false)")
ROLE = {"uid", "name", "description", "members", "owners", "dateCreated", "dateModified", "version"}


async def make(by: Person, name: str = "staff", **fields: Any) -> dict[str, Any]:
    answer = await by.call("POST", "/roles", {"name": name} | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def change(by: Person, role: dict[str, Any], **fields: Any) -> httpx2.Response:
    return await by.call("PUT", f"/roles/{role['uid']}", {"version": role["version"]} | fields)


async def named(by: Person, name: str) -> dict[str, Any]:
    (found,) = (await by.call("GET", f"/roles?name={name}")).json()
    whole: dict[str, Any] = found
    return whole


async def roles_of(person: Person) -> list[str]:
    if (await person.call("GET", "/users/me")).status_code == 401:  # whom a trusted role took a role from is signed out
        await person.login()
    roles: list[str] = (await person.call("GET", "/users/me")).json()["roles"]
    return roles


async def test_making_a_role_answers_with_it_and_where_it_is(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    body = {"name": "Staff", "description": "who works here", "members": [alice.uid], "owners": [admin.uid]}
    answer = await admin.call("POST", "/roles", body)
    assert answer.status_code == 201
    role = answer.json()
    assert set(role) == ROLE
    assert {field: role[field] for field in body} == body
    assert role["version"] == 0
    assert role["dateCreated"] == role["dateModified"]
    assert answer.headers["location"] == f"/roles/{role['uid']}"
    assert (await admin.call("GET", answer.headers["location"])).json() == role
    below = await admin.call("POST", "/v1/roles", {"name": "other"})
    assert below.headers["location"] == f"/v1/roles/{below.json()['uid']}"


async def test_a_name_alone_makes_an_empty_role(world: World) -> None:
    role = await make(await world.admin())
    assert (role["description"], role["members"], role["owners"]) == (None, [], [])


async def test_members_and_owners_carry_the_role_and_lose_it(world: World) -> None:
    admin, alice, bob = await world.admin(), await world.register("alice"), await world.register("bob")
    role = await make(admin, members=[alice.uid], owners=[bob.uid])
    assert await roles_of(alice) == await roles_of(bob) == ["staff"]
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json())
    assert claims(alice.token)["profile"]["roles"] == ["staff"]
    changed = await change(admin, role, members=[bob.uid], owners=[])
    assert (changed.json()["members"], changed.json()["owners"], changed.json()["version"]) == ([bob.uid], [], 1)
    assert await roles_of(alice) == []
    assert await roles_of(bob) == ["staff"]
    assert (await admin.call("DELETE", f"/roles/{role['uid']}")).status_code == 204
    assert await roles_of(bob) == []
    refused(await admin.call("GET", f"/roles/{role['uid']}"), 404, "not_found")


async def test_what_a_user_carries_is_in_order_and_follows_a_new_name(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    role = await make(admin, "staff", members=[alice.uid])
    await make(admin, "crew", owners=[alice.uid])
    assert await roles_of(alice) == ["crew", "staff"]
    assert (await change(admin, role, name="Ants")).json()["name"] == "Ants"
    assert await roles_of(alice) == ["Ants", "crew"]
    # Nobody wrote to the user: what was read of them before is still good for a change.
    assert (await alice.call("PUT", "/users/me", {"version": 0, "firstName": "A"})).status_code == 200


async def test_a_put_keeps_what_it_leaves_out_and_takes_a_whole_role_back(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    role = await make(admin, members=[alice.uid], owners=[alice.uid], description="who works here")
    world.clock.advance(5)
    same = (await change(admin, role)).json()
    assert {field: same[field] for field in ROLE - {"version", "dateModified"}} == {
        field: role[field] for field in ROLE - {"version", "dateModified"}
    }
    assert (same["version"], same["dateModified"] > role["dateModified"]) == (1, True)
    again = await admin.call("PUT", f"/roles/{role['uid']}", same | {"description": None})
    assert (again.json()["description"], again.json()["version"]) == (None, 2)
    assert (await admin.call("GET", f"/roles/{role['uid']}")).json() == again.json()


async def test_each_is_named_once_however_often_the_body_does(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    role = await make(admin, members=[alice.uid, alice.uid], owners=[alice.uid, alice.uid])
    assert (role["members"], role["owners"]) == ([alice.uid], [alice.uid])
    assert await roles_of(alice) == ["staff"]


async def test_who_is_in_it_and_trusted_roles_see_who_is_in_it(world: World) -> None:
    admin, alice, bob, eve = await world.admin(), *[await world.register(name) for name in ("alice", "bob", "eve")]
    role = await make(admin, members=[alice.uid], owners=[bob.uid], description="who works here")
    for person in (admin, alice, bob):
        assert (await person.call("GET", f"/roles/{role['uid']}")).json() == role
        assert role in (await person.call("GET", "/roles")).json()
    shown = {"uid": role["uid"], "name": "staff", "description": "who works here"}
    assert (await eve.call("GET", f"/roles/{role['uid']}")).json() == shown
    assert shown in (await eve.call("GET", "/roles")).json()


async def test_roles_are_for_the_signed_in(world: World) -> None:
    for path in ("/roles", "/roles/count", f"/roles/{NOBODY}"):
        refused(await world.call("GET", path), 401, "unauthenticated")


async def test_only_a_trusted_role_makes_roles(world: World) -> None:
    alice = await world.register("alice")
    before = await everything(world)
    refused(await alice.call("POST", "/roles", {"name": "staff"}), 403, "forbidden")
    assert await everything(world) == before


async def test_only_owners_and_trusted_roles_change_or_delete_one(world: World) -> None:
    admin, alice, bob, eve = await world.admin(), *[await world.register(name) for name in ("alice", "bob", "eve")]
    role = await make(admin, members=[alice.uid], owners=[bob.uid])
    before = await everything(world)
    for person in (alice, eve):
        refused(await change(person, role, members=[person.uid]), 403, "forbidden")
        refused(await person.call("DELETE", f"/roles/{role['uid']}"), 403, "forbidden")
    assert await everything(world) == before
    changed = await change(bob, role, members=[alice.uid, eve.uid], description="ours")
    assert changed.status_code == 200
    assert await roles_of(eve) == ["staff"]
    assert (await change(bob, changed.json(), owners=[])).status_code == 200
    refused(await bob.call("DELETE", f"/roles/{role['uid']}"), 403, "forbidden")
    assert (await admin.call("DELETE", f"/roles/{role['uid']}")).status_code == 204


async def test_an_owner_deletes_the_role(world: World) -> None:
    admin, bob = await world.admin(), await world.register("bob")
    role = await make(admin, owners=[bob.uid])
    assert (await bob.call("DELETE", f"/roles/{role['uid']}")).status_code == 204
    assert await roles_of(bob) == []


async def test_every_write_needs_a_fresh_proof(world: World) -> None:
    admin, bob = await world.admin(), await world.register("bob")
    role = await make(admin, owners=[bob.uid])
    world.clock.advance(601)
    for person in (admin, bob):
        person.hold((await world.call("POST", "/auth/refresh", {"refresh": person.refresh})).json())
    before = await everything(world)
    step_up(await admin.call("POST", "/roles", {"name": "other"}), "aal1")
    for person in (admin, bob):
        step_up(await change(person, role, members=[]), "aal1")
        step_up(await person.call("DELETE", f"/roles/{role['uid']}"), "aal1")
        assert (await person.call("GET", f"/roles/{role['uid']}")).status_code == 200
    assert await everything(world) == before


@pytest.mark.parametrize("twin", ["staff", "STAFF", "ｓｔａｆｆ"])
async def test_a_name_is_unique_without_regard_to_case_and_width(world: World, twin: str) -> None:
    admin = await world.admin()
    await make(admin, "Staff")
    other = await make(admin, "crew")
    before = await everything(world)
    refused(await admin.call("POST", "/roles", {"name": twin}), 409, "name_taken")
    refused(await change(admin, other, name=twin), 409, "name_taken")
    assert await everything(world) == before


async def test_one_may_spell_a_role_anew(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    role = await make(admin, members=[alice.uid])
    assert (await change(admin, role, name="STAFF")).json()["name"] == "STAFF"
    assert await roles_of(alice) == ["STAFF"]


async def test_users_and_roles_may_have_the_same_name(world: World) -> None:
    await world.register("staff")
    assert (await make(await world.admin(), "staff"))["name"] == "staff"


@pytest.mark.parametrize("twin", ["admin", "ADMIN", "ａｄｍｉｎ", "root"])
async def test_a_trusted_name_is_never_taken(make_world: MakeWorld, twin: str) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_ROLES": "admin,root"})
    admin, bob = await world.admin(), await world.register("bob")
    role = await make(admin, owners=[bob.uid])
    before = await everything(world)
    refused(await admin.call("POST", "/roles", {"name": twin, "members": [bob.uid]}), 409, "name_taken")
    refused(await change(bob, role, name=twin), 409, "name_taken")
    refused(await change(admin, role, name=twin), 409, "name_taken")
    assert await everything(world) == before


async def test_a_trusted_name_is_not_taken_where_its_role_is_missing_either(world: World) -> None:
    admin, bob = await world.admin(), await world.register("bob")
    role = await make(admin, owners=[bob.uid])
    await world.service.work(lambda rows: rows.change(DROP_ADMIN))
    refused(await admin.call("POST", "/roles", {"name": "Admin"}), 409, "name_taken")
    refused(await change(bob, role, name="Admin"), 409, "name_taken")


async def test_a_trusted_role_is_neither_renamed_nor_deleted(world: World) -> None:
    admin = await world.admin()
    role = await named(admin, "admin")
    before = await everything(world)
    for name in ("boss", "ADMIN"):
        problem = refused(await change(admin, role, name=name), 403, "field_forbidden")
        assert problem["errors"][0]["pointer"] == "/name"
    refused(await admin.call("DELETE", f"/roles/{role['uid']}"), 403, "forbidden")
    assert await everything(world) == before
    assert (await change(admin, role, name="admin", description="who may do anything")).status_code == 200


async def test_trusted_roles_are_given_and_taken_by_trusted_callers(world: World) -> None:
    admin, alice, bob = await world.admin(), await world.register("alice"), await world.register("bob")
    role = await named(admin, "admin")
    refused(await change(alice, role, members=[admin.uid, alice.uid]), 403, "forbidden")
    role = (await change(admin, role, members=[admin.uid, alice.uid])).json()
    assert (await alice.call("GET", f"/users/{bob.uid}/secrets")).status_code == 200
    refused(await admin.call("GET", f"/users/{alice.uid}/secrets"), 403, "forbidden")
    role = (await change(alice, role, members=[admin.uid, alice.uid, bob.uid])).json()
    assert (await change(alice, role, members=[admin.uid, bob.uid])).status_code == 200
    # Who loses what is trusted is signed out; and whoever only gains something is not.
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), 401, "invalid_token")
    assert await roles_of(bob) == ["admin"]


async def test_a_role_that_a_trusted_role_takes_away_signs_out(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    role = await make(admin, members=[alice.uid])
    role = (await change(admin, role, members=[alice.uid], description="as before")).json()
    assert (await alice.call("GET", "/users/me")).status_code == 200
    role = (await change(admin, role, members=[])).json()
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    await alice.login()
    assert claims(alice.token)["profile"]["roles"] == []
    role = (await change(admin, role, members=[alice.uid])).json()
    assert (await admin.call("DELETE", f"/roles/{role['uid']}")).status_code == 204
    refused(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), 401, "invalid_token")


async def test_a_role_that_its_owner_takes_away_acts_at_the_next_request_and_signs_nobody_out(world: World) -> None:
    admin, owner, alice = await world.admin(), await world.register("owner"), await world.register("alice")
    role = await make(admin, members=[alice.uid], owners=[owner.uid])
    assert (await change(owner, role, members=[])).status_code == 200
    assert await roles_of(alice) == []
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json())
    assert claims(alice.token)["profile"]["roles"] == []


async def test_an_owner_of_a_trusted_role_below_the_level_of_the_account_rules_nothing(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    role = (await change(admin, await named(admin, "admin"), owners=[alice.uid])).json()
    weak = alice.auth
    await alice.enroll()
    refused(await world.call("PUT", f"/roles/{role['uid']}", {"version": 1}, headers=weak), 403, "forbidden")
    assert (await change(alice, role, description="ours")).status_code == 200


async def test_somebody_trusted_is_always_left(world: World) -> None:
    admin, alice, bob = await world.admin(), await world.register("alice"), await world.register("bob")
    role = await named(admin, "admin")
    before = await everything(world)
    nobody: list[dict[str, list[str]]] = [{"members": []}, {"members": [], "owners": []}]
    for people in nobody:
        refused(await change(admin, role, **people), 409, "last_trusted")
    refused(await admin.call("DELETE", "/users/me"), 409, "last_trusted")
    assert await everything(world) == before
    # One who is disabled could not help anybody.
    off = await admin.call("PUT", f"/users/{bob.uid}", {"version": 0, "disabled": True})
    assert off.status_code == 200
    role = (await change(admin, role, members=[admin.uid, bob.uid])).json()
    refused(await change(admin, role, members=[bob.uid]), 409, "last_trusted")
    refused(await admin.call("DELETE", "/users/me"), 409, "last_trusted")
    assert (await change(admin, role, members=[], owners=[alice.uid])).status_code == 200
    refused(await alice.call("DELETE", "/users/me"), 409, "last_trusted")


async def test_one_who_holds_another_trusted_role_is_left(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_ROLES": "admin,root"})
    admin, alice = await world.admin(), await world.register("alice")
    root = await named(admin, "root")
    assert (await change(admin, root, members=[alice.uid])).status_code == 200
    assert (await change(admin, await named(admin, "admin"), members=[])).status_code == 200
    refused(await alice.call("DELETE", "/users/me"), 409, "last_trusted")


async def test_a_trusted_user_goes_where_another_is_left(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    role = (await change(admin, await named(admin, "admin"), members=[admin.uid, alice.uid])).json()
    assert (await admin.call("DELETE", "/users/me")).status_code == 204
    left = (await alice.call("GET", f"/roles/{role['uid']}")).json()
    assert (left["members"], left["version"]) == ([alice.uid], role["version"] + 1)


async def test_an_erased_user_is_in_no_role(world: World) -> None:
    admin, alice, bob = await world.admin(), await world.register("alice"), await world.register("bob")
    role = await make(admin, members=[alice.uid, bob.uid], owners=[alice.uid])
    assert (await alice.call("DELETE", "/users/me")).status_code == 204
    left = (await admin.call("GET", f"/roles/{role['uid']}")).json()
    assert (left["members"], left["owners"], left["version"]) == ([bob.uid], [], 1)
    refused(await change(admin, role, members=[bob.uid]), 409, "version_conflict")


@pytest.mark.parametrize("field", ["members", "owners"])
@pytest.mark.parametrize("wrong", [NOBODY, "me", "", "ALICE", NOBODY.upper()])
async def test_who_is_not_there_is_named_by_a_pointer(world: World, field: str, wrong: str) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    role = await make(admin, "crew")
    before = await everything(world)
    for answer in (
        await admin.call("POST", "/roles", {"name": "staff", field: [alice.uid, wrong]}),
        await change(admin, role, **{field: [alice.uid, wrong]}),
    ):
        problem = refused(answer, 400, "invalid_request")
        assert problem["errors"][0]["pointer"] == f"/{field}/1"
    assert await everything(world) == before


@pytest.mark.parametrize("members", ["alice", [7], [None], {"a": 1}, [[NOBODY]], None, True])
async def test_members_are_a_list_of_uids(world: World, members: Any) -> None:
    refused(
        await (await world.admin()).call("POST", "/roles", {"name": "x", "members": members}), 400, "invalid_request"
    )


@pytest.mark.parametrize(
    "name", ["", " ", "two words", "x" * 65, "a@example.org", "+43 660 1234567", NOBODY, "a:b", None, 7, ["a"]]
)
async def test_a_name_is_what_a_name_of_a_user_is(world: World, name: Any) -> None:
    admin = await world.admin()
    role = await make(admin, "crew")
    for answer in (await admin.call("POST", "/roles", {"name": name}), await change(admin, role, name=name)):
        problem = refused(answer, 400, "invalid_request")
        assert problem["errors"][0]["pointer"] == "/name"


@pytest.mark.parametrize("text", ["a\nb", "\x00", "a\u202eb", 7, True, "ü" * 2049])
async def test_a_description_is_a_line_of_text(world: World, text: Any) -> None:
    refused(
        await (await world.admin()).call("POST", "/roles", {"name": "x", "description": text}), 400, "invalid_request"
    )


READ_ONLY = [
    ("uid", NOBODY),
    ("dateCreated", "2001-01-01T00:00:00.000000Z"),
    ("dateModified", "2001-01-01T00:00:00.000000Z"),
]


@pytest.mark.parametrize(("field", "value"), READ_ONLY)
async def test_what_nobody_sets_is_forbidden_unless_it_repeats(world: World, field: str, value: str) -> None:
    admin = await world.admin()
    role = await make(admin)
    for answer in (
        await admin.call("POST", "/roles", {"name": "other", field: value}),
        await change(admin, role, **{field: value}),
    ):
        problem = refused(answer, 403, "field_forbidden")
        assert problem["errors"][0]["pointer"] == f"/{field}"
    refused(await admin.call("POST", "/roles", {"name": "other", "version": 1}), 403, "field_forbidden")
    assert (await change(admin, role, **{field: role[field]})).status_code == 200


async def test_a_version_is_good_for_one_change_and_compared_first(world: World) -> None:
    admin = await world.admin()
    role = await make(admin)
    assert (await change(admin, role, description="once")).json()["version"] == 1
    refused(await change(admin, role, description="twice", members=[NOBODY], uid=NOBODY), 409, "version_conflict")
    refused(await admin.call("PUT", f"/roles/{role['uid']}", {"name": "x"}), 400, "invalid_request")


async def test_a_role_holds_a_thousand(world: World) -> None:
    admin = await world.admin()
    uids = [f"01912345-0000-7000-8000-{number:012d}" for number in range(1001)]
    await world.service.work(lambda rows: [rows.change(SETTLER, uid=uid, name=uid) for uid in uids])
    refused(await admin.call("POST", "/roles", {"name": "staff", "members": uids}), 409, "limit_reached")
    role = await make(admin, members=uids[:1000], description="d" * 4096)
    refused(await change(admin, role, owners=[uids[1000]]), 409, "limit_reached")
    # Whole, as it came.
    again = await admin.call("PUT", f"/roles/{role['uid']}", role)
    assert again.status_code == 200
    # One who has more of them, from before there was a bound, may lose some.
    await world.service.work(lambda rows: rows.change(SNEAKED_IN, role=role["uid"], uid=uids[1000]))
    more = (await admin.call("GET", f"/roles/{role['uid']}")).json()
    assert len(more["members"]) == 1001
    assert (await change(admin, more, owners=uids[:1])).status_code == 200


async def test_an_unknown_role_is_not_found_by_anybody(world: World) -> None:
    for person in (await world.admin(), await world.register("alice")):
        for uid in (NOBODY, "me", "0", person.uid, NOBODY.upper()):
            refused(await person.call("GET", f"/roles/{uid}"), 404, "not_found")
            refused(await person.call("PUT", f"/roles/{uid}", {"version": 0}), 404, "not_found")
            refused(await person.call("DELETE", f"/roles/{uid}"), 404, "not_found")


async def test_refusals_come_in_order(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    role = await make(admin)
    path = f"/roles/{role['uid']}"
    refused(await world.call("PUT", path, b"{"), 401, "unauthenticated")
    refused(await alice.call("PUT", f"/roles/{NOBODY}", b"{"), 404, "not_found")
    refused(await alice.call("PUT", path, b"{"), 403, "forbidden")
    refused(await alice.call("POST", "/roles", b"{"), 403, "forbidden")
    refused(await admin.call("PUT", path, b"{"), 400, "malformed_json")
    refused(await admin.call("PUT", path, {"version": 0, "owner": "x"}), 400, "unknown_field")
    refused(await admin.call("PATCH", path), 405, "method_not_allowed")
    world.clock.advance(601)
    admin.hold((await world.call("POST", "/auth/refresh", {"refresh": admin.refresh})).json())
    refused(await admin.call("PUT", path, {"version": 7, "name": "two words"}), 400, "invalid_request")
    step_up(await admin.call("PUT", path, {"version": 7, "uid": NOBODY}), "aal1")


async def test_what_is_done_with_roles_is_written_down_for_whom_it_concerns(world: World) -> None:
    admin, alice, bob = await world.admin(), await world.register("alice"), await world.register("bob")
    role = await make(admin, members=[alice.uid], owners=[bob.uid])
    world.clock.advance(1)
    await change(bob, role, name="crew", description="ours", members=[], owners=[bob.uid, alice.uid])
    world.clock.advance(1)
    await admin.call("DELETE", f"/roles/{role['uid']}")
    uid = role["uid"]
    told = await fetch(world, "SELECT event, user_id, actor_id, detail FROM audit_log WHERE event LIKE 'role.%'")
    assert sorted(told) == sorted(
        [
            ("role.created", admin.uid, admin.uid, f"{uid} staff"),
            ("role.member_added", alice.uid, admin.uid, f"{uid} staff"),
            ("role.owner_added", bob.uid, admin.uid, f"{uid} staff"),
            ("role.changed", bob.uid, bob.uid, f"{uid} name description members owners"),
            ("role.member_removed", alice.uid, bob.uid, f"{uid} crew"),
            ("role.owner_added", alice.uid, bob.uid, f"{uid} crew"),
            ("role.deleted", admin.uid, admin.uid, f"{uid} crew"),
            ("role.owner_removed", alice.uid, admin.uid, f"{uid} crew"),
            ("role.owner_removed", bob.uid, admin.uid, f"{uid} crew"),
        ]
    )
    await alice.login()
    events = [one["event"] for one in (await alice.call("GET", "/users/me/audit")).json()]
    heard = [event for event in events if event.startswith("role.")]
    assert heard[0] == "role.owner_removed"
    assert set(heard[1:3]) == {"role.owner_added", "role.member_removed"}


async def test_nothing_is_written_down_where_nothing_is_changed(world: World) -> None:
    admin = await world.admin()
    role = await make(admin)
    await change(admin, role)
    assert await fetch(world, "SELECT event FROM audit_log WHERE event = 'role.changed'") == []


async def test_roles_are_listed_sorted_and_counted(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    for name in ("crew", "Staff", "ants"):
        world.clock.advance(1)
        await make(admin, name)

    async def names(query: str) -> list[str]:
        answer = await alice.call("GET", f"/roles?{query}")
        assert answer.status_code == 200, answer.text
        return [role["name"] for role in answer.json()]

    assert await names("") == ["admin", "crew", "Staff", "ants"]
    assert await names("sort=name") == ["admin", "ants", "crew", "Staff"]
    assert await names("sort=-dateCreated") == ["ants", "Staff", "crew", "admin"]
    for sort in ("", "name", "-dateCreated"):
        path, walked = f"/roles?limit=1&sort={sort}" if sort else "/roles?limit=1", []
        while path:
            answer = await alice.call("GET", path)
            walked += [role["name"] for role in answer.json()]
            link = answer.headers.get("link", "")
            path = link[1 : link.index(">")] if link else ""
        assert walked == await names(f"sort={sort}" if sort else "")
    assert await names("name=STAFF") == ["Staff"]
    assert await names("name=nobody") == await names(f"name={'x' * 300}") == await names("name=staff&skip=1") == []
    assert (await alice.call("GET", "/roles/count")).json() == {"count": 4}
    assert (await alice.call("GET", "/roles/count?name=Ants")).json() == {"count": 1}
    assert (await alice.call("GET", "/roles/count?name=x%20y")).json() == {"count": 0}
    refused(await alice.call("GET", f"/roles?sort=name&after={NOBODY}"), 400, "invalid_request")
    for query in ("limit=0", "sort=members", "member=x", "name=a&name=b"):
        refused(await alice.call("GET", f"/roles?{query}"), 400, "invalid_request")
    refused(await alice.call("GET", "/roles/count?limit=1"), 400, "invalid_request")


async def test_roles_that_nobody_made_here_are_left_alone_by_a_change_of_others(world: World) -> None:
    admin, alice = await world.admin(), await world.register("alice")
    await give_roles(alice, "crew")
    role = await make(admin, members=[alice.uid])
    assert await roles_of(alice) == ["crew", "staff"]
    await change(admin, role, members=[])
    assert await roles_of(alice) == ["crew"]
