"""Classes L and N: use of resources, and text that is made to hurt.

CVE-2013-1443 Django, GHSA-3v6j-v3qc-cxff Kirby, CVE-2026-102414 pbkdf2: huge passwords were hashed. CVE-2018-1000809
privacyIDEA: a blank user crashed it. CVE-2024-24762 FastAPI: a header for a slow pattern. CVE-2015-5143 Django: anybody
filled the session store. GHSA-h6mp-mc7g-mg49 scheb/2fa: a device's cookie skipped the second factor.
"""

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from sallyport.store.work import Sql
from tests.attacks.surface import opens_nothing
from tests.conftest import MakeWorld
from tests.expect import granted, refused
from tests.surgery import count, everything, give_roles
from tests.world import PASSWORD, World, basic

TEN_MEGABYTES = 10 * 1024 * 1024
FLOOD = "e" + "\u0301" * 1500
"""Combining marks: 3,001 bytes and 1,501 code points, which NFC would sort in quadratic time."""


@pytest.fixture
async def hashes(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every run of the hash pool."""
    genuine, runs = world.service.pool.run_timed, list[str]()

    async def noted(work: Callable[[], Any]) -> Any:
        runs.append(repr(work))
        return await genuine(work)

    monkeypatch.setattr(world.service.pool, "run_timed", noted)
    return runs


@pytest.fixture
def normalized(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the length of every long text that is normalized."""
    genuine, lengths = unicodedata.normalize, list[int]()

    def noted(form: Any, text: str) -> str:
        if len(text) > 1024:
            lengths.append(len(text))
        return genuine(form, text)

    monkeypatch.setattr(unicodedata, "normalize", noted)
    return lengths


LONG = {
    "ten megabytes": "x" * TEN_MEGABYTES,
    "more than a body": "x" * 65_536,
    "more than a field": "x" * 4_097,
    "more than a password": "x" * 1_025,
    "more than a password, in wide letters": "🙂" * 1_025,
    "combining marks": FLOOD,
}


@pytest.mark.parametrize("word", LONG)
async def test_a_huge_password_is_refused_before_any_hash(
    world: World, hashes: list[str], normalized: list[int], word: str
) -> None:
    alice = await world.register("alice")
    uid = (await alice.call("GET", "/users/me/secrets")).json()[0]["uid"]
    bare = await world.register("bare", password=None)
    before, text = await everything(world), LONG[word]
    hashes.clear()
    answers = [
        await world.call("GET", "/auth/password", headers=basic("alice", text)),
        await world.call("POST", "/auth/password", headers=basic("alice", text)),
        await world.call("POST", "/auth/password", {"identifier": "alice", "password": text}),
        await world.call("POST", "/users", {"name": "bob", "password": text}),
        await bare.call("POST", "/users/me/secrets", {"type": "password", "secret": text}),
        await alice.call("POST", "/auth/elevate", {"password": text}),
        await alice.call("PUT", f"/users/me/secrets/{uid}", {"version": 0, "secret": text, "current": PASSWORD}),
        await alice.call("PUT", f"/users/me/secrets/{uid}", {"version": 0, "secret": "x" * 20, "current": text}),
    ]
    for answer in answers:
        assert answer.status_code in {400, 413}
        refused(answer, answer.status_code, "invalid_request" if answer.status_code == 400 else "payload_too_large")
        assert len(answer.content) < 1_000
    assert hashes == []
    assert normalized == []
    assert await everything(world) == before


async def test_the_longest_password_of_all_is_hashed_once(world: World, hashes: list[str]) -> None:
    await world.register("alice", "0123456789abcdef" * 64)
    hashes.clear()
    granted(await world.password("alice", "0123456789abcdef" * 64), "aal1", ["pwd"])
    assert len(hashes) == 1


async def test_combining_marks_are_refused_everywhere_before_they_are_normalized(
    world: World, normalized: list[int]
) -> None:
    alice = await world.register("alice")
    for flood in ("e" + "\u0301" * 2_047, "\u0f73" * 1_300, FLOOD):
        refused(await world.call("GET", "/auth/password", headers=basic("alice", flood)), 400, "invalid_request")
        refused(await alice.call("POST", "/auth/elevate", {"password": flood}), 400, "invalid_request")
    assert normalized == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/users",
        "/users/me",
        "/users/me/secrets",
        "/auth/password",
        "/auth/totp",
        "/auth/refresh",
        "/auth/elevate",
        "/auth/logout",
    ],
)
async def test_a_huge_body_is_refused_by_every_route(world: World, hashes: list[str], method: str, path: str) -> None:
    alice = await world.register("alice")
    hashes.clear()
    before = await everything(world)
    answer = await alice.call(method, path, b" " * TEN_MEGABYTES)
    if answer.status_code != 405:
        refused(answer, 413, "payload_too_large")
    assert hashes == []
    assert await everything(world) == before


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 60_000,
        b'{"name":' * 8_000,
        b'{"name":{"a":[' * 3_000 + b"]}}" * 3_000,
        b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b"0" * 60_000,
        b'{"token": ' + b"0" * 60_000 + b"}",
        b'{"token": ' + b"9" * 60_000 + b"}",
        b'"' + b"\\" * 60_001,
        b"," * 60_000,
        b" ," * 30_000 + b"}",
        b'{"a"' + b" " * 60_000 + b",}",
    ],
)
@pytest.mark.parametrize("path", ["/users", "/auth/password", "/auth/totp", "/auth/refresh"])
async def test_json_that_is_made_to_hurt_is_a_plain_refusal(world: World, path: str, raw: bytes) -> None:
    answer = await world.call("POST", path, raw)
    assert answer.status_code == 400
    refused(answer, 400, answer.json()["code"])
    opens_nothing(answer)


