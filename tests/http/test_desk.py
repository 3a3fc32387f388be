"""api.md sections 2 and 3: what a trusted role may do about others, and what not."""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.expect import granted, refused
from tests.surgery import everything, fetch, give_roles
from tests.world import ADMIN_PASSWORD, PASSWORD, Person, World, bearer

NOBODY = "01912345-0000-7000-8000-000000000000"


async def secret_of(desk: Person, person: Person, type_: str) -> str:
    listed = (await desk.call("GET", f"/users/{person.uid}/secrets")).json()
    return str(next(one["uid"] for one in listed if one["type"] == type_))


async def test_the_desk_lists_and_reads_secrets_without_values(world: World) -> None:
    alice, admin = await world.enrolled("alice"), await world.admin()
    own = (await alice.call("GET", "/users/me/secrets")).json()
    assert (await admin.call("GET", f"/users/{alice.uid}/secrets")).json() == own
    assert (await admin.call("GET", f"/users/{alice.uid}/secrets/count")).json() == {"count": 3}
    for one in own:
        assert (await admin.call("GET", f"/users/{alice.uid}/secrets/{one['uid']}")).json() == one


@pytest.mark.parametrize("body", [{"type": "password", "secret": PASSWORD}, {"type": "mfa"}, {"type": "mfabackup"}])
async def test_the_desk_never_creates_a_secret(world: World, body: dict[str, Any]) -> None:
    alice, admin = await world.register("alice", password=None), await world.admin()
    before = await everything(world)
    refused(await admin.call("POST", f"/users/{alice.uid}/secrets", body), 403, "forbidden")
    assert await everything(world) == before


async def test_the_desk_never_changes_or_enrolls_a_secret(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    uid = await alice.begin_enrollment()
    assert alice.phone
    before = await everything(world)
    path = f"/users/{alice.uid}/secrets/{uid}"
    for tail, body in (
        ("", {"version": 0, "description": "x"}),
        ("", {"version": 0, "secret": PASSWORD, "current": PASSWORD}),
        ("", {"token": alice.phone.code()}),
        ("/enroll", {"token": alice.phone.code()}),
    ):
        refused(await admin.call("PUT", path + tail, body), 403, "forbidden")
    assert await everything(world) == before


@pytest.mark.parametrize("body", [None, {}, {"reason": "lost the phone"}])
async def test_the_help_desk_reset_switches_mfa_off_and_ends_all_sessions(world: World, body: Any) -> None:
    alice, admin = await world.enrolled("alice"), await world.admin()
    challenge = await alice.challenge()
    uid = await secret_of(admin, alice, "mfa")
    answer = await admin.call("DELETE", f"/users/{alice.uid}/secrets/{uid}", body)
    assert (answer.status_code, answer.content) == (204, b"")
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), 401, "invalid_token")
    refused(await world.answer(challenge, alice.codes[0]), 401, "challenge_invalid")
    granted(await world.password("alice", PASSWORD), "aal1", ["pwd"])
    assert (await admin.call("GET", f"/users/{alice.uid}")).json()["mfaEnabled"] is False
    assert await fetch(world, "SELECT 1 FROM backup_codes WHERE user_id = :u", u=alice.uid) == []


@pytest.mark.parametrize("reason", [7, None, True, ["x"], "a\nb", "\x1b[31m", "x" * 4097])
async def test_a_reason_is_a_line_of_text(world: World, reason: Any) -> None:
    alice, admin = await world.enrolled("alice"), await world.admin()
    uid = await secret_of(admin, alice, "mfa")
    before = await everything(world)
    answer = await admin.call("DELETE", f"/users/{alice.uid}/secrets/{uid}", {"reason": reason})
    refused(answer, 400, "invalid_request")
    assert await everything(world) == before


async def test_the_desk_does_not_take_the_password_from_under_mfa(world: World) -> None:
    alice, admin = await world.enrolled("alice"), await world.admin()
    uid = await secret_of(admin, alice, "password")
    refused(await admin.call("DELETE", f"/users/{alice.uid}/secrets/{uid}"), 409, "last_authenticator")
    granted(await world.answer(await alice.challenge(), alice.codes[0]), "aal2", ["pwd", "otp", "mfa"])


