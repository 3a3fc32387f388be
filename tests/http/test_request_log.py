"""The line of a finished request: which requests get one, and what stands in it."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from sallyport.store.work import Sql
from tests.conftest import MakeWorld
from tests.surgery import operate
from tests.world import PASSWORD, World, basic, client_of

GONE = Sql("ALTER TABLE sessions RENAME TO elsewhere")
Lines = list[Any]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Collect what is logged, every field as it is."""
    with capture_logs() as captured:
        yield captured


def requests(lines: Lines) -> Lines:
    return [line for line in lines if line["event"] == "request"]


async def every_kind(world: World) -> dict[int, str]:
    """Meet every kind of answer once; returns the request id that belongs to each status."""
    alice, bob = await world.register("alice"), await world.register("bob")
    asked: list[tuple[str, str, Any, dict[str, str]]] = [
        ("GET", "/users/me", None, alice.auth),
        ("POST", "/users", b"{", {}),
        ("GET", "/users/me", None, {}),
        ("DELETE", f"/users/{bob.uid}", None, alice.auth),
        ("GET", "/nowhere", None, {}),
        ("PATCH", "/users", None, {}),
        ("POST", "/users", {"name": "alice"}, {}),
        ("POST", "/users", b"x", {"content-type": "text/plain"}),
    ]
    seen = {}
    for method, path, body, headers in asked:
        answer = await world.call(method, path, body, headers=headers)
        seen[answer.status_code] = answer.headers["x-request-id"]
    assert list(seen) == [200, 400, 401, 403, 404, 405, 409, 415]
    return seen


async def test_refused_authentication_and_authorization_are_told_of_and_nothing_else(
    world: World, lines: Lines
) -> None:
    seen = await every_kind(world)
    assert [(line["status"], line["request_id"]) for line in lines] == [(401, seen[401]), (403, seen[403])]


async def test_a_line_says_what_an_operator_asks(world: World, lines: Lines) -> None:
    alice = await world.register("alice")
    answer = await world.call("GET", f"/v1/users/{alice.uid}?limit=3", headers={"x-request-id": "from-the-client"})
    assert answer.status_code == 401
    (line,) = lines
    assert 0 <= line.pop("ms") < 10_000
    assert line == {
        "event": "request",
        "log_level": "info",
        "request_id": "from-the-client",
        "code": "unauthenticated",
        "route": "/users/{id}",
        "method": "GET",
        "status": 401,
        "ip": "127.0.0.1",
    }


async def test_at_debug_every_request_has_one_line(make_world: MakeWorld, lines: Lines) -> None:
    world: World = await make_world({"SALLYPORT_LOG_LEVEL": "debug"})
    seen = await every_kind(world)
    assert len(requests(lines)) == len(seen) + 2
    told = {line["status"]: (line["request_id"], line["log_level"], line["code"]) for line in requests(lines)[2:]}
    assert told == {
        200: (seen[200], "debug", "ok"),
        400: (seen[400], "debug", "malformed_json"),
        401: (seen[401], "info", "unauthenticated"),
        403: (seen[403], "info", "forbidden"),
        404: (seen[404], "debug", "not_found"),
        405: (seen[405], "debug", "method_not_allowed"),
        409: (seen[409], "debug", "name_taken"),
        415: (seen[415], "debug", "unsupported_media_type"),
    }


async def test_at_warning_no_request_has_a_line(make_world: MakeWorld, lines: Lines) -> None:
    world: World = await make_world({"SALLYPORT_LOG_LEVEL": "warning"})
    await every_kind(world)
    assert lines == []


async def test_a_fault_is_told_of_under_its_request_id(world: World, lines: Lines) -> None:
    alice = await world.enrolled("alice")
    challenge = await alice.challenge()
    assert alice.phone
    await operate(world, "UPDATE totp SET seed_sealed = zeroblob(77)")
    broken = await world.answer(challenge, alice.phone.code(1))
    await world.service.work(lambda rows: rows.change(GONE))
    gone = await world.call("POST", "/users", {"name": "bob"})
    told = [(line["event"], line["request_id"], line.get("route"), line.get("code")) for line in lines]
    first, second = broken.headers["x-request-id"], gone.headers["x-request-id"]
    assert told == [
        ("sealed value does not open", first, "/auth/totp", None),
        ("request", first, "/auth/totp", "internal"),
        ("storage unavailable", second, "/users", None),
        ("request", second, "/users", "storage_unavailable"),
    ]


HOSTILE = "Zeisig\u2028\x1b]0;x\x07"


async def test_nothing_that_a_client_writes_is_in_a_line(make_world: MakeWorld, lines: Lines) -> None:
    world: World = await make_world({"SALLYPORT_LOG_LEVEL": "debug"})
    await world.password("Zeisig", PASSWORD)
    await world.call("POST", "/users", {"name": HOSTILE})
    await world.call("POST", "/auth/password", {"identifier": HOSTILE, "password": PASSWORD})
    await world.call("GET", "/Zeisig%0A%1B?Zeisig=Zeisig", headers={"user-agent": "Zeisig", "referer": "Zeisig"})
    await world.call("ZEISIG", "/users", headers={"x-request-id": "Zeisig\x1b"} | basic("Zeisig", "Zeisig"))
    assert len(requests(lines)) == 5
    assert "zeisig" not in repr(lines).lower()
    assert [line["method"] for line in requests(lines)][-1] == "other"


@pytest.mark.parametrize(("proxies", "wanted"), [("", "192.0.2.1"), ("192.0.2.1", "203.0.113.9")])
async def test_the_address_is_the_clients_as_far_as_it_can_be_trusted(
    make_world: MakeWorld, lines: Lines, proxies: str, wanted: str
) -> None:
    world: World = await make_world({"SALLYPORT_TRUSTED_PROXIES": proxies})
    async with client_of(world.service, "192.0.2.1") as client:
        await client.get("/users/me", headers={"x-forwarded-for": "203.0.113.9"})
    assert [line["ip"] for line in lines] == [wanted]
