"""The watch over the clock: what is told, what is counted, and what is not worth a word."""

from collections.abc import MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from sallyport.kernel.clock import SECOND
from sallyport.kernel.clockwatch import ClockWatch
from tests.world import NOON, TurnedClock


class Hall:
    """A machine with two clocks, and an audit log."""

    def __init__(self) -> None:
        self.clock = TurnedClock()
        self.seconds = 1_000.0
        self.latest = 0
        self.watch = ClockWatch(clock=self.clock, monotonic=lambda: self.seconds, latest=self._latest)

    async def _latest(self) -> int:
        return self.latest

    async def second(self, *, step: float = 0) -> list[MutableMapping[str, Any]]:
        """Let a second pass, in which the clock is also set by a step, and look."""
        self.seconds += 1
        self.clock.advance(1 + step)
        with capture_logs() as lines:
            await self.watch()
        return lines

    def counts(self) -> tuple[float, float]:
        steps, behind = (meter.family().rows[()][0] for meter in self.watch.meters)
        return steps, behind


@pytest.mark.parametrize("step", [-90, -1, 1, 3_600])
async def test_a_step_is_told_and_counted_once(step: float) -> None:
    hall = Hall()
    assert await hall.second() == []
    (line,) = await hall.second(step=step)
    assert line["fault"] == f"it was set {'back' if step < 0 else 'ahead'} by {abs(step):.1f} s"
    assert line["log_level"] == "warning"
    assert await hall.second() == []
    assert hall.counts() == (1, 0)


async def test_what_ntp_does_by_itself_is_not_told() -> None:
    hall = Hall()
    for step in (0.5, -0.5, 0.0005, -0.9):
        assert await hall.second(step=step) == []
    assert hall.counts() == (0, 0)


async def test_being_behind_is_told_once_and_counted_each_second() -> None:
    hall = Hall()
    hall.latest = NOON + 100 * SECOND
    (line,) = await hall.second()
    assert line["fault"].startswith("it is 99.0 s behind another node")
    assert await hall.second() == []
    assert hall.counts() == (0, 2)
    hall.latest = 0
    assert await hall.second() == []
    hall.latest = NOON + 100 * SECOND
    assert len(await hall.second()) == 1, "it was over, and has come again"


async def test_rows_of_a_moment_ago_and_little_differences_are_not_told() -> None:
    hall = Hall()
    for away in (-3_600, 0, 5):
        hall.latest = hall.clock.now() + (1 + away) * SECOND
        assert await hall.second() == []
    assert hall.counts() == (0, 0)
