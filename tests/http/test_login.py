"""api.md section 4: the two doors."""

from base64 import b64encode
from typing import Any

import pytest

from tests.expect import granted, refused
from tests.surgery import count, everything, fetch, verify_email
from tests.world import PASSWORD, Person, World, basic

FULL = ["pwd", "otp", "mfa"]


async def test_a_password_opens_the_door_where_there_is_no_mfa(world: World) -> None:
    alice = await world.register("alice")
    for method in ("GET", "POST"):
        answer = await world.call(method, "/auth/password", headers=basic("alice", PASSWORD))
        body = granted(answer, "aal1", ["pwd"])
        assert body["userUid"] == alice.uid
        assert body["expiresIn"] == 600
        assert body["mfa"] == {"enabled": False, "backupCodesRemaining": 0}
        assert body["refresh"].startswith("spr_")


async def test_a_body_does_as_well_as_a_header(world: World) -> None:
    await world.register("alice")
    granted(await world.call("POST", "/auth/password", {"identifier": "alice", "password": PASSWORD}), "aal1", ["pwd"])


async def test_the_identifier_is_a_name_a_uid_or_a_verified_address(world: World) -> None:
    alice = await world.register("Alice", email="alice@example.org")
    for identifier in ("Alice", "alice", "ALICE", alice.uid):
        granted(await world.password(identifier, PASSWORD), "aal1", ["pwd"])
    for identifier in ("alice@example.org", alice.uid.upper(), "alic", "Alice ", "", alice.uid[:-1]):
        refused(await world.password(identifier, PASSWORD), 401, "invalid_credentials")
    await verify_email(alice)
    for identifier in ("alice@example.org", "ALICE@EXAMPLE.ORG"):
        granted(await world.password(identifier, PASSWORD), "aal1", ["pwd"])


async def test_the_value_is_split_at_the_first_colon_only(world: World) -> None:
    word = "a:b::c: with colons in it:"
    await world.register("alice", word)
    granted(await world.password("alice", word), "aal1", ["pwd"])


async def test_the_value_is_read_as_utf_8(world: World) -> None:
    word = "Übergrößenträger sind groß"
    await world.register("älice", word)
    granted(await world.password("älice", word), "aal1", ["pwd"])
    latin = b64encode(f"älice:{word}".encode("latin-1")).decode()
    answer = await world.call("GET", "/auth/password", headers={"authorization": f"Basic {latin}"})
    refused(answer, 401, "invalid_credentials")


async def test_no_credentials_at_all_are_told_from_wrong_ones(world: World) -> None:
    refused(await world.call("GET", "/auth/password"), 401, "unauthenticated")
    refused(await world.call("POST", "/auth/password"), 401, "unauthenticated")
    refused(await world.call("POST", "/auth/password", {}), 401, "unauthenticated")


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic YWxpY2U",
        "Basic YWxpY2U=",
        "Basic =",
        "Basic YQ==YQ==",
        "basic éé",
        "Bearer abc",
        "jwt abc",
        "Digest x",
        "Basic gICA",
    ],
)
async def test_a_header_that_cannot_be_read_is_the_same_refusal_as_wrong_credentials(world: World, value: str) -> None:
    await world.register("alice")
    headers = [(b"authorization", value.encode("latin-1")), (b"x-request-id", b"same")]
    unreadable = await world.client.get("/auth/password", headers=headers)
    wrong = await world.call("GET", "/auth/password", headers=basic("alice", "wrong") | {"x-request-id": "same"})
    refused(unreadable, 401, "invalid_credentials")
    assert unreadable.content == wrong.content
    assert unreadable.headers.raw == wrong.headers.raw


