"""Class I: the lattice of roles. Every kind of actor, every write, every kind of target.

CVE-2026-94000 Keycloak, CVE-2026-55077 Coder: the delegated admin climbed by a group, and reset the owner.
"""

from typing import Any

import pytest

from sallyport.edge.endpoint import Fresh, Who
from tests.attacks.surface import BODIES, guarded, knock
from tests.attacks.test_i_rights import OWN_WORDS
from tests.conftest import MakeWorld
from tests.expect import refused
from tests.surgery import everything, give_roles
from tests.world import Person, World

TWO_TRUSTED = {"SALLYPORT_TRUSTED_ROLES": "admin,root"}
ACTORS = ("stranger", "member", "owner", "weak desk", "stale desk", "desk", "root desk")
TARGETS = ("ordinary", "fellow", "ruler", "peer", "root peer")
STRONG = {"desk", "root desk"}
EQUALS = {"peer", "root peer"}
READING = {Who.SIGNED_IN, Who.OWNER_OR_TRUSTED}
"""What acts on nobody, and is the same for equals."""


class Court:
    """People of every kind, and roles of every kind."""

    def __init__(self, world: World, people: dict[str, Person], roles: dict[str, dict[str, Any]]) -> None:
        self.world = world
        self.people = people
        self.roles = roles


async def court(make_world: MakeWorld, actor: str) -> Court:
    world: World = await make_world(TWO_TRUSTED)
    admin = await world.admin()
    people = {target: await world.enrolled(target.replace(" ", "-")) for target in TARGETS}
    doer = await world.register("doer")
    uids = {name: person.uid for name, person in people.items()}
    staff = {"name": "staff", "members": [uids["fellow"]], "owners": [uids["ruler"]]}
    staff["members"] = [*staff["members"], *([doer.uid] if actor == "member" else [])]
    staff["owners"] = [*staff["owners"], *([doer.uid] if actor == "owner" else [])]
    roles = {"staff": (await admin.call("POST", "/roles", staff)).json()}
    roles["crew"] = (await admin.call("POST", "/roles", {"name": "crew", "owners": [uids["ruler"]]})).json()
    for name, peer in (("admin", "peer"), ("root", "root peer")):
        holds = actor == "root desk" if name == "root" else actor in {"desk", "weak desk", "stale desk"}
        (found,) = (await admin.call("GET", f"/roles?name={name}")).json()
        # Owners, and so members: it is no way around the level of their token.
        body = {"version": found["version"], "owners": [uids[peer], *([doer.uid] if holds else [])]}
        roles[name] = (await admin.call("PUT", f"/roles/{found['uid']}", body)).json()
    if actor == "weak desk":
        early = doer.token
        await doer.enroll()
        doer.token = early
    if actor == "stale desk":
        world.clock.advance(601)
        doer.hold((await world.call("POST", "/auth/refresh", {"refresh": doer.refresh})).json())
    return Court(world, people | {"doer": doer}, roles)


@pytest.mark.parametrize("actor", ACTORS)
async def test_nobody_acts_on_an_equal_or_a_higher_one(make_world: MakeWorld, actor: str) -> None:
    scene = await court(make_world, actor)
    world, doer = scene.world, scene.people["doer"]
    before = await everything(world)
    for route in guarded(world):
        if not route.path.startswith("/users/{id}") or route.who in READING:
            continue
        for target in TARGETS:
            if actor in STRONG and target not in EQUALS:
                continue  # what the desk may do to users, `test_i_rights.py` has in a list
            answer = await knock(world, route, scene.people[target], doer.auth)
            if actor == "stale desk" and target not in EQUALS and (route.method, route.fresh) == ("GET", Fresh.NO):
                assert answer.status_code == 200  # a list of sessions gives nothing away
                continue
            wanted = {(403, "forbidden"), (404, "not_found")}
            if actor == "stale desk" and target not in EQUALS:
                wanted.add((401, "step_up_required"))
            assert (answer.status_code, answer.json()["code"]) in wanted, (route.method, route.path, target)
    assert await everything(world) == before


@pytest.mark.parametrize("actor", sorted(STRONG))
@pytest.mark.parametrize("target", ["ordinary", "fellow", "ruler"])
async def test_a_desk_acts_on_everybody_who_is_not_trusted(make_world: MakeWorld, actor: str, target: str) -> None:
    scene = await court(make_world, actor)
    victim = scene.people[target]
    assert (await scene.people["doer"].call("DELETE", f"/users/{victim.uid}/sessions")).status_code == 204
    refused(await victim.call("GET", "/users/me"), 401, "invalid_token")


def writes(doer: Person, other: Person) -> list[dict[str, Any]]:
    return [
        {"description": "ours"},
        {"members": [doer.uid]},
        {"owners": [doer.uid]},
        {"members": [doer.uid, other.uid], "owners": [doer.uid, other.uid]},
        {"members": []},
        {"name": "boss"},
        {"name": "ADMIN"},
    ]


