"""A request that breaks two rules at once hears of the earlier one, in the order that api.md states."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import httpx2
import pytest

from sallyport.store.work import Sql
from tests.dump import dump
from tests.world import PASSWORD, Person, World

OTHER = "another set of plain words"
SET_ROLES = Sql("UPDATE users SET roles = '[\"admin\"]' WHERE id = :uid")


@dataclass
class Request:
    """A request that breaks no rule, until rules are broken on it."""

    method: str
    path: str
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Scene:
    """People with tokens of every freshness, and what belongs to them."""

    world: World
    fresh: str
    stale: str
    password_uid: str
    hidden_uid: str
    forbidden_uid: str
    desk_stale: str


async def scene(world: World) -> Scene:
    alice, hidden, admin, equal = [
        await world.register("alice"),
        await world.register("hidden"),
        await world.admin(),
        await world.register("equal"),
    ]
    await world.service.work(lambda rows: rows.change(SET_ROLES, uid=equal.uid))
    world.clock.advance(500)
    for person in (alice, admin):
        person.hold((await world.call("POST", "/auth/refresh", {"refresh": person.refresh})).json())
    world.clock.advance(101)
    second = Person(world, "alice", alice.uid, "", "")
    await second.login()
    secrets = (await second.call("GET", "/users/me/secrets")).json()
    return Scene(world, second.token, alice.token, secrets[0]["uid"], hidden.uid, equal.uid, admin.token)


async def send(world: World, request: Request) -> tuple[int, str]:
    made = world.client.build_request(request.method, request.path, content=request.body)
    made.headers = httpx2.Headers([*made.headers.multi_items(), *request.headers])
    answer = await world.client.send(made)
    return answer.status_code, answer.json()["code"] if answer.status_code >= 300 else ""


Break = Callable[[Scene, Request], Request]


def token(request: Request, value: str) -> Request:
    others = [(name, held) for name, held in request.headers if name != "authorization"]
    return replace(request, headers=[*others, ("authorization", f"Bearer {value}")])


def wrong_method(_: Scene, request: Request) -> Request:
    return replace(request, method="PATCH")


def two_headers(_: Scene, request: Request) -> Request:
    shown = [header for header in request.headers if header[0] == "authorization"]
    return replace(request, headers=[*request.headers, *(shown or [("authorization", "Bearer x")])])


def wrong_token(_: Scene, request: Request) -> Request:
    count = max(1, sum(name == "authorization" for name, _ in request.headers))
    kept = [header for header in request.headers if header[0] != "authorization"]
    return replace(request, headers=kept + [("authorization", "Bearer spr_nothing")] * count)


def hidden(scene: Scene, request: Request) -> Request:
    return replace(request, path=request.path.replace("/me", f"/{scene.hidden_uid}"))


def wrong_type(_: Scene, request: Request) -> Request:
    kept = [header for header in request.headers if header[0] != "content-type"]
    return replace(request, headers=[*kept, ("content-type", "text/plain")])


def too_large(_: Scene, request: Request) -> Request:
    return replace(request, body=request.body + b" " * 70_000)


def malformed(_: Scene, request: Request) -> Request:
    return replace(request, body=b"{" + request.body)


def unknown_field(_: Scene, request: Request) -> Request:
    return replace(request, body=request.body.replace(b"{", b'{"isAdmin": true, ', 1))


def stale(scene: Scene, request: Request) -> Request:
    return token(request, scene.stale)


def forbidden_field(_: Scene, request: Request) -> Request:
    return replace(request, body=request.body.replace(b"{", b'{"uid": "another", ', 1))


def conflict(_: Scene, request: Request) -> Request:
    return replace(
        request, body=request.body.replace(b'"version": 0', b'"version": 5').replace(b'"mfa"', b'"password"')
    )


# In this order. What is applied later may not undo what was applied before, so breaks are applied from the last on.
ON_A_SECRET: dict[Break, tuple[int, str]] = {
    wrong_method: (405, "method_not_allowed"),
    two_headers: (400, "invalid_request"),
    wrong_token: (401, "invalid_token"),
    hidden: (404, "not_found"),
    wrong_type: (415, "unsupported_media_type"),
    malformed: (400, "malformed_json"),
    unknown_field: (400, "unknown_field"),
    stale: (401, "step_up_required"),
    conflict: (409, "version_conflict"),
}
TOO_LARGE: dict[Break, tuple[int, str]] = ON_A_SECRET | {too_large: (413, "payload_too_large")}
ORDER: list[Break] = [
    wrong_method,
    two_headers,
    wrong_token,
    hidden,
    wrong_type,
    too_large,
    malformed,
    unknown_field,
    stale,
    forbidden_field,
    conflict,
]
EXPECTED = TOO_LARGE | {forbidden_field: (403, "field_forbidden")}
JSON = ("content-type", "application/json")
# A PUT compares the version before anything else, and so before it looks whether a field would change.
AMBIGUOUS = {(forbidden_field, conflict)}
# 415 and 413 stand side by side in the list.
SIDE_BY_SIDE = {(wrong_type, too_large)}


def changed_secret(scene: Scene) -> Request:
    body = b'{"version": 0, "description": "x"}'
    request = Request("PUT", f"/users/me/secrets/{scene.password_uid}", body, [JSON])
    return token(request, scene.fresh)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [pair for pair in combinations(ORDER, 2) if pair not in AMBIGUOUS | SIDE_BY_SIDE],
    ids=lambda broken: broken.__name__,
)
async def test_the_earlier_of_two_refusals_wins_on_a_secret(world: World, earlier: Break, later: Break) -> None:
    await earlier_wins(world, changed_secret, earlier, later)


async def earlier_wins(world: World, good: Callable[[Scene], Request], earlier: Break, later: Break) -> None:
    people = await scene(world)
    before = dump(world)
    for one in (earlier, later):
        assert await send(world, one(people, good(people))) == EXPECTED[one], one
    both = earlier(people, later(people, good(people)))
    if earlier is wrong_token and later is stale:
        return
    assert await send(world, both) == EXPECTED[earlier]
    assert dump(world) == before
    assert (await send(world, good(people)))[0] == 200


async def test_what_is_forbidden_by_route_is_refused_before_the_body_and_the_freshness_of_the_proof(
    world: World,
) -> None:
    people = await scene(world)
    desk = [("authorization", f"Bearer {people.desk_stale}")]
    for body, content_type in ((b"{", "application/json"), (b"{}", "text/plain"), (b" " * 70_000, "application/json")):
        headers = [*desk, ("content-type", content_type)]
        # A trusted role never creates a secret, and does nothing to its equal.
        for path in (f"/users/{people.hidden_uid}/secrets", f"/users/{people.forbidden_uid}/secrets"):
            assert await send(world, Request("POST", path, body, headers)) == (403, "forbidden")
        request = Request("PUT", f"/users/{people.forbidden_uid}", body, headers)
        assert await send(world, request) == (403, "forbidden")
    request = Request("DELETE", f"/users/{people.forbidden_uid}", b"", desk)
    assert await send(world, request) == (403, "forbidden")
    # Where it may act, the body is judged first, then its proof.
    request = Request("PUT", f"/users/{people.hidden_uid}", b"{", [*desk, JSON])
    assert await send(world, request) == (400, "malformed_json")
    request = Request("PUT", f"/users/{people.hidden_uid}", b'{"version": 7, "verified": true}', [*desk, JSON])
    assert await send(world, request) == (401, "step_up_required")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "password", "secret": "short", "uid": "another"}, (403, "field_forbidden")),
        ({"type": "password", "secret": OTHER}, (409, "already_exists")),
        ({"type": "mfabackup", "digits": 8}, (403, "field_forbidden")),
        ({"type": "mfabackup"}, (409, "mfa_not_enabled")),
    ],
)
async def test_a_forbidden_field_is_refused_before_a_conflict(world: World, body: Any, expected: Any) -> None:
    alice = await world.register("alice")
    answer = await alice.call("POST", "/users/me/secrets", body)
    assert (answer.status_code, answer.json()["code"]) == expected


async def test_a_stale_version_is_seen_before_what_the_change_would_be(world: World) -> None:
    alice = await world.register("alice")
    assert (await alice.call("PUT", "/users/me", {"version": 0})).status_code == 200
    answer = await alice.call("PUT", "/users/me", {"version": 0, "verified": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "version_conflict")
    (secret,) = (await alice.call("GET", "/users/me/secrets")).json()
    path = f"/users/me/secrets/{secret['uid']}"
    body = {"version": 9, "current": "wrong words of no meaning", "secret": "short"}
    answer = await alice.call("PUT", path, body)
    assert (answer.status_code, answer.json()["code"]) == (409, "version_conflict")


async def test_registration_refuses_in_order(world: World) -> None:
    await world.register("taken")
    cases: list[tuple[Any, tuple[int, str]]] = [
        ({"name": "taken", "roles": ["admin"], "isAdmin": True}, (400, "unknown_field")),
        ({"name": "taken", "roles": ["admin"], "email": "none"}, (400, "invalid_request")),
        ({"name": "taken", "roles": ["admin"]}, (403, "field_forbidden")),
        ({"name": "taken", "password": PASSWORD}, (409, "name_taken")),
    ]
    for body, expected in cases:
        answer = await world.call("POST", "/users", body)
        assert (answer.status_code, answer.json()["code"]) == expected, body
        answer = await world.call("POST", "/users", body, headers={"authorization": "Bearer x"})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


async def test_an_unknown_path_is_not_found_whatever_else_is_wrong(world: World) -> None:
    for method in ("GET", "POST", "PATCH"):
        request = Request(method, "/nothing/here", b"{" * 70_000, [("authorization", "x"), ("authorization", "y")])
        assert await send(world, request) == (404, "not_found")
