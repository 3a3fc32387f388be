"""API keys: made by the server, shown once, limited to their scopes, and never able to touch the account."""

import re
import zlib
from base64 import urlsafe_b64decode
from typing import Any

import httpx2
import pytest

from sallyport.edge.endpoint import Who
from sallyport.kernel.scopes import Scope
from tests.conftest import MakeWorld
from tests.dump import dump
from tests.expect import OWN, USER, refused, step_up
from tests.surgery import fetch, give_roles
from tests.world import Person, World, bearer

FOREVER = {"type": "apikey"}


async def key_of(person: Person, *scopes: str, **fields: Any) -> tuple[str, str]:
    """Make a key; returns its uid and the key."""
    body = FOREVER | ({"scopes": list(scopes)} if scopes else {}) | fields
    made = await person.call("POST", "/users/me/secrets", body)
    assert made.status_code == 200, made.text
    return made.json()["uid"], made.json()["secret"]


async def grow_stale(person: Person) -> None:
    """Let ten minutes pass, with a token that is good all the same."""
    person.world.clock.advance(590)
    person.hold((await person.world.call("POST", "/auth/refresh", {"refresh": person.refresh})).json())
    person.world.clock.advance(11)


async def by_key(world: World, key: str, path: str, method: str = "GET", body: Any = None) -> httpx2.Response:
    return await world.call(method, path, body, headers=bearer(key))


async def test_a_key_is_shown_once_and_never_again(world: World) -> None:
    alice = await world.register("alice")
    body = {"type": "apikey", "scopes": ["users:read", "self:read"], "description": "the nightly report"}
    made = (await alice.call("POST", "/users/me/secrets", body)).json()
    key = made.pop("secret")
    assert made == {
        "uid": made["uid"],
        "userId": alice.uid,
        "type": "apikey",
        "description": "the nightly report",
        "dateCreated": made["dateCreated"],
        "dateModified": made["dateCreated"],
        "version": 0,
        "lastUsed": None,
        "prefix": key[:12],
        "scopes": ["self:read", "users:read"],
        "expires": None,
        "suspended": False,
    }
    listed = (await alice.call("GET", "/users/me/secrets")).json()
    assert [one for one in listed if one["type"] == "apikey"] == [made]
    assert (await alice.call("GET", f"/users/me/secrets/{made['uid']}")).json() == made
    assert (await alice.call("GET", "/users/me/secrets/count")).json() == {"count": 2}
    everything = repr(await fetch(world, "SELECT * FROM api_keys"))
    assert key[:12] in everything
    assert key[12:] not in everything


async def test_whoever_finds_a_key_can_tell_it_from_other_text(world: World) -> None:
    """As docs/operate.md tells scanners."""
    _, key = await key_of(await world.register("alice"))
    assert re.fullmatch(r"spk_[A-Za-z0-9_-]{48}", key)
    raw = urlsafe_b64decode(key[4:])
    assert zlib.crc32(raw[:32]).to_bytes(4, "big") == raw[32:]


