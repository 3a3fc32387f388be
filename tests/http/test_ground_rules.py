"""api.md section 1."""

import re
from typing import Any

import pytest

from tests.expect import refused, step_up
from tests.surgery import everything
from tests.world import PASSWORD, Person, World, basic

NOBODY = "01912345-0000-7000-8000-000000000000"
OPEN = ["/healthz", "/readyz", "/.well-known/jwks.json"]
SIGNED_IN = [
    "/users",
    "/users/count",
    "/users/me",
    "/users/me/secrets",
    "/users/me/secrets/count",
    "/users/me/sessions",
    "/users/me/sessions/count",
    "/users/me/audit/count",
]


@pytest.mark.parametrize("path", OPEN + SIGNED_IN)
async def test_a_route_answers_alike_at_the_root_and_below_v1(world: World, path: str) -> None:
    alice = await world.register("alice")
    plain, versioned = await alice.call("GET", path), await alice.call("GET", f"/v1{path}")
    assert plain.status_code == versioned.status_code == 200
    assert plain.content == versioned.content


@pytest.mark.parametrize("path", ["/v1", "/v1/v1/users", "/v2/users", "/users/", "/apikeys", "/"])
async def test_a_path_that_is_not_built_is_not_found(world: World, path: str) -> None:
    refused(await world.call("GET", path), 404, "not_found")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_body_of_another_type_is_refused(world: World, content_type: str) -> None:
    before = await everything(world)
    answer = await world.call("POST", "/users", b'{"name": "alice"}', headers={"content-type": content_type})
    refused(answer, 415, "unsupported_media_type")
    assert await everything(world) == before


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON", "application/json; charset=utf-8"])
async def test_json_is_read_however_its_type_is_spelled(world: World, content_type: str) -> None:
    answer = await world.call("POST", "/users", b'{"name": "alice"}', headers={"content-type": content_type})
    assert answer.status_code == 201


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 400), (64 * 1024 + 1, 413)])
async def test_a_body_has_64_kib_at_most(world: World, size: int, status: int) -> None:
    head = b'{"name": "alice", "firstName": "'
    body = head + b"x" * (size - len(head) - 2) + b'"}'
    assert len(body) == size
    answer = await world.call("POST", "/users", body)
    refused(answer, status, "payload_too_large" if status == 413 else "invalid_request")


async def test_a_body_that_does_not_tell_its_length_is_bounded_all_the_same(world: World) -> None:
    async def endless() -> Any:
        for _ in range(20):
            yield b" " * 8192

    headers = {"content-type": "application/json"}
    refused(await world.client.post("/users", content=endless(), headers=headers), 413, "payload_too_large")


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "alice",,}',
        b'{,"name": "alice"}',
        b"{'name': 'alice'}",
        b'{name: "alice"}',
        b'{"name": "alice"} // who',
        b'{"name": "alice"}{}',
        b'{"name": "alice"',
        b'{"name": "al\nice"}',
        b'{"name": NaN}',
        b'{"name": "alice", "version": 0x0}',
        b'{"name": "alice", "version": +1}',
        b'{"name": "alice", "version": -00}',
        b'{"name": "alice", "version": 00.5}',
        b'{"name": "alice" "version": 0}',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b"\xef\xbb\xbf\x00",
        b",",
        b"[" * 60_000,
        b'{"a":' * 12_000,
    ],
)
async def test_anything_but_the_two_documented_slips_is_malformed(world: World, body: bytes) -> None:
    before = await everything(world)
    refused(await world.call("POST", "/users", body), 400, "malformed_json")
    assert await everything(world) == before


@pytest.mark.parametrize("body", [b"[]", b'[{"name": "alice"}]', b'"alice"', b"null", b"7", b"true", b"[{},]"])
async def test_only_an_object_is_a_body(world: World, body: bytes) -> None:
    refused(await world.call("POST", "/users", body), 400, "invalid_request")


async def test_the_documented_slips_are_left_alone_inside_strings(world: World) -> None:
    alice = await world.register("alice", password=None)
    body = (
        b'{"type": "password", "secret": "lots of, } and 007 in it", "description": "left ,} and ,] and 0123 \\",}",}'
    )
    made = await alice.call("POST", "/users/me/secrets", body)
    assert made.status_code == 200
    assert made.json()["description"] == 'left ,} and ,] and 0123 ",}'
    assert (await world.password("alice", "lots of, } and 007 in it")).status_code == 200


async def with_leading_zero(person: Person) -> str:
    """Turn the clock to a code that begins with a zero; the proof of the person ages on the way."""
    assert person.phone
    person.world.clock.advance(30)
    while not person.phone.code().startswith("0"):
        person.world.clock.advance(30)
    return person.phone.code()


