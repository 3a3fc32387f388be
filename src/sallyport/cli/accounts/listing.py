"""Which part of a list is wanted, and how it is written: page by page, so that one page is in memory and no more."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import typer

from sallyport.cli.accounts.told import Column, Table

_AT_ONCE: Final = 1_000
_USUAL: Final = 100

Json = Any
Pages = Iterable[list[Json]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a list, as it was asked for."""

    limit: int | None = None
    after: str = ""
    whole: bool = False

    def sizes(self) -> Iterator[int]:
        """Yield how much to ask for at once, until all that is wanted has been asked for."""
        left = sys.maxsize if self.whole else self.limit or _USUAL
        while left:
            yield min(left, _AT_ONCE)
            left -= min(left, _AT_ONCE)


def write_json(pages: Pages) -> None:
    """Write one array."""
    opening = "["
    for page in pages:
        typer.echo(opening + json.dumps(page, indent=2)[1:-2], nl=False)
        opening = ","
    typer.echo("[]" if opening == "[" else "\n]")


def write_table(pages: Pages, columns: tuple[Column, ...]) -> None:
    """Write one table; a list without anything is its heads."""
    table, empty = Table(columns), True
    for page in pages:
        typer.echo(table.lines(page))
        empty = False
    if empty:
        typer.echo(table.lines([]))
