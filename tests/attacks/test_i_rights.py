"""Class I: rights on objects and fields.

CVE-2025-61928 better-auth: a body's `userId` named the owner. spree_auth, GHSA-369m-w6hw-7r89 Fieldly: roles
assigned to oneself. CVE-2026-94000 Keycloak, CVE-2026-55077 Coder: the desk climbed onto its equals.
CVE-2024-39683 Zitadel, CVE-2017-18878 Mattermost: sessions of others.
"""

from typing import Any

import pytest

from sallyport.edge.endpoint import Who
from tests.attacks.surface import BODIES, guarded, knock, routes
from tests.expect import refused
from tests.surgery import everything, give_roles
from tests.world import PASSWORD, World

NOBODY = "01912345-0000-7000-8000-000000000000"
NEW = "an entirely different sentence"

OWN_WORDS: dict[str, Any] = {
    "role": "admin",
    "admin": True,
    "isAdmin": True,
    "is_admin": True,
    "locked": False,
    "mfaRequired": False,
    "mfa_enabled": False,
    "user_id": NOBODY,
    "owner": NOBODY,
    "sub": NOBODY,
    "id": NOBODY,
    "name_key": "admin",
    "mfaSince": None,
    "disabledAt": None,
    "verifiedEmailKey": "a@example.org",
    "lastStep": 0,
    "last_step": 0,
    "tries_left": 99,
    "generation": 0,
    "scope": "*",
    "permissions": ["*"],
    "by_trusted": True,
    "__proto__": {"admin": True},
    "$set": {"roles": ["admin"]},
}
"""Names of other services, of our columns, and of nobody: no body knows any of them."""


@pytest.mark.parametrize("field", OWN_WORDS)
async def test_a_field_that_is_none_is_refused_in_every_body(world: World, field: str) -> None:
    alice, admin = await world.enrolled("alice"), await world.admin()
    challenge = await alice.challenge()
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        (method, path.replace("{id}", "me").replace("{sid}", alice.totp), body)
        for (method, path), body in BODIES.items()
        # Those for who rules a role: see `test_i_lattice.py`.
        if not path.startswith("/roles") and not path.endswith("/mfa")
    ]
    bodies += [
        ("POST", "/auth/password", {"identifier": "alice", "password": PASSWORD}),
        ("POST", "/auth/totp", {"token": alice.codes[0], "challenge": challenge}),
        ("POST", "/auth/refresh", {"refresh": alice.refresh}),
        ("POST", "/auth/logout", {}),
        ("DELETE", "/users/me", {}),
        ("DELETE", f"/users/me/secrets/{alice.totp}", {"reason": "x"}),
        ("DELETE", "/users/me/sessions", {}),
    ]
    bodies.append(("DELETE", f"/users/{alice.uid}/mfa", {"reason": "x"}))
    bodies.append(("POST", f"/users/{alice.uid}/recover/mfa", {"password": PASSWORD}))
    bodies.append(("DELETE", "/users/me/recover/mfa", {"reason": "x"}))
    bodies.append(("POST", f"/users/{alice.uid}/recover/mfa/cancel", {"token": "spu_" + "A" * 43}))
    before = await everything(world)
    for method, path, body in bodies:
        signed_in = admin if path == "/auth/introspect" or path.endswith("/mfa") else alice
        headers = {} if path in {"/auth/totp", "/auth/password"} else signed_in.auth
        answer = await world.call(method, path, body | {field: OWN_WORDS[field]}, headers=headers)
        refused(answer, 400, "unknown_field")
    assert await everything(world) == before


KNOWN: dict[str, Any] = {
    "uid": NOBODY,
    "roles": ["admin"],
    "externalIds": ["root"],
    "verified": True,
    "mfaEnabled": True,
    "disabled": True,
    "dateCreated": "2001-01-01T00:00:00.000000Z",
    "dateModified": "2001-01-01T00:00:00.000000Z",
}


