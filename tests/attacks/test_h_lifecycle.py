"""Class H: the life of a factor.

Keycloak #16442, supabase/auth #1615: a factor removed or added on a stale session. CVE-2020-5240 wagtail-2fa,
CVE-2026-94001 Keycloak: devices of others seen and deleted. GHSA-4px8-7p53-282r Grav: a cross-site request made a new
secret. CVE-2024-8796 devise-two-factor: seeds of 120 bits.
"""

from base64 import b32decode
from typing import Any

import pytest

from tests.attacks.surface import routes
from tests.expect import granted, refused, step_up
from tests.surgery import everything
from tests.world import PASSWORD, Person, World, bearer

FULL = ["pwd", "otp", "mfa"]


async def stale(world: World) -> Person:
    """Return a victim whose session at aal2 is twenty minutes old."""
    victim = await world.enrolled("victim")
    world.clock.advance(20 * 60)
    victim.hold((await world.call("POST", "/auth/refresh", {"refresh": victim.refresh})).json())
    return victim


async def test_a_stale_session_changes_no_factor(world: World) -> None:
    victim = await stale(world)
    secrets = (await victim.call("GET", "/users/me/secrets")).json()
    before = await everything(world)
    for secret in secrets:
        path = f"/users/me/secrets/{secret['uid']}"
        step_up(await victim.call("DELETE", path), "aal2")
        step_up(await victim.call("PUT", path, {"version": secret["version"], "description": "x"}), "aal2")
        change = {"version": secret["version"], "secret": "x" * 20, "current": PASSWORD}
        step_up(await victim.call("PUT", path, change), "aal2")
        step_up(await victim.call("PUT", f"{path}/enroll", {"token": "123456"}), "aal2")
    for body in ({"type": "mfa"}, {"type": "mfabackup"}, {"type": "password", "secret": "x" * 20}):
        step_up(await victim.call("POST", "/users/me/secrets", body), "aal2")
    assert await everything(world) == before


async def test_the_refusal_of_a_stale_session_comes_before_any_try(world: World) -> None:
    victim = await world.register("victim")
    world.clock.advance(500)
    victim.hold((await world.call("POST", "/auth/refresh", {"refresh": victim.refresh})).json())
    uid = await victim.begin_enrollment()
    world.clock.advance(150)
    assert victim.phone
    for _ in range(6):
        step_up(await victim.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": victim.phone.wrong()}), "aal1")
    victim.hold((await victim.call("POST", "/auth/elevate", {"password": PASSWORD})).json())
    answer = await victim.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": victim.phone.code()})
    assert answer.status_code == 200


@pytest.mark.parametrize("who", ["other", "desk", "peer", "nobody"])
async def test_each_verb_on_the_secrets_of_another(world: World, who: str) -> None:
    """Others see nothing at all, equals may nothing, the desk may read and delete."""
    victim = await world.enrolled("victim")
    other, admin = await world.enrolled("other"), await world.admin()
    headers = {"other": other.auth, "desk": admin.auth, "peer": other.auth, "nobody": {}}[who]
    owner = admin if who == "peer" else victim
    uid = (await owner.call("GET", "/users/me/secrets")).json()[0]["uid"]
    base, before = f"/users/{owner.uid}/secrets", await everything(world)
    calls: list[tuple[str, str, Any, bool]] = [
        ("GET", base, None, True),
        ("GET", f"{base}/count", None, True),
        ("GET", f"{base}/{uid}", None, True),
        ("POST", base, {"type": "mfa"}, False),
        ("POST", base, {"type": "mfabackup"}, False),
        ("PUT", f"{base}/{uid}", {"version": 0, "description": "x"}, False),
        ("PUT", f"{base}/{uid}/enroll", {"token": "123456"}, False),
    ]
    for method, path, body, reads in calls:
        answer = await world.call(method, path, body, headers=headers)
        if who == "nobody":
            refused(answer, 401, "unauthenticated")
        elif who == "desk" and reads:
            assert answer.status_code == 200
        elif who == "desk":
            refused(answer, 403, "forbidden")
        else:
            refused(answer, 404, "not_found")
    assert await everything(world) == before


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "",
    ],
)
async def test_a_form_of_another_site_writes_nothing(world: World, content_type: str) -> None:
    """Grav: no cookie is a credential here, and what a form can send is no JSON."""
    victim = await world.enrolled("victim")
    before = await everything(world)
    for route in routes(world):
        if route.method == "GET":
            continue
        path = route.path.replace("{id}", victim.uid).replace("{sid}", victim.totp)
        cookie = {"cookie": f"token={victim.token}; jwt={victim.token}; session={victim.refresh}"}
        simple = {"content-type": content_type, "origin": "https://evil.example", **cookie}
        answer = await world.call(route.method, path, b'{"type": "mfa"}', headers=simple)
        assert answer.status_code in {401, 415}, route.path
        assert "access-control-allow-origin" not in answer.headers
    assert await everything(world) == before


