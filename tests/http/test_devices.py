"""Devices: known by a long value of their own, good for a login at `aal1`, and for nothing that wants a proof."""

import asyncio
from typing import Any

import httpx2
import pytest

from tests.conftest import MakeWorld
from tests.dump import dump
from tests.expect import claims, granted, refused, step_up
from tests.surgery import fetch, give_roles
from tests.world import ADMIN_PASSWORD, PASSWORD, UNTHROTTLED, Person, World, basic, bearer

VALUE = "c0ffee00c0ffee00c0ffee00c0ffee00"
OTHER = "0ddba11500ddba11500ddba11500ddba"


async def know(person: Person, value: str = VALUE, **fields: Any) -> str:
    """Make a device known; returns its uid."""
    made = await person.call("POST", "/users/me/secrets", {"type": "device", "secret": value} | fields)
    assert made.status_code == 200, made.text
    return str(made.json()["uid"])


async def test_a_device_is_told_without_its_value(world: World) -> None:
    alice = await world.register("alice")
    body = {"type": "device", "secret": VALUE, "description": "the tablet in the kitchen"}
    made = (await alice.call("POST", "/users/me/secrets", body)).json()
    assert made == {
        "uid": made["uid"],
        "userId": alice.uid,
        "type": "device",
        "description": "the tablet in the kitchen",
        "dateCreated": made["dateCreated"],
        "dateModified": made["dateCreated"],
        "version": 0,
        "lastUsed": None,
    }
    assert (await alice.call("GET", f"/users/me/secrets/{made['uid']}")).json() == made
    assert VALUE not in (await alice.call("GET", "/users/me/secrets")).text
    assert VALUE.encode() not in repr(await fetch(world, "SELECT * FROM devices")).encode()


@pytest.mark.parametrize("how", ["GET", "POST", "body"])
async def test_a_device_logs_in_at_aal1(world: World, how: str) -> None:
    alice = await world.register("alice")
    uid = await know(alice)
    if how == "body":
        answer = await world.call("POST", "/auth/password", {"identifier": alice.uid, "password": VALUE})
    else:
        answer = await world.password("alice", VALUE)
    body = granted(answer, "aal1", ["swk"])
    assert "scope" not in claims(body["token"])
    told = (await world.call("GET", f"/users/me/secrets/{uid}", headers=bearer(body["token"]))).json()
    assert told["lastUsed"] is not None
    noted = (await alice.call("GET", "/users/me/audit", params={"event": "login.password"})).json()[0]
    assert (noted["outcome"], noted["factor"], noted["detail"]) == (
        "success",
        "device",
        f"client=stranger secret={uid}",
    )


async def test_a_device_passes_by_the_second_factor_and_proves_nothing(world: World) -> None:
    alice = await world.enrolled("alice")
    uid = await know(alice)
    body = granted(await world.password("alice", VALUE), "aal1", ["swk"])
    here = Person(world, "alice", alice.uid, body["token"], body["refresh"])
    assert (await here.call("GET", "/users/me")).json()["mfaEnabled"] is True
    step_up(await here.call("POST", "/users/me/secrets", {"type": "device", "secret": OTHER}), "aal2")
    step_up(await here.call("POST", "/users/me/secrets", {"type": "apikey"}), "aal2")
    step_up(await here.call("DELETE", f"/users/me/secrets/{uid}"), "aal2")
    step_up(await here.call("DELETE", "/users/me"), "aal2")
    step_up(await here.call("PUT", "/users/me", {"version": 0, "name": "bob"}), "aal2")
    renewed = (await world.call("POST", "/auth/refresh", {"refresh": here.refresh})).json()
    assert (claims(renewed["token"])["acr"], claims(renewed["token"])["amr"]) == ("aal1", ["swk"])


