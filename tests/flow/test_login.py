"""The two doors, the fresh proof, and who may come in."""

import base64
from pathlib import Path
from typing import Any

import argon2
import httpx2
import pytest

from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.hashing import Cost
from sallyport.kernel.clock import SECOND
from sallyport.kernel.vault import Place
from sallyport.wiring import Machine, build
from tests.conftest import MakeWorld
from tests.world import ADMIN_PASSWORD, PASSWORD, Person, World, bearer, client_of, service_in


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    read: dict[str, Any] = httpx2.Response(200, content=base64.urlsafe_b64decode(payload + "==")).json()
    return read


@pytest.mark.parametrize(
    ("identifier", "password"),
    [
        ("alice", "wrong horse battery staple"),
        ("nobody", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("0190b3c4-0000-7000-8000-000000000000", PASSWORD),
        ("not a name", PASSWORD),
        ("x" * 65, PASSWORD),
        ("", PASSWORD),
        ("bare", PASSWORD),
        ("barred", PASSWORD),
    ],
)
async def test_whatever_is_wrong_has_one_answer(world: World, identifier: str, password: str) -> None:
    await world.register("alice")
    await world.register("bare", password=None)
    barred = await world.register("barred")
    desk = await world.admin()
    await desk.call("PUT", f"/users/{barred.uid}", {"version": 0, "disabled": True})
    assert refusal(await world.password(identifier, password)) == (401, "invalid_credentials")


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic /w==", "Basic YWxpY2U=", "Basic é", "Bearer YTpi"])
async def test_a_header_that_is_no_basic_credential_is_a_wrong_one(world: World, header: str) -> None:
    answer = await world.client.get("/auth/password", headers=[(b"authorization", header.encode("latin-1"))])
    assert refusal(answer) == (401, "invalid_credentials")


async def test_name_and_uid_name_the_same_user(world: World) -> None:
    alice = await world.register("Alice")
    for identifier in ("alice", "ALICE", alice.uid):
        answer = await world.password(identifier, PASSWORD)
        assert answer.json()["userUid"] == alice.uid


async def test_a_claimed_address_opens_nothing_before_it_is_verified(world: World) -> None:
    await world.register("alice", email="alice@example.org")
    assert refusal(await world.password("alice@example.org", PASSWORD)) == (401, "invalid_credentials")


async def test_with_mfa_the_password_alone_opens_no_session(world: World) -> None:
    alice = await world.enrolled("alice")
    before = (await alice.call("GET", "/users/me/sessions")).json()
    answer = (await world.password("alice", PASSWORD)).json()
    assert answer["type"] == "CHALLENGE"
    assert set(answer) == {"token", "type", "userUid", "expiresIn", "factors"}
    assert (await alice.call("GET", "/users/me/sessions")).json() == before


async def test_a_right_code_gives_what_was_proven(world: World) -> None:
    alice = await world.enrolled("alice")
    await alice.login()
    assert (claims(alice.token)["acr"], claims(alice.token)["amr"]) == ("aal2", ["pwd", "otp", "mfa"])
    assert claims(alice.token)["auth_time"] == world.clock.now() // SECOND


async def test_a_code_of_any_enrolled_authenticator_opens(world: World) -> None:
    alice = await world.enrolled("alice")
    first, codes = alice.phone, alice.codes
    world.clock.advance(30)
    await alice.enroll()
    assert alice.codes != codes
    second = alice.phone
    for phone in (second, first):
        alice.phone = phone
        await alice.login()


async def test_backup_codes_open_once_and_are_counted(world: World) -> None:
    alice = await world.enrolled("alice")
    typed = alice.codes[0].lower().replace("-", " ")
    granted = await world.answer(await alice.challenge(), typed)
    assert granted.json()["mfa"] == {"enabled": True, "backupCodesRemaining": 9}
    assert claims(granted.json()["token"])["amr"] == ["pwd", "otp", "mfa"]
    assert refusal(await world.answer(await alice.challenge(), alice.codes[0])) == (401, "code_invalid")


async def test_backup_codes_of_another_user_open_nothing(world: World) -> None:
    alice, bob = await world.enrolled("alice"), await world.enrolled("bob")
    assert refusal(await world.answer(await alice.challenge(), bob.codes[0])) == (401, "code_invalid")
    await bob.login()


async def test_without_a_set_of_codes_a_backup_code_is_wrong(world: World) -> None:
    alice = await world.enrolled("alice")
    secrets = (await alice.call("GET", "/users/me/secrets")).json()
    held = next(secret["uid"] for secret in secrets if secret["type"] == "mfabackup")
    assert (await alice.call("DELETE", f"/users/me/secrets/{held}")).status_code == 204
    assert refusal(await world.answer(await alice.challenge(), alice.codes[0])) == (401, "code_invalid")
    await alice.login()


@pytest.mark.parametrize("typed", ["12345", "1234567", 1_000_000, "no code at all"])
async def test_what_can_be_no_code_is_a_wrong_one_and_a_try(world: World, typed: str | int) -> None:
    alice = await world.enrolled("alice")
    challenge = await alice.challenge()
    for _ in range(5):
        assert refusal(await world.answer(challenge, typed)) == (401, "code_invalid")
    world.clock.advance(30)
    assert alice.phone
    assert refusal(await world.answer(challenge, alice.phone.code())) == (401, "challenge_invalid")


async def test_a_challenge_dies_with_its_time(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    challenge = await alice.challenge()
    world.clock.advance(300)
    assert refusal(await world.answer(challenge, alice.phone.code())) == (401, "challenge_invalid")
    in_time = await alice.challenge()
    world.clock.advance(299.999999)
    assert (await world.answer(in_time, alice.phone.code())).status_code == 200


async def test_of_more_than_twenty_challenges_the_oldest_go(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    challenges = []
    for _ in range(21):
        challenges.append(await alice.challenge())
        world.clock.advance(1)
    world.clock.advance(30)
    assert refusal(await world.answer(challenges[0], alice.phone.code())) == (401, "challenge_invalid")
    assert (await world.answer(challenges[1], alice.phone.code())).status_code == 200


async def test_elevation_renews_the_proof_of_the_same_session(world: World) -> None:
    alice = await world.register("alice")
    before = claims(alice.token)
    world.clock.advance(601)
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json())
    assert claims(alice.token)["auth_time"] == before["auth_time"]
    answer = await alice.call("POST", "/auth/elevate", {"password": PASSWORD})
    after = claims(answer.json()["token"])
    assert (after["sid"], after["auth_time"]) == (before["sid"], world.clock.now() // SECOND)
    assert refusal(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})) == (401, "invalid_token")


async def test_elevation_wants_the_password_and_where_mfa_is_on_a_code(world: World) -> None:
    alice, bob = await world.enrolled("alice"), await world.register("bob", password=None)
    assert alice.phone
    world.clock.advance(30)
    wrong, code = alice.phone.wrong(), alice.phone.code()
    for body, expected in (
        ({"password": PASSWORD}, (400, "invalid_request")),
        ({"password": "wrong horse battery", "token": code}, (401, "invalid_credentials")),
        ({"password": PASSWORD, "token": wrong}, (401, "code_invalid")),
    ):
        assert refusal(await alice.call("POST", "/auth/elevate", body)) == expected
    granted = await alice.call("POST", "/auth/elevate", {"password": PASSWORD, "token": code})
    assert claims(granted.json()["token"])["acr"] == "aal2"
    refused = await bob.call("POST", "/auth/elevate", {"password": PASSWORD})
    assert refusal(refused) == (401, "invalid_credentials")


async def test_without_mfa_a_code_beside_the_password_proves_nothing(world: World) -> None:
    alice = await world.register("alice")
    granted = await alice.call("POST", "/auth/elevate", {"password": PASSWORD, "token": "123456"})
    assert claims(granted.json()["token"])["amr"] == ["pwd"]


async def test_a_backup_code_is_no_password_unless_the_operator_says_so(make_world: MakeWorld) -> None:
    strict: World = await make_world()
    alice = await strict.enrolled("alice")
    assert refusal(await strict.password("alice", alice.codes[0])) == (401, "invalid_credentials")


async def test_a_backup_code_as_a_password_opens_once_and_proves_little(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": "true"})
    alice, _ = await world.enrolled("alice"), await world.register("bob")
    granted = await world.password("alice", alice.codes[0])
    said = claims(granted.json()["token"])
    assert (said["acr"], said["amr"]) == ("aal1", ["otp"])
    refused = await world.call("POST", "/users/me/secrets", {"type": "mfa"}, headers=bearer(granted.json()["token"]))
    assert refusal(refused) == (401, "step_up_required")
    for name, value in (
        ("alice", alice.codes[0]),
        ("alice", "0000-0000-0000-0000"),
        ("alice", "no code"),
        ("bob", alice.codes[1]),
    ):
        assert refusal(await world.password(name, value)) == (401, "invalid_credentials")
    secrets = (await alice.call("GET", "/users/me/secrets")).json()
    held = next(secret["uid"] for secret in secrets if secret["type"] == "mfabackup")
    await alice.call("DELETE", f"/users/me/secrets/{held}")
    assert refusal(await world.password("alice", alice.codes[1])) == (401, "invalid_credentials")


async def test_a_backup_code_of_a_disabled_user_opens_nothing(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": "true"})
    alice, desk = await world.enrolled("alice"), await world.admin()
    version = (await alice.call("GET", "/users/me")).json()["version"]
    await desk.call("PUT", f"/users/{alice.uid}", {"version": version, "disabled": True})
    assert refusal(await world.password("alice", alice.codes[0])) == (401, "invalid_credentials")


async def test_a_hash_of_outgrown_cost_is_made_anew_by_the_next_login(world: World) -> None:
    alice = await world.register("alice")
    settings = world.service.settings
    dearer = build(settings, Machine(clock=world.clock, cost=Cost(memory_kib=16, passes=3)))
    try:
        async with client_of(dearer) as client:
            node = World(dearer, client, world.clock)
            assert await cost_of(node, alice) == (8, 1)
            for _ in range(2):
                assert (await node.password("alice", PASSWORD)).status_code == 200
                assert await cost_of(node, alice) == (16, 3)
            assert refusal(await node.password("alice", "wrong horse battery")) == (401, "invalid_credentials")
    finally:
        dearer.close()


async def cost_of(world: World, person: Person) -> tuple[int, int]:
    """Return memory and passes of the hash that is stored."""
    held = await world.service.work.read(lambda rows: passwords.of_user(rows, person.uid))
    assert held
    place = Place(table="passwords", column="hash_sealed", user=person.uid, row=held.kept.uid)
    written = argon2.extract_parameters(world.service.vault.open(held.kept.hash_sealed, place).reveal().decode())
    return written.memory_cost, written.time_cost


async def test_the_first_start_makes_one_admin_and_a_second_none(world: World) -> None:
    assert await world.service.first_start() is None
    desk = await world.admin()
    assert (await desk.call("GET", "/users/me")).json()["roles"] == ["admin"]


async def test_without_a_chosen_password_the_first_admin_gets_a_random_one(tmp_path: Path, world: World) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir()
    service = service_in(folder, world.clock, {"SALLYPORT_ADMIN_PASSWORD": ""})
    try:
        first = await service.first_start()
        assert first
        assert first.drawn
        assert len(first.drawn.reveal()) == 32
        assert first.drawn.reveal() != ADMIN_PASSWORD
    finally:
        service.close()


async def test_the_first_admins_password_is_the_same_in_every_unicode_form(make_world: MakeWorld) -> None:
    chosen = "e\u0301le\u0300ve of the old school"
    world: World = await make_world({"SALLYPORT_ADMIN_PASSWORD": chosen})
    assert (await world.password("admin", chosen)).status_code == 200