NAMES: list[Any] = [
    "",
    " ",
    "\u3000",
    "\u00a0",
    "\x00",
    "\x7f",
    "\u200b",
    "\u200e",
    "\ufeff",
    "\u202e",
    "\ud7ff\u0301",
    "e" + "\u0301" * 64,
    "\u0301",
    FLOOD,
    "\U000e0041",
    "\uffff",
    "%00",
    "\u0130" * 40,
    "\ufdfa" * 64,
    "\u1e9e",
    ".",
    "..",
]


@pytest.mark.parametrize("name", NAMES)
async def test_no_name_however_odd_is_a_fault_of_ours(world: World, name: str) -> None:
    answer = await world.call("POST", "/users", {"name": name})
    assert answer.status_code in {201, 400}
    if answer.status_code == 400:
        refused(answer, 400, "invalid_request")
    refused(await world.password(name, PASSWORD), 401, "invalid_credentials")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("content-type", "application/json" + ";" * 8_000),
        ("content-type", "application/json; " + "a=" * 4_000 + '"' + "\\" * 4_000),
        ("content-type", "application/x-www-form-urlencoded; !=" + '"' + "\\" * 8_000),
        ("authorization", "jwt " + "." * 100_000),
        ("authorization", "jwt " + "a." * 50_000),
        ("authorization", "Basic " + "A" * 100_001),
        ("authorization", " " * 10_000 + "jwt x"),
        ("x-request-id", "a" * 100_000),
        ("forwarded", "for=" * 20_000),
        ("x-forwarded-for", "1.2.3.4," * 10_000),
        ("user-agent", "x" * 100_000),
        ("accept", "*/*;" * 20_000),
    ],
)
async def test_no_header_however_long_is_a_fault_of_ours(make_world: MakeWorld, header: str, value: str) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_PROXIES": "0.0.0.0/0,::/0"})
    for method, path, body in (("POST", "/users", b'{"name": "alice"}'), ("GET", "/auth/password", None)):
        answer = await world.call(method, path, body, headers={header: value})
        assert answer.status_code < 500
        assert len(answer.content) < 2_000


async def test_a_query_however_long_is_a_plain_refusal(world: World) -> None:
    alice = await world.register("alice")
    for query in ("limit=" + "9" * 50_000, "&".join(f"a{number}=1" for number in range(5_000)), "a=1;" * 10_000):
        refused(await alice.call("GET", f"/users?{query}"), 400, "invalid_request")


async def test_nobody_fills_the_store_with_challenges(world: World) -> None:
    alice = await world.enrolled("alice")
    for _ in range(60):
        world.clock.advance(1)
        await alice.challenge()
        assert await count(world, "challenges") <= 20


