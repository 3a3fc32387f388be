"""The numbers of the desk's first page: hours of logins, the last hour of the meters, and bars."""

from sallyport.audit.hours import Hour, Step, counted
from sallyport.kernel.clock import HOUR, MINUTE, SECOND
from sallyport.kernel.meters import Family, Tally
from sallyport.kernel.pulse import Minute, Pulse
from sallyport.pages.desk.plots import HEIGHT, WIDTH, stacked
from tests.world import TurnedClock


def step(at: int, outcome: str = "success", session: str | None = "s") -> Step:
    return Step(at=at, outcome=outcome, session=session)


def test_logins_are_counted_by_what_came_of_them() -> None:
    passwords = [step(1, session=None), step(2), step(3, "failure"), step(4, "throttled", None)]
    codes = [step(5), step(6, "failure")]
    assert counted(0, HOUR, [passwords, codes], 200) == Hour(begins_at=0, counts=(2, 2, 1), is_exact=True)


def test_where_there_are_more_rows_than_are_looked_at_the_first_stand_for_all() -> None:
    first_quarter = [step(at * HOUR // 400) for at in range(1, 101)]
    some = [step(1, "failure")]
    assert counted(0, HOUR, [first_quarter, some], 100) == Hour(begins_at=0, counts=(400, 1, 0), is_exact=False)


def test_many_rows_of_one_moment_are_no_division_by_zero() -> None:
    assert counted(0, 0, [[step(0), step(0)]], 2) == Hour(begins_at=0, counts=(2, 0, 0), is_exact=False)
    assert counted(0, HOUR, [[step(2 * HOUR), step(2 * HOUR)]], 2).counts == (2, 0, 0)


def test_the_meters_of_the_last_hour_are_told_by_minute() -> None:
    clock, tally, waiting = TurnedClock(), Tally("sallyport_throttled", "", "lane"), [0.0]

    def families() -> list[Family]:
        gauge = Tally("sallyport_hash_waiting", "").family()
        return [tally.family(), Family(name=gauge.name, kind="gauge", rows={(): list(waiting)})]

    pulse = Pulse(families, clock)
    began = clock.now() // MINUTE * MINUTE
    for _ in range(3):
        tally.count("password")
    pulse.look()
    tally.count("password")
    tally.count("second factor")
    waiting[0] = 7
    clock.advance(10)
    pulse.look()
    waiting[0] = 1
    clock.advance(60)
    tally.count("password")
    assert pulse.minutes() == [
        Minute(begins_at=began, throttled=2, waiting=7),
        Minute(begins_at=began + MINUTE, throttled=1, waiting=1),
    ]
    clock.advance(3_600)
    (last,) = pulse.minutes()
    assert last == Minute(begins_at=began + HOUR + MINUTE, throttled=0, waiting=1)
    for _ in range(1_000):
        clock.advance(10)
        pulse.look()
    assert len(pulse.minutes()) == 60
    assert pulse.minutes()[-1].begins_at == clock.now() // (60 * SECOND) * 60 * SECOND


def test_bars_are_stacked_within_the_plot() -> None:
    plot = stacked([(1, 0, 3), (), (2, 2, 4)])
    assert plot.highest == 8
    assert [(bar.kind, bar.height, bar.y) for bar in plot.bars] == [
        *((0, 15.0, 105.0), (2, 45.0, 60.0)),
        *((0, 30.0, 90.0), (1, 30.0, 60.0), (2, 60.0, 0.0)),
    ]
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH and bar.y + bar.height <= HEIGHT for bar in plot.bars)
    assert stacked([]).bars == stacked([(0,), ()]).bars == ()
    assert stacked([(1,), (100_000,)]).bars[0].height == 1.0, "what is there is seen"
