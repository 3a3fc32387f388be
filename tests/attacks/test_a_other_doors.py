"""Class A: the second step skipped through another door.

CVE-2026-33315, CVE-2026-34727 Vikunja; CVE-2026-32246 Tinyauth; CVE-2025-55070, CVE-2025-25068 Mattermost;
CVE-2026-30831 Rocket.Chat; CVE-2022-24857 django-mfa3; GHSA-89px-ww3j-g2mm wagtail-2fa; CVE-2021-39890 GitLab;
CVE-2026-49443 authentik; CVE-2024-45042 Kratos; CVE-2025-64103 Zitadel; CVE-2026-9091 Casdoor; CVE-2026-115829 Delinea.
"""

import random
from typing import Any

import pytest

from tests.attacks.surface import guarded, knock, opens_nothing, routes
from tests.conftest import MakeWorld
from tests.expect import claims, granted, refused
from tests.surgery import count, everything
from tests.world import PASSWORD, Person, World, basic

PREFIXES = ["", "/v1"]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_password_in_a_basic_header_opens_no_route(world: World, prefix: str) -> None:
    victim = await world.enrolled("victim")
    before = await everything(world)
    for route in guarded(world):
        answer = await knock(world, route, victim, basic("victim", PASSWORD), prefix)
        refused(answer, 401, "unauthenticated")
    assert await everything(world) == before


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_the_first_factor_alone_makes_no_session_on_any_route(world: World, prefix: str) -> None:
    victim = await world.enrolled("victim")
    sessions = await count(world, "sessions")
    for route in routes(world):
        for headers in (basic("victim", PASSWORD), {"authorization": f"jwt {await victim.challenge()}"}):
            opens_nothing(await knock(world, route, victim, headers, prefix))
    assert await count(world, "sessions") == sessions


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("scheme", ["jwt", "Bearer"])
async def test_a_challenge_opens_no_route_but_its_own(world: World, prefix: str, scheme: str) -> None:
    victim = await world.enrolled("victim")
    headers = {"authorization": f"{scheme} {await victim.challenge()}"}
    before = await everything(world)
    for route in guarded(world):
        refused(await knock(world, route, victim, headers, prefix), 401, "invalid_token")
    assert await everything(world) == before


@pytest.mark.parametrize(
    "path",
    [
        "//users/me",
        "/v1//users/me",
        "/auth/../users/me",
        "/users/me/",
        "/users/me;x",
        "/USERS/me",
        "/users//me",
        "/./users/me",
        "/healthz/../users/me",
        "/docs/users/me",
        "/ws",
        "/admin",
        "/static",
        "/graphql",
        "/caldav",
        "/api/users/me",
    ],
)
async def test_no_other_spelling_of_a_path_is_a_door(world: World, path: str) -> None:
    victim = await world.enrolled("victim")
    for headers in (basic("victim", PASSWORD), {"authorization": f"jwt {await victim.challenge()}"}):
        answer = await world.call("GET", path, headers=headers)
        assert answer.status_code in {401, 404}
        opens_nothing(answer)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b'""',
        b"{",
        b'{"token": null}',
        b'{"token": ""}',
        b'{"token": []}',
        b'{"token": {}}',
        b'{"token": true}',
        b'{"token": 0}',
        b'{"token": "000000"}',
        b"token=123456",
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
async def test_an_empty_or_odd_answer_passes_no_step(world: World, raw: bytes, content_type: str) -> None:
    victim = await world.enrolled("victim")
    sessions = await count(world, "sessions")
    for challenge in ({"authorization": f"jwt {await victim.challenge()}"}, {}):
        answer = await world.call("POST", "/auth/totp", raw, headers={"content-type": content_type} | challenge)
        assert answer.status_code in {400, 401, 415}
        opens_nothing(answer)
    assert await count(world, "sessions") == sessions


async def bare(person: Person) -> None:
    """Leave the account as it was registered: a password alone."""


async def pending(person: Person) -> None:
    await person.begin_enrollment()


async def enrolled(person: Person) -> None:
    await person.enroll()


async def two_phones(person: Person) -> None:
    await person.enroll()
    await person.enroll()


async def no_codes_left(person: Person) -> None:
    await person.enroll()
    for code in person.codes:
        await person.world.answer(await person.challenge(), code)