async def test_a_key_reads_its_owner_and_nobody_else_by_default(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    uid, key = await key_of(alice)
    for scheme in ("Bearer", "jwt"):
        shown = await world.call("GET", "/users/me", headers={"authorization": f"{scheme} {key}"})
        assert set(shown.json()) == OWN
        assert shown.json()["uid"] == alice.uid
    assert (await by_key(world, key, f"/users/{alice.uid}")).status_code == 200
    for path in (f"/users/{bob.uid}", "/users", "/users/count", "/users/me/audit", "/audit"):
        refused(await by_key(world, key, path), 403, "forbidden")
    assert (await alice.call("GET", f"/users/me/secrets/{uid}")).json()["lastUsed"] is not None


async def test_a_key_reads_what_its_scopes_open(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    _, users = await key_of(alice, "users:read")
    _, audit = await key_of(alice, "audit:read")
    assert (await by_key(world, users, f"/users/{bob.uid}")).json() == {"uid": bob.uid, "name": "bob"}
    assert (await by_key(world, users, "/users/count")).json() == {"count": 3}
    assert {tuple(one) for one in (await by_key(world, users, "/users")).json()} == {("uid", "name"), tuple(USER_ORDER)}
    assert (await by_key(world, users, "/users/me")).status_code == 200
    events = [one["event"] for one in (await by_key(world, audit, "/users/me/audit")).json()]
    assert "secret.created" in events
    refused(await by_key(world, audit, f"/users/{bob.uid}/audit"), 404, "not_found")
    refused(await by_key(world, audit, "/audit"), 403, "forbidden")
    refused(await by_key(world, audit, "/users/me"), 403, "forbidden")


USER_ORDER = (
    *("uid", "name", "email", "firstName", "lastName", "phone", "roles", "externalIds", "verified"),
    *("mfaEnabled", "disabled", "dateCreated", "dateModified", "version"),
)


async def test_no_scope_opens_what_writes_or_what_is_about_secrets_and_sessions(world: World) -> None:
    """Each route says which scope opens it; whatever does not is closed, also to the key of an admin."""
    opened = {
        ("GET", "/users"): "users:read",
        ("GET", "/users/count"): "users:read",
        ("GET", "/users/{id}"): "users:read",
        ("GET", "/audit"): "audit:read",
        ("GET", "/audit/count"): "audit:read",
        ("GET", "/users/{id}/audit"): "audit:read",
        ("GET", "/users/{id}/audit/count"): "audit:read",
        ("POST", "/auth/introspect"): "introspect",
        ("GET", "/roles"): "roles:read",
        ("GET", "/roles/count"): "roles:read",
        ("GET", "/roles/{id}"): "roles:read",
    }
    admin = await world.admin()
    role = (await admin.call("GET", "/roles")).json()[0]["uid"]
    uid, key = await key_of(admin, *Scope)
    await by_key(world, key, "/users/me")
    before = dump(world)
    for route in world.service.endpoints():
        if route.who in {Who.ANYONE, Who.LOCAL}:
            assert route.scope is None
            continue
        named = role if route.path.startswith("/roles/") else admin.uid
        path = route.path.replace("{id}", named).replace("{sid}", uid)
        body = {"token": "none"} if route.scope is Scope.INTROSPECT else None
        answer = await by_key(world, key, path, route.method, body)
        assert route.scope == opened.get((route.method, route.path))
        if route.scope:
            assert answer.status_code == 200, route
        else:
            refused(answer, 403, "forbidden")
    assert dump(world) == before


async def test_an_admins_key_reads_what_an_admin_reads(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    _, key = await key_of(admin, "users:read", "audit:read")
    assert set((await by_key(world, key, f"/users/{alice.uid}")).json()) == USER
    assert len((await by_key(world, key, "/audit")).json()) > 2
    assert (await by_key(world, key, f"/users/{alice.uid}/audit")).status_code == 200


async def test_a_role_that_came_later_or_is_gone_makes_no_admins_key(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    _, early = await key_of(alice, "users:read", "audit:read")
    await give_roles(alice, "admin")
    _, late = await key_of(alice, "users:read", "audit:read")
    assert set((await by_key(world, early, f"/users/{bob.uid}")).json()) == {"uid", "name"}
    refused(await by_key(world, early, "/audit"), 403, "forbidden")
    assert (await by_key(world, late, "/audit")).status_code == 200
    await give_roles(alice)
    refused(await by_key(world, late, "/audit"), 403, "forbidden")
    assert set((await by_key(world, late, f"/users/{bob.uid}")).json()) == {"uid", "name"}


async def test_a_key_made_before_mfa_is_no_admins_key_after_it(world: World) -> None:
    admin = await world.admin()
    _, early = await key_of(admin, "audit:read")
    await admin.enroll()
    _, late = await key_of(admin, "audit:read")
    refused(await by_key(world, early, "/audit"), 403, "forbidden")
    assert (await by_key(world, late, "/audit")).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scopes", []),
        ("scopes", ["self:read", "users:write"]),
        ("scopes", ["*"]),
        ("scopes", ["SELF:READ"]),
        ("scopes", "self:read"),
        ("scopes", [None]),
        ("expires", "tomorrow"),
        ("expires", "2030-01-31"),
        ("expires", 1_900_000_000),
        ("expires", "2001-01-01T00:00:00Z"),
        ("expires", "9999-12-31T23:59:59-00:01"),
        ("description", "a\x00b"),
    ],
)
async def test_what_a_key_can_not_be_is_refused(world: World, field: str, value: Any) -> None:
    alice = await world.register("alice")
    before = dump(world)
    told = refused(await alice.call("POST", "/users/me/secrets", FOREVER | {field: value}), 400, "invalid_request")
    assert told["errors"][0]["pointer"].startswith(f"/{field}")
    assert dump(world) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("secret", "spk_" + "A" * 48),
        ("prefix", "spk_AAAAAAAA"),
        ("suspended", True),
        ("version", 1),
        ("lastUsed", "2001-01-01T00:00:00Z"),
        ("userId", "01912345-0000-7000-8000-000000000000"),
    ],
)
async def test_what_the_server_says_of_a_key_nobody_else_does(world: World, field: str, value: Any) -> None:
    alice = await world.register("alice")
    before = dump(world)
    refused(await alice.call("POST", "/users/me/secrets", FOREVER | {field: value}), 403, "field_forbidden")
    assert dump(world) == before


