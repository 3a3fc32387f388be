"""Class B: a half-logged-in state treated as a session; step binding; token kinds mixed up.

GHSA-xg6x-h9c9-2m83 better-auth; GHSA-7mgc-c7pq-3rr3 Grav; GHSA-9phw-7h96-q3rv scheb/2fa; CVE-2024-28197 Zitadel;
CVE-2020-15105 django-two-factor-auth; CVE-2026-101023 Gitea; GHSA-hp74-gm6m-2qm5 Pocket ID.
"""

from base64 import b64encode
from pathlib import Path

import pytest

from tests.attacks.surface import guarded, knock
from tests.expect import claims, granted, refused, step_up
from tests.surgery import count, everything
from tests.world import PASSWORD, World, bearer

FULL = ["pwd", "otp", "mfa"]


async def test_a_challenge_is_refused_before_and_after_the_victim_was_seen(world: World) -> None:
    """better-auth: a session cached as valid before the second factor."""
    victim = await world.enrolled("victim")
    challenge = await victim.challenge()
    for _ in range(2):
        for route in guarded(world):
            refused(await knock(world, route, victim, bearer(challenge)), 401, "invalid_token")
        for cookie in ("session", "token", "jwt", "__Host-sallyport-client", "sallyport"):
            answer = await world.call("GET", "/users/me", headers={"cookie": f"{cookie}={challenge}"})
            refused(answer, 401, "unauthenticated")
        assert (await victim.call("GET", "/users/me")).status_code == 200


@pytest.mark.parametrize("body", [{"type": "mfa"}, {"type": "mfabackup"}, {"type": "password", "secret": "x" * 20}])
async def test_one_who_is_half_logged_in_makes_no_factor(world: World, body: dict[str, str]) -> None:
    """Grav: the half-authenticated user regenerated the TOTP secret."""
    victim = await world.enrolled("victim")
    challenge = await victim.challenge()
    before = await everything(world)
    for path in ("/users/me/secrets", f"/users/{victim.uid}/secrets"):
        refused(await world.call("POST", path, body, headers=bearer(challenge)), 401, "invalid_token")
    assert await everything(world) == before


async def test_the_first_step_hands_out_nothing_that_lasts(world: World) -> None:
    """scheb/2fa: the remember-me cookie was issued before the second factor."""
    await world.enrolled("victim")
    sessions, tokens = await count(world, "sessions"), await count(world, "refresh_tokens")
    answer = await world.password("victim", PASSWORD)
    assert set(answer.json()) == {"token", "type", "userUid", "expiresIn", "factors"}
    assert "set-cookie" not in answer.headers
    assert (await count(world, "sessions"), await count(world, "refresh_tokens")) == (sessions, tokens)


async def test_a_challenge_says_nothing_of_its_user(world: World) -> None:
    await world.enrolled("victim")
    token = (await world.password("victim", PASSWORD)).json()["token"]
    assert token.count(".") == 0
    assert "victim" not in token


async def test_no_login_goes_on_in_a_session_that_was_there_before(world: World) -> None:
    """CVE-2024-28197 Zitadel: session fixation ended in a bypass."""
    victim = await world.enrolled("victim")
    seen = {claims(victim.token)["sid"]}
    for number in range(3):
        challenge = await victim.challenge()
        body = granted(await world.answer(challenge, victim.codes[number]), "aal2", FULL)
        said = claims(body["token"])
        assert challenge not in (said["sid"], said["jti"], body["refresh"], body["token"])
        seen |= {said["sid"]}
    assert len(seen) == 4


@pytest.mark.parametrize("field", ["sid", "session", "sessionId", "uid", "acr", "amr"])
async def test_a_session_id_of_the_clients_choice_is_refused(world: World, field: str) -> None:
    victim = await world.enrolled("victim")
    chosen = "01912345-0000-7000-8000-000000000000"
    headers = {"authorization": f"jwt {await victim.challenge()}"}
    for path, body in (
        ("/auth/password", {"identifier": "victim", "password": PASSWORD, field: chosen}),
        ("/auth/totp", {"token": victim.codes[0], field: chosen}),
        ("/auth/refresh", {"refresh": victim.refresh, field: chosen}),
        ("/auth/elevate", {"password": PASSWORD, "token": victim.codes[0], field: chosen}),
    ):
        if path == "/auth/elevate":
            headers = victim.auth
        refused(await world.call("POST", path, body, headers=headers), 400, "unknown_field")


def content(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.sqlite_only("reads the bytes of the file")
async def test_the_password_stands_nowhere_between_the_steps(world: World, tmp_path: Path) -> None:
    """CVE-2020-15105 django-two-factor-auth: the password was kept in the session between the steps."""
    await world.enrolled("victim")
    answer = await world.password("victim", PASSWORD)
    raw = PASSWORD.encode()
    forms = [raw, raw.hex().encode(), raw.hex().upper().encode(), b64encode(raw).rstrip(b"=")]
    stored = content(tmp_path)
    for form in forms:
        assert form not in stored
        assert form not in answer.content


async def test_an_access_token_is_no_refresh_token_and_the_other_way_round(world: World) -> None:
    """CVE-2026-101023 Gitea: the refresh grant took access tokens."""
    victim = await world.enrolled("victim")
    challenge = await victim.challenge()
    before = await everything(world)
    for token in (victim.token, challenge):
        refused(await world.call("POST", "/auth/refresh", {"refresh": token}), 401, "invalid_token")
    for token in (victim.refresh, challenge):
        refused(await world.call("GET", "/users/me", headers=bearer(token)), 401, "invalid_token")
    assert await everything(world) == before


async def test_a_challenge_with_another_prefix_is_not_another_token(world: World) -> None:
    victim = await world.enrolled("victim")
    challenge = await victim.challenge()
    for wrong in ("spr_" + challenge[4:], challenge[4:], "spk_" + challenge[4:]):
        refused(await world.call("POST", "/auth/refresh", {"refresh": wrong}), 401, "invalid_token")
    wrong = "spc_" + victim.refresh[4:]
    refused(await world.answer(wrong, victim.codes[0]), 401, "challenge_invalid")


async def test_a_young_token_of_a_weaker_login_is_no_step_up(world: World) -> None:
    """Pocket ID: the step-up looked only at the age of the token."""
    victim = await world.register("victim")
    weak = victim.token
    await victim.enroll()
    for method, path, body in (
        ("POST", "/users/me/secrets", {"type": "mfa"}),
        ("DELETE", f"/users/me/secrets/{victim.totp}", None),
        ("DELETE", "/users/me", None),
    ):
        step_up(await world.call(method, path, body, headers=bearer(weak)), "aal2")
    assert (await victim.call("GET", "/users/me")).json()["mfaEnabled"] is True
