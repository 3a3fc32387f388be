"""Users: read, changed, erased."""

from typing import TypeVar

import pytest
from msgspec.structs import replace

from sallyport.kernel.outcomes import Refused
from sallyport.store.work import Rows, Sql, Unit, Work
from sallyport.users import counts, store
from sallyport.users.flow import ReadUsers
from sallyport.users.rules import EVERYBODY, UserFilter
from tests.flow.test_login import refusal
from tests.surgery import count
from tests.world import World

T = TypeVar("T")
_ANYBODY = Sql("SELECT id FROM users ORDER BY id LIMIT 1")
NOWHERE = "0190b3c4-0000-7000-8000-000000000000"


async def test_users_are_read_listed_and_counted(world: World) -> None:
    world.clock.advance(1)
    alice = await world.register("alice")
    world.clock.advance(1)
    bob = await world.register("bob")
    assert (await alice.call("GET", "/users/count")).json() == {"count": 3}
    assert (await alice.call("GET", f"/users/{bob.uid}")).json() == {"uid": bob.uid, "name": "bob"}
    assert refusal(await alice.call("GET", f"/users/{NOWHERE}")) == (404, "not_found")
    for sort, names in (
        ("", ["admin", "alice", "bob"]),
        ("sort=name", ["admin", "alice", "bob"]),
        ("sort=-dateCreated", ["bob", "alice", "admin"]),
    ):
        assert [user["name"] for user in (await alice.call("GET", f"/users?{sort}")).json()] == names


class ReadParts:
    """Reads, and keeps how many rows came at once."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.sizes: list[int] = []

    async def __call__(self, unit: Unit[T]) -> T:
        return await self._work(unit)

    async def read(self, unit: Unit[T]) -> T:
        found = await self._work.read(unit)
        if isinstance(found, list):
            self.sizes.append(len(found))
        return found


@pytest.mark.parametrize("sort", ["", "name", "-dateCreated"])
@pytest.mark.parametrize("wanted", [EVERYBODY, UserFilter(disabled=False), UserFilter(email_key="a@example.org")])
async def test_a_walk_through_all_users_reads_in_bounded_parts(world: World, sort: str, wanted: UserFilter) -> None:
    alice = await world.service.work.read(lambda rows: store.find(rows, rows.all(_ANYBODY)[0][0]))
    assert alice is not None

    def settle(rows: Rows) -> None:
        for number in range(1_200):
            name = f"n{number * 7919 % 1_200:04}"
            shown = replace(alice, uid=world.service.ids.new(), name=name, name_key=name, email_key="a@example.org")
            assert store.insert(rows, shown)

    await world.service.work(settle)
    parts = ReadParts(world.service.work)
    users, after, seen = ReadUsers(parts), None, list[str]()
    while True:
        page = await users.page(wanted, limit=100, skip=0, sort=sort, after=after)
        assert not isinstance(page, Refused)
        seen += [user.uid for user in page]
        if len(page) < 100:
            break
        after = page[-1].uid
    assert len(set(seen)) == len(seen) >= 1_200
    # Of a filter a page of a hundred looks at 250, however many there are.
    assert max(parts.sizes) <= (100 if wanted == EVERYBODY else 250)
    assert len(parts.sizes) <= 13


async def test_the_count_of_users_is_added_up_and_stays_right(world: World) -> None:
    alice = await world.register("alice")
    come_and_go = Sql("INSERT INTO user_counts (change) VALUES (:change)")

    def fill(rows: Rows) -> None:
        for number in range(1_100):
            rows.change(come_and_go, change=-1 if number % 2 else 1)

    await world.service.work(fill)
    for sweep in world.service.sweeps:
        await sweep()
    assert await count(world, "user_counts") <= 500
    assert (await alice.call("GET", "/users/count")).json() == {"count": 2}


async def test_who_has_a_second_factor_is_counted_and_added_up(world: World) -> None:
    alice, bob = await world.enrolled("alice"), await world.enrolled("bob")
    assert await world.service.flows.read_users.enrolled() == (3, 2)
    come_and_go = Sql("INSERT INTO mfa_counts (change) VALUES (:change)")

    def fill(rows: Rows) -> None:
        for number in range(600):
            rows.change(come_and_go, change=-1 if number % 2 else 1)

    await world.service.work(fill)
    for sweep in world.service.sweeps:
        await sweep()
    assert await count(world, "mfa_counts") <= 500
    assert (await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")).status_code == 204
    assert await world.service.flows.read_users.enrolled() == (3, 1)
    assert (await bob.call("DELETE", "/users/me")).status_code == 204
    assert await world.service.flows.read_users.enrolled() == (2, 0)


async def test_nobody_is_counted_twice_where_two_nodes_add_up_at_once(world: World) -> None:
    await world.register("alice")

    def both(rows: Rows) -> int:
        counts.add_up(rows, 500)
        rows.all(counts.TAKE_CHANGES, most=500)
        counts.add_up(rows, 500)
        return counts.count(rows)

    # The second finds nothing left, and adds nothing.
    assert await world.service.work(both) == 0
    assert await count(world, "user_counts") == 0


async def test_a_change_wants_the_version_that_is_stored(world: World) -> None:
    alice = await world.register("alice")
    assert (await alice.call("PUT", "/users/me", {"version": 0, "firstName": "A"})).json()["version"] == 1
    assert refusal(await alice.call("PUT", "/users/me", {"version": 0})) == (409, "version_conflict")


async def test_a_change_of_name_or_address_wants_a_fresh_proof(world: World) -> None:
    alice = await world.register("alice")
    world.clock.advance(599)
    refreshed = (await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json()
    alice.hold(refreshed)
    world.clock.advance(2)
    for change in ({"name": "malice"}, {"email": "alice@example.org"}):
        refused = await alice.call("PUT", "/users/me", {"version": 0, **change})
        assert refusal(refused) == (401, "step_up_required")
    assert (await alice.call("PUT", "/users/me", {"version": 0, "phone": "1"})).status_code == 200


async def test_a_name_is_changed_into_a_free_one_only(world: World) -> None:
    alice, _ = await world.register("alice"), await world.register("bob")
    assert refusal(await alice.call("PUT", "/users/me", {"version": 0, "name": "BOB"})) == (409, "name_taken")
    assert (await alice.call("PUT", "/users/me", {"version": 0, "name": "ALICE"})).json()["name"] == "ALICE"


async def test_nobody_gives_themselves_rights_by_a_change(world: World) -> None:
    alice = await world.register("alice")
    refused = await alice.call("PUT", "/users/me", {"version": 0, "roles": ["admin"]})
    assert refusal(refused) == (403, "field_forbidden")


async def test_an_erased_user_is_gone_with_everything(world: World) -> None:
    alice, desk = await world.enrolled("alice"), await world.admin()
    assert (await alice.call("DELETE", "/users/me")).status_code == 204
    assert refusal(await alice.call("GET", "/users/me")) == (401, "invalid_token")
    assert refusal(await desk.call("GET", f"/users/{alice.uid}")) == (404, "not_found")
    assert refusal(await desk.call("DELETE", f"/users/{alice.uid}")) == (404, "not_found")


async def test_a_walk_whose_place_is_gone_goes_on_only_in_the_order_of_uids(world: World) -> None:
    alice = await world.register("alice")
    for sort in ("name", "-dateCreated"):
        refused = await alice.call("GET", f"/users?sort={sort}&after={NOWHERE}")
        assert refusal(refused) == (400, "invalid_request")
    assert (await alice.call("GET", f"/users?after={'0' * 8}{NOWHERE[8:]}")).json()[-1]["name"] in {"admin", "alice"}
