"""Where the bars of a plot stand. Values come in, values go out: the template draws them, and a table says the same."""

from collections.abc import Sequence
from typing import Final

import msgspec

WIDTH: Final = 480
HEIGHT: Final = 120
_GAP: Final = 0.2
"""Of the width of a column, left free between two."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One rectangle, in the units of the plot."""

    x: float
    y: float
    width: float
    height: float
    kind: int
    """Which of the numbers of its column it stands for, from 0."""


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of stacked bars."""

    bars: tuple[Bar, ...]
    highest: int
    """What the whole height stands for: the highest column."""


def stacked(columns: Sequence[Sequence[int]]) -> Plot:
    """Stack the numbers of each column upon each other; an empty one is left free."""
    highest, step = max(map(sum, columns), default=0), WIDTH / max(1, len(columns))
    bars: list[Bar] = []
    for place, column in enumerate(columns):
        top = float(HEIGHT)
        for kind, number in enumerate(column):
            if number:
                height = HEIGHT * number / highest
                top -= height
                bars.append(_bar(place * step, top, step, height, kind))
    return Plot(bars=tuple(bars), highest=highest)


def _bar(x: float, y: float, step: float, height: float, kind: int) -> Bar:
    return Bar(
        x=round(x + step * _GAP / 2, 1),
        y=round(y, 1),
        width=round(step * (1 - _GAP), 1),
        height=round(max(height, 1.0), 1),
        kind=kind,
    )