@pytest.mark.parametrize("actor", [actor for actor in ACTORS if actor not in STRONG])
async def test_a_role_is_ruled_by_its_owners_and_trusted_callers_alone(make_world: MakeWorld, actor: str) -> None:
    scene = await court(make_world, actor)
    world, doer = scene.world, scene.people["doer"]
    before = await everything(world)
    wanted = (401, "step_up_required") if actor == "stale desk" else (403, "forbidden")
    for name, role in scene.roles.items():
        if actor == "owner" and name == "staff":
            continue
        for change in writes(doer, scene.people["ordinary"]):
            refused(await doer.call("PUT", f"/roles/{role['uid']}", change | {"version": role["version"]}), *wanted)
        refused(await doer.call("DELETE", f"/roles/{role['uid']}"), *wanted)
    refused(await doer.call("POST", "/roles", {"name": "mine", "owners": [doer.uid]}), *wanted)
    assert await everything(world) == before


@pytest.mark.parametrize("actor", ["owner", "desk", "root desk"])
async def test_who_rules_a_role_changes_all_of_it_but_takes_no_trusted_name(make_world: MakeWorld, actor: str) -> None:
    scene = await court(make_world, actor)
    doer, role = scene.people["doer"], scene.roles["staff"]
    for change in writes(doer, scene.people["ordinary"]):
        answer = await doer.call("PUT", f"/roles/{role['uid']}", change | {"version": role["version"]})
        if change.get("name") == "ADMIN":
            refused(answer, 409, "name_taken")
        else:
            assert answer.status_code == 200, answer.text
            role = answer.json()
    assert (await doer.call("DELETE", f"/roles/{role['uid']}")).status_code == 204


@pytest.mark.parametrize("actor", ["desk", "root desk"])
@pytest.mark.parametrize("name", ["admin", "root"])
async def test_a_trusted_role_keeps_its_name_and_stays(make_world: MakeWorld, actor: str, name: str) -> None:
    scene = await court(make_world, actor)
    world, doer, role = scene.world, scene.people["doer"], scene.roles[name]
    before = await everything(world)
    for other in ("boss", name.upper(), "admin" if name == "root" else "root"):
        answer = await doer.call("PUT", f"/roles/{role['uid']}", {"version": role["version"], "name": other})
        refused(answer, 403, "field_forbidden")
    refused(await doer.call("DELETE", f"/roles/{role['uid']}"), 403, "forbidden")
    assert await everything(world) == before


async def test_an_owner_rules_the_role_and_nobody_in_it(make_world: MakeWorld) -> None:
    scene = await court(make_world, "owner")
    world, doer, role = scene.world, scene.people["doer"], scene.roles["staff"]
    everybody = [scene.people[target].uid for target in TARGETS]
    body = {"version": role["version"], "members": everybody, "owners": [doer.uid]}
    assert (await doer.call("PUT", f"/roles/{role['uid']}", body)).status_code == 200
    before = await everything(world)
    for route in guarded(world):
        if not route.path.startswith("/users/{id}") or route.who is Who.SIGNED_IN:
            continue
        for target in TARGETS:
            answer = await knock(world, route, scene.people[target], doer.auth)
            assert (answer.status_code, answer.json()["code"]) in {(403, "forbidden"), (404, "not_found")}
    assert await everything(world) == before
    for target in TARGETS:
        seen = (await doer.call("GET", f"/users/{scene.people[target].uid}")).json()
        assert set(seen) == {"uid", "name"}
    # Nobody is signed out by whoever lets them in and out of a role.
    answer = await doer.call("PUT", f"/roles/{role['uid']}", {"version": role["version"] + 1, "members": []})
    assert answer.status_code == 200
    for target in TARGETS:
        assert (await scene.people[target].call("GET", "/users/me")).status_code == 200


async def test_power_that_was_taken_away_is_gone_at_the_next_request(make_world: MakeWorld) -> None:
    scene = await court(make_world, "desk")
    world, doer, peer = scene.world, scene.people["doer"], scene.people["peer"]
    role, victim = scene.roles["admin"], scene.people["ordinary"]
    again = {"version": role["version"], "owners": [uid for uid in role["owners"] if uid != doer.uid]}
    assert (await peer.call("PUT", f"/roles/{role['uid']}", again)).status_code == 200
    before = await everything(world)
    for route in guarded(world):
        refused(await knock(world, route, victim, doer.auth), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": doer.refresh}), 401, "invalid_token")
    assert await everything(world) == before


@pytest.mark.parametrize("field", OWN_WORDS)
async def test_a_field_that_is_none_is_refused_about_a_role_too(world: World, field: str) -> None:
    admin = await world.admin()
    role = (await admin.call("POST", "/roles", {"name": "staff"})).json()
    before = await everything(world)
    for path in ("/roles", "/roles/{id}"):
        method = "PUT" if "{id}" in path else "POST"
        body = BODIES[method, path] | {field: OWN_WORDS[field]}
        refused(await admin.call(method, path.replace("{id}", role["uid"]), body), 400, "unknown_field")
    refused(await admin.call("DELETE", f"/roles/{role['uid']}", {field: OWN_WORDS[field]}), 400, "unknown_field")
    assert await everything(world) == before


async def test_roles_of_a_user_are_nobodys_to_write(world: World) -> None:
    """They follow the roles, and nothing else writes them: not the user, not the desk, not a whole object sent back."""
    admin, alice = await world.admin(), await world.register("alice")
    await give_roles(alice, "staff")
    before = await everything(world)
    for roles in ([], ["admin"], ["staff", "admin"], ["STAFF"]):
        for person, path in ((alice, "/users/me"), (admin, f"/users/{alice.uid}")):
            refused(await person.call("PUT", path, {"version": 0, "roles": roles}), 403, "field_forbidden")
    assert await everything(world) == before
