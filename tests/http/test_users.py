"""api.md section 2."""

from datetime import datetime
from typing import Any

import pytest

from tests.expect import AUTH_TOKEN, OWN, USER, claims, granted, refused, step_up
from tests.surgery import count, everything, fetch, verify_email
from tests.world import PASSWORD, World

OTHER = "01912345-0000-7000-8000-000000000000"


async def test_registering_answers_with_the_user_and_tokens_and_where_it_is(world: World) -> None:
    answer = await world.call("POST", "/users", {"name": "Alice", "email": "Alice@Example.org", "firstName": "A"})
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == AUTH_TOKEN | {"user"}
    assert body["type"] == "ACCESS"
    assert body["expiresIn"] == 600
    assert answer.headers["location"] == f"/users/{body['userUid']}"
    user = body["user"]
    assert set(user) == OWN
    created = datetime.fromisoformat(user["dateCreated"])
    assert created.timestamp() == 1_800_000_000
    assert user == {
        "uid": body["userUid"],
        "name": "Alice",
        "email": "Alice@example.org",
        "firstName": "A",
        "lastName": None,
        "phone": None,
        "roles": [],
        "externalIds": [],
        "verified": False,
        "mfaEnabled": False,
        "mfa": {"enabled": False, "backupCodesRemaining": 0},
        "disabled": False,
        "dateCreated": user["dateModified"],
        "dateModified": user["dateCreated"],
        "version": 0,
    }


async def test_the_location_stands_below_the_prefix_that_was_called(world: World) -> None:
    answer = await world.call("POST", "/v1/users", {"name": "alice"})
    location = answer.headers["location"]
    assert location == f"/v1/users/{answer.json()['userUid']}"
    headers = {"authorization": f"jwt {answer.json()['token']}"}
    assert (await world.call("GET", location, headers=headers)).json() == answer.json()["user"]


async def test_a_name_alone_is_enough_and_the_token_creates_the_first_secret(world: World) -> None:
    alice = await world.register("alice", password=None)
    said = claims(alice.token)
    assert (said["acr"], said["amr"]) == ("aal0", [])
    assert (await alice.call("GET", "/users/me/secrets")).json() == []
    made = await alice.call("POST", "/users/me/secrets", {"type": "password", "secret": PASSWORD})
    assert made.status_code == 200
    granted(await world.password("alice", PASSWORD), "aal1", ["pwd"])


async def test_the_token_of_one_without_any_secret_does_nothing_else_that_needs_a_proof(world: World) -> None:
    alice = await world.register("alice", password=None)
    step_up(await alice.call("PUT", "/users/me", {"version": 0, "name": "other"}), "aal1")
    step_up(await alice.call("PUT", "/users/me", {"version": 0, "email": "a@example.org"}), "aal1")
    step_up(await alice.call("DELETE", "/users/me"), "aal1")
    assert await count(world, "users") == 2


async def test_a_password_given_at_once_is_a_fresh_proof(world: World) -> None:
    alice = await world.register("alice")
    said = claims(alice.token)
    assert (said["acr"], said["amr"]) == ("aal1", ["pwd"])
    assert (await alice.call("PUT", "/users/me", {"version": 0, "name": "alicia"})).status_code == 200
    assert (await alice.call("GET", "/users/me/secrets/count")).json() == {"count": 1}


async def test_a_rejected_password_makes_no_account(world: World) -> None:
    before = await everything(world)
    refused(await world.call("POST", "/users", {"name": "alice", "password": "short"}), 400, "password_rejected")
    assert await everything(world) == before


async def test_a_trusted_role_makes_an_account_for_another_and_gets_no_tokens_of_it(world: World) -> None:
    admin = await world.admin()
    body = {"name": "alice", "password": PASSWORD, "disabled": True}
    answer = await admin.call("POST", "/users", body)
    assert answer.status_code == 201
    assert set(answer.json()) == {"userUid", "user"}
    assert answer.json()["user"]["disabled"] is True
    assert answer.headers["location"] == f"/users/{answer.json()['userUid']}"
    assert await fetch(world, "SELECT 1 FROM sessions WHERE user_id = :u", u=answer.json()["userUid"]) == []
    refused(await world.password("alice", PASSWORD), 401, "invalid_credentials")


async def test_a_trusted_role_without_fresh_proof_makes_no_account(world: World) -> None:
    admin = await world.admin()
    world.clock.advance(601)
    admin.hold((await world.call("POST", "/auth/refresh", {"refresh": admin.refresh})).json())
    step_up(await admin.call("POST", "/users", {"name": "alice"}), "aal1")


async def test_a_token_that_is_shown_at_registration_must_be_valid(world: World) -> None:
    answer = await world.call("POST", "/users", {"name": "alice"}, headers={"authorization": "jwt nonsense"})
    refused(answer, 401, "invalid_token")
    assert await count(world, "users") == 1


GOOD_NAMES = ["a", "alice", "Alice.Liddell", "x" * 64, "Ａlice", "élise", "алиса", "99bottles", "12345", "+", "a-b_c!"]


