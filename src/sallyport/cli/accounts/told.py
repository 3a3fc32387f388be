"""Resources as text for people. What others wrote reaches no terminal as a control character."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Column = tuple[str, str]
"""Head and field."""

_NONE: Final = "-"


class Table:
    """Aligned columns under their heads, written a page at a time: a later page may widen a column."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._fields = [name for _, name in columns]
        self._head = [[head for head, _ in columns]]
        self._widths = [0] * len(columns)

    def lines(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Return the lines of a page, the first one with the heads above it."""
        lines = self._head + [[_cell(row.get(name)) for name in self._fields] for row in rows]
        self._head = []
        self._widths = [
            max(width, *map(len, column)) for width, column in zip(self._widths, zip(*lines, strict=True), strict=True)
        ]
        return _aligned(lines, self._widths)


def record(one: Mapping[str, Any]) -> str:
    """Return a field a line."""
    lines = [[name, _cell(value)] for name, value in one.items()]
    return _aligned(lines, [max(map(len, column)) for column in zip(*lines, strict=True)])


def _aligned(lines: list[list[str]], widths: list[int]) -> str:
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(value: Any) -> str:  # noqa: ANN401  # JSON of any shape
    match value:
        case None | "" | []:
            return _NONE
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_cell, value))
        case dict():
            return ", ".join(f"{name} {_cell(one)}" for name, one in value.items())
        case _:
            return "".join(sign if sign.isprintable() else "?" for sign in str(value))