async def test_header_and_body_that_differ_are_refused(world: World) -> None:
    await world.register("alice")
    body = {"identifier": "alice", "password": PASSWORD}
    answer = await world.call("POST", "/auth/password", body, headers=basic("alice", PASSWORD))
    granted(answer, "aal1", ["pwd"])
    answer = await world.call("POST", "/auth/password", body, headers=basic("bob", PASSWORD))
    refused(answer, 400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        {"identifier": "alice"},
        {"password": PASSWORD},
        {"identifier": 7, "password": PASSWORD},
        {"identifier": "alice", "password": None},
        {"identifier": ["alice"], "password": PASSWORD},
    ],
)
async def test_half_a_credential_is_an_invalid_request(world: World, body: dict[str, Any]) -> None:
    await world.register("alice")
    refused(await world.call("POST", "/auth/password", body), 400, "invalid_request")


async def test_with_mfa_a_password_gives_a_challenge_and_nothing_else(world: World) -> None:
    alice = await world.enrolled("alice")
    sessions = await count(world, "sessions")
    answer = await world.password("alice", PASSWORD)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    body = answer.json()
    assert body == {
        "token": body["token"],
        "type": "CHALLENGE",
        "userUid": alice.uid,
        "expiresIn": 300,
        "factors": ["totp", "backup_code"],
    }
    assert body["token"].startswith("spc_")
    assert len(body["token"]) == 4 + 43
    assert await count(world, "sessions") == sessions


async def refused_logins(world: World) -> list[tuple[str, str]]:
    await world.register("alice")
    await world.register("bare", password=None)
    gone = await world.register("disabled")
    admin = await world.admin()
    await admin.call("PUT", f"/users/{gone.uid}", {"version": 0, "disabled": True})
    mfa = await world.enrolled("carol")
    return [
        ("nobody", PASSWORD),
        ("alice", "wrong"),
        ("alice", ""),
        ("", PASSWORD),
        ("bare", PASSWORD),
        ("disabled", PASSWORD),
        ("carol", "wrong"),
        ("carol", mfa.codes[0]),
        ("carol", "x" * 32),
        ("nobody@example.org", PASSWORD),
        (gone.uid, PASSWORD),
    ]


async def test_whatever_is_wrong_the_refusal_is_one_and_the_same(world: World) -> None:
    wrong = await refused_logins(world)
    before = await everything(world)
    answers = [
        await world.call("GET", "/auth/password", headers=basic(*one) | {"x-request-id": "same"}) for one in wrong
    ]
    for answer in answers:
        refused(answer, 401, "invalid_credentials")
        assert answer.content == answers[0].content
        assert answer.headers.raw == answers[0].headers.raw
    assert await everything(world) == before


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_one_step_on_either_side_is_accepted(world: World, steps: int) -> None:
    alice = await world.enrolled("alice")
    world.clock.advance(90)
    assert alice.phone
    granted(await world.answer(await alice.challenge(), alice.phone.code(steps)), "aal2", FULL)


@pytest.mark.parametrize("steps", [-20, -3, -2, 2, 3, 20])
async def test_two_steps_off_are_refused(world: World, steps: int) -> None:
    alice = await world.enrolled("alice")
    world.clock.advance(900)
    assert alice.phone
    problem = refused(await world.answer(await alice.challenge(), alice.phone.code(steps)), 401, "code_invalid")
    assert "clockOffsetSeconds" not in problem


