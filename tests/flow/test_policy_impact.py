"""Whom a rule would meet: a walk over all users that changes nothing."""

import tracemalloc

from sallyport.kernel.policy import Policy
from sallyport.policy.flow import SeeImpact, Totals
from sallyport.policy.rules import Met
from sallyport.store.work import Sql
from tests.surgery import give_roles
from tests.world import World

EVERYBODY = Policy(trusted_roles=frozenset(), mfa_for_all=True, mfa_for_roles=frozenset())
CLERKS = Policy(trusted_roles=frozenset(), mfa_for_all=False, mfa_for_roles=frozenset({"clerk"}))
ADD = Sql(
    """INSERT INTO users (id, name, name_key, roles, created_at, modified_at, version)
       VALUES (:uid, :uid, :uid, '[]', 0, 0, 0)"""
)


def seeing(world: World) -> SeeImpact:
    return SeeImpact(work=world.service.work, clock=world.clock)


async def impact(world: World, policy: Policy) -> tuple[list[Met], Totals]:
    *met, totals = [one async for one in seeing(world)(policy)]
    assert isinstance(totals, Totals)
    return [one for one in met if isinstance(one, Met)], totals


async def test_users_are_met_by_role_unless_they_have_a_second_factor(world: World) -> None:
    alice, bob = await world.enrolled("alice"), await world.register("bob")
    await world.register("carol")
    await give_roles(alice, "clerk")
    await give_roles(bob, "cook", "clerk")
    met, totals = await impact(world, CLERKS)
    assert [one.uid for one in met] == [bob.uid]
    assert totals == Totals(users=4, satisfied=1, met=1, stuck=0)
    assert (await impact(world, EVERYBODY))[1] == Totals(users=4, satisfied=1, met=3, stuck=0)


async def test_however_many_there_are_everybody_is_seen_once_in_constant_memory(world: World) -> None:
    def many(rows: object, first: int) -> None:
        for number in range(first, first + 1_500):
            rows.post(ADD, uid=f"{number:036x}")  # type: ignore[attr-defined]  # rows of a unit

    async def peak() -> int:
        tracemalloc.start()
        count = 0
        async for _ in seeing(world)(EVERYBODY):
            count += 1
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == users + 1
        return highest

    await world.service.work(lambda rows: many(rows, 1))
    users = 1_501
    small = await peak()
    for first in (2_000, 4_000, 6_000):
        await world.service.work(lambda rows, first=first: many(rows, first))  # type: ignore[misc]  # its default is an int
    users = 6_001
    assert await peak() < 1.5 * small