async def test_the_desk_takes_a_password_that_stands_alone(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    uid = await secret_of(admin, alice, "password")
    assert (await admin.call("DELETE", f"/users/{alice.uid}/secrets/{uid}")).status_code == 204
    refused(await world.password("alice", PASSWORD), 401, "invalid_credentials")
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")


async def test_the_desk_may_reset_even_where_policy_demands_mfa(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "all"})
    alice, admin = await world.enrolled("alice"), await world.admin()
    await admin.enroll()
    uid = await secret_of(admin, alice, "mfa")
    assert (await admin.call("DELETE", f"/users/{alice.uid}/secrets/{uid}")).status_code == 204
    alice.phone = None
    await alice.login()
    refused(await alice.call("GET", "/users"), 403, "mfa_enrollment_required")
    await alice.enroll()
    assert (await alice.call("GET", "/users")).status_code == 200


async def test_the_desk_disables_and_enables(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    path = f"/users/{alice.uid}"
    off = await admin.call("PUT", path, {"version": 0, "disabled": True})
    assert (off.json()["disabled"], off.json()["version"]) == (True, 1)
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), 401, "invalid_token")
    refused(await world.password("alice", PASSWORD), 401, "invalid_credentials")
    on = await admin.call("PUT", path, off.json() | {"disabled": False})
    assert on.json()["disabled"] is False
    granted(await world.password("alice", PASSWORD), "aal1", ["pwd"])


async def test_the_desk_does_not_disable_itself(world: World) -> None:
    admin = await world.admin()
    refused(await admin.call("PUT", "/users/me", {"version": 0, "disabled": True}), 403, "field_forbidden")
    assert (await admin.call("GET", "/users/me")).json()["disabled"] is False


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("verified", True),
        ("roles", ["admin"]),
        ("mfaEnabled", True),
        ("uid", NOBODY),
        ("externalIds", ["x"]),
        ("dateCreated", "2001-01-01T00:00:00.000000Z"),
    ],
)
async def test_nobody_sets_what_is_nobodys_to_set(world: World, field: str, value: Any) -> None:
    alice, admin = await world.register("alice", email="alice@example.org"), await world.admin()
    before = await everything(world)
    answer = await admin.call("PUT", f"/users/{alice.uid}", {"version": 0, field: value})
    assert refused(answer, 403, "field_forbidden")["errors"][0]["pointer"] == f"/{field}"
    refused(await admin.call("POST", "/users", {"name": "bob", field: value}), 403, "field_forbidden")
    assert await everything(world) == before


