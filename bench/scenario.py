"""Scenarios: longer stories than a measure, each with a table of its own. They run only when they are named."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.stage import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One demand, and what was found."""

    what: str
    found: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def ok(self) -> bool:
        """Whether it is met."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    def __str__(self) -> str:
        sign, verdict = "≥" if self.at_least else "≤", "ok" if self.ok else "SHORT"
        return f"| {self.what} | {self.found:.2f} {self.unit} | {sign} {self.limit:g} {self.unit} | {verdict} |"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came out of a scenario."""

    table: str
    """Its figures, as Markdown."""
    bars: list[Bar]
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every bar is met."""
        return all(bar.ok for bar in self.bars)

    def __str__(self) -> str:
        lines = ["| demand | found | bar | |", "|---|---:|---:|---|", *map(str, self.bars)]
        return "\n".join([self.table, "", *lines, ""])


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Something that is measured in one go."""

    name: str
    play: Callable[[Size], Finding]


def percentile(values: list[float], percent: float) -> float:
    """Return the value below which so many percent of all lie; 0 where there is none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