async def test_a_devices_session_rises_by_a_proof_like_any_other(world: World) -> None:
    alice = await world.register("alice")
    uid = await know(alice)
    body = granted(await world.password("alice", VALUE), "aal1", ["swk"])
    here = Person(world, "alice", alice.uid, body["token"], body["refresh"])
    here.hold(granted(await here.call("POST", "/auth/elevate", {"password": PASSWORD}), "aal1", ["pwd"]))
    # It ends with its device all the same.
    assert (await here.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204
    refused(await here.call("GET", "/users/me"), 401, "invalid_token")


async def test_a_device_of_an_admin_is_no_admin(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    await know(admin)
    body = granted(await world.password("admin", VALUE), "aal1", ["swk"])
    here = bearer(body["token"])
    assert claims(body["token"])["profile"]["roles"] == ["admin"]
    refused(await world.call("GET", "/audit", headers=here), 403, "forbidden")
    assert (await world.call("GET", f"/users/{alice.uid}", headers=here)).json() == {"uid": alice.uid, "name": "alice"}
    refused(await world.call("DELETE", f"/users/{alice.uid}", headers=here), 403, "forbidden")
    refused(await world.call("GET", f"/users/{alice.uid}/secrets", headers=here), 404, "not_found")


async def test_many_devices_are_listed_and_revoked_one_by_one(world: World) -> None:
    alice = await world.register("alice")
    uids = {value: await know(alice, value) for value in (VALUE, OTHER, "third device " * 3)}
    sessions = {}
    for value in uids:
        sessions[value] = granted(await world.password("alice", value), "aal1", ["swk"])
    listed = (await alice.call("GET", "/users/me/secrets")).json()
    assert {one["uid"] for one in listed if one["type"] == "device"} == set(uids.values())
    assert (await alice.call("DELETE", f"/users/me/secrets/{uids[VALUE]}")).status_code == 204
    refused(await world.password("alice", VALUE), 401, "invalid_credentials")
    refused(await world.call("GET", "/users/me", headers=bearer(sessions[VALUE]["token"])), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": sessions[VALUE]["refresh"]}), 401, "invalid_token")
    assert (await world.call("GET", "/users/me", headers=bearer(sessions[OTHER]["token"]))).status_code == 200
    granted(await world.password("alice", OTHER), "aal1", ["swk"])
    assert (await alice.call("GET", "/users/me")).status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "x" * 31,
        "",
        None,
        12345678901234567890123456789012,
        ["x" * 32],
        "x" * 1_025,
        # Sixteen characters once they are normalized, as a login normalizes them.
        "e\u0301" * 16,
    ],
)
async def test_what_no_device_can_show_is_refused(world: World, value: Any) -> None:
    alice = await world.register("alice")
    before = dump(world)
    body = {"type": "device"} | ({} if value is None else {"secret": value})
    told = refused(await alice.call("POST", "/users/me/secrets", body), 400, "invalid_request")
    assert told["errors"][0]["pointer"] == "/secret"
    assert dump(world) == before


async def test_a_device_does_not_take_an_api_key_for_its_value(world: World) -> None:
    alice = await world.register("alice")
    key = (await alice.call("POST", "/users/me/secrets", {"type": "apikey"})).json()["secret"]
    body = {"type": "device", "secret": key}
    refused(await alice.call("POST", "/users/me/secrets", body), 400, "invalid_request")


async def test_a_value_is_known_once_for_a_user_and_may_be_known_for_two(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    await know(alice)
    body = {"type": "device", "secret": VALUE}
    refused(await alice.call("POST", "/users/me/secrets", body), 409, "already_exists")
    refused(await world.password("bob", VALUE), 401, "invalid_credentials")
    await know(bob)
    for person in (alice, bob):
        assert granted(await world.password(person.name, VALUE), "aal1", ["swk"])["userUid"] == person.uid


async def test_a_password_is_a_password_even_where_it_is_a_device_too(world: World) -> None:
    """Or who has the password alone would pass by the second factor."""
    long = "a password of more than thirty-two characters"
    alice = await world.register("alice", long)
    alice.password = long
    await know(alice, long)
    granted(await world.password("alice", long), "aal1", ["pwd"])
    uid = await alice.begin_enrollment()
    assert alice.phone
    body = {"token": alice.phone.code(), "keepDevices": True}
    assert (await alice.call("PUT", f"/users/me/secrets/{uid}/enroll", body)).status_code == 200
    assert (await world.password("alice", long)).json()["type"] == "CHALLENGE"


async def test_there_are_a_hundred_devices_at_most(world: World) -> None:
    alice = await world.register("alice")
    for number in range(100):
        await know(alice, f"{number:032}")
    body = {"type": "device", "secret": VALUE}
    refused(await alice.call("POST", "/users/me/secrets", body), 409, "limit_reached")


async def test_a_device_may_be_the_first_secret_of_an_account(world: World) -> None:
    bare = await world.register("bare", password=None)
    await know(bare)
    body = granted(await world.password("bare", VALUE), "aal1", ["swk"])
    # The exemption was for the first one.
    for wish in (
        {"type": "device", "secret": OTHER},
        {"type": "password", "secret": PASSWORD},
        {"type": "mfa"},
        {"type": "apikey"},
    ):
        for token in (bare.token, body["token"]):
            step_up(await world.call("POST", "/users/me/secrets", wish, headers=bearer(token)), "aal1")


async def test_of_two_first_secrets_one_is_made(world: World) -> None:
    for name in ("first", "second", "third", "fourth"):
        bare = await world.register(name, password=None)
        wishes = [{"type": "password", "secret": PASSWORD}, {"type": "device", "secret": VALUE}]
        answers = await asyncio.gather(*(bare.call("POST", "/users/me/secrets", wish) for wish in wishes))
        assert sorted(answer.status_code for answer in answers) == [200, 401], [one.text for one in answers]


async def enroll(alice: Person, body: dict[str, Any], *, by_put: bool = False) -> httpx2.Response:
    uid = await alice.begin_enrollment()
    assert alice.phone
    path = f"/users/me/secrets/{uid}" + ("" if by_put else "/enroll")
    answer = await alice.call("PUT", path, {"token": alice.phone.code()} | body)
    if answer.status_code == 200:
        alice.hold(answer.json()["session"])
    return answer


@pytest.mark.parametrize("by_put", [True, False])
@pytest.mark.parametrize(
    ("body", "kept"), [({}, False), ({"keepDevices": False}, False), ({"keepDevices": True}, True)]
)
async def test_devices_die_when_mfa_is_switched_on_unless_the_user_keeps_them(
    world: World, body: dict[str, Any], *, kept: bool, by_put: bool
) -> None:
    alice = await world.register("alice")
    await know(alice)
    await know(alice, OTHER)
    session = granted(await world.password("alice", VALUE), "aal1", ["swk"])
    assert (await enroll(alice, body, by_put=by_put)).status_code == 200
    refused(await world.call("GET", "/users/me", headers=bearer(session["token"])), 401, "invalid_token")
    answer = await world.password("alice", VALUE)
    assert answer.status_code == (200 if kept else 401)
    kinds = [one["type"] for one in (await alice.call("GET", "/users/me/secrets")).json()]
    assert kinds.count("device") == (2 if kept else 0)
    told = (await alice.call("GET", "/users/me/audit", params={"event": "secret.removed"})).json()
    assert [(one["factor"], one["detail"]) for one in told] == ([] if kept else [("device", "2 devices")])


async def test_a_further_authenticator_leaves_devices_alone(world: World) -> None:
    alice = await world.enrolled("alice")
    await know(alice)
    assert (await enroll(alice, {})).status_code == 200
    granted(await world.password("alice", VALUE), "aal1", ["swk"])


async def test_only_who_enrolls_chooses_what_becomes_of_devices(world: World) -> None:
    alice = await world.register("alice")
    uid = await know(alice)
    body: dict[str, Any] = {"version": 0, "keepDevices": True}
    refused(await alice.call("PUT", f"/users/me/secrets/{uid}", body), 400, "invalid_request")
    refused(await enroll(alice, {"keepDevices": "yes"}), 400, "invalid_request")


async def test_a_device_of_a_disabled_user_is_like_none(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    await know(alice)
    await admin.call("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})
    wrong = [await world.call("GET", "/auth/password", headers=headers) for headers in same("alice", VALUE, OTHER)]
    refused(wrong[0], 401, "invalid_credentials")
    assert (wrong[0].headers.raw, wrong[0].content) == (wrong[1].headers.raw, wrong[1].content)


def same(name: str, *values: str) -> list[dict[str, str]]:
    return [basic(name, value) | {"x-request-id": "one"} for value in values]


async def test_a_wrong_value_counts_as_a_try_of_the_password_and_a_right_one_does_not(make_world: MakeWorld) -> None:
    world: World = await make_world()
    alice = await world.register("alice")
    await know(alice)
    for _ in range(4):
        refused(await world.password("alice", OTHER), 401, "invalid_credentials")
    for _ in range(6):
        granted(await world.password("alice", VALUE), "aal1", ["swk"])
    # The device has proved nothing about the password: its failures are still counted.
    refused(await world.password("alice", OTHER), 401, "invalid_credentials")
    refused(await world.password("alice", OTHER), 429, "throttled")
    refused(await world.password("alice", VALUE), 429, "throttled")


async def test_a_device_that_shows_its_client_token_is_not_shut_out_by_strangers(make_world: MakeWorld) -> None:
    world: World = await make_world()
    alice = await world.register("alice")
    await know(alice)
    client = granted(await world.password("alice", VALUE), "aal1", ["swk"])["client"]
    for _ in range(6):
        await world.password("alice", OTHER)
    refused(await world.password("alice", VALUE), 429, "throttled")
    body = {"identifier": "alice", "password": VALUE}
    granted(await world.call("POST", "/auth/password", body, headers={"x-sallyport-client": client}), "aal1", ["swk"])


async def test_a_devices_login_costs_no_hash_where_there_is_no_password(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, alice = await world.register("bare", password=None), await world.register("alice")
    await know(bare)
    await know(alice)
    runs: list[None] = []
    genuine = world.service.pool.run_timed

    async def counted(work: Any) -> Any:
        runs.append(None)
        return await genuine(work)

    monkeypatch.setattr(world.service.pool, "run_timed", counted)
    for name, value, hashes in (("bare", VALUE, 0), ("bare", OTHER, 1), ("alice", VALUE, 1), ("nobody", VALUE, 1)):
        runs.clear()
        await world.password(name, value)
        assert len(runs) == hashes, (name, value)


async def test_a_device_is_described_anew_and_its_value_stays(world: World) -> None:
    alice = await world.register("alice")
    path = f"/users/me/secrets/{await know(alice)}"
    changed = await alice.call("PUT", path, {"version": 0, "description": "in the attic"})
    assert (changed.json()["description"], changed.json()["version"]) == ("in the attic", 1)
    refused(await alice.call("PUT", path, {"version": 0, "description": "x"}), 409, "version_conflict")
    change = {"version": 1, "secret": OTHER, "current": VALUE}
    refused(await alice.call("PUT", path, change), 403, "field_forbidden")
    refused(await alice.call("PUT", path, {"version": 1, "scopes": ["self:read"]}), 403, "field_forbidden")
    granted(await world.password("alice", VALUE), "aal1", ["swk"])


# API keys at the same door.


async def key_of(person: Person, **fields: Any) -> tuple[str, str]:
    made = await person.call("POST", "/users/me/secrets", {"type": "apikey"} | fields)
    assert made.status_code == 200, made.text
    return made.json()["uid"], made.json()["secret"]


async def test_a_key_in_the_place_of_a_password_opens_a_session_with_its_scopes(world: World) -> None:
    alice, bob = await world.enrolled("alice"), await world.register("bob")
    uid, key = await key_of(alice, scopes=["self:read", "users:read"])
    granted(await world.password(alice.uid, key), "aal1", ["swk"])
    body = granted(await world.password("alice", key), "aal1", ["swk"])
    assert claims(body["token"])["scope"] == "self:read users:read"
    assert "client" not in body
    here = bearer(body["token"])
    assert (await world.call("GET", "/users/me", headers=here)).status_code == 200
    assert (await world.call("GET", f"/users/{bob.uid}", headers=here)).json() == {"uid": bob.uid, "name": "bob"}
    for method, path in (
        ("GET", "/users/me/secrets"),
        ("GET", "/users/me/sessions"),
        ("DELETE", "/users/me/sessions"),
        ("POST", "/auth/logout"),
        ("DELETE", "/users/me"),
    ):
        refused(await world.call(method, path, headers=here), 403, "forbidden")
    elevation = {"password": PASSWORD, "token": "123456"}
    refused(await world.call("POST", "/auth/elevate", elevation, headers=here), 403, "forbidden")
    renewed = granted(await world.call("POST", "/auth/refresh", {"refresh": body["refresh"]}), "aal1", ["swk"])
    assert claims(renewed["token"])["scope"] == "self:read users:read"
    noted = (await alice.call("GET", "/users/me/audit", params={"event": "login.password"})).json()[0]
    assert (noted["outcome"], noted["factor"], noted["detail"]) == (
        "success",
        "api_key",
        f"client=stranger secret={uid}",
    )


@pytest.mark.parametrize("how", ["deleted", "suspended", "expired", "role gone"])
async def test_a_session_is_never_worth_more_than_the_key_that_opened_it(world: World, how: str) -> None:
    admin = await world.admin()
    uid, key = await key_of(admin, scopes=["audit:read"], expires="2027-01-15T08:05:00Z")
    body = granted(await world.password("admin", key), "aal1", ["swk"])
    assert (await world.call("GET", "/audit", headers=bearer(body["token"]))).status_code == 200
    match how:
        case "deleted":
            assert (await admin.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204
            sessions = await fetch(world, "SELECT count(*) FROM sessions WHERE secret_id IS NOT NULL")
            assert sessions == [(0,)]
        case "suspended":
            await world.service.work(lambda rows: world.service.suspend_api_keys(rows, admin.uid, None))
        case "expired":
            world.clock.advance(300)
        case _:
            await give_roles(admin)
            refused(await world.call("GET", "/audit", headers=bearer(body["token"])), 403, "forbidden")
            return
    refused(await world.call("GET", "/audit", headers=bearer(body["token"])), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": body["refresh"]}), 401, "invalid_token")
    refused(await world.password("admin", key), 401, "invalid_credentials")
    granted(await world.password("admin", ADMIN_PASSWORD), "aal1", ["pwd"])


async def test_wrong_keys_are_like_wrong_passwords_to_the_byte(make_world: MakeWorld) -> None:
    world: World = await make_world(UNTHROTTLED)
    alice, bob, admin = await world.register("alice"), await world.register("bob"), await world.admin()
    uid, deleted = await key_of(alice)
    _, suspended = await key_of(alice)
    _, expired = await key_of(alice, expires="2027-01-15T08:00:01Z")
    _, disabled = await key_of(bob)
    world.clock.advance(1)
    await alice.call("DELETE", f"/users/me/secrets/{uid}")
    await world.service.work(lambda rows: world.service.suspend_api_keys(rows, alice.uid, None))
    _, good = await key_of(alice)
    await admin.call("PUT", f"/users/{bob.uid}", {"version": 0, "disabled": True})
    tries = [("alice", "wrong"), ("alice", deleted), ("alice", suspended), ("alice", expired), ("bob", disabled)]
    tries += [("admin", good), ("nobody", good), ("alice", good + "A"), ("alice", good[:-1]), ("alice", OTHER)]
    answers = [
        await world.call("GET", "/auth/password", headers=headers)
        for name, value in tries
        for headers in same(name, value)
    ]
    refused(answers[0], 401, "invalid_credentials")
    for answer in answers:
        assert (answer.headers.raw, answer.content) == (answers[0].headers.raw, answers[0].content)
    granted(await world.password("alice", good), "aal1", ["swk"])
