"""Whoever can write into the database moves and alters what is sealed: it never opens a door, and is told."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from tests.surgery import fetch, operate
from tests.world import PASSWORD, Person, World

Attack = Callable[[Person, Person], Awaitable[None]]
_SEED = "UPDATE totp SET seed_sealed = :sealed WHERE user_id = :user"
_HASH = "UPDATE passwords SET hash_sealed = :sealed WHERE user_id = :user"


@pytest.fixture
async def victim(world: World) -> Person:
    return await world.enrolled("victim")


@pytest.fixture
async def thief(world: World) -> Person:
    """Knows their own password, and holds the phone of their own account."""
    return await world.enrolled("thief")


async def sealed(person: Person, column: str) -> bytes:
    table = "totp" if column == "seed_sealed" else "passwords"
    found: bytes = (await fetch(person.world, f"SELECT {column} FROM {table} WHERE user_id = :u", u=person.uid))[0][0]  # noqa: S608  # our own names
    return found


async def put(person: Person, sql: str, value: bytes) -> None:
    await operate(person.world, sql, sealed=value, user=person.uid)


async def the_hash_of_another_user(victim: Person, thief: Person) -> None:
    await put(victim, _HASH, await sealed(thief, "hash_sealed"))


async def the_hash_and_its_id_of_another_user(victim: Person, thief: Person) -> None:
    ((uid,),) = await fetch(thief.world, "SELECT id FROM passwords WHERE user_id = :u", u=thief.uid)
    await put(victim, _HASH, await sealed(thief, "hash_sealed"))
    await operate(thief.world, "UPDATE passwords SET id = :i WHERE user_id = :u", i=uid, u=victim.uid)


async def the_seed_in_the_place_of_the_hash(victim: Person, thief: Person) -> None:
    await put(victim, _HASH, await sealed(victim, "seed_sealed"))


async def an_altered_hash(victim: Person, thief: Person) -> None:
    value = await sealed(victim, "hash_sealed")
    await put(victim, _HASH, value[:-1] + bytes([value[-1] ^ 1]))


async def a_hash_of_an_older_version(victim: Person, thief: Person) -> None:
    await put(victim, _HASH, b"\x00" + (await sealed(victim, "hash_sealed"))[1:])


async def a_hash_under_a_key_that_nobody_has(victim: Person, thief: Person) -> None:
    value = await sealed(victim, "hash_sealed")
    await put(victim, _HASH, value[:1] + b"\xee" * 8 + value[9:])


async def a_hash_of_no_length(victim: Person, thief: Person) -> None:
    await put(victim, _HASH, b"")


async def the_seed_of_another_user(victim: Person, thief: Person) -> None:
    await put(victim, _SEED, await sealed(thief, "seed_sealed"))


async def the_whole_row_of_another_user(victim: Person, thief: Person) -> None:
    await operate(victim.world, "DELETE FROM totp WHERE user_id = :u", u=victim.uid)
    await operate(victim.world, "UPDATE totp SET user_id = :v WHERE user_id = :u", v=victim.uid, u=thief.uid)


async def the_hash_in_the_place_of_the_seed(victim: Person, thief: Person) -> None:
    await put(victim, _SEED, await sealed(victim, "hash_sealed"))


async def an_altered_seed(victim: Person, thief: Person) -> None:
    value = await sealed(victim, "seed_sealed")
    await put(victim, _SEED, value[:40] + bytes([value[40] ^ 1]) + value[41:])


async def a_seed_of_an_older_version(victim: Person, thief: Person) -> None:
    await put(victim, _SEED, b"\x00" + (await sealed(victim, "seed_sealed"))[1:])


def assert_told(answer: httpx2.Response, logs: list[Any], victim: Person, table: str, column: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    (told,) = [line for line in logs if line["log_level"] == "error"]
    assert told["event"] == "sealed value does not open"
    assert (told["table"], told["column"], told["user"]) == (table, column, victim.uid)
    assert told["request_id"] == answer.json()["requestId"]
    assert told["row"]
    assert not {"exc_info", "exception"} & told.keys()
    for secret in (PASSWORD, victim.token, victim.phone.secret if victim.phone else ""):
        assert secret not in str(logs) + answer.text


@pytest.mark.parametrize(
    "attack",
    [
        the_hash_of_another_user,
        the_hash_and_its_id_of_another_user,
        the_seed_in_the_place_of_the_hash,
        an_altered_hash,
        a_hash_of_an_older_version,
        a_hash_under_a_key_that_nobody_has,
        a_hash_of_no_length,
    ],
)
async def test_no_moved_or_altered_hash_lets_anybody_in(victim: Person, thief: Person, attack: Attack) -> None:
    await attack(victim, thief)
    with capture_logs() as logs:
        answer = await victim.world.password("victim", thief.password)
    assert_told(answer, list(logs), victim, "passwords", "hash_sealed")
    assert (await victim.world.password("thief", PASSWORD)).status_code == 200


@pytest.mark.parametrize(
    "attack",
    [
        the_seed_of_another_user,
        the_whole_row_of_another_user,
        the_hash_in_the_place_of_the_seed,
        an_altered_seed,
        a_seed_of_an_older_version,
    ],
)
async def test_no_moved_or_altered_seed_lets_anybody_in(victim: Person, thief: Person, attack: Attack) -> None:
    await attack(victim, thief)
    victim.world.clock.advance(30)
    challenge = await victim.challenge()
    assert thief.phone is not None
    with capture_logs() as logs:
        answer = await victim.world.answer(challenge, thief.phone.code())
    assert_told(answer, list(logs), victim, "totp", "seed_sealed")
