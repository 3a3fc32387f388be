"""Introspection (RFC 7662): whoever is trusted asks whether a token is good, and is told as the database has it."""

from typing import Any

import httpx2
import pytest

from tests.dump import dump
from tests.expect import claims, granted, refused
from tests.surgery import give_roles
from tests.world import Person, World, basic, bearer

FORM = "application/x-www-form-urlencoded"
DEAD = {"active": False}


async def ask(desk: Person, token: str, **more: str) -> Any:
    """Introspect a token by a form, as RFC 7662 has it."""
    body = httpx2.QueryParams({"token": token} | more)
    answer = await desk.call("POST", "/auth/introspect", str(body).encode(), headers={"content-type": FORM})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    by_json = await desk.call("POST", "/auth/introspect", {"token": token} | more)
    assert by_json.json() == answer.json()
    return answer.json()


async def test_an_access_token_is_told_with_all_that_it_says(world: World) -> None:
    alice, admin = await world.enrolled("alice"), await world.admin()
    said = claims(alice.token)
    assert await ask(admin, alice.token) == {
        "active": True,
        "token_type": "Bearer",
        "sub": alice.uid,
        "username": "alice",
        "exp": said["exp"],
        "iat": said["iat"],
        "jti": said["jti"],
        "sid": said["sid"],
        "iss": said["iss"],
        "auth_time": said["auth_time"],
        "acr": "aal2",
        "amr": ["pwd", "otp", "mfa"],
    }


