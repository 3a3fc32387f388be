"""api.md section 3: secrets of type `mfa`."""

import subprocess
from base64 import b32decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyotp
import pytest

from sallyport.kernel.clock import SECOND
from tests.conftest import MakeWorld
from tests.expect import AUTH_TOKEN, claims, granted, refused
from tests.surgery import everything, operate
from tests.world import PASSWORD, Phone, World, bearer

SECRET = {"uid", "userId", "type", "description", "dateCreated", "dateModified", "version", "lastUsed"}
MFA = SECRET | {"enrolled", "algorithm", "digits", "period"}


async def test_the_creation_answer_is_the_documented_one(world: World) -> None:
    alice = await world.register("alice")
    made = await alice.call("POST", "/users/me/secrets", {"type": "mfa", "description": "blue phone"})
    assert made.status_code == 200
    body = made.json()
    assert set(body) == MFA | {"secret"}
    assert (body["userId"], body["type"], body["enrolled"]) == (alice.uid, "mfa", False)
    assert (body["algorithm"], body["digits"], body["period"]) == ("SHA1", 6, 30)
    assert (body["description"], body["lastUsed"], body["version"]) == ("blue phone", None, 0)
    assert set(body["secret"]) == {"otpauth_url", "secret"}
    key = body["secret"]["secret"]
    assert body["secret"]["otpauth_url"] == (
        f"otpauth://totp/Sallyport:alice?secret={key}&issuer=Sallyport&algorithm=SHA1&digits=6&period=30"
    )
    assert "=" not in key
    assert len(b32decode(key)) == 20


