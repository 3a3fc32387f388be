"""The schema partitioned by user, as deploy/partition.sql makes it, under the service that knows nothing of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import UniqueViolation

from sallyport.kernel.hidden import Hidden
from sallyport.store import schema
from sallyport.store.database import database_at
from tests.conftest import MakeWorld
from tests.engines import own_cluster
from tests.postgres import NEWEST
from tests.surgery import count
from tests.world import PASSWORD, World

SCRIPT = Path(__file__).parents[2] / "deploy" / "partition.sql"
OF_A_USER = ("passwords", "totp", "backup_sets", "backup_codes", "known_clients", "sessions", "refresh_tokens")
EARLY = """INSERT INTO users (id, name, name_key, roles, created_at, modified_at, version)
           VALUES (%s, 'early', 'early', '[]', 0, 0, 0)"""
UID = "0190b3c4-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database that had a user when it was partitioned."""
    with own_cluster(NEWEST) as url:
        schema.migrate(database_at(Hidden(url)))
        with psycopg.connect(url) as connection:
            connection.execute(EARLY, [UID])
            connection.execute(SCRIPT.read_bytes())
        yield url


@pytest.fixture
async def partitioned(make_world: MakeWorld, url: str) -> AsyncIterator[World]:
    world = await make_world({"SALLYPORT_DATABASE_URL": url})
    yield world
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM users WHERE id <> %s", [UID])
        connection.execute("DELETE FROM installation")


def ask(url: str, question: str, *values: Any) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(question.encode(), values).fetchall()


async def test_the_whole_journey_goes_as_ever(partitioned: World, url: str) -> None:
    alice = await partitioned.enrolled("alice")
    await alice.login()
    partitioned.clock.advance(30)
    with_code = await partitioned.answer(await alice.challenge(), alice.codes[0])
    assert with_code.json()["mfa"]["backupCodesRemaining"] == 9
    refreshed = await partitioned.call("POST", "/auth/refresh", {"refresh": alice.refresh})
    assert refreshed.status_code == 200
    assert (await alice.call("GET", "/users/count")).json() == {"count": 3}
    listed = (await alice.call("GET", "/users?sort=name")).json()
    assert [user["name"] for user in listed] == ["admin", "alice", "early"]
    await alice.login()
    assert await partitioned.service.flows.read_users.enrolled() == (3, 1)
    assert (await alice.call("DELETE", "/users/me")).status_code == 204
    assert await partitioned.service.flows.read_users.enrolled() == (2, 0)
    assert [row for table in OF_A_USER for row in ask(url, f"SELECT * FROM {table}") if alice.uid in row] == []  # noqa: S608  # named above
    assert (await partitioned.password("early", PASSWORD)).status_code == 401


async def test_a_name_is_one_users_in_all_partitions(partitioned: World, url: str) -> None:
    answers = await asyncio.gather(
        *(partitioned.call("POST", "/users", {"name": name, "password": PASSWORD}) for name in ["bob", "BOB"] * 5)
    )
    assert sorted(answer.status_code for answer in answers) == [201] + 9 * [409]
    assert ask(url, "SELECT count(*) FROM users WHERE name_key = 'bob'") == [(1,)]
    taken = await partitioned.call("POST", "/users", {"name": "Early", "password": PASSWORD})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")


async def test_of_two_who_take_a_name_at_once_one_gets_it_and_a_name_given_up_is_free(partitioned: World) -> None:
    people = [await partitioned.register(f"person{number}") for number in range(4)]
    change = {"version": 0, "name": "carol"}
    answers = await asyncio.gather(*(person.call("PUT", "/users/me", change) for person in people))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    winner = next(answer.json()["uid"] for answer in answers if answer.status_code == 200)
    freed = next(person.name for person in people if person.uid == winner)
    await partitioned.register(freed)
    await next(person for person in people if person.uid == winner).call("DELETE", "/users/me")
    await partitioned.register("carol")


async def test_one_user_alone_verifies_an_address(partitioned: World, url: str) -> None:
    people = [await partitioned.register(f"person{number}", email="one@example.org") for number in range(2)]
    verify = "UPDATE users SET verified_email_key = %s WHERE id = %s"
    with psycopg.connect(url) as connection:
        connection.execute(verify, ["one@example.org", people[0].uid])
    with pytest.raises(UniqueViolation), psycopg.connect(url) as connection:
        connection.execute(verify, ["one@example.org", people[1].uid])
    with psycopg.connect(url) as connection:
        connection.execute(verify, [None, people[0].uid])
        connection.execute(verify, ["one@example.org", people[1].uid])


async def test_users_are_spread_and_found_in_one_partition(partitioned: World, url: str) -> None:
    for number in range(12):
        await partitioned.register(f"person{number}")
    assert await count(partitioned, "users") == 14
    assert len(ask(url, "SELECT DISTINCT tableoid FROM users")) > 3
    for table, key in (("users", "id"), ("totp", "user_id"), ("sessions", "id")):
        (plan,) = zip(*ask(url, f"EXPLAIN SELECT * FROM {table} WHERE {key} = '{UID}'"), strict=True)  # noqa: S608  # named above
        assert sum(f" on {table}_" in line for line in plan) == 1, plan


def test_no_constraint_is_lost_on_the_way(url: str) -> None:
    with own_cluster(NEWEST) as plain:
        schema.migrate(database_at(Hidden(plain)))
        found = [constraints(place) for place in (plain, url)]
    assert found[0] - found[1] == {
        ("users", said % key)
        for said in ("UNIQUE (%s)", "CREATE UNIQUE btree (%s)")
        for key in ("name_key", "verified_email_key")
    }
    # Triggers keep them instead, as the tests above see.
    assert {table for table, _ in found[1] - found[0]} == {"users", "taken_names", "taken_emails"}


def constraints(url: str) -> set[tuple[str, str]]:
    """Return every constraint and index by what it says, but those of single partitions."""
    question = r"""
        SELECT conrelid::regclass::text, pg_get_constraintdef(pg_constraint.oid) FROM pg_constraint
        JOIN pg_class ON pg_class.oid = conrelid
        WHERE NOT relispartition AND relnamespace = 'public'::regnamespace AND conparentid = 0
        UNION SELECT tablename, regexp_replace(indexdef, ' (INDEX|INDEX \S+) ON .* USING', '')
        FROM pg_indexes JOIN pg_class ON relname = tablename AND NOT relispartition WHERE schemaname = 'public'
    """
    with psycopg.connect(url) as connection:
        return {(row[0], row[1]) for row in connection.execute(question.encode())}
