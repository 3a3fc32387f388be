"""What waited too long for a thread was not judged: it counts as no try, and spends nothing."""

from collections.abc import Awaitable, Callable

import httpx2
import pytest

from sallyport.kernel.hashpool import Seat
from tests.conftest import MakeWorld
from tests.expect import refused
from tests.surgery import everything
from tests.world import PASSWORD, Person, World

Call = Callable[[Person], Awaitable[httpx2.Response]]


async def login(person: Person) -> httpx2.Response:
    return await person.world.password("alice", "some wrong words of a stranger")


async def login_with_a_code(person: Person) -> httpx2.Response:
    return await person.world.password("alice", person.codes[0])


async def elevate(person: Person) -> httpx2.Response:
    return await person.call("POST", "/auth/elevate", {"password": "some wrong words", "token": person.codes[0]})


async def change_password(person: Person) -> httpx2.Response:
    secrets = (await person.call("GET", "/users/me/secrets")).json()
    uid = next(secret["uid"] for secret in secrets if secret["type"] == "password")
    change = {"version": 0, "current": "some wrong words", "secret": "quite another set of words"}
    return await person.call("PUT", f"/users/me/secrets/{uid}", change)


@pytest.mark.parametrize("call", [login, login_with_a_code, elevate, change_password])
async def test_what_waited_too_long_counts_as_no_try(world: World, monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    alice = await world.enrolled("alice")
    before = await everything(world)
    monkeypatch.setattr("sallyport.kernel.hashpool.WAIT_SECONDS", -1.0)
    answer = await call(alice)
    refused(answer, 503, "overloaded")
    assert answer.headers["retry-after"] == "1"
    assert await everything(world) == before


async def test_a_backup_code_that_waited_too_long_spends_no_try_of_its_challenge(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await world.enrolled("alice")
    challenge = await alice.challenge()
    before = await everything(world)
    with monkeypatch.context() as slow:
        slow.setattr("sallyport.kernel.hashpool.WAIT_SECONDS", -1.0)
        for _ in range(6):
            refused(await world.answer(challenge, alice.codes[0]), 503, "overloaded")
    assert await everything(world) == before
    assert (await world.answer(challenge, alice.codes[0])).status_code == 200


async def test_a_queue_that_is_full_is_told_before_anything_is_asked_or_counted(world: World) -> None:
    alice = await world.enrolled("alice")
    challenge = await alice.challenge()
    world.service.pool.taken = 10**9
    before = await everything(world)
    for answer in (await login(alice), await elevate(alice), await change_password(alice)):
        refused(answer, 503, "overloaded")
    refused(await world.answer(challenge, alice.codes[0]), 503, "overloaded")
    assert await everything(world) == before
    # What needs no hash goes on.
    assert alice.phone
    world.clock.advance(30)
    assert (await world.answer(challenge, alice.phone.code())).status_code == 200


async def test_a_known_client_has_a_seat_where_strangers_find_none(make_world: MakeWorld) -> None:
    world: World = await make_world()
    await world.register("alice")
    client = (await world.password("alice", PASSWORD)).json()["client"]
    await world.register("bob")
    theirs = (await world.password("bob", PASSWORD)).json()["client"]
    pool = world.service.pool
    pool.seconds = 0.1
    pool.taken = 6 * pool.threads
    body = {"identifier": "alice", "password": PASSWORD}
    for shown in ("", "spd_" + "A" * 54, theirs):
        answer = await world.call("POST", "/auth/password", body, headers={"x-sallyport-client": shown})
        refused(answer, 503, "overloaded")
    answer = await world.call("POST", "/auth/password", body, headers={"x-sallyport-client": client})
    assert answer.status_code == 200, answer.text
    assert pool.taken == 6 * pool.threads


@pytest.mark.parametrize("shown", ["", "spd_" + "A" * 54])
async def test_a_made_up_token_takes_no_seat_that_is_kept_and_asks_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    alice = await world.enrolled("alice")
    challenge, body = await alice.challenge(), {"identifier": "alice", "password": PASSWORD}
    pool = world.service.pool
    pool.seconds = 0.1
    pool.taken = 6 * pool.threads
    takes = list[bool]()
    genuine = pool.seat

    def listening(*, reserve: bool = False) -> Seat:
        takes.append(reserve)
        return genuine(reserve=reserve)

    monkeypatch.setattr(pool, "seat", listening)
    headers = {"x-sallyport-client": shown}
    refused(await world.call("POST", "/auth/password", body, headers=headers), 503, "overloaded")
    answer = {"token": alice.codes[0]}
    headers |= {"authorization": f"jwt {challenge}"}
    refused(await world.call("POST", "/auth/totp", answer, headers=headers), 503, "overloaded")
    assert takes == [False, False]
