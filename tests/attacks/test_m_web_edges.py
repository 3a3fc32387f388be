"""Class M: the edges of the web.

CVE-2021-30185 Indico: the Host header stood in a link. CVE-2021-32618 Flask-Security: an open redirect. CVE-2024-47070
authentik, CVE-2026-63439 2FAuth: forwarded and identity headers were believed.
"""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.expect import claims, refused
from tests.world import PASSWORD, Person, World, client_of

EVIL = "evil.example"
FORGED: list[dict[str, str]] = [
    {"host": EVIL},
    {"host": f"127.0.0.1:8080@{EVIL}"},
    {"host": f"{EVIL}:80\\@127.0.0.1"},
    {"x-forwarded-host": EVIL, "x-forwarded-proto": "https", "x-forwarded-port": "666", "x-forwarded-prefix": "/evil"},
    {"forwarded": f"host={EVIL};proto=https;for=203.0.113.9"},
    {"x-host": EVIL, "x-forwarded-server": EVIL, "x-original-url": f"//{EVIL}/", "x-rewrite-url": f"//{EVIL}/"},
    {"origin": f"https://{EVIL}", "referer": f"https://{EVIL}/"},
]


async def seen(person: Person, headers: dict[str, str]) -> list[str]:
    """Return all that is answered to requests with forged headers: bodies and headers of every kind of answer."""
    world, texts = person.world, list[str]()
    answers: list[Any] = [
        await world.call("POST", "/users", {"name": "newcomer", "password": PASSWORD}, headers=headers),
        await world.call("POST", "/auth/password", {"identifier": "alice", "password": PASSWORD}, headers=headers),
        await world.call("GET", "/.well-known/jwks.json", headers=headers),
        await world.call("GET", "/nowhere", headers=headers),
        await person.call("GET", "/users?limit=1", headers=headers),
        await person.call("GET", "/users/me/secrets", headers=headers),
        await person.call("POST", "/users/me/secrets", {"type": "mfa"}, headers=headers),
    ]
    for answer in answers:
        assert answer.status_code < 500
        texts += [answer.text, *(value for _, value in answer.headers.multi_items())]
        token = answer.json().get("token", "") if isinstance(answer.json(), dict) else ""
        if token.count(".") == 2:
            texts.append(str(claims(token)))
            assert claims(token)["iss"] == claims(token)["aud"] == "http://127.0.0.1:8080"
    return texts


@pytest.mark.parametrize("headers", FORGED)
@pytest.mark.parametrize("proxies", ["", "127.0.0.1"])
async def test_no_header_reaches_a_link_or_a_token(
    make_world: MakeWorld, headers: dict[str, str], proxies: str
) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_PROXIES": proxies})
    alice = await world.register("alice")
    for text in await seen(alice, headers):
        assert "evil" not in text
        assert "203.0.113.9" not in text


async def test_an_absolute_uri_reaches_no_link(world: World) -> None:
    alice = await world.register("alice")
    for url in (f"http://{EVIL}/users?limit=1", f"https://{EVIL}:444/v1/users?limit=1"):
        answer = await world.client.get(url, headers=alice.auth)
        assert answer.status_code == 200
        assert answer.headers["link"].startswith("</")
        assert EVIL not in answer.headers["link"]
    answer = await world.client.post(f"http://{EVIL}/users", json={"name": "bob"})
    assert answer.headers["location"].startswith("/users/")


async def test_nothing_is_redirected(world: World) -> None:
    alice = await world.register("alice")
    for path in (
        "/users/",
        "//evil.example",
        "/users?next=//evil.example",
        "/auth/totp?jwt_token=x",
        "/\\evil.example",
    ):
        answer = await alice.call("GET", path)
        assert not 300 <= answer.status_code < 400
        assert "location" not in answer.headers


@pytest.mark.parametrize(
    "name",
    [
        "remote-user",
        "x-remote-user",
        "x-user-id",
        "x-forwarded-user",
        "x-auth-request-user",
        "x-real-user",
        "x-sallyport-user",
        "x-webauth-user",
    ],
)
@pytest.mark.parametrize("proxies", ["", "127.0.0.1"])
async def test_no_header_says_who_is_calling(make_world: MakeWorld, name: str, proxies: str) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_PROXIES": proxies})
    alice, bob = await world.register("alice"), await world.register("bob")
    for value in ("alice", alice.uid, "admin"):
        refused(await world.call("GET", "/users/me", headers={name: value}), 401, "unauthenticated")
        assert (await bob.call("GET", "/users/me", headers={name: value})).json()["uid"] == bob.uid