async def test_a_key_has_an_end(world: World) -> None:
    alice = await world.register("alice")
    made = await alice.call("POST", "/users/me/secrets", FOREVER | {"expires": "2027-01-15T08:10:00+00:00"})
    assert made.json()["expires"] == "2027-01-15T08:10:00.000000Z"
    key = made.json()["secret"]
    world.clock.advance(599)
    assert (await by_key(world, key, "/users/me")).status_code == 200
    world.clock.advance(1)
    refused(await by_key(world, key, "/users/me"), 401, "invalid_token")
    await alice.login()
    listed = (await alice.call("GET", "/users/me/secrets")).json()
    assert [one["type"] for one in listed] == ["password", "apikey"]


async def test_keys_that_are_not_good_are_all_alike(world: World) -> None:
    alice, bob, admin = await world.register("alice"), await world.register("bob"), await world.admin()
    gone, deleted = await key_of(alice)
    _, expired = await key_of(alice, expires="2027-01-15T08:00:01Z")
    _, suspended = await key_of(alice)
    _, disabled = await key_of(bob)
    world.clock.advance(2)
    await alice.call("DELETE", f"/users/me/secrets/{gone}")
    await world.service.work(lambda rows: world.service.suspend_api_keys(rows, alice.uid, None))
    await admin.call("PUT", f"/users/{bob.uid}", {"version": 0, "disabled": True})
    other, form = "spk_" + ("B" if deleted[4] == "A" else "A") + deleted[5:], "spk_" + "A" * 48
    answers = [
        await world.call("GET", "/users/me", headers=bearer(key) | {"x-request-id": "one"})
        for key in (deleted, expired, suspended, disabled, other, "spk_", form, deleted + "A", deleted[:-1])
    ]
    refused(answers[0], 401, "invalid_token")
    for answer in answers:
        assert (answer.headers.raw, answer.content) == (answers[0].headers.raw, answers[0].content)


async def test_what_can_be_no_key_asks_the_database_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = await key_of(await world.register("alice"))

    async def never(unit: Any) -> Any:
        raise AssertionError(unit)

    monkeypatch.setattr(world.service.work, "read", never)
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    refused(await by_key(world, wrong, "/users/me"), 401, "invalid_token")


async def test_use_is_noted_once_a_minute(world: World) -> None:
    alice = await world.register("alice")
    uid, key = await key_of(alice)

    async def last_used() -> Any:
        return (await alice.call("GET", f"/users/me/secrets/{uid}")).json()["lastUsed"]

    assert await last_used() is None
    await by_key(world, key, "/users/me")
    first = await last_used()
    assert first is not None
    world.clock.advance(59)
    await by_key(world, key, "/users/me")
    assert await last_used() == first
    world.clock.advance(1)
    await by_key(world, key, "/users/me")
    assert await last_used() > first


