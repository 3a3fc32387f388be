"""The throttle inside units of work: what the routes don't reach by themselves."""

from sallyport.kernel.caller import Client
from sallyport.kernel.clock import DAY, SECOND
from sallyport.kernel.outcomes import Refused
from sallyport.store.work import Rows
from sallyport.throttle import store
from sallyport.throttle.flow.judging import Try
from sallyport.throttle.rules import Lane, Tries
from sallyport.throttle.store import Counted, Subject
from tests.surgery import count
from tests.world import NOON, World

NOBODY = Client(ip="203.0.113.7", user_agent="")


async def test_however_much_has_expired_is_swept(world: World) -> None:
    alice = await world.register("alice")

    def fill(rows: Rows) -> None:
        for number in range(1_001):
            subject = Subject(key=f"?{number}", lane=Lane.PASSWORD)
            store.add(rows, [Counted(subject=subject, tries=Tries(in_a_row=1, last_at=NOON), expires_at=NOON + number)])
            rows.change(store.ADD_CLIENT, user=alice.uid, digest=b"%d" % number, proven="pwd", now=NOON - number)

    await world.service.work(fill)
    world.clock.advance(180 * DAY // SECOND)
    for sweep in world.service.sweeps:
        await sweep()
    assert (await count(world, "throttles"), await count(world, "known_clients")) == (0, 0)


async def test_a_try_whose_counter_is_gone_succeeds_all_the_same(world: World) -> None:
    throttle, work = world.service.throttle, world.service.work
    tried = await work(lambda rows: throttle.password(rows, "name:nobody", None, NOBODY))
    assert isinstance(tried, Try)
    assert await count(world, "throttles") == 2
    world.clock.advance(DAY // SECOND)
    for sweep in world.service.sweeps:
        await sweep()
    assert await count(world, "throttles") == 0
    await work(lambda rows: throttle.succeeded(rows, tried))
    assert await count(world, "throttles") == 0


async def test_two_first_tries_at_once_both_count(world: World) -> None:
    """Where two nodes find no counter, the second one adds to the first one's."""
    subject = Subject(key="?1", lane=Lane.SECOND_FACTOR)

    def both(rows: Rows) -> Tries | None:
        for mark in (2, 4):
            tries = Tries(in_a_row=1, last_at=NOON, marks=(mark,))
            store.add(rows, [Counted(subject=subject, tries=tries, expires_at=NOON)])
        return store.find(rows, (subject,))()[subject]

    assert await world.service.work(both) == Tries(in_a_row=2, last_at=NOON, marks=(4,))


async def test_a_good_code_in_a_burst_makes_no_room_for_more(world: World) -> None:
    """What was refused while it was judged stays refused: else a right one among many wins tries for the others."""
    alice = await world.register("alice")
    throttle, work = world.service.throttle, world.service.work

    async def tried() -> Try | Refused:
        return await work(lambda rows: throttle.second_factor(rows, alice.uid, NOBODY))

    first, *others = [await tried() for _ in range(6)]
    assert isinstance(first, Try)
    assert [isinstance(other, Try) for other in others] == [True] * 4 + [False]
    await work(lambda rows: throttle.settling(rows, first)())
    assert isinstance(await tried(), Refused)
