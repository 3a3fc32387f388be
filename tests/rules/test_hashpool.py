"""The seats in front of the hash pool: refused at once where a second of work is queued already."""

import asyncio
import threading

import pytest

from sallyport.kernel.hashpool import HashPool
from sallyport.kernel.outcomes import Overloaded


@pytest.fixture
def pool() -> HashPool:
    made = HashPool(threads=1)
    made.seconds = 0.1
    return made


async def test_a_seat_is_refused_at_once_where_a_second_of_work_is_queued(pool: HashPool) -> None:
    seats = [pool.seat().__enter__() for _ in range(6)]
    with pytest.raises(Overloaded):
        pool.seat()
    assert (pool.taken, pool.refused) == (6, 1)
    for seat in seats:
        seat.__exit__(None, None, None)
    with pool.seat():
        assert pool.taken == 1


async def test_some_seats_are_kept_for_known_clients(pool: HashPool) -> None:
    seats = [pool.seat(reserve=True).__enter__() for _ in range(8)]
    with pytest.raises(Overloaded):
        pool.seat(reserve=True)
    for seat in seats[:6]:
        seat.demand(known=False)
    for seat in seats[6:]:
        seat.demand(known=True)
        with pytest.raises(Overloaded):
            seat.demand(known=False)


async def test_there_are_fewer_seats_where_hashes_take_longer(pool: HashPool) -> None:
    for seconds, seats in ((0.01, 60), (0.05, 12), (5.0, 2)):
        pool.seconds = seconds
        held = [pool.seat().__enter__() for _ in range(seats)]
        with pytest.raises(Overloaded):
            pool.seat()
        for seat in held:
            seat.__exit__(None, None, None)


async def test_the_pool_learns_what_a_job_takes(pool: HashPool) -> None:
    before = pool.seconds
    for _ in range(40):
        assert await pool.run(lambda: 7) == 7
    assert pool.seconds < before / 10
    assert (pool.taken, pool.running, pool.refused) == (0, 0, 0)


async def test_one_who_waits_longer_than_a_second_is_refused(pool: HashPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sallyport.kernel.hashpool.WAIT_SECONDS", 0.0)
    leave = threading.Event()
    holding = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(pool._executor, leave.wait))
    with pool.no_seat() as seat:
        waiting = asyncio.ensure_future(seat.run(lambda: 7))
        await asyncio.sleep(0.01)
        leave.set()
        with pytest.raises(Overloaded):
            await waiting
    assert await holding
    assert (pool.taken, pool.refused) == (0, 1)


async def test_a_job_that_fails_gives_its_seat_back(pool: HashPool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)
    assert (pool.taken, pool.running) == (0, 0)
