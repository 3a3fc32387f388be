"""Resources as text for people. What others wrote reaches no terminal as a control character."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Column = tuple[str, str]
"""Head and field."""

_NONE: Final = "-"


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> str:
    """Return aligned columns under their heads."""
    lines = [[head for head, _ in columns]] + [[_cell(row.get(name)) for _, name in columns] for row in rows]
    return _aligned(lines)


def record(one: Mapping[str, Any]) -> str:
    """Return a field a line."""
    return _aligned([[name, _cell(value)] for name, value in one.items()])


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
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