@pytest.mark.parametrize("name", GOOD_NAMES)
async def test_a_name_is_shown_as_it_was_typed(world: World, name: str) -> None:
    alice = await world.register(name)
    assert (await alice.call("GET", "/users/me")).json()["name"] == name
    granted(await world.password(name, PASSWORD), "aal1", ["pwd"])


BAD_NAMES: list[Any] = [
    "",
    " ",
    "two words",
    "x" * 65,
    "a@example.org",
    "@",
    "+43 660 1234567",
    "0660-1234567",
    "123456",
    "+49123",
    OTHER,
    OTHER.upper(),
    "a\x00b",
    "a\nb",
    "a\u202eb",
    "\u200b",
    "a:b",
    None,
    7,
    ["alice"],
    {"name": "alice"},
    True,
]


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_what_is_no_name_or_looks_like_another_identifier_is_refused(world: World, name: Any) -> None:
    before = await everything(world)
    problem = refused(await world.call("POST", "/users", {"name": name}), 400, "invalid_request")
    assert [error["pointer"] for error in problem["errors"]] == ["/name"]
    assert await everything(world) == before


async def test_a_name_is_required(world: World) -> None:
    refused(await world.call("POST", "/users", {"email": "a@example.org"}), 400, "invalid_request")
    refused(await world.call("POST", "/users"), 400, "invalid_request")


@pytest.mark.parametrize("twin", ["alice", "ALICE", "aLiCe", "ａｌｉｃｅ"])
async def test_a_name_is_unique_without_regard_to_case_and_width(world: World, twin: str) -> None:
    await world.register("Alice")
    bob = await world.register("bob")
    before = await everything(world)
    refused(await world.call("POST", "/users", {"name": twin}), 409, "name_taken")
    refused(await bob.call("PUT", "/users/me", {"version": 0, "name": twin}), 409, "name_taken")
    assert await everything(world) == before


async def test_one_may_spell_the_own_name_anew(world: World) -> None:
    alice = await world.register("alice")
    changed = await alice.call("PUT", "/users/me", {"version": 0, "name": "ALICE"})
    assert changed.json()["name"] == "ALICE"
    granted(await world.password("alice", PASSWORD), "aal1", ["pwd"])


async def test_several_accounts_claim_one_address_and_nobody_is_told(world: World) -> None:
    first = await world.register("alice", email="shared@example.org")
    second = await world.register("mallory", email="SHARED@example.org")
    for person in (first, second):
        user = (await person.call("GET", "/users/me")).json()
        assert user["email"].casefold() == "shared@example.org"
        assert user["verified"] is False
    refused(await world.password("shared@example.org", PASSWORD), 401, "invalid_credentials")


async def test_only_the_one_who_verified_an_address_logs_in_with_it_in_any_case(world: World) -> None:
    alice = await world.register("alice", email="shared@example.org")
    await world.register("mallory", password="quite another sentence", email="shared@example.org")
    await verify_email(alice)
    body = granted(await world.password("Shared@Example.ORG", PASSWORD), "aal1", ["pwd"])
    assert body["userUid"] == alice.uid
    refused(await world.password("shared@example.org", "quite another sentence"), 401, "invalid_credentials")


@pytest.mark.parametrize(
    "address",
    ["nobody", "@example.org", "a@", "a b@example.org", "a@example.org\n", "a@@example.org", "x" * 4097, 7, True, []],
)
async def test_what_is_no_address_is_refused(world: World, address: Any) -> None:
    problem = refused(await world.call("POST", "/users", {"name": "alice", "email": address}), 400, "invalid_request")
    assert problem["errors"][0]["pointer"] == "/email"