async def test_a_refresh_token_is_told_for_what_it_is(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    told = await ask(admin, alice.refresh, token_type_hint="refresh_token")
    assert (told["active"], told["token_type"], told["sub"]) == (True, "refresh_token", alice.uid)
    assert told["exp"] == world.clock.now() // 1_000_000 + 7 * 24 * 3600
    spent = alice.refresh
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": spent})).json())
    assert await ask(admin, spent) == DEAD
    assert (await ask(admin, alice.refresh))["active"] is True
    assert (await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).status_code == 200, (
        "it was not spent"
    )


async def test_an_api_key_is_told_with_its_scopes_and_not_used_by_that(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    body = {"type": "apikey", "scopes": ["self:read", "users:read"], "expires": "2030-01-01T00:00:00Z"}
    made = (await alice.call("POST", "/users/me/secrets", body)).json()
    assert await ask(admin, made["secret"]) == {
        "active": True,
        "token_type": "Bearer",
        "sub": alice.uid,
        "username": "alice",
        "scope": "self:read users:read",
        "exp": 1_893_456_000,
        "iss": "http://127.0.0.1:8080",
        "acr": "aal1",
        "amr": ["swk"],
    }
    assert (await alice.call("GET", f"/users/me/secrets/{made['uid']}")).json()["lastUsed"] is None
    session = granted(await world.password("alice", made["secret"]), "aal1", ["swk"])
    for token in (session["token"], session["refresh"]):
        assert (await ask(admin, token))["scope"] == "self:read users:read"
    assert (await alice.call("DELETE", f"/users/me/secrets/{made['uid']}")).status_code == 204
    for token in (made["secret"], session["token"], session["refresh"]):
        assert await ask(admin, token) == DEAD


@pytest.mark.parametrize("how", ["logged out", "disabled", "erased", "expired"])
async def test_the_database_is_believed_and_not_the_signature(world: World, how: str) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    key = (await alice.call("POST", "/users/me/secrets", {"type": "apikey"})).json()["secret"]
    tokens = [alice.token, alice.refresh] if how in {"logged out", "expired"} else [alice.token, alice.refresh, key]
    match how:
        case "logged out":
            await alice.call("POST", "/auth/logout")
        case "disabled":
            await admin.call("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})
        case "erased":
            await alice.call("DELETE", "/users/me")
        case _:
            world.clock.advance(8 * 24 * 3600)
            admin = await world.admin()
    for token in tokens:
        assert await ask(admin, token) == DEAD


async def test_what_stands_for_nobody_is_not_active(world: World) -> None:
    alice, admin = await world.enrolled("alice"), await world.admin()
    device = "a device of alice, which is long enough"
    await alice.call("POST", "/users/me/secrets", {"type": "device", "secret": device})
    client = (await world.answer(await alice.challenge(), alice.codes[0])).json()["client"]
    head, payload, signature = alice.token.split(".")
    for token in (
        await alice.challenge(),
        client,
        device,
        alice.password,
        f"alice:{alice.password}",
        alice.codes[1],
        alice.uid,
        "",
        "x",
        "spr_" + "A" * 43,
        "spk_" + "A" * 48,
        f"{head}.{payload}.",
        f"{head}.{payload}.{signature[:-2]}AA",
        f"Bearer {alice.token}",
        "ünï.cödé.x",
    ):
        assert await ask(admin, token) == DEAD, token


async def test_who_may_ask(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    body = {"token": alice.token}

    async def key_of(person: Person, *scopes: str) -> str:
        made = await person.call("POST", "/users/me/secrets", {"type": "apikey", "scopes": list(scopes)})
        return str(made.json()["secret"])

    good, other, powerless = (
        await key_of(admin, "introspect"),
        await key_of(admin, "users:read", "audit:read"),
        await key_of(alice, "introspect"),
    )
    await alice.call("GET", "/users/me")
    answer = await world.call("POST", "/auth/introspect", body, headers=bearer(good))
    assert answer.json()["active"] is True
    before = dump(world)
    refused(await world.call("POST", "/auth/introspect", body), 401, "unauthenticated")
    refused(await world.call("POST", "/auth/introspect", body, headers=basic("admin", "x")), 401, "unauthenticated")
    refused(await alice.call("POST", "/auth/introspect", body), 403, "forbidden")
    assert dump(world) == before
    for key in (other, powerless):
        refused(await world.call("POST", "/auth/introspect", body, headers=bearer(key)), 403, "forbidden")
    await give_roles(admin)
    refused(await world.call("POST", "/auth/introspect", body, headers=bearer(good)), 403, "forbidden")


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (b"", "invalid_request"),
        (b"token_type_hint=access_token", "invalid_request"),
        (b"token=a&token=b", "invalid_request"),
        (b"token=%ff", "invalid_request"),
        (b"token=\xff", "invalid_request"),
        (b"token=a&client_secret=b", "unknown_field"),
        (b"token=" + b"x" * 4097, "invalid_request"),
        (b"&".join(b"a%d=1" % number for number in range(30)), "invalid_request"),
        (b'{"token": "a"}', "unknown_field"),
    ],
)
async def test_a_form_that_does_not_fit_is_refused(world: World, form: bytes, code: str) -> None:
    admin = await world.admin()
    answer = await admin.call("POST", "/auth/introspect", form, headers={"content-type": FORM})
    refused(answer, 400, code)
    assert b"client_secret" not in answer.content or code == "unknown_field"


async def test_a_form_is_read_by_that_route_alone_and_a_type_by_its_name(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    for path in ("/auth/refresh", "/auth/password", "/users"):
        answer = await world.call("POST", path, b"refresh=x", headers={"content-type": FORM})
        refused(answer, 415, "unsupported_media_type")
    for kind in ("text/plain", "multipart/form-data", ""):
        answer = await admin.call("POST", "/auth/introspect", b"token=x", headers={"content-type": kind})
        refused(answer, 415, "unsupported_media_type")
    long = b"token=" + b"x" * 70_000
    refused(
        await admin.call("POST", "/auth/introspect", long, headers={"content-type": FORM}), 413, "payload_too_large"
    )
    given = {"content-type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}
    answer = await admin.call("POST", "/auth/introspect", f"token={alice.token}".encode(), headers=given)
    assert answer.json()["active"] is True


async def test_tokens_are_not_read_from_the_query(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    answer = await admin.call("POST", "/auth/introspect", {}, params={"token": alice.token})
    refused(answer, 400, "invalid_request")