async def test_after_a_step_it_and_everything_before_it_is_refused(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    world.clock.advance(90)
    granted(await world.answer(await alice.challenge(), alice.phone.code(1)), "aal2", FULL)
    for steps in (-1, 0, 1):
        refused(await world.answer(await alice.challenge(), alice.phone.code(steps)), 401, "code_invalid")
    world.clock.advance(60)
    granted(await world.answer(await alice.challenge(), alice.phone.code(0)), "aal2", FULL)


async def test_a_full_login_says_what_was_proven_and_what_is_left(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    world.clock.advance(30)
    body = granted(await world.answer(await alice.challenge(), alice.phone.code()), "aal2", FULL)
    assert body["userUid"] == alice.uid
    assert body["mfa"] == {"enabled": True, "backupCodesRemaining": 10}
    assert body["expiresIn"] == 600


async def test_the_challenge_travels_in_the_header_or_in_the_body(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    for scheme in ("jwt", "Bearer", "JWT"):
        world.clock.advance(30)
        headers = {"authorization": f"{scheme} {await alice.challenge()}"}
        granted(await world.call("POST", "/auth/totp", {"token": alice.phone.code()}, headers=headers), "aal2", FULL)
    world.clock.advance(30)
    body = {"token": alice.phone.code(), "challenge": await alice.challenge()}
    granted(await world.call("POST", "/auth/totp", body), "aal2", FULL)
    world.clock.advance(30)
    body = {"token": alice.phone.code(), "challenge": await alice.challenge()}
    headers = {"authorization": f"jwt {body['challenge']}"}
    granted(await world.call("POST", "/auth/totp", body, headers=headers), "aal2", FULL)


async def test_two_challenges_that_differ_are_refused_and_nothing_is_spent(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    world.clock.advance(30)
    first, second = await alice.challenge(), await alice.challenge()
    before = await everything(world)
    body, headers = {"token": alice.phone.code(), "challenge": first}, {"authorization": f"jwt {second}"}
    refused(await world.call("POST", "/auth/totp", body, headers=headers), 400, "invalid_request")
    assert await everything(world) == before


async def not_challenges(alice: Person) -> dict[str, str]:
    spent = await alice.challenge()
    assert alice.phone
    alice.world.clock.advance(30)
    await alice.world.answer(spent, alice.phone.code())
    return {
        "unknown": "spc_" + "A" * 43,
        "empty": "",
        "spent": spent,
        "access": alice.token,
        "refresh": alice.refresh,
        "garbage": "null",
        "code": alice.codes[0],
        "password": PASSWORD,
        "long": "x" * 4096,
    }


async def test_anything_but_an_open_challenge_is_refused(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    for given in (await not_challenges(alice)).values():
        world.clock.advance(30)
        before = await everything(world)
        body = {"token": alice.phone.code(), "challenge": given}
        refused(await world.call("POST", "/auth/totp", body), 401, "challenge_invalid")
        refused(await world.answer(given, alice.codes[1]), 401, "challenge_invalid")
        assert await everything(world) == before


async def test_no_challenge_is_no_login(world: World) -> None:
    alice = await world.enrolled("alice")
    refused(await world.call("POST", "/auth/totp", {"token": alice.codes[0]}), 401, "challenge_invalid")
    headers = basic("alice", PASSWORD)
    refused(
        await world.call("POST", "/auth/totp", {"token": alice.codes[0]}, headers=headers), 401, "challenge_invalid"
    )


@pytest.mark.parametrize("body", [None, {}, {"challenge": "x"}, {"code": "123456"}])
async def test_without_a_code_nothing_is_judged(world: World, body: Any) -> None:
    alice = await world.enrolled("alice")
    headers = {"authorization": f"jwt {await alice.challenge()}"}
    before = await everything(world)
    answer = await world.call("POST", "/auth/totp", body, headers=headers)
    assert answer.status_code == 400
    assert await everything(world) == before


@pytest.mark.parametrize(("seconds", "alive"), [(299, True), (300, False)])
async def test_a_challenge_lives_five_minutes(world: World, seconds: int, *, alive: bool) -> None:
    alice = await world.enrolled("alice")
    challenge = await alice.challenge()
    world.clock.advance(seconds)
    answer = await world.answer(challenge, alice.codes[0])
    if alive:
        granted(answer, "aal2", FULL)
    else:
        refused(answer, 401, "challenge_invalid")
        granted(await world.answer(await alice.challenge(), alice.codes[0]), "aal2", FULL)


async def test_five_wrong_codes_kill_a_challenge(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    challenge, other = await alice.challenge(), await alice.challenge()
    world.clock.advance(30)
    for _ in range(5):
        refused(await world.answer(challenge, alice.phone.wrong()), 401, "code_invalid")
    refused(await world.answer(challenge, alice.phone.code()), 401, "challenge_invalid")
    refused(await world.answer(challenge, alice.codes[0]), 401, "challenge_invalid")
    granted(await world.answer(other, alice.phone.code()), "aal2", FULL)


async def test_the_fifth_try_may_be_the_right_one(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    challenge = await alice.challenge()
    wrong = [alice.phone.wrong(), "0000-0000-0000-0000", "no code", "7"]
    for typed in wrong:
        refused(await world.answer(challenge, typed), 401, "code_invalid")
    granted(await world.answer(challenge, alice.codes[0]), "aal2", FULL)


async def test_a_challenge_is_good_once(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    challenge = await alice.challenge()
    granted(await world.answer(challenge, alice.codes[0]), "aal2", FULL)
    world.clock.advance(30)
    refused(await world.answer(challenge, alice.codes[1]), 401, "challenge_invalid")
    refused(await world.answer(challenge, alice.phone.code()), 401, "challenge_invalid")


async def test_twenty_challenges_are_open_at_most_and_the_oldest_goes(world: World) -> None:
    alice = await world.enrolled("alice")
    opened = []
    for _ in range(22):
        world.clock.advance(1)
        opened.append(await alice.challenge())
    assert await fetch(world, "SELECT count(*) FROM challenges WHERE user_id = :u", u=alice.uid) == [(20,)]
    for gone in opened[:2]:
        refused(await world.answer(gone, alice.codes[0]), 401, "challenge_invalid")
    granted(await world.answer(opened[2], alice.codes[0]), "aal2", FULL)
    granted(await world.answer(opened[21], alice.codes[1]), "aal2", FULL)


async def test_a_login_through_one_of_two_challenges_leaves_the_other_open(world: World) -> None:
    alice = await world.enrolled("alice")
    first, second = await alice.challenge(), await alice.challenge()
    granted(await world.answer(first, alice.codes[0]), "aal2", FULL)
    granted(await world.answer(second, alice.codes[1]), "aal2", FULL)


async def new_password(alice: Person) -> None:
    secret = (await alice.call("GET", "/users/me/secrets")).json()[0]
    body = {"version": secret["version"], "secret": "an entirely different sentence", "current": PASSWORD}
    answer = await alice.call("PUT", f"/users/me/secrets/{secret['uid']}", body)
    assert answer.status_code == 200


async def another_phone(alice: Person) -> None:
    await alice.enroll()


async def mfa_off(alice: Person) -> None:
    assert (await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")).status_code == 204


async def disabled(alice: Person) -> None:
    admin = await alice.world.admin()
    answer = await admin.call("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})
    assert answer.status_code == 200


async def deleted(alice: Person) -> None:
    assert (await alice.call("DELETE", "/users/me")).status_code == 204


@pytest.mark.parametrize("cause", [new_password, another_phone, mfa_off, disabled, deleted])
async def test_a_change_of_password_or_mfa_disabling_and_deleting_end_challenges(world: World, cause: Any) -> None:
    alice = await world.enrolled("alice")
    challenge, old = await alice.challenge(), alice.codes
    await cause(alice)
    sessions = await count(world, "sessions")
    for code in (old[0], alice.codes[0]):
        refused(await world.answer(challenge, code), 401, "challenge_invalid")
    assert await fetch(world, "SELECT 1 FROM challenges WHERE user_id = :u", u=alice.uid) == []
    assert await count(world, "sessions") == sessions


async def test_an_enabled_user_logs_in_again(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    await admin.call("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})
    refused(await world.password("alice", PASSWORD), 401, "invalid_credentials")
    await admin.call("PUT", f"/users/{alice.uid}", {"version": 1, "disabled": False})
    granted(await world.password("alice", PASSWORD), "aal1", ["pwd"])
    refused(await world.call("GET", "/users/me", headers=alice.auth), 401, "invalid_token")