async def test_the_issuer_and_the_name_are_written_as_a_uri_wants_them(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_ISSUER_NAME": "Größe & Söhne / AG?"})
    alice = await world.register("ali/ce?&é")
    body = (await alice.call("POST", "/users/me/secrets", {"type": "mfa"})).json()
    parts = urlsplit(body["secret"]["otpauth_url"])
    assert unquote(parts.path) == "/Größe & Söhne / AG?:ali/ce?&é"
    assert parse_qs(parts.query)["issuer"] == ["Größe & Söhne / AG?"]
    parsed = pyotp.parse_uri(body["secret"]["otpauth_url"])
    assert isinstance(parsed, pyotp.TOTP)
    assert (parsed.issuer, parsed.name, parsed.secret) == ("Größe & Söhne / AG?", "ali/ce?&é", body["secret"]["secret"])


def shown_by(oathtool: str, phone: Phone) -> str:
    """Return the code that oathtool shows for the key of a phone."""
    now = datetime.fromtimestamp(phone.clock.now() // SECOND, UTC)
    command = [oathtool, "--totp", "-b", phone.secret, "--now", f"{now:%Y-%m-%d %H:%M:%S} UTC"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


async def test_oathtool_reads_the_key(world: World, tool: Callable[[str], str]) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    code = shown_by(tool("oathtool"), alice.phone)
    assert (await alice.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": code})).status_code == 200


async def test_every_key_is_another(world: World) -> None:
    alice = await world.register("alice")
    keys = set()
    for _ in range(40):
        await alice.begin_enrollment()
        assert alice.phone
        keys.add(alice.phone.secret)
    assert len(keys) == 40


async def test_the_qr_code_is_drawn_only_when_it_is_asked_for(world: World) -> None:
    alice = await world.register("alice")
    made = await alice.call("POST", "/users/me/secrets?qr=svg", {"type": "mfa"})
    assert made.json()["secret"]["qr_svg"].startswith("<svg ")
    refused(await alice.call("POST", "/users/me/secrets?qr=png", {"type": "mfa"}), 400, "invalid_request")
    listed = (await alice.call("GET", "/users/me/secrets")).json()
    assert len([secret for secret in listed if secret["type"] == "mfa"]) == 1


async def test_it_needs_a_password_first(world: World) -> None:
    alice = await world.register("alice", password=None)
    refused(await alice.call("POST", "/users/me/secrets", {"type": "mfa"}), 409, "password_required")
    await alice.call("POST", "/users/me/secrets", {"type": "password", "secret": PASSWORD})
    await alice.login()
    await alice.enroll()


async def test_a_pending_authenticator_has_no_effect_on_login(world: World) -> None:
    alice = await world.register("alice")
    await alice.begin_enrollment()
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is False
    granted(await world.password("alice", PASSWORD), "aal1", ["pwd"])


@pytest.mark.parametrize(("seconds", "status"), [(599, 200), (600, 404), (3600, 404)])
async def test_a_pending_authenticator_lives_ten_minutes(world: World, seconds: int, status: int) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    world.clock.advance(seconds)
    alice.hold((await world.password("alice", PASSWORD)).json())
    answer = await alice.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": alice.phone.code()})
    assert answer.status_code == status
    if status == 404:
        refused(answer, 404, "not_found")
        refused(await alice.call("GET", f"/users/me/secrets/{uid}"), 404, "not_found")
        assert (await alice.call("GET", "/users/me/secrets/count")).json() == {"count": 1}


async def test_a_pending_authenticator_is_replaced_by_the_next(world: World) -> None:
    alice = await world.register("alice")
    first = await alice.begin_enrollment()
    old = alice.phone
    second = await alice.begin_enrollment()
    assert old
    assert first != second
    refused(await alice.call("PUT", f"/users/me/secrets/{first}/enroll", {"token": old.code()}), 404, "not_found")
    wrong = await alice.call("PUT", f"/users/me/secrets/{second}/enroll", {"token": old.code()})
    refused(wrong, 400, "code_invalid")
    assert (await alice.call("GET", "/users/me/secrets/count")).json() == {"count": 2}


async def test_a_pending_authenticator_dies_after_five_wrong_codes(world: World) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    path = f"/users/me/secrets/{uid}/enroll"
    for _ in range(5):
        refused(await alice.call("PUT", path, {"token": alice.phone.wrong()}), 400, "code_invalid")
    refused(await alice.call("PUT", path, {"token": alice.phone.code()}), 404, "not_found")
    refused(await alice.call("GET", f"/users/me/secrets/{uid}"), 404, "not_found")
    await alice.enroll()


async def test_the_fifth_code_may_be_the_right_one(world: World) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    path = f"/users/me/secrets/{uid}/enroll"
    for _ in range(4):
        refused(await alice.call("PUT", path, {"token": alice.phone.wrong()}), 400, "code_invalid")
    assert (await alice.call("PUT", path, {"token": alice.phone.code()})).status_code == 200


@pytest.mark.parametrize("tail", ["", "/enroll"])
async def test_enrolling_answers_with_codes_and_a_session_at_the_higher_level(world: World, tail: str) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    sid = claims(alice.token)["sid"]
    world.clock.advance(60)
    answer = await alice.call("PUT", f"/users/me/secrets/{uid}{tail}", {"token": alice.phone.code()})
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == MFA | {"codes", "session"}
    assert (body["uid"], body["enrolled"], body["version"]) == (uid, True, 1)
    assert len(set(body["codes"])) == 10
    assert set(body["session"]) == AUTH_TOKEN
    assert body["session"]["mfa"] == {"enabled": True, "backupCodesRemaining": 10}
    said = claims(body["session"]["token"])
    assert (said["acr"], said["amr"], said["sid"]) == ("aal2", ["pwd", "otp", "mfa"], sid)
    assert said["auth_time"] == world.clock.now() // SECOND
    assert (await world.call("GET", "/users/me", headers=bearer(body["session"]["token"]))).json()["mfaEnabled"] is True


async def test_token_stands_alone_where_it_enrolls(world: World) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    body = {"token": alice.phone.code(), "version": 0}
    refused(await alice.call("PUT", f"/users/me/secrets/{uid}", body), 400, "invalid_request")
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is False


async def test_every_other_session_and_every_old_refresh_token_ends_with_enrollment(world: World) -> None:
    alice = await world.register("alice")
    other = (await world.password("alice", PASSWORD)).json()
    old = alice.refresh
    await alice.enroll()
    refused(await world.call("GET", "/users/me", headers=bearer(other["token"])), 401, "invalid_token")
    for spent in (other["refresh"], old):
        refused(await world.call("POST", "/auth/refresh", {"refresh": spent}), 401, "invalid_token")
    assert (await alice.call("GET", "/users/me")).status_code == 200
    assert len((await alice.call("GET", "/users/me/sessions")).json()) == 1


async def test_the_code_of_enrollment_is_no_good_for_a_login(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    refused(await world.answer(await alice.challenge(), alice.phone.code()), 401, "code_invalid")
    world.clock.advance(30)
    granted(await world.answer(await alice.challenge(), alice.phone.code()), "aal2", ["pwd", "otp", "mfa"])


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_one_step_on_either_side_enrolls(world: World, steps: int) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    answer = await alice.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": alice.phone.code(steps)})
    assert answer.status_code == 200


@pytest.mark.parametrize("steps", [-20, -19, -2, 2, 3, 20])
async def test_a_code_out_of_step_tells_how_far_the_clock_is_ahead_and_is_never_accepted(
    world: World, steps: int
) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    path = f"/users/me/secrets/{uid}/enroll"
    answer = await alice.call("PUT", path, {"token": alice.phone.code(steps)})
    assert refused(answer, 400, "code_out_of_step")["clockOffsetSeconds"] == steps * 30
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is False


@pytest.mark.parametrize("steps", [-22, -21, 21, 22])
async def test_a_code_further_off_is_just_wrong(world: World, steps: int) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    answer = await alice.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": alice.phone.code(steps)})
    problem = refused(answer, 400, "code_invalid")
    assert "clockOffsetSeconds" not in problem


@pytest.mark.parametrize("typed", ["12345", "1234567", "abcdef", "0000-0000-0000-0000", "12345x"])
async def test_what_is_no_totp_code_is_a_wrong_one(world: World, typed: str) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    refused(await alice.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": typed}), 400, "code_invalid")


async def test_enrolling_twice_gives_no_new_codes(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    world.clock.advance(30)
    before = await everything(world)
    for tail in ("", "/enroll"):
        answer = await alice.call("PUT", f"/users/me/secrets/{alice.totp}{tail}", {"token": alice.phone.code()})
        assert "codes" not in refused(answer, 409, "already_enrolled")
    assert await everything(world) == before


@pytest.mark.parametrize("type_", ["password", "mfabackup"])
async def test_only_an_authenticator_app_is_enrolled(world: World, type_: str) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    uid = next(one["uid"] for one in (await alice.call("GET", "/users/me/secrets")).json() if one["type"] == type_)
    for tail in ("", "/enroll"):
        answer = await alice.call("PUT", f"/users/me/secrets/{uid}{tail}", {"token": alice.phone.code()})
        refused(answer, 400, "invalid_request")


async def test_five_are_enrolled_at_most_and_each_of_them_opens_the_door(world: World) -> None:
    alice = await world.register("alice")
    phones: list[Phone] = []
    for _ in range(5):
        await alice.enroll()
        assert alice.phone
        phones.append(alice.phone)
    refused(await alice.call("POST", "/users/me/secrets", {"type": "mfa"}), 409, "limit_reached")
    world.clock.advance(30)
    for phone in phones:
        granted(await world.answer(await alice.challenge(), phone.code()), "aal2", ["pwd", "otp", "mfa"])
    assert (await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")).status_code == 204
    assert (await alice.call("POST", "/users/me/secrets", {"type": "mfa"})).status_code == 200


async def test_each_enrollment_makes_new_codes_and_voids_the_old(world: World) -> None:
    alice = await world.enrolled("alice")
    old = alice.codes
    await alice.enroll()
    assert not set(old) & set(alice.codes)
    for code in old[:3]:
        refused(await world.answer(await alice.challenge(), code), 401, "code_invalid")
    granted(await world.answer(await alice.challenge(), alice.codes[0]), "aal2", ["pwd", "otp", "mfa"])
    listed = (await alice.call("GET", "/users/me/secrets")).json()
    assert [secret["type"] for secret in listed].count("mfabackup") == 1


async def test_a_second_pending_one_leaves_the_first_enrolled_in_force(world: World) -> None:
    alice = await world.enrolled("alice")
    phone, codes = alice.phone, alice.codes
    await alice.begin_enrollment()
    assert phone
    world.clock.advance(30)
    granted(await world.answer(await alice.challenge(), phone.code()), "aal2", ["pwd", "otp", "mfa"])
    granted(await world.answer(await alice.challenge(), codes[0]), "aal2", ["pwd", "otp", "mfa"])


async def test_a_pending_one_answers_no_challenge(world: World) -> None:
    alice = await world.enrolled("alice")
    await alice.begin_enrollment()
    assert alice.phone
    refused(await world.answer(await alice.challenge(), alice.phone.code()), 401, "code_invalid")


async def test_deleting_one_of_two_leaves_mfa_on(world: World) -> None:
    alice = await world.enrolled("alice")
    lost, kept_uid = alice.phone, ""
    lost_uid = alice.totp
    await alice.enroll()
    kept_uid = alice.totp
    assert lost
    assert alice.phone
    challenge = await alice.challenge()
    assert (await alice.call("DELETE", f"/users/me/secrets/{lost_uid}")).status_code == 204
    refused(await world.answer(challenge, alice.phone.code(1)), 401, "challenge_invalid")
    world.clock.advance(30)
    refused(await world.answer(await alice.challenge(), lost.code()), 401, "code_invalid")
    granted(await world.answer(await alice.challenge(), alice.phone.code()), "aal2", ["pwd", "otp", "mfa"])
    granted(await world.answer(await alice.challenge(), alice.codes[0]), "aal2", ["pwd", "otp", "mfa"])
    assert kept_uid in [one["uid"] for one in (await alice.call("GET", "/users/me/secrets")).json()]


async def test_deleting_the_last_one_switches_mfa_off_and_deletes_the_codes(world: World) -> None:
    alice = await world.enrolled("alice")
    refresh = alice.refresh
    await alice.begin_enrollment()
    assert (await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")).status_code == 204
    user = (await alice.call("GET", "/users/me")).json()
    assert user["mfaEnabled"] is False
    listed = (await alice.call("GET", "/users/me/secrets")).json()
    assert [(secret["type"], secret.get("enrolled")) for secret in listed] == [("password", None), ("mfa", False)]
    body = granted(await world.password("alice", PASSWORD), "aal1", ["pwd"])
    assert body["mfa"] == {"enabled": False, "backupCodesRemaining": 0}
    # The caller's session goes on at aal1 by refresh.
    granted(await world.call("POST", "/auth/refresh", {"refresh": refresh}), "aal1", ["pwd"])


async def test_a_fresh_start_after_mfa_was_off_has_a_fresh_key(world: World) -> None:
    alice = await world.enrolled("alice")
    old = alice.phone
    await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")
    await alice.enroll()
    assert old
    world.clock.advance(30)
    refused(await world.answer(await alice.challenge(), old.code()), 401, "code_invalid")


async def test_the_key_is_shown_once_and_nowhere_else(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    uid, admin = alice.totp, await world.admin()
    answers: list[Any] = [
        await alice.call("GET", f"/users/me/secrets/{uid}"),
        await alice.call("GET", "/users/me/secrets"),
        await alice.call("PUT", f"/users/me/secrets/{uid}", {"version": 1, "description": "x"}),
        await admin.call("GET", f"/users/{alice.uid}/secrets/{uid}"),
        await admin.call("GET", f"/users/{alice.uid}/secrets"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert alice.phone.secret not in answer.text
        assert "otpauth" not in answer.text
        assert not any(code in answer.text for code in alice.codes)


async def test_steps_are_spent_by_authenticator_and_not_for_all(world: World) -> None:
    alice, bob = await world.enrolled("alice"), await world.enrolled("bob")
    assert alice.phone
    assert bob.phone
    world.clock.advance(30)
    await operate(world, "UPDATE totp SET last_step = :s WHERE id = :i", s=2**40, i=alice.totp)
    refused(await world.answer(await alice.challenge(), alice.phone.code()), 401, "code_invalid")
    granted(await world.answer(await bob.challenge(), bob.phone.code()), "aal2", ["pwd", "otp", "mfa"])