async def test_a_new_address_is_unverified_and_another_spelling_of_the_old_one_is_not_new(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org")
    await verify_email(alice)
    assert (await alice.call("GET", "/users/me")).json()["verified"] is True
    same = await alice.call("PUT", "/users/me", {"version": 0, "email": "ALICE@example.org"})
    assert same.json()["verified"] is True
    changed = await alice.call("PUT", "/users/me", {"version": 1, "email": "new@example.org"})
    assert (changed.json()["email"], changed.json()["verified"]) == ("new@example.org", False)


async def test_an_address_can_be_taken_back(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org")
    changed = await alice.call("PUT", "/users/me", {"version": 0, "email": None})
    assert changed.json()["email"] is None


async def test_strangers_see_uid_and_name_alone(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org", firstName="A", lastName="L", phone="+431234567")
    bob = await world.register("bob")
    assert (await bob.call("GET", f"/users/{alice.uid}")).json() == {"uid": alice.uid, "name": "alice"}
    listed = (await bob.call("GET", "/users")).json()
    assert {"uid": alice.uid, "name": "alice"} in listed
    assert [set(user) for user in listed if user["uid"] == bob.uid] == [USER]


async def test_oneself_and_a_trusted_role_see_everything(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org", firstName="A", lastName="L", phone="+431234567")
    own = (await alice.call("GET", "/users/me")).json()
    assert set(own) == OWN
    assert own.pop("mfa") == {"enabled": False, "backupCodesRemaining": 0}
    admin = await world.admin()
    assert (await admin.call("GET", f"/users/{alice.uid}")).json() == own
    assert own in (await admin.call("GET", "/users")).json()


@pytest.mark.parametrize("path", ["/users", "/users/count", "/users/me"])
async def test_users_are_read_by_the_signed_in_alone(world: World, path: str) -> None:
    refused(await world.call("GET", path), 401, "unauthenticated")


async def test_users_are_counted(world: World) -> None:
    alice = await world.register("alice")
    assert (await alice.call("GET", "/users/count")).json() == {"count": 2}


async def test_a_user_who_is_not_there_is_not_found(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    for person in (alice, admin):
        for method in ("GET", "PUT", "DELETE"):
            body = {"version": 0} if method == "PUT" else None
            refused(await person.call(method, f"/users/{OTHER}", body), 404, "not_found")


READ_ONLY: list[tuple[str, Any]] = [
    ("uid", OTHER),
    ("roles", ["admin"]),
    ("externalIds", ["x"]),
    ("verified", True),
    ("mfaEnabled", True),
    ("disabled", True),
    ("dateCreated", "2001-01-01T00:00:00.000000Z"),
    ("dateModified", "2001-01-01T00:00:00.000000Z"),
]


@pytest.mark.parametrize(("field", "value"), READ_ONLY)
async def test_a_field_of_no_right_is_not_changed_by_its_user(world: World, field: str, value: Any) -> None:
    alice = await world.register("alice")
    before = await everything(world)
    problem = refused(await alice.call("PUT", "/users/me", {"version": 0, field: value}), 403, "field_forbidden")
    assert problem["errors"][0]["pointer"] == f"/{field}"
    assert await everything(world) == before


@pytest.mark.parametrize(("field", "value"), READ_ONLY)
async def test_a_field_of_no_right_is_not_set_at_registration(world: World, field: str, value: Any) -> None:
    before = await everything(world)
    refused(await world.call("POST", "/users", {"name": "alice", field: value}), 403, "field_forbidden")
    assert await everything(world) == before


async def test_a_whole_object_sent_back_is_accepted(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org", phone="+431234567")
    whole = (await alice.call("GET", "/users/me")).json()
    world.clock.advance(5)
    answer = await alice.call("PUT", "/users/me", whole | {"firstName": "Alice"})
    assert answer.status_code == 200
    unchanged = set(whole) - {"firstName", "dateModified", "version"}
    assert {key: answer.json()[key] for key in unchanged} == {key: whole[key] for key in unchanged}
    assert answer.json()["firstName"] == "Alice"
    assert answer.json()["version"] == 1
    assert answer.json()["dateModified"] > whole["dateModified"]


async def test_a_version_is_good_for_one_change(world: World) -> None:
    alice = await world.register("alice")
    assert (await alice.call("PUT", "/users/me", {"version": 0, "phone": "1"})).json()["version"] == 1
    refused(await alice.call("PUT", "/users/me", {"version": 0, "phone": "2"}), 409, "version_conflict")
    refused(await alice.call("PUT", "/users/me", {"version": 2, "phone": "2"}), 409, "version_conflict")
    assert (await alice.call("GET", "/users/me")).json()["phone"] == "1"


@pytest.mark.parametrize("version", ["0", 0.5, None, True, [0]])
async def test_a_version_is_a_whole_number(world: World, version: Any) -> None:
    alice = await world.register("alice")
    refused(await alice.call("PUT", "/users/me", {"version": version}), 400, "invalid_request")


async def test_others_may_not_change_or_erase_a_user(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    before = await everything(world)
    refused(await bob.call("PUT", f"/users/{alice.uid}", {"version": 0, "firstName": "X"}), 403, "forbidden")
    refused(await bob.call("DELETE", f"/users/{alice.uid}"), 403, "forbidden")
    assert await everything(world) == before


async def test_erasing_oneself_leaves_nothing(world: World) -> None:
    before = await everything(world)
    alice = await world.enrolled("alice")
    await alice.challenge()
    await alice.begin_enrollment()
    answer = await alice.call("DELETE", "/users/me")
    assert (answer.status_code, answer.content) == (204, b"")
    assert await everything(world) == before
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    assert (await world.register("alice")).uid != alice.uid


async def test_erasing_oneself_needs_a_fresh_proof(world: World) -> None:
    alice = await world.register("alice")
    world.clock.advance(601)
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json())
    step_up(await alice.call("DELETE", "/users/me"), "aal1")
    assert await count(world, "users") == 2


async def test_a_trusted_role_erases_a_user_with_a_fresh_proof(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    world.clock.advance(601)
    admin.hold((await world.call("POST", "/auth/refresh", {"refresh": admin.refresh})).json())
    step_up(await admin.call("DELETE", f"/users/{alice.uid}"), "aal1")
    await admin.login()
    assert (await admin.call("DELETE", f"/users/{alice.uid}")).status_code == 204
    refused(await admin.call("GET", f"/users/{alice.uid}"), 404, "not_found")


async def test_head_answers_what_get_answers_without_the_body(world: World) -> None:
    alice = await world.register("alice")
    got, head = await alice.call("GET", "/users/me"), await alice.call("HEAD", "/users/me")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == str(len(got.content))
