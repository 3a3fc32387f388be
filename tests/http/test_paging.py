"""api.md section 1: lists."""

import re
from typing import Any

import pytest

from tests.expect import refused
from tests.world import PASSWORD, Person, World

LINK = re.compile(r'<(/[^>]*)>; rel="next"')
NOBODY = "ffffffff-ffff-4fff-8fff-ffffffffffff"


async def crowd(world: World, names: str) -> Person:
    people = []
    for name in names.split():
        world.clock.advance(1)
        people.append(await world.register(name, password=None))
    await people[0].call("POST", "/users/me/secrets", {"type": "password", "secret": PASSWORD})
    return people[0]


async def names(person: Person, query: str) -> list[str]:
    answer = await person.call("GET", f"/users?{query}")
    assert answer.status_code == 200, answer.text
    return [user["name"] for user in answer.json()]


async def test_without_sort_the_oldest_come_first(world: World) -> None:
    alice = await crowd(world, "carol bob Dave alice")
    assert await names(alice, "") == ["admin", "carol", "bob", "Dave", "alice"]


async def test_a_list_is_sorted_by_name_without_regard_to_case(world: World) -> None:
    alice = await crowd(world, "carol bob Dave alice")
    assert await names(alice, "sort=name") == ["admin", "alice", "bob", "carol", "Dave"]


async def test_a_list_is_sorted_by_the_newest(world: World) -> None:
    alice = await crowd(world, "carol bob Dave alice")
    assert await names(alice, "sort=-dateCreated") == ["alice", "Dave", "bob", "carol", "admin"]


@pytest.mark.parametrize("sort", ["", "name", "-dateCreated"])
async def test_limit_and_skip_cut_a_page(world: World, sort: str) -> None:
    alice = await crowd(world, "carol bob Dave alice")
    query = f"sort={sort}&" if sort else ""
    whole = await names(alice, query)
    assert await names(alice, f"{query}limit=2") == whole[:2]
    assert await names(alice, f"{query}limit=2&skip=2") == whole[2:4]
    assert await names(alice, f"{query}skip=4") == whole[4:]
    assert await names(alice, f"{query}skip=10000") == []


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("sort", ["", "name", "-dateCreated"])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_links_walk_through_all_of_them_once(world: World, prefix: str, sort: str, limit: int) -> None:
    alice = await crowd(world, "carol bob Dave alice")
    query = f"sort={sort}" if sort else ""
    whole, path, walked = await names(alice, query), f"{prefix}/users?limit={limit}&{query}", []
    while path:
        answer = await alice.call("GET", path)
        walked += [user["name"] for user in answer.json()]
        assert len(answer.json()) <= limit
        link = LINK.fullmatch(answer.headers.get("link", ""))
        path = link[1] if link else ""
        assert not path or path.startswith(f"{prefix}/users?")
    assert walked == whole


async def test_a_walk_by_after_sees_each_user_once_while_others_come(world: World) -> None:
    alice = await crowd(world, "carol bob")
    first = await alice.call("GET", "/users?limit=2")
    world.clock.advance(1)
    await world.register("zoe", password=None)
    last = first.json()[-1]["uid"]
    assert await names(alice, f"after={last}") == ["bob", "zoe"]


async def test_a_hundred_come_where_nothing_is_said(world: World) -> None:
    alice = await crowd(world, "alice")
    for number in range(101):
        await world.register(f"user-{number}", password=None)
    assert len(await names(alice, "")) == 100
    assert len(await names(alice, "limit=1000")) == 103


BAD: list[str] = [
    "limit=0",
    "limit=1001",
    "limit=-1",
    "limit=x",
    "limit=",
    "limit=1.5",
    "limit=%D9%A1",
    "limit=1e1",
    "limit=99999999999999999999",
    "limit=1&limit=2",
    "skip=-1",
    "skip=10001",
    "skip=x",
    "sort=email",
    "sort=-name",
    "sort=name;drop",
    "after=me",
    "after=1",
    "after=",
    "page=1",
    "filter=x",
    "verified=true",
]


@pytest.mark.parametrize("query", BAD)
@pytest.mark.parametrize("path", ["/users", "/users/me/secrets", "/users/me/sessions"])
async def test_a_query_that_makes_no_sense_is_refused(world: World, path: str, query: str) -> None:
    alice = await world.register("alice")
    refused(await alice.call("GET", f"{path}?{query}"), 400, "invalid_request")


@pytest.mark.parametrize("query", ["limit=1", "limit=1000", "skip=0", "skip=10000", f"after={NOBODY}"])
@pytest.mark.parametrize("path", ["/users", "/users/me/secrets", "/users/me/sessions"])
async def test_the_bounds_themselves_are_good(world: World, path: str, query: str) -> None:
    alice = await world.register("alice")
    assert (await alice.call("GET", f"{path}?{query}")).status_code == 200


@pytest.mark.parametrize("kind", ["secrets", "sessions"])
async def test_secrets_and_sessions_are_walked_the_same_way(world: World, kind: str) -> None:
    alice = await world.enrolled("alice")
    for _ in range(2):
        world.clock.advance(30)
        await alice.login()
    whole: list[Any] = (await alice.call("GET", f"/users/me/{kind}")).json()
    assert len(whole) == 3
    path, walked = f"/users/me/{kind}?limit=1", []
    while path:
        answer = await alice.call("GET", path)
        walked += answer.json()
        link = LINK.fullmatch(answer.headers.get("link", ""))
        path = link[1] if link else ""
    assert walked == whole
    assert (await alice.call("GET", f"/users/me/{kind}?skip=1&limit=1")).json() == whole[1:2]