async def ip_of(world: World, peer: str, headers: list[tuple[str, str]]) -> str:
    """Log in from a peer with headers, and return the address that the session is listed with."""
    async with client_of(world.service, peer) as client:
        body = {"identifier": "alice", "password": PASSWORD}
        answer = await client.post("/auth/password", json=body, headers=headers)
        listed = await client.get("/users/me/sessions", headers={"authorization": f"jwt {answer.json()['token']}"})
    return str(next(session["ip"] for session in listed.json() if session["current"]))


HOPS: list[tuple[list[tuple[str, str]], str]] = [
    ([], "10.0.0.1"),
    ([("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
    ([("x-forwarded-for", "1.1.1.1, 203.0.113.9")], "203.0.113.9"),
    ([("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.0.0.7")], "203.0.113.9"),
    ([("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
    ([("x-forwarded-for", "10.0.0.9, 10.0.0.7")], "10.0.0.9"),
    ([("x-forwarded-for", "2001:db8::7")], "2001:db8::7"),
    ([("x-forwarded-for", "203.0.113.9, nonsense")], "10.0.0.1"),
    ([("x-forwarded-for", "203.0.113.9, ")], "10.0.0.1"),
    ([("x-forwarded-for", "<script>")], "10.0.0.1"),
    ([("forwarded", "for=203.0.113.9;proto=https")], "203.0.113.9"),
    ([("forwarded", 'For="[2001:db8::7]";by=10.0.0.1')], "2001:db8::7"),
    ([("forwarded", 'for="[2001:db8::7]:4711"')], "2001:db8::7"),
    ([("forwarded", "for=1.1.1.1, for=203.0.113.9")], "203.0.113.9"),
    ([("forwarded", "for=unknown")], "10.0.0.1"),
    ([("forwarded", "for=_hidden, for=10.0.0.7")], "10.0.0.7"),
    ([("x-real-ip", "203.0.113.9"), ("true-client-ip", "203.0.113.9")], "10.0.0.1"),
]


@pytest.mark.parametrize(("headers", "expected"), HOPS)
async def test_a_configured_proxy_says_hop_by_hop_who_called(
    make_world: MakeWorld, headers: list[tuple[str, str]], expected: str
) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_PROXIES": "10.0.0.0/24"})
    await world.register("alice")
    assert await ip_of(world, "10.0.0.1", headers) == expected


async def test_a_proxy_is_known_over_a_socket_that_takes_both_families(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_PROXIES": "10.0.0.0/24"})
    await world.register("alice")
    assert await ip_of(world, "::ffff:10.0.0.1", [("x-forwarded-for", "203.0.113.9")]) == "203.0.113.9"
    assert await ip_of(world, "::ffff:198.51.100.1", [("x-forwarded-for", "203.0.113.9")]) == "198.51.100.1"


@pytest.mark.parametrize(("headers", "_"), HOPS)
@pytest.mark.parametrize(
    ("proxies", "peer"), [("", "10.0.0.1"), ("10.0.0.0/24", "198.51.100.1"), ("10.0.0.2", "10.0.0.1")]
)
async def test_nobody_else_says_anything(
    make_world: MakeWorld, headers: list[tuple[str, str]], proxies: str, peer: str, _: str
) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_PROXIES": proxies})
    await world.register("alice")
    assert await ip_of(world, peer, headers) == peer


async def test_every_answer_forbids_framing_sniffing_and_referring(world: World) -> None:
    alice = await world.register("alice")
    for path in ("/users/me", "/nowhere", "/healthz", "/auth/totp"):
        answer = await alice.call("GET", path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert "x-powered-by" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://app.example.org.evil.example",
        "http://app.example.org",
        "https://app.example.org:444",
    ],
)
async def test_only_an_exact_origin_is_answered(make_world: MakeWorld, origin: str) -> None:
    world: World = await make_world({"SALLYPORT_CORS_ORIGINS": "https://app.example.org"})
    alice = await world.register("alice")
    answer = await alice.call("GET", "/users/me", headers={"origin": origin})
    assert "access-control-allow-origin" not in answer.headers
    ours = await alice.call("GET", "/users/me", headers={"origin": "https://app.example.org"})
    assert ours.headers["access-control-allow-origin"] == "https://app.example.org"
    assert "access-control-allow-credentials" not in ours.headers
    preflight = {"origin": origin, "access-control-request-method": "PUT"}
    asked = await world.call("OPTIONS", "/users/me", headers=preflight)
    assert "access-control-allow-origin" not in asked.headers


async def test_without_the_setting_no_origin_is_answered(world: World) -> None:
    alice = await world.register("alice")
    answer = await alice.call("GET", "/users/me", headers={"origin": "https://app.example.org"})
    assert "access-control-allow-origin" not in answer.headers
