"""`GET /metrics`: what it counts, and who may read it."""

import asyncio
import re
from threading import Event, Semaphore
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sallyport.kernel.outcomes import Overloaded
from sallyport.store.work import Sql, StorageUnavailableError
from tests.attacks.surface import opens_nothing
from tests.conftest import MakeWorld
from tests.expect import refused
from tests.surgery import operate
from tests.world import PASSWORD, World, basic, client_of

ADD_NOTHING = Sql("UPDATE installation SET epoch = epoch")
GONE = Sql("ALTER TABLE sessions RENAME TO elsewhere")
NO_TABLE = Sql("UPDATE nowhere SET a = 1")
REQUESTS = "sallyport_http_request_seconds_count"


async def scrape(world: World) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample by its name and labels."""
    answer = await world.call("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = [one for family in text_string_to_metric_families(answer.text) for one in family.samples]
    found = {(one.name, frozenset(one.labels.items())): one.value for one in samples}
    assert len(found) == len(samples)
    return found


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


async def asked_as(world: World, address: str, **headers: str) -> httpx2.Response:
    """Ask for the numbers from some address."""
    async with client_of(world.service, address) as client:
        return await client.get("/metrics", headers={name.replace("_", "-"): text for name, text in headers.items()})


async def test_every_answer_is_counted_by_route_method_and_status(world: World) -> None:
    alice = await world.register("alice")
    for path in ("/users/me", f"/users/{alice.uid}", f"/v1/users/{alice.uid}?a=1&a=2"):
        await alice.call("GET", path)
    await world.call("GET", "/users/me")
    await world.call("HEAD", "/healthz")
    await world.call("GET", "/nowhere")
    found = await scrape(world)
    counts = {tuple(dict(labels).values()): value for (name, labels), value in found.items() if name == REQUESTS}
    by = {tuple(sorted(labels)): value for labels, value in counts.items()}
    assert by == {
        tuple(sorted(("/users", "POST", "201"))): 1,
        tuple(sorted(("/users/{id}", "GET", "200"))): 2,
        tuple(sorted(("/users/{id}", "GET", "400"))): 1,
        tuple(sorted(("/users/{id}", "GET", "401"))): 1,
        tuple(sorted(("/healthz", "HEAD", "200"))): 1,
        tuple(sorted(("none", "GET", "404"))): 1,
    }
    labels = {"route": "/users", "method": "POST", "status": "201"}
    assert found[key("sallyport_http_request_seconds_bucket", **labels, le="+Inf")] == 1
    assert found[key("sallyport_http_request_seconds_sum", **labels)] > 0


async def test_a_fault_of_ours_is_counted_as_one(world: World) -> None:
    await world.service.work(lambda rows: rows.change(GONE))
    await world.call("POST", "/users", {"name": "alice"})
    labels = {"route": "/users", "method": "POST", "status": "503"}
    found = await scrape(world)
    assert found[key(REQUESTS, **labels)] == 1
    assert found[key("sallyport_commit_failures_total")] == 1


async def test_nothing_that_a_client_makes_up_becomes_a_line(world: World) -> None:
    alice = await world.register("alice")
    known = {one.path for one in world.service.endpoints()}
    for number in range(20):
        await world.call("GET", f"/invented-{number}")
        await world.call(f"INVENTED{number}", "/users")
        await alice.call("GET", f"/users/00000000-0000-7000-8000-{number:012}?invented={number}")
        await world.call("GET", "/healthz", headers={"x-request-id": f"invented-{number}", "user-agent": "invented"})
    text = (await world.call("GET", "/metrics")).text
    assert "invented" not in text.lower()
    assert "7000-8000" not in text
    assert set(re.findall(r'route="([^"]*)"', text)) <= known | {"none"}
    assert set(re.findall(r'method="([^"]*)"', text)) == {"GET", "POST", "other"}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_itself_may_read_it(world: World, address: str) -> None:
    assert (await asked_as(world, address)).status_code == 200


@pytest.mark.parametrize(
    "address", ["192.0.2.7", "10.0.0.1", "::2", "::ffff:192.0.2.7", "0.0.0.0", "localhost", ""]
)  # an address that asks
async def test_to_others_it_is_not_there(world: World, address: str) -> None:
    alice = await world.register("alice")
    refused(await asked_as(world, address), 404, "not_found")
    refused(await asked_as(world, address, authorization=f"Bearer {alice.token}"), 404, "not_found")


@pytest.mark.parametrize("proxies", ["", "192.0.2.7", "127.0.0.0/8,192.0.2.7"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_forwarded_for", "127.0.0.1"),
        ("x_forwarded_for", "192.0.2.9, 127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("x_real_ip", "127.0.0.1"),
        ("x_forwarded_host", "localhost"),
        ("x_forwarded_proto", "https"),
        ("via", "1.1 proxy"),
    ],
)
async def test_no_forwarding_header_opens_it_and_each_of_them_closes_it(
    make_world: MakeWorld, proxies: str, name: str, value: str
) -> None:
    """Behind a proxy on the same machine every peer is a loopback address."""
    world: World = await make_world({"SALLYPORT_TRUSTED_PROXIES": proxies})
    for address in ("192.0.2.7", "127.0.0.1", "::1"):
        refused(await asked_as(world, address, **{name: value}), 404, "not_found")


async def test_a_credential_changes_nothing_and_is_in_no_number(world: World) -> None:
    victim = await world.enrolled("victim")
    challenge = await victim.challenge()
    for headers in (basic("victim", PASSWORD), {"authorization": f"jwt {challenge}"}, victim.auth):
        answer = await world.call("GET", "/metrics", headers=headers)
        assert answer.status_code == 200
        opens_nothing(answer)
        assert not any(text in answer.text for text in (challenge, victim.uid, "victim", victim.token))


async def test_it_can_be_opened_to_everybody(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_METRICS": "open"})
    assert (await asked_as(world, "192.0.2.7")).status_code == 200
    assert (await asked_as(world, "127.0.0.1", x_forwarded_for="192.0.2.9")).status_code == 200


async def test_it_can_be_switched_off(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_METRICS": "off"})
    refused(await asked_as(world, "127.0.0.1"), 404, "not_found")
    assert "/metrics" not in (await world.call("GET", "/openapi.json")).json()["paths"]


async def test_it_says_in_its_description_who_may_read_it(world: World) -> None:
    described = (await world.call("GET", "/openapi.json")).json()["paths"]["/metrics"]["get"]
    assert "this machine" in described["description"]
    assert "404" in described["responses"]
    assert described["security"] == [{}]


async def test_groups_are_counted_by_how_many_units_they_hold(world: World) -> None:
    before = await scrape(world)
    await world.service.work(lambda rows: rows.change(ADD_NOTHING))
    await asyncio.gather(*(world.service.work(lambda rows: rows.change(ADD_NOTHING)) for _ in range(3)))
    after = await scrape(world)

    def rise(name: str, **labels: str) -> float:
        return after[key(name, **labels)] - before[key(name, **labels)]

    # One alone, then the three that came together.
    assert rise("sallyport_commit_units_count") == rise("sallyport_commit_seconds_count") == 2
    assert rise("sallyport_commit_units_sum") == 4
    buckets = [rise("sallyport_commit_units_bucket", le=bound) for bound in ("1.0", "2.0", "4.0", "+Inf")]
    assert buckets == [1, 1, 2, 2]


async def test_a_unit_that_fails_alone_fails_no_group_and_a_group_that_fails_is_counted(world: World) -> None:
    def wrong(_: Any) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await world.service.work(wrong)
    assert (await scrape(world))[key("sallyport_commit_failures_total")] == 0
    before = await scrape(world)
    with pytest.raises(StorageUnavailableError):
        await world.service.work(lambda rows: rows.change(NO_TABLE))
    after = await scrape(world)
    assert after[key("sallyport_commit_failures_total")] == 1
    assert after[key("sallyport_commit_units_count")] == before[key("sallyport_commit_units_count")]


async def test_the_queue_of_hashes_can_be_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, started, go = world.service.pool, Semaphore(0), Event()

    def hold() -> None:
        started.release()
        go.wait(10)

    running = [asyncio.ensure_future(pool.run(hold)) for _ in range(pool.threads + 1)]
    for _ in range(pool.threads):
        await asyncio.to_thread(started.acquire, timeout=10)
    found = await scrape(world)
    assert found[key("sallyport_hash_running")] == pool.threads
    assert found[key("sallyport_hash_waiting")] == 1
    go.set()
    await asyncio.gather(*running)
    monkeypatch.setattr("sallyport.kernel.hashpool.WAIT_SECONDS", -1.0)
    with pytest.raises(Overloaded):
        await pool.run(lambda: None)
    found = await scrape(world)
    assert (found[key("sallyport_hash_running")], found[key("sallyport_hash_waiting")]) == (0, 0)
    assert found[key("sallyport_hash_refused_total")] == 1


async def test_a_sealed_value_that_does_not_open_is_counted(world: World) -> None:
    alice = await world.enrolled("alice")
    challenge = await alice.challenge()
    assert alice.phone
    await operate(world, "UPDATE totp SET seed_sealed = zeroblob(77)")
    assert (await world.answer(challenge, alice.phone.code(1))).status_code == 500
    found = await scrape(world)
    assert found[key("sallyport_sealed_values_unopened_total", table="totp")] == 1


async def test_what_other_parts_count_is_shown(world: World) -> None:
    world.service.meters.attempts.count("totp", "refused")
    world.service.meters.throttled.count("password")
    found = await scrape(world)
    assert found[key("sallyport_attempts_total", factor="totp", outcome="refused")] == 1
    assert found[key("sallyport_throttled_total", lane="password")] == 1


async def test_one_process_tells_its_memory_and_its_start(world: World) -> None:
    found = await scrape(world)
    assert found[key("process_resident_memory_bytes")] > 10_000_000
    assert found[key("process_start_time_seconds")] > 0


async def test_every_number_says_what_it_means(world: World) -> None:
    await world.password("nobody", PASSWORD)
    text = (await world.call("GET", "/metrics")).text
    named = re.findall(r"^# HELP (sallyport_\S+) (.*)$", text, re.MULTILINE)
    assert len(named) >= 10
    assert all(meaning.endswith(".") for _, meaning in named)