async def test_a_key_remembers_who_made_it_and_how_they_had_proved_themselves(world: World) -> None:
    alice = await world.enrolled("alice")
    world.clock.advance(60)
    await key_of(alice)
    question = "SELECT maker_id, maker_amr, maker_auth_time, by_trusted FROM api_keys"
    assert await fetch(world, question) == [(alice.uid, "pwd otp mfa", world.clock.now() // 1_000_000 - 60, 0)]


async def test_a_key_wants_a_fresh_proof(world: World) -> None:
    alice = await world.register("alice")
    await grow_stale(alice)
    step_up(await alice.call("POST", "/users/me/secrets", FOREVER), "aal1")


async def test_a_key_may_be_the_first_secret_of_an_account_and_remembers_that_nothing_was_proved(world: World) -> None:
    program = await world.register("program", password=None)
    _, key = await key_of(program)
    assert (await by_key(world, key, "/users/me")).status_code == 200
    assert await fetch(world, "SELECT maker_amr, by_trusted FROM api_keys") == [("", 0)]
    step_up(await program.call("POST", "/users/me/secrets", FOREVER), "aal1")


async def test_there_are_a_hundred_keys_at_most(world: World) -> None:
    alice = await world.register("alice")
    uid = [await key_of(alice) for _ in range(100)][-1][0]
    refused(await alice.call("POST", "/users/me/secrets", FOREVER), 409, "limit_reached")
    assert (await alice.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204
    await key_of(alice)


async def test_a_key_is_described_anew_and_nothing_else_of_it_changes(world: World) -> None:
    alice = await world.register("alice")
    uid, key = await key_of(alice, "self:read", description="old")
    path = f"/users/me/secrets/{uid}"
    whole = (await alice.call("GET", path)).json()
    changed = await alice.call("PUT", path, whole | {"description": "new"})
    assert changed.json() == whole | {"description": "new", "version": 1}
    for field, value in (
        ("scopes", ["users:read"]),
        ("expires", "2040-01-01T00:00:00Z"),
        ("prefix", "spk_AAAAAAAA"),
        ("suspended", True),
        ("type", "password"),
    ):
        refused(await alice.call("PUT", path, {"version": 1, field: value}), 403, "field_forbidden")
    change = {"version": 1, "secret": "another set of plain words", "current": key}
    refused(await alice.call("PUT", path, change), 403, "field_forbidden")
    refused(await alice.call("PUT", f"{path}/enroll", {"token": "123456"}), 400, "invalid_request")


async def test_a_suspended_key_comes_back_only_by_its_owner_with_a_fresh_proof(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    uid, key = await key_of(alice)
    _, second = await key_of(alice)
    path, back = f"/users/me/secrets/{uid}", {"version": 1, "suspended": False}
    assert await world.service.work(lambda rows: world.service.suspend_api_keys(rows, alice.uid, None)) == 2
    assert await world.service.work(lambda rows: world.service.suspend_api_keys(rows, alice.uid, None)) == 0
    assert (await alice.call("GET", path)).json()["suspended"] is True
    refused(await by_key(world, key, path, "PUT", back), 401, "invalid_token")
    refused(await admin.call("PUT", f"/users/{alice.uid}/secrets/{uid}", back), 403, "forbidden")
    refused(await alice.call("PUT", path, back | {"version": 0}), 409, "version_conflict")
    await grow_stale(alice)
    step_up(await alice.call("PUT", path, back), "aal1")
    await alice.login()
    resumed = await alice.call("PUT", path, back)
    assert (resumed.json()["suspended"], resumed.json()["version"]) == (False, 2)
    assert (await by_key(world, key, "/users/me")).status_code == 200
    refused(await by_key(world, second, "/users/me"), 401, "invalid_token")
    told = [(one["event"], one["detail"]) for one in (await alice.call("GET", "/users/me/audit")).json()]
    assert ("secret.suspended", "2 keys") in told
    assert ("secret.resumed", uid) in told
    assert ("secret.changed", f"{uid} description") not in told
    # Once more does no harm.
    assert (await alice.call("PUT", path, {"version": 2, "suspended": False, "description": "x"})).status_code == 200
    password = (await alice.call("GET", "/users/me/secrets")).json()[0]["uid"]
    wrong = await alice.call("PUT", f"/users/me/secrets/{password}", {"version": 0, "suspended": False})
    refused(wrong, 403, "field_forbidden")


async def test_the_desk_deletes_a_key_and_makes_none(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    uid, key = await key_of(alice)
    refused(await admin.call("POST", f"/users/{alice.uid}/secrets", FOREVER), 403, "forbidden")
    gone = await admin.call("DELETE", f"/users/{alice.uid}/secrets/{uid}", {"reason": "found on a pastebin"})
    assert gone.status_code == 204
    refused(await by_key(world, key, "/users/me"), 401, "invalid_token")
    told = (await alice.call("GET", "/users/me/audit", params={"event": "secret.removed"})).json()[0]
    assert (told["factor"], told["detail"]) == ("api_key", f"{uid} found on a pastebin")


async def test_a_key_opens_nothing_that_policy_keeps_shut(make_world: MakeWorld) -> None:
    before: World = await make_world()
    _, key = await key_of(await before.register("alice"), "users:read")
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "all"}, before.clock)
    assert (await by_key(world, key, "/users/me")).status_code == 200
    refused(await by_key(world, key, "/users"), 403, "mfa_enrollment_required")


async def test_a_key_registers_nobody_and_renews_nothing(world: World) -> None:
    alice = await world.register("alice")
    _, key = await key_of(alice)
    refused(await by_key(world, key, "/users", "POST", {"name": "bob"}), 403, "forbidden")
    refused(await by_key(world, key, "/auth/refresh", "POST", {"refresh": key}), 401, "invalid_token")
    refused(await by_key(world, key, "/auth/totp", "POST", {"token": "123456"}), 401, "challenge_invalid")
    elevation = {"password": alice.password}
    refused(await by_key(world, key, "/auth/elevate", "POST", elevation), 403, "forbidden")