async def no_set(person: Person) -> None:
    await person.enroll()
    listed = (await person.call("GET", "/users/me/secrets")).json()
    uid = next(one["uid"] for one in listed if one["type"] == "mfabackup")
    assert (await person.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204


async def one_of_two_gone(person: Person) -> None:
    await person.enroll()
    first = person.totp
    await person.enroll()
    assert (await person.call("DELETE", f"/users/me/secrets/{first}")).status_code == 204


async def enrolled_and_pending(person: Person) -> None:
    await person.enroll()
    await person.begin_enrollment()


async def password_changed(person: Person) -> None:
    await person.enroll()
    secret = (await person.call("GET", "/users/me/secrets")).json()[0]
    body = {"version": secret["version"], "secret": "an entirely different sentence", "current": PASSWORD}
    answer = await person.call("PUT", f"/users/me/secrets/{secret['uid']}", body)
    assert answer.status_code == 200
    person.password = body["secret"]
    person.hold(answer.json()["session"])


async def codes_made_anew(person: Person) -> None:
    await person.enroll()
    assert (await person.call("POST", "/users/me/secrets", {"type": "mfabackup"})).status_code == 200


async def logged_in_before(person: Person) -> None:
    await person.enroll()
    await person.login()


async def disabled_for_a_while(person: Person) -> None:
    await person.enroll()
    admin = await person.world.admin()
    for version, state in enumerate((True, False)):
        body = {"version": version, "disabled": state}
        assert (await admin.call("PUT", f"/users/{person.uid}", body)).status_code == 200
    await person.login()


async def off_again(person: Person) -> None:
    await person.enroll()
    assert (await person.call("DELETE", f"/users/me/secrets/{person.totp}")).status_code == 204


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (bare, "ACCESS"),
        (pending, "ACCESS"),
        (enrolled, "CHALLENGE"),
        (two_phones, "CHALLENGE"),
        (no_codes_left, "CHALLENGE"),
        (no_set, "CHALLENGE"),
        (one_of_two_gone, "CHALLENGE"),
        (enrolled_and_pending, "CHALLENGE"),
        (password_changed, "CHALLENGE"),
        (codes_made_anew, "CHALLENGE"),
        (logged_in_before, "CHALLENGE"),
        (disabled_for_a_while, "CHALLENGE"),
        (off_again, "ACCESS"),
    ],
)
async def test_the_wanted_level_follows_from_what_is_enrolled(world: World, state: Any, kind: str) -> None:
    victim = await world.register("victim")
    await state(victim)
    for method in ("GET", "POST"):
        for prefix in PREFIXES:
            answer = await world.call(method, f"{prefix}/auth/password", headers=basic("victim", victim.password))
            assert answer.json()["type"] == kind
    assert (await victim.call("GET", "/users/me")).json()["mfaEnabled"] is (kind == "CHALLENGE")


async def test_the_second_factor_alone_is_not_enough(world: World) -> None:
    """CVE-2026-115829 Delinea: forged and guessed challenges."""
    victim = await world.enrolled("victim")
    genuine = await victim.challenge()
    chance = random.Random(7)
    guesses = [
        "",
        "spc_",
        victim.uid,
        genuine[:-1],
        genuine + "A",
        genuine.swapcase(),
        genuine[4:],
        f" {genuine[::-1]}",
    ]
    guesses += ["spc_" + "".join(chance.choices("ABCDEFabcdef0123-_", k=43)) for _ in range(50)]
    before = await everything(world)
    for guess in guesses:
        body = {"token": victim.codes[0], "challenge": guess}
        refused(await world.call("POST", "/auth/totp", body), 401, "challenge_invalid")
    assert await everything(world) == before
    granted(await world.answer(genuine, victim.codes[0]), "aal2", ["pwd", "otp", "mfa"])


async def test_a_challenge_is_for_the_one_whose_password_made_it(world: World) -> None:
    victim, attacker = await world.enrolled("victim"), await world.enrolled("attacker")
    world.clock.advance(30)
    assert victim.phone
    assert attacker.phone
    refused(await world.answer(await attacker.challenge(), victim.phone.code()), 401, "code_invalid")
    refused(await world.answer(await attacker.challenge(), victim.codes[0]), 401, "code_invalid")
    refused(await world.answer(await victim.challenge(), attacker.phone.code()), 401, "code_invalid")
    body = {"token": attacker.phone.code(), "challenge": await attacker.challenge(), "userUid": victim.uid}
    refused(await world.call("POST", "/auth/totp", body), 400, "unknown_field")
    body.pop("userUid")
    answer = await world.client.post("/auth/totp", json=body, params={"userUid": victim.uid})
    assert claims(granted(answer, "aal2", ["pwd", "otp", "mfa"])["token"])["sub"] == attacker.uid


async def test_every_node_has_the_same_doors(make_world: MakeWorld) -> None:
    first: World = await make_world()
    second: World = await make_world(clock=first.clock)
    victim = await first.enrolled("victim")
    for node in (first, second):
        answer = await node.password("victim", PASSWORD)
        assert answer.json()["type"] == "CHALLENGE"
        headers = {"authorization": f"jwt {answer.json()['token']}"}
        for route in guarded(second):
            refused(await knock(second, route, victim, headers), 401, "invalid_token")


async def test_a_disabled_user_finds_every_door_shut(world: World) -> None:
    victim, admin = await world.enrolled("victim"), await world.admin()
    challenge = await victim.challenge()
    await admin.call("PUT", f"/users/{victim.uid}", {"version": 0, "disabled": True})
    for route in routes(world):
        for headers in (basic("victim", PASSWORD), victim.auth, {"authorization": f"jwt {challenge}"}):
            answer = await knock(world, route, victim, headers)
            opens_nothing(answer)
            if route in guarded(world):
                assert answer.status_code == 401
    refused(await world.call("POST", "/auth/refresh", {"refresh": victim.refresh}), 401, "invalid_token")
    refused(await world.answer(challenge, victim.codes[0]), 401, "challenge_invalid")