@pytest.mark.parametrize("field", KNOWN)
@pytest.mark.parametrize("fresh", [True, False])
async def test_a_known_field_of_no_right_is_never_written(world: World, field: str, *, fresh: bool) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    if not fresh:
        world.clock.advance(590)
        alice.hold((await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json())
        admin.hold((await world.call("POST", "/auth/refresh", {"refresh": admin.refresh})).json())
        world.clock.advance(11)
    before = await everything(world)
    body = {"version": 0, "firstName": "X", field: KNOWN[field]}
    refused(await alice.call("PUT", "/users/me", body), 403, "field_forbidden")
    refused(await world.call("POST", "/users", {"name": "bob", field: KNOWN[field]}), 403, "field_forbidden")
    assert await everything(world) == before
    seen = (await alice.call("GET", "/users/me")).json()
    assert seen["roles"] == []
    assert seen[field] != KNOWN[field]


async def test_a_field_given_twice_is_judged_as_it_is_written(world: World) -> None:
    alice = await world.register("alice")
    for body in (
        b'{"version": 0, "roles": [], "roles": ["admin"]}',
        b'{"version": 0, "disabled": false, "disabled": true}',
    ):
        answer = await alice.call("PUT", "/users/me", body)
        assert answer.status_code in {400, 403}
    again = await alice.call("PUT", "/users/me", b'{"version": 0, "roles": ["admin"], "roles": []}')
    assert again.status_code in {200, 400}
    assert (await alice.call("GET", "/users/me")).json()["roles"] == []


@pytest.mark.parametrize("type_", ["password", "mfa", "mfabackup"])
@pytest.mark.parametrize("where", ["body", "query", "header"])
async def test_a_secret_is_made_for_the_user_of_the_path_alone(world: World, type_: str, where: str) -> None:
    victim, attacker = await world.enrolled("victim"), await world.enrolled("attacker")
    before = (await everything(world))["totp"]
    body: dict[str, Any] = {"type": type_} | ({"secret": NEW} if type_ == "password" else {})
    if where == "body":
        refused(await attacker.call("POST", "/users/me/secrets", body | {"userId": victim.uid}), 403, "field_forbidden")
        return
    params = {"userId": victim.uid, "id": victim.uid} if where == "query" else {}
    headers = {"x-user-id": victim.uid, "remote-user": "victim"} if where == "header" else {}
    answer = await attacker.call("POST", "/users/me/secrets", body, params=params, headers=headers)
    if answer.status_code == 200:
        assert answer.json()["userId"] == attacker.uid
    assert [row for row in (await everything(world))["totp"] if row[0] == victim.uid] == [
        row for row in before if row[0] == victim.uid
    ]


async def test_no_route_about_a_user_serves_another(world: World) -> None:
    victim, attacker = await world.enrolled("victim"), await world.enrolled("attacker")
    before = await everything(world)
    for route in guarded(world):
        if not route.path.startswith("/users/{id}"):
            continue
        answer = await knock(world, route, victim, attacker.auth)
        if (route.method, route.path) == ("GET", "/users/{id}"):
            assert answer.json() == {"uid": victim.uid, "name": "victim"}
        elif route.path == "/users/{id}":
            refused(answer, 403, "forbidden")
        else:
            refused(answer, 404, "not_found")
    assert await everything(world) == before


async def test_a_secret_or_session_of_another_is_not_reached_through_oneself(world: World) -> None:
    victim, attacker = await world.enrolled("victim"), await world.enrolled("attacker")
    session = (await victim.call("GET", "/users/me/sessions")).json()[0]["uid"]
    secrets = [one["uid"] for one in (await victim.call("GET", "/users/me/secrets")).json()]
    before = await everything(world)
    for owner in ("me", attacker.uid):
        refused(await attacker.call("DELETE", f"/users/{owner}/sessions/{session}"), 404, "not_found")
        for uid in secrets:
            path = f"/users/{owner}/secrets/{uid}"
            refused(await attacker.call("GET", path), 404, "not_found")
            refused(await attacker.call("PUT", path, {"version": 0, "description": "x"}), 404, "not_found")
            change = {"version": 0, "secret": NEW, "current": PASSWORD}
            refused(await attacker.call("PUT", path, change), 404, "not_found")
            refused(await attacker.call("PUT", path, {"token": "123456"}), 404, "not_found")
            refused(await attacker.call("DELETE", path), 404, "not_found")
    assert await everything(world) == before


async def test_a_session_of_one_user_is_not_ended_through_another_by_the_desk(world: World) -> None:
    victim, other, admin = await world.register("victim"), await world.register("other"), await world.admin()
    session = (await victim.call("GET", "/users/me/sessions")).json()[0]["uid"]
    refused(await admin.call("DELETE", f"/users/{other.uid}/sessions/{session}"), 404, "not_found")
    assert (await victim.call("GET", "/users/me")).status_code == 200


PEERS_READ = {Who.SIGNED_IN, Who.OWNER_OR_TRUSTED}


async def test_the_desk_does_nothing_to_an_equal(world: World) -> None:
    """Keycloak, Coder: the delegated admin reset the owner."""
    peer, admin = await world.enrolled("peer"), await world.admin()
    await give_roles(peer, "admin")
    before = await everything(world)
    for route in guarded(world):
        # Reading is not acting: an equal's name, and what the whole log tells the desk anyway.
        if not route.path.startswith("/users/{id}") or route.who in PEERS_READ:
            continue
        refused(await knock(world, route, peer, admin.auth), 403, "forbidden")
    assert await everything(world) == before


async def test_the_desk_does_to_users_what_a_desk_may_and_no_more(world: World) -> None:
    allowed = {
        ("GET", "/users/{id}"),
        ("PUT", "/users/{id}"),
        ("DELETE", "/users/{id}"),
        # For anybody, and no more for the desk: a mail goes to the user, and a token is wanted that only they got.
        ("GET", "/users/{id}/recover"),
        ("POST", "/users/{id}/recover"),
        ("POST", "/users/{id}/verify"),
        ("POST", "/users/{id}/not-me"),
        ("POST", "/users/{id}/undo"),
        ("GET", "/users/{id}/secrets"),
        ("GET", "/users/{id}/secrets/count"),
        ("GET", "/users/{id}/secrets/{sid}"),
        ("DELETE", "/users/{id}/secrets/{sid}"),
        ("GET", "/users/{id}/audit"),
        ("GET", "/users/{id}/audit/count"),
        ("GET", "/users/{id}/logins"),
        ("GET", "/users/{id}/logins/{sid}/explain"),
        ("DELETE", "/users/{id}/mfa"),
        ("POST", "/users/{id}/recover/mfa"),  # for anybody who has the password
        ("GET", "/users/{id}/recover/mfa"),
        ("DELETE", "/users/{id}/recover/mfa"),
        ("POST", "/users/{id}/recover/mfa/cancel"),  # for anybody who has the mail
        ("GET", "/users/{id}/sessions"),
        ("GET", "/users/{id}/sessions/count"),
        ("DELETE", "/users/{id}/sessions"),
        ("DELETE", "/users/{id}/sessions/{sid}"),
    }
    admin, reached = await world.admin(), set()
    for number, route in enumerate(route for route in routes(world) if "/users/{id}" in route.path):
        victim = await world.enrolled(f"victim-{number}")
        answer = await knock(world, route, victim, admin.auth)
        if answer.status_code != 403:
            reached.add((route.method, route.path))
    assert reached == allowed


async def test_nothing_that_is_proven_weakly_is_a_desk(world: World) -> None:
    admin, victim = await world.admin(), await world.enrolled("victim")
    weak = admin.auth
    await admin.enroll()
    before = await everything(world)
    for route in guarded(world):
        if not route.path.startswith("/users/{id}"):
            continue
        answer = await knock(world, route, victim, weak)
        if (route.method, route.path) == ("GET", "/users/{id}"):
            assert answer.json() == {"uid": victim.uid, "name": "victim"}
        else:
            assert answer.status_code in {403, 404}
    assert await everything(world) == before
