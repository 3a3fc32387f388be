"""What operators, browsers and machines meet beside the routes: health, documents, headers, unknown paths."""

import json
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest

from tests.conftest import MakeWorld
from tests.world import PASSWORD, World, basic

SECURITY_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}
ORIGIN = "https://app.example.org"


def is_problem(answer: httpx2.Response, status: int, code: str) -> None:
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"]
    assert problem["title"]
    assert problem["detail"] == problem["message"]
    assert problem["requestId"] == answer.headers["x-request-id"]


async def routes(world: World) -> list[tuple[str, str]]:
    document = (await world.call("GET", "/openapi.json")).json()
    uid = "00000000-0000-7000-8000-000000000000"
    return [
        (method.upper(), path.replace("{id}", uid).replace("{sid}", uid))
        for path, methods in document["paths"].items()
        for method in methods
    ]


async def test_the_process_and_the_service_say_that_they_are_well(world: World) -> None:
    for prefix in ("", "/v1"):
        for path in ("/healthz", "/readyz"):
            answer = await world.call("GET", prefix + path)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
            assert answer.json()["status"]


class Assets(HTMLParser):
    """Collects whatever a browser would load, run or go to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one tag."""
        self.tags.add(tag)
        loading = {"src", "href", "srcset", "data", "action", "formaction", "poster", "background", "ping", "manifest"}
        self.found += [(tag, name, value or "") for name, value in attrs if name in loading or name.startswith("on")]