async def test_a_number_is_padded_with_zeros_to_a_code(world: World) -> None:
    alice = await world.enrolled("alice")
    code = await with_leading_zero(alice)
    assert (await world.answer(await alice.challenge(), int(code))).status_code == 200


@pytest.mark.parametrize("shape", ['{"token": %s}', '{"token": %s,}', '{ "token" : %s , }'])
async def test_a_bare_run_of_digits_with_a_leading_zero_is_the_string_of_its_digits(world: World, shape: str) -> None:
    alice = await world.enrolled("alice")
    code = await with_leading_zero(alice)
    headers = {"authorization": f"jwt {await alice.challenge()}"}
    assert (await world.call("POST", "/auth/totp", (shape % code).encode(), headers=headers)).status_code == 200


NO_CODES: list[Any] = [
    True,
    False,
    1.0,
    123456.5,
    ["123456"],
    {"token": "123456"},
    None,
    "",
    "   ",
    "١٢٣٤٥٦",
    "１２３４５６",
    -1,
    "x" * 4097,
]


@pytest.mark.parametrize("typed", NO_CODES)
async def test_what_is_no_code_at_all_is_an_invalid_request_at_login(world: World, typed: Any) -> None:
    alice = await world.enrolled("alice")
    challenge, before = await alice.challenge(), await everything(world)
    refused(await world.answer(challenge, typed), 400, "invalid_request")
    assert (await everything(world))["sessions"] == before["sessions"]


@pytest.mark.parametrize("typed", NO_CODES)
@pytest.mark.parametrize("tail", ["", "/enroll"])
async def test_what_is_no_code_at_all_is_an_invalid_request_at_enrollment(world: World, typed: Any, tail: str) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    refused(await alice.call("PUT", f"/users/me/secrets/{uid}{tail}", {"token": typed}), 400, "invalid_request")
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is False


@pytest.mark.parametrize("typed", NO_CODES)
async def test_what_is_no_code_at_all_is_an_invalid_request_at_elevation(world: World, typed: Any) -> None:
    alice = await world.enrolled("alice")
    refused(await alice.call("POST", "/auth/elevate", {"password": PASSWORD, "token": typed}), 400, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/users"),
        ("PUT", "/users/me"),
        ("DELETE", "/users/me"),
        ("POST", "/users/me/secrets"),
        ("PUT", f"/users/me/secrets/{NOBODY}"),
        ("PUT", f"/users/me/secrets/{NOBODY}/enroll"),
        ("DELETE", f"/users/me/secrets/{NOBODY}"),
        ("DELETE", "/users/me/sessions"),
        ("DELETE", f"/users/me/sessions/{NOBODY}"),
        ("POST", "/auth/password"),
        ("POST", "/auth/totp"),
        ("POST", "/auth/elevate"),
        ("POST", "/auth/refresh"),
        ("POST", "/auth/logout"),
    ],
)
async def test_an_unknown_field_is_refused_by_every_body(world: World, method: str, path: str) -> None:
    alice = await world.register("alice")
    before = await everything(world)
    refused(await alice.call(method, path, {"isAdmin": True}), 400, "unknown_field")
    assert await everything(world) == before


@pytest.mark.parametrize("scheme", ["jwt", "JWT", "Jwt", "bearer", "Bearer", "BEARER"])
async def test_a_token_travels_behind_either_scheme_in_any_case(world: World, scheme: str) -> None:
    alice = await world.register("alice")
    answer = await world.call("GET", "/users/me", headers={"authorization": f"{scheme} {alice.token}"})
    assert answer.json()["uid"] == alice.uid


@pytest.mark.parametrize("value", ["", "jwt", "Bearer", "Token {0}", "{0}", "Basic {0}", "jwt{0}", "Digest {0}"])
async def test_any_other_header_is_no_token(world: World, value: str) -> None:
    alice = await world.register("alice")
    answer = await world.call("GET", "/users/me", headers={"authorization": value.format(alice.token)})
    assert answer.status_code == 401
    refused(answer, 401, answer.json()["code"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/users/me"),
        ("GET", "/auth/password"),
        ("POST", "/auth/totp"),
        ("POST", "/auth/refresh"),
        ("POST", "/users"),
    ],
)
async def test_two_authorization_headers_are_refused(world: World, method: str, path: str) -> None:
    alice = await world.register("alice")
    headers = [("authorization", f"jwt {alice.token}"), ("authorization", f"Bearer {alice.token}")]
    refused(await world.client.request(method, path, headers=headers), 400, "invalid_request")