async def test_a_seed_has_160_random_bits(world: World) -> None:
    victim = await world.register("victim")
    seeds = []
    for _ in range(400):
        await victim.begin_enrollment()
        assert victim.phone
        seeds.append(b32decode(victim.phone.secret))
    assert {len(seed) for seed in seeds} == {20}
    assert len(set(seeds)) == 400
    # Chi-square of 8,000 bytes over 256 values: 255 degrees of freedom, a standard deviation of 23. By chance the
    # bounds are left once in ten million runs.
    text = b"".join(seeds)
    expected = len(text) / 256
    chi = sum((text.count(value) - expected) ** 2 / expected for value in range(256))
    assert 150 < chi < 400
    # Each of the 160 bits is one in half of the seeds: 200, with a standard deviation of 10.
    for place in range(160):
        ones = sum(int.from_bytes(seed) >> place & 1 for seed in seeds)
        assert 120 < ones < 280


async def test_a_lost_phone_is_dead_at_once(world: World) -> None:
    victim = await world.enrolled("victim")
    lost, uid, waiting = victim.phone, victim.totp, await victim.challenge()
    await victim.enroll()
    assert lost
    assert (await victim.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204
    world.clock.advance(30)
    refused(await world.answer(waiting, lost.code()), 401, "challenge_invalid")
    refused(await world.answer(await victim.challenge(), lost.code()), 401, "code_invalid")
    body = {"password": PASSWORD, "token": lost.code()}
    refused(await victim.call("POST", "/auth/elevate", body), 401, "code_invalid")


async def test_a_half_finished_enrollment_of_a_thief_does_not_survive_the_owners_next_one(world: World) -> None:
    victim = await world.register("victim")
    thief = (await world.password("victim", PASSWORD)).json()
    made = await world.call("POST", "/users/me/secrets", {"type": "mfa"}, headers=bearer(thief["token"]))
    planted = made.json()["uid"]
    await victim.enroll()
    refused(await world.call("GET", "/users/me/secrets", headers=bearer(thief["token"])), 401, "invalid_token")
    refused(await victim.call("GET", f"/users/me/secrets/{planted}"), 404, "not_found")
    listed = (await victim.call("GET", "/users/me/secrets")).json()
    assert [one["uid"] for one in listed if one["type"] == "mfa"] == [victim.totp]


async def test_mfa_is_not_switched_off_by_deleting_what_is_pending(world: World) -> None:
    victim = await world.enrolled("victim")
    pending = (await victim.call("POST", "/users/me/secrets", {"type": "mfa"})).json()["uid"]
    assert (await victim.call("DELETE", f"/users/me/secrets/{pending}")).status_code == 204
    assert (await victim.call("GET", "/users/me")).json()["mfaEnabled"] is True
    granted(await world.answer(await victim.challenge(), victim.codes[0]), "aal2", FULL)


async def test_a_secret_is_deleted_once(world: World) -> None:
    victim = await world.enrolled("victim")
    await victim.enroll()
    first = next(
        one["uid"]
        for one in (await victim.call("GET", "/users/me/secrets")).json()
        if one["type"] == "mfa" and one["uid"] != victim.totp
    )
    path = f"/users/me/secrets/{first}"
    assert (await victim.call("DELETE", path)).status_code == 204
    refused(await victim.call("DELETE", path), 404, "not_found")
    assert (await victim.call("GET", "/users/me")).json()["mfaEnabled"] is True
