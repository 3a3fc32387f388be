"""The operator at the host: above every trusted role, bound by every other rule, and written down."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest
from msgspec.structs import replace

from sallyport.edge.endpoint import Who
from sallyport.edge.operator import OperatorDesk, Wish
from sallyport.edge.problems import Problem
from sallyport.kernel.caller import OPERATOR, Client
from sallyport.kernel.hashpool import HashPool
from sallyport.kernel.ids import system_randomness
from sallyport.kernel.outcomes import Refused, Why
from sallyport.wiring import Machine
from sallyport.wiring.host import operator_desk
from tests.conftest import MakeWorld
from tests.world import CHEAP, PASSWORD, World

NEW = "an entirely different sentence"
NOBODY = "01912345-0000-7000-8000-000000000000"


class Operator:
    """Asks, and reads answers as JSON."""

    def __init__(self, desk: OperatorDesk) -> None:
        self.desk = desk

    async def __call__(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        answer = await self.desk.ask(Wish(method=method, path=path, query=query, body=raw))
        if isinstance(answer, Problem):
            return answer.status, answer.code
        return answer.status, msgspec.json.decode(msgspec.json.encode(answer.body))


@pytest.fixture
async def operator(world: World) -> AsyncIterator[Operator]:
    machine = Machine(clock=world.clock, randomness=system_randomness, cost=CHEAP)
    desk = operator_desk(world.service.settings, machine)
    yield Operator(desk)
    desk.close()


async def test_an_equal_of_a_trusted_role_is_reset(world: World, operator: Operator) -> None:
    admin = await world.admin()
    await admin.enroll()
    status, secrets = await operator("GET", f"/users/{admin.uid}/secrets")
    assert (status, {one["type"] for one in secrets}) == (200, {"password", "mfa", "mfabackup"})
    assert await operator("DELETE", f"/users/{admin.uid}/secrets/{admin.totp}", {"reason": "lost"}) == (204, None)
    assert (await admin.call("GET", "/users/me")).status_code == 401  # every session is over
    assert (await world.password("admin", admin.password)).json()["type"] == "ACCESS"
    rows = (await operator("GET", "/audit", event="secret.removed"))[1]
    assert [(row["userId"], row["actorId"], row["sessionId"], row["ip"]) for row in rows] == [
        (admin.uid, None, None, None)
    ]
    assert rows[0]["detail"] == f"{admin.totp} lost (host)"


async def test_an_equal_is_disabled_enabled_and_erased(world: World, operator: Operator) -> None:
    admin = await world.admin()
    path = f"/users/{admin.uid}"
    assert (await operator("PUT", path, {"version": 0, "disabled": True}))[1]["disabled"] is True
    assert (await admin.call("GET", "/users/me")).status_code == 401
    assert await operator("PUT", path, {"version": 0, "disabled": False}) == (409, "version_conflict")
    assert (await operator("PUT", path, {"version": 1, "disabled": False}))[1]["disabled"] is False
    assert await operator("DELETE", path) == (204, None)
    assert await operator("GET", path) == (404, "not_found")
    row = (await operator("GET", "/audit", event="user.deleted"))[1][0]
    assert (row["userId"], row["actorId"], row["detail"]) == (admin.uid, None, "(host)")


async def test_the_operator_is_no_second_person_and_needs_none(
    make_world: MakeWorld, request: pytest.FixtureRequest
) -> None:
    world = await make_world({"SALLYPORT_DESK_APPROVAL": "two"})
    alice, admin = await world.register("alice"), await world.admin()
    await alice.enroll()
    desk = operator_desk(world.service.settings, Machine(clock=world.clock, cost=CHEAP))
    request.addfinalizer(desk.close)
    operator = Operator(desk)
    asked = (await admin.call("DELETE", f"/users/{alice.uid}/mfa", {"reason": "lost"})).json()["uid"]
    assert [one["uid"] for one in (await operator("GET", "/approvals"))[1]] == [asked]
    assert await operator("POST", f"/approvals/{asked}") == (403, "forbidden")
    assert (await operator("GET", f"/users/{alice.uid}"))[1]["mfaEnabled"] is True
    assert await operator("DELETE", f"/users/{alice.uid}/mfa", {"reason": "lost"}) == (204, None)
    assert (await operator("GET", f"/users/{alice.uid}"))[1]["mfaEnabled"] is False


async def test_sessions_are_listed_and_ended(world: World, operator: Operator) -> None:
    alice = await world.register("alice")
    await alice.login()
    path = f"/users/{alice.uid}/sessions"
    first, second = (await operator("GET", path))[1]
    assert (first["current"], second["current"]) == (False, False)
    assert await operator("DELETE", f"{path}/{first['uid']}") == (204, None)
    assert await operator("DELETE", f"{path}/{first['uid']}") == (404, "not_found")
    assert await operator("DELETE", path) == (204, None)
    assert (await operator("GET", path))[1] == []
    assert (await alice.call("GET", "/users/me")).status_code == 401


async def test_a_user_is_made_for_another_and_nobody_is_logged_in(world: World, operator: Operator) -> None:
    status, made = await operator("POST", "/users", {"name": "alice", "password": PASSWORD})
    assert (status, set(made), made["user"]["roles"]) == (201, {"userUid", "user"}, [])
    assert (await operator("GET", f"/users/{made['userUid']}/sessions"))[1] == []
    rows = (await operator("GET", "/audit", user=made["userUid"]))[1]
    told = {row["event"]: (row["actorId"], row["detail"].endswith("(host)")) for row in rows}
    assert told == {"user.created": (None, True), "secret.created": (None, True)}
    assert (await world.password("alice", PASSWORD)).status_code == 200


async def test_what_only_the_owner_does_is_refused(world: World, operator: Operator) -> None:
    alice = await world.register("alice")
    _, (password,) = await operator("GET", f"/users/{alice.uid}/secrets")
    for method, path, body in (
        ("POST", "secrets", {"type": "password", "secret": "an entirely different sentence"}),
        ("POST", "secrets", {"type": "mfa"}),
        ("PUT", f"secrets/{password['uid']}", {"version": 0, "secret": "an entirely different sentence"}),
    ):
        assert await operator(method, f"/users/{alice.uid}/{path}", body) == (403, "forbidden"), (method, body)
    assert (await world.password("alice", PASSWORD)).status_code == 200


async def test_every_route_is_judged_by_who_reaches_it(world: World, operator: Operator) -> None:
    never = {Who.OWNER, Who.ANYONE, Who.LOCAL}
    seen = set[Who]()
    for endpoint in world.service.endpoints():
        path = endpoint.path.replace("{id}", NOBODY).replace("{sid}", NOBODY)
        # Whether a role is there, is asked behind its body; whether a user is, before it.
        body = {"version": 0} if (endpoint.method, endpoint.path) == ("PUT", "/roles/{id}") else {}
        status, answer = await operator(endpoint.method, path, body if endpoint.method != "GET" else None)
        seen.add(endpoint.who)
        if endpoint.who in never or endpoint.path.startswith("/auth/"):
            assert (status, answer) == (403, "forbidden"), (endpoint.method, endpoint.path)
        elif "{" in endpoint.path:
            assert (status, answer) == (404, "not_found"), (endpoint.method, endpoint.path)
        else:
            assert status in {200, 400}, (endpoint.method, endpoint.path, answer)
    assert seen >= never


@pytest.mark.parametrize(
    ("method", "path", "body", "wanted"),
    [
        ("GET", "/nowhere", None, (404, "not_found")),
        ("PATCH", "/users", {}, (404, "not_found")),
        ("GET", "/users/me", None, (404, "not_found")),  # the operator is no user
        ("GET", "/users/Alice", None, (404, "not_found")),
        ("POST", "/users", {"name": "a", "admin": True}, (400, "unknown_field")),
        ("POST", "/users", {"name": "admin"}, (409, "name_taken")),
        ("POST", "/users", {"name": "alice", "roles": ["admin"]}, (403, "field_forbidden")),
        ("POST", "/users", {"name": "alice", "password": "short"}, (400, "password_rejected")),
        ("POST", "/users", {"name": ""}, (400, "invalid_request")),
        ("POST", "/users", b"{", (400, "malformed_json")),
    ],
)
async def test_refusals_are_those_of_http(
    operator: Operator, method: str, path: str, body: Any, wanted: tuple[int, str]
) -> None:
    assert await operator(method, path, body) == wanted


async def test_lists_read_their_query(world: World, operator: Operator) -> None:
    world.clock.advance(1)
    alice = await world.register("alice")
    assert [one["name"] for one in (await operator("GET", "/users", limit="1"))[1]] == ["admin"]
    assert (await operator("GET", "/users", sort="-dateCreated"))[1][0]["uid"] == alice.uid
    assert await operator("GET", "/users", limit="0") == (400, "invalid_request")
    assert await operator("GET", "/users", colour="blue") == (400, "invalid_request")


async def test_a_full_hash_queue_is_told_as_over_http(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HashPool, "_seats", lambda *_: 0)
    assert await operator("POST", "/users", {"name": "alice", "password": PASSWORD}) == (503, "overloaded")


async def test_one_whom_no_mail_reaches_sets_a_password_with_a_token_of_the_operator(
    world: World, operator: Operator
) -> None:
    admin = await world.admin()
    await admin.enroll()
    path = f"/users/{admin.uid}/recovery-token"
    assert refusal(await admin.call("POST", path, {})) == (404, "not_found")  # of nobody's service
    status, first = await operator("POST", path)
    assert (status, set(first), first["expiresIn"]) == (201, {"uid", "token", "url", "expiresIn"}, 1800)
    assert first["url"].endswith(f"/ui/recover#id={admin.uid}&token={first['token']}")
    second = (await operator("POST", path))[1]
    chosen = {"token": first["token"], "password": NEW}
    assert refusal(await world.call("POST", f"/users/{admin.uid}/recover", chosen)) == (400, "token_invalid")
    chosen["token"] = second["token"]
    assert (await world.call("POST", f"/users/{admin.uid}/recover", chosen)).status_code == 204
    assert refusal(await world.call("POST", f"/users/{admin.uid}/recover", chosen)) == (400, "token_invalid")
    assert (await admin.call("GET", "/users/me")).status_code == 401
    assert (await world.password("admin", NEW)).json()["type"] == "CHALLENGE"
    row = (await operator("GET", "/audit", event="recovery.asked"))[1][0]
    assert (row["userId"], row["actorId"], row["detail"]) == (admin.uid, None, "(host)")


async def test_tokens_of_the_operator_are_counted_and_none_is_for_one_who_is_disabled(
    world: World, operator: Operator
) -> None:
    alice = await world.register("alice")
    path = f"/users/{alice.uid}/recovery-token"
    assert [(await operator("POST", path))[0] for _ in range(5)] == [201] * 5
    assert await operator("POST", path) == (409, "limit_reached")
    await operator("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})
    assert await operator("POST", path) == (403, "forbidden")
    issue = world.service.flows.recovery.issue
    assert await issue(OPERATOR, NOBODY) == Refused(why=Why.NOT_FOUND)
    ended = replace(OPERATOR, uid=alice.uid, session=NOBODY, client=Client(ip="127.0.0.1", user_agent=""))
    assert await issue(ended, alice.uid) == Refused(why=Why.INVALID_TOKEN)


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