@pytest.mark.parametrize("name", ["jwt_token", "token", "access_token", "jwt", "authorization"])
async def test_a_token_is_never_read_from_a_query_string(world: World, name: str) -> None:
    alice = await world.register("alice")
    refused(await world.client.get("/users/me", params={name: alice.token}), 401, "unauthenticated")
    refused(await world.client.get("/auth/totp", params={name: alice.token}), 405, "method_not_allowed")


async def test_a_token_is_never_read_from_a_cookie(world: World) -> None:
    alice = await world.register("alice")
    for name in ("jwt", "token", "session"):
        answer = await world.call("GET", "/users/me", headers={"cookie": f"{name}={alice.token}"})
        refused(answer, 401, "unauthenticated")


async def test_answers_with_tokens_codes_or_keys_are_not_stored(world: World) -> None:
    alice = await world.register("alice", password=None)
    answers = [
        await world.call("POST", "/users", {"name": "bob", "password": PASSWORD}),
        await alice.call("POST", "/users/me/secrets", {"type": "password", "secret": PASSWORD}),
        await world.password("alice", PASSWORD),
    ]
    alice.hold(answers[-1].json())
    answers.append(await alice.call("POST", "/users/me/secrets", {"type": "mfa"}))
    uid = await alice.begin_enrollment()
    assert alice.phone
    answers.append(await alice.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": alice.phone.code()}))
    alice.hold(answers[-1].json()["session"])
    answers.append(await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"}))
    answers.append(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}))
    world.clock.advance(30)
    answers.append(await world.password("alice", PASSWORD))
    answers.append(await world.answer(answers[-1].json()["token"], alice.phone.code()))
    for answer in answers:
        assert answer.status_code in {200, 201}
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        # No session in a cookie: only what makes a browser known, and opens nothing.
        assert answer.headers.get("set-cookie", "sallyport-client=").startswith("sallyport-client=")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/users", {"GET", "HEAD", "POST"}),
        ("PATCH", "/users/me", {"GET", "HEAD", "PUT", "DELETE"}),
        ("POST", f"/users/{NOBODY}", {"GET", "HEAD", "PUT", "DELETE"}),
        ("GET", "/auth/totp", {"POST"}),
        ("GET", "/auth/logout", {"POST"}),
        ("PUT", "/auth/password", {"GET", "POST"}),
        ("TRACE", "/users", {"GET", "HEAD", "POST"}),
        ("OPTIONS", "/users", {"GET", "HEAD", "POST"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_names_the_right_ones(world: World, method: str, path: str, allowed: set[str]) -> None:
    answer = await world.call(method, path)
    refused(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("given", ["a-request", "0123456789abcdef", "A.b_c:d/e+f=", "x" * 128])
async def test_a_sane_request_id_is_echoed(world: World, given: str) -> None:
    for path in ("/healthz", "/users/me"):
        answer = await world.call("GET", path, headers={"x-request-id": given})
        assert answer.headers["x-request-id"] == given
        assert answer.json().get("requestId", given) == given


@pytest.mark.parametrize("given", ["", "x" * 129, "two words", "<script>", 'quo"te', "tab\t", "caf\u00e9"])
async def test_an_insane_request_id_is_replaced(world: World, given: str) -> None:
    answer = await world.client.get("/users/me", headers=[(b"x-request-id", given.encode("latin-1"))])
    assert answer.headers["x-request-id"] != given
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    again = await world.client.get("/users/me", headers=[(b"x-request-id", given.encode("latin-1"))])
    assert again.headers["x-request-id"] != answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "wrong", ["alice", "1", "ME", "{upper}", "{{{uid}}}", "{bare}", "{uid}x", "%00", "..%2Fusers", "null"]
)
@pytest.mark.parametrize("tail", ["", "/secrets", "/sessions"])
async def test_what_is_no_canonical_uuid_is_not_found(world: World, wrong: str, tail: str) -> None:
    alice = await world.register("alice")
    given = wrong.format(uid=alice.uid, upper=alice.uid.upper(), bare=alice.uid.replace("-", ""))
    refused(await alice.call("GET", f"/users/{given}{tail}"), 404, "not_found")


@pytest.mark.parametrize("kind", ["secrets", "sessions"])
@pytest.mark.parametrize("wrong", ["me", "1", NOBODY, "null"])
async def test_a_secret_or_session_that_is_not_there_is_not_found(world: World, kind: str, wrong: str) -> None:
    alice = await world.register("alice")
    refused(await alice.call("DELETE", f"/users/me/{kind}/{wrong}"), 404, "not_found")


@pytest.mark.parametrize("tail", ["", "/secrets", "/secrets/count", "/sessions"])
async def test_me_stands_for_the_callers_id(world: World, tail: str) -> None:
    alice = await world.register("alice")
    by_me, by_id = await alice.call("GET", f"/users/me{tail}"), await alice.call("GET", f"/users/{alice.uid}{tail}")
    assert by_me.status_code == 200
    assert by_me.json() == by_id.json()
    refused(await world.call("GET", f"/users/me{tail}"), 401, "unauthenticated")


async def test_refusals_come_in_their_order(world: World) -> None:
    """405, 400 two headers, 401, 404 hidden, 403 by route, 415 and 413, 400 body, 401 step-up, 403 field, 409."""
    alice, bob = await world.register("alice"), await world.register("bob")
    secret = (await bob.call("GET", "/users/me/secrets")).json()[0]
    path, wrong_type = f"/users/{bob.uid}/secrets/{secret['uid']}", {"content-type": "text/plain"}
    twice = [("authorization", "jwt x"), ("authorization", "jwt y"), ("content-type", "text/plain")]
    refused(await world.client.request("PATCH", path, headers=twice), 405, "method_not_allowed")
    refused(await world.client.request("PUT", path, headers=twice, content=b"{"), 400, "invalid_request")
    refused(await world.call("PUT", path, b"{", headers=wrong_type), 401, "unauthenticated")
    refused(await alice.call("PUT", path, b"{", headers=wrong_type), 404, "not_found")
    refused(await alice.call("PUT", f"/users/{bob.uid}", b"{", headers=wrong_type), 403, "forbidden")
    refused(await bob.call("PUT", path, b"{", headers=wrong_type), 415, "unsupported_media_type")
    refused(await bob.call("PUT", path, b"x" * 70_000), 413, "payload_too_large")
    world.clock.advance(601)
    await refresh(bob)
    refused(await bob.call("PUT", path, b"{"), 400, "malformed_json")
    step_up(await bob.call("PUT", path, {"version": 7, "uid": NOBODY}), "aal1")
    await bob.login()
    refused(await bob.call("PUT", path, {"version": 0, "uid": NOBODY}), 403, "field_forbidden")
    refused(await bob.call("PUT", path, {"version": 7}), 409, "version_conflict")


async def refresh(person: Person) -> None:
    person.hold((await person.world.call("POST", "/auth/refresh", {"refresh": person.refresh})).json())


@pytest.mark.parametrize("field", ["firstName", "lastName", "phone"])
@pytest.mark.parametrize(
    ("text", "fits"), [("x" * 4096, True), ("x" * 4097, False), ("é" * 2048, True), ("é" * 2049, False)]
)
async def test_a_text_field_has_four_kib_at_most(world: World, field: str, text: str, *, fits: bool) -> None:
    alice = await world.register("alice")
    answer = await alice.call("PUT", "/users/me", {"version": 0, field: text})
    if fits:
        assert answer.json()[field] == text
    else:
        assert refused(answer, 400, "invalid_request")["errors"][0]["pointer"] == f"/{field}"


async def test_a_put_keeps_what_its_body_leaves_out_and_wants_a_version(world: World) -> None:
    alice = await world.register("alice", firstName="Alice", email="alice@example.org")
    refused(await alice.call("PUT", "/users/me", {"lastName": "Liddell"}), 400, "invalid_request")
    changed = await alice.call("PUT", "/users/me", {"version": 0, "lastName": "Liddell"})
    assert changed.status_code == 200
    user = changed.json()
    assert (user["firstName"], user["lastName"], user["email"]) == ("Alice", "Liddell", "alice@example.org")
    assert user["version"] == 1
    assert (await alice.call("GET", "/users/me")).json() == user


async def test_a_stale_version_is_judged_before_anything_else(world: World) -> None:
    alice = await world.register("alice")
    before = await everything(world)
    body = {"version": 3, "name": "other", "roles": ["admin"]}
    refused(await alice.call("PUT", "/users/me", body), 409, "version_conflict")
    world.clock.advance(601)
    await refresh(alice)
    refused(await alice.call("PUT", "/users/me", body), 409, "version_conflict")
    assert (await everything(world))["users"] == before["users"]


@pytest.mark.parametrize("headers", [{}, {"authorization": "jwt nonsense"}, basic("alice", "wrong")])
async def test_a_browser_is_never_asked_for_a_password(world: World, headers: dict[str, str]) -> None:
    for method, path in (("GET", "/users/me"), ("GET", "/auth/password"), ("POST", "/auth/totp")):
        body = {"token": "123456"} if method == "POST" else None
        answer = await world.call(method, path, body, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