async def test_the_desk_changes_name_and_address_of_another(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    body = {"version": 0, "name": "alicia", "email": "alicia@example.org", "lastName": "L"}
    changed = (await admin.call("PUT", f"/users/{alice.uid}", body)).json()
    assert (changed["name"], changed["email"], changed["lastName"]) == ("alicia", "alicia@example.org", "L")
    granted(await world.password("alicia", PASSWORD), "aal1", ["pwd"])


async def test_the_desk_lists_and_ends_sessions(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    other = (await world.password("alice", PASSWORD)).json()
    listed = (await admin.call("GET", f"/users/{alice.uid}/sessions")).json()
    assert [session["current"] for session in listed] == [False, False]
    assert (await admin.call("DELETE", f"/users/{alice.uid}/sessions/{listed[0]['uid']}")).status_code == 204
    assert len((await admin.call("GET", f"/users/{alice.uid}/sessions")).json()) == 1
    assert (await admin.call("DELETE", f"/users/{alice.uid}/sessions")).status_code == 204
    for token in (alice.token, other["token"]):
        refused(await world.call("GET", "/users/me", headers=bearer(token)), 401, "invalid_token")
    assert (await admin.call("GET", "/users/me")).status_code == 200


async def test_nobody_acts_on_an_equal(world: World) -> None:
    peer, admin = await world.register("peer"), await world.admin()
    await peer.enroll()
    await give_roles(peer, "admin", "clerk")
    before = await everything(world)
    user = f"/users/{peer.uid}"
    for method, path, body in (
        ("GET", f"{user}/secrets", None),
        ("GET", f"{user}/secrets/count", None),
        ("GET", f"{user}/secrets/{peer.totp}", None),
        ("DELETE", f"{user}/secrets/{peer.totp}", None),
        ("POST", f"{user}/secrets", {"type": "mfa"}),
        ("PUT", user, {"version": 0, "disabled": True}),
        ("PUT", user, {"version": 0, "name": "puppet"}),
        ("DELETE", user, None),
        ("GET", f"{user}/sessions", None),
        ("DELETE", f"{user}/sessions", None),
        ("DELETE", f"{user}/sessions/{NOBODY}", None),
    ):
        refused(await admin.call(method, path, body), 403, "forbidden")
    assert await everything(world) == before
    assert (await admin.call("GET", user)).json()["mfaEnabled"] is True


async def test_trusted_roles_are_a_setting(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_ROLES": "root,desk"})
    admin, clerk, alice = await world.admin(), await world.register("clerk"), await world.register("alice")
    assert (await admin.call("GET", "/users/me")).json()["roles"] == ["root"]
    await give_roles(clerk, "admin")
    refused(await clerk.call("DELETE", f"/users/{alice.uid}"), 403, "forbidden")
    await give_roles(clerk, "desk")
    assert (await clerk.call("GET", f"/users/{alice.uid}/secrets")).status_code == 200
    refused(await admin.call("GET", f"/users/{clerk.uid}/secrets"), 403, "forbidden")


async def test_a_role_taken_away_ends_the_power_at_once(world: World) -> None:
    clerk, alice = await world.register("clerk"), await world.register("alice")
    await give_roles(clerk, "admin")
    assert (await clerk.call("GET", f"/users/{alice.uid}/secrets")).status_code == 200
    await give_roles(clerk)
    refused(await clerk.call("GET", f"/users/{alice.uid}/secrets"), 404, "not_found")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_below_secrets_everything_is_hidden_from_others(world: World, method: str) -> None:
    alice, bob = await world.enrolled("alice"), await world.enrolled("bob")
    before = await everything(world)
    for owner in (alice.uid, NOBODY):
        base = f"/users/{owner}/secrets"
        for path in (base, f"{base}/count", f"{base}/{alice.totp}", f"{base}/{alice.totp}/enroll"):
            answer = await bob.call(method, path, {"type": "mfa"} if method in {"POST", "PUT"} else None)
            if answer.status_code != 405:
                refused(answer, 404, "not_found")
    assert await everything(world) == before


async def test_the_secret_of_one_user_is_not_found_under_another(world: World) -> None:
    alice, bob, admin = await world.enrolled("alice"), await world.enrolled("bob"), await world.admin()
    for caller, owner in ((bob, "me"), (bob, bob.uid), (admin, bob.uid)):
        refused(await caller.call("GET", f"/users/{owner}/secrets/{alice.totp}"), 404, "not_found")
        refused(await caller.call("DELETE", f"/users/{owner}/secrets/{alice.totp}"), 404, "not_found")
    assert alice.phone
    path = f"/users/me/secrets/{alice.totp}"
    refused(await bob.call("PUT", path, {"version": 1, "description": "x"}), 404, "not_found")
    refused(await bob.call("PUT", f"{path}/enroll", {"token": alice.phone.code()}), 404, "not_found")
    assert (await alice.call("GET", path)).status_code == 200


async def test_the_desk_manages_its_own_account_like_anybody(world: World) -> None:
    admin = await world.admin()
    assert (await admin.call("PUT", "/users/me", {"version": 0, "firstName": "Ada"})).status_code == 200
    await admin.enroll()
    world.clock.advance(30)
    granted(
        await world.answer(await admin.challenge(), admin.phone.code() if admin.phone else ""),
        "aal2",
        ["pwd", "otp", "mfa"],
    )
    assert admin.password == ADMIN_PASSWORD