async def test_the_documentation_loads_nothing_from_anywhere(world: World) -> None:
    answer = await world.call("GET", "/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "http" not in policy
    page = Assets()
    page.feed(answer.text)
    assert page.tags.isdisjoint({"script", "img", "iframe", "object", "embed", "link", "base", "form", "svg"})
    for tag, name, value in page.found:
        assert (tag, name) == ("a", "href")
        assert not value.startswith(("http:", "https:", "//", "javascript:"))
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    for _, path in await routes(world):
        assert path.split("/")[1] in answer.text


@pytest.mark.parametrize(
    "path", ["/", "", "/nothing", "/v1/nothing", "/users/", "/auth", "/auth/password/x", "/..", "/%00"]
)
async def test_an_unknown_path_is_a_problem_document(world: World, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        is_problem(await world.call(method, path), 404, "not_found")


@pytest.mark.parametrize("path", ["/organizations", "/auth/email", "/metrics/json"])
async def test_a_route_that_is_not_built_is_not_there(world: World, path: str) -> None:
    alice = await world.register("alice")
    is_problem(await alice.call("GET", path), 404, "not_found")


async def test_a_wrong_method_is_refused_and_the_right_ones_are_named(world: World) -> None:
    by_path: dict[str, set[str]] = {}
    for method, path in await routes(world):
        by_path.setdefault(path, set()).add(method)
    for path, methods in by_path.items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO"} - methods:
            answer = await world.call(method, path)
            is_problem(answer, 405, "method_not_allowed")
            assert {name.strip() for name in answer.headers["allow"].split(",")} - {"HEAD"} == methods


async def test_head_answers_as_get_without_a_body(world: World) -> None:
    alice = await world.register("alice")
    for path in ("/users", "/users/me", "/users/count", "/users/me/secrets", "/users/me/sessions"):
        got, head = await alice.call("GET", path), await alice.call("HEAD", path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        ours = {"x-request-id"}
        assert {name: value for name, value in head.headers.items() if name not in ours} == {
            name: value for name, value in got.headers.items() if name not in ours
        }
    refused = await world.call("HEAD", "/users/me")
    assert (refused.status_code, refused.content) == (401, b"")


async def test_every_answer_carries_the_headers_that_protect_browsers(world: World) -> None:
    answers = [await world.call(*route) for route in await routes(world)]
    answers += [
        await world.call("GET", "/nothing"),
        await world.call("PATCH", "/users"),
        await world.call("POST", "/users", b"{"),
    ]
    for answer in answers:
        for name, value in SECURITY_HEADERS.items():
            assert name in answer.headers, (answer.url, name)
            if not answer.url.path.endswith("jwks.json"):
                assert answer.headers[name] == value, answer.url
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert answer.headers.get_list("content-length") == [str(len(answer.content))]
        assert "strict-transport-security" not in answer.headers


async def test_behind_https_browsers_are_told_to_stay_there(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_PUBLIC_URL": "https://accounts.example.org"})
    for path in ("/healthz", "/nothing"):
        answer = await world.call("GET", path)
        assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_every_401_asks_for_a_bearer_token_and_never_for_basic(world: World) -> None:
    seen = 0
    for method, path in await routes(world):
        for headers in ({}, {"authorization": "Bearer x"}, basic("nobody", PASSWORD)):
            answer = await world.call(method, path, headers=headers)
            if answer.status_code == 401:
                (asked,) = answer.headers.get_list("www-authenticate")
                assert asked.startswith("Bearer ")
                assert "basic" not in asked.lower()
                seen += 1
            else:
                assert "www-authenticate" not in answer.headers
    assert seen > 40


@pytest.mark.parametrize("given", ["a", "A-b_c.D:1/2+3=4", "01HZX", "x" * 128])
async def test_a_sane_request_id_comes_back(world: World, given: str) -> None:
    for path, status in (("/healthz", 200), ("/nothing", 404), ("/users/me", 401)):
        answer = await world.call("GET", path, headers={"x-request-id": given})
        assert answer.status_code == status
        assert answer.headers["x-request-id"] == given
        if status != 200:
            assert answer.json()["requestId"] == given


@pytest.mark.parametrize("given", ["", " ", "a b", "x" * 129, "<script>", 'a"b', "a\tb", "é", "a\\b", "a;b", "a,b"])
async def test_a_request_id_that_is_not_sane_is_replaced(world: World, given: str) -> None:
    answers = [await world.call("GET", "/nothing", headers={"x-request-id": given.encode()}) for _ in range(2)]
    made = {answer.headers["x-request-id"] for answer in answers}
    assert len(made) == 2
    assert given not in made
    for answer in answers:
        is_problem(answer, 404, "not_found")


async def test_without_configured_origins_no_browser_of_another_site_is_let_in(world: World) -> None:
    for method in ("GET", "OPTIONS"):
        headers = {"origin": ORIGIN, "access-control-request-method": "GET"}
        answer = await world.call(method, "/healthz", headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.org",
        "http://app.example.org",
        "https://app.example.org:8443",
        "https://app.example.org.evil.org",
        "https://APP.example.org",
        "https://app.example.org/",
        "null",
        "*",
    ],
)
async def test_only_the_exact_origin_is_let_in(make_world: MakeWorld, origin: str) -> None:
    world: World = await make_world({"SALLYPORT_CORS_ORIGINS": f"{ORIGIN},https://second.example.org"})
    for allowed in (ORIGIN, "https://second.example.org"):
        answer = await world.call("GET", "/users/me", headers={"origin": allowed})
        assert answer.headers["access-control-allow-origin"] == allowed
        assert "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers
        asking = {"origin": allowed, "access-control-request-method": "PUT"}
        wanted = {"access-control-request-headers": "authorization,content-type"}
        preflight = await world.call("OPTIONS", "/users/me", headers=asking | wanted)
        assert preflight.status_code in {200, 204}
        assert preflight.headers["access-control-allow-origin"] == allowed
    answer = await world.call("GET", "/users/me", headers={"origin": origin})
    assert "access-control-allow-origin" not in answer.headers
    asking = {"origin": origin, "access-control-request-method": "PUT"}
    preflight = await world.call("OPTIONS", "/users/me", headers=asking)
    assert "access-control-allow-origin" not in preflight.headers


async def test_a_body_is_read_to_its_limit_and_no_further(world: World) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        for _ in range(10_000):
            read += 1
            yield b" " * 1_024

    headers = {"content-type": "application/json"}
    answer = await world.client.post("/users", content=endless(), headers=headers)
    is_problem(answer, 413, "payload_too_large")
    body = json.dumps({"name": "just"}).encode()
    fits = body + b" " * (64 * 1024 - len(body))
    assert (await world.call("POST", "/users", fits)).status_code == 201
    is_problem(await world.call("POST", "/users", fits + b" "), 413, "payload_too_large")


async def test_a_preflight_of_another_site_is_refused_as_everything_else_is(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_CORS_ORIGINS": ORIGIN})
    asking = {"origin": "https://evil.example.org", "access-control-request-method": "PUT"}
    answer = await world.call("OPTIONS", "/users/me", headers=asking)
    # Whatever its status: every refusal of the application is a problem document, and has the headers of the others.
    assert answer.status_code >= 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    allowed = await world.call("OPTIONS", "/users/me", headers=asking | {"origin": ORIGIN})
    for name in ("x-request-id", "x-content-type-options"):
        assert name in answer.headers
        assert name in allowed.headers