async def test_a_failed_login_or_registration_stores_nothing(unthrottled: World) -> None:
    await unthrottled.register("alice")
    before = await everything(unthrottled)
    for number in range(20):
        await unthrottled.password(f"nobody-{number}", PASSWORD)
        await unthrottled.password("alice", f"wrong {number}")
        await unthrottled.call("POST", "/users", {"name": "alice", "password": PASSWORD})
        await unthrottled.call("POST", "/auth/totp", {"token": "123456", "challenge": f"spc_{number}"})
        await unthrottled.call("POST", "/auth/refresh", {"refresh": f"spr_{number}"})
    assert await everything(unthrottled) == before


async def sweep(world: World) -> None:
    for one in world.service.sweeps:
        await one()


async def test_challenges_that_ended_are_swept_and_open_ones_are_not(world: World) -> None:
    alice = await world.enrolled("alice")
    for _ in range(3):
        await alice.challenge()
    world.clock.advance(200)
    fresh = await alice.challenge()
    await sweep(world)
    assert await count(world, "challenges") == 4
    world.clock.advance(100)
    await sweep(world)
    assert await count(world, "challenges") == 1
    granted(await world.answer(fresh, alice.codes[0]), "aal2", ["pwd", "otp", "mfa"])


async def test_sessions_that_ended_are_swept_and_live_ones_are_not(world: World) -> None:
    alice = await world.register("alice")
    for _ in range(3):
        await world.password("alice", PASSWORD)
    world.clock.advance(6 * 86_400)
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json())
    await sweep(world)
    assert await count(world, "sessions") == 4
    world.clock.advance(86_401)
    await sweep(world)
    assert await count(world, "sessions") == 1
    assert await count(world, "refresh_tokens") == 2
    granted(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), "aal1", ["pwd"])


MANY = Sql(
    """INSERT INTO challenges (token_digest, user_id, created_at, expires_at, tries_left)
       WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :many)
       SELECT CAST(n AS BLOB), :user, n, n, 5 FROM counted"""
)


async def test_sweeping_goes_on_until_nothing_is_left(world: World) -> None:
    alice = await world.enrolled("alice")
    await world.service.work(lambda rows: rows.change(MANY, many=1_700, user=alice.uid))
    assert await count(world, "challenges") == 1_700
    await sweep(world)
    assert await count(world, "challenges") == 0


@pytest.mark.parametrize("field", ["device", "client", "deviceSecret", "trusted", "remember"])
async def test_nothing_that_claims_to_be_a_device_skips_the_second_factor(world: World, field: str) -> None:
    """scheb/2fa: a cookie or a field is no device. What is one: `test_l_devices.py`."""
    await world.enrolled("alice")
    for headers in ({"x-sallyport-client": "spd_" + "A" * 43}, {"cookie": "__Host-sallyport-client=spd_x; trusted=1"}):
        answer = await world.call("GET", "/auth/password", headers=basic("alice", PASSWORD) | headers)
        assert answer.json()["type"] == "CHALLENGE"
        opens_nothing(answer)
    body = {"identifier": "alice", "password": PASSWORD, field: "x" * 32}
    refused(await world.call("POST", "/auth/password", body), 400, "unknown_field")
    refused(await world.password("alice", "x" * 32), 401, "invalid_credentials")


@pytest.mark.parametrize("path", ["/users", "/users/count", "/roles", "/roles/count"])
async def test_a_list_is_asked_in_vain_for_what_has_a_nul(world: World, path: str) -> None:
    alice = await world.register("alice")
    await give_roles(alice, "admin")
    for name in ("name", "email", "role"):
        if path.startswith("/roles") and name != "name":
            continue
        answer = await alice.call("GET", f"{path}?{name}=%00")
        assert (answer.status_code, answer.json()) == (200, {"count": 0} if "count" in path else []), name


async def test_an_identifier_with_a_nul_is_nobodys(world: World) -> None:
    await world.register("alice", email="alice@example.org")
    typed = "alice\0@example.org"
    answer = await world.call("POST", "/users/recover", {"identifier": typed})
    assert (answer.status_code, answer.content) == (202, b"")
    answer = await world.call("POST", "/auth/password", {"identifier": typed, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
