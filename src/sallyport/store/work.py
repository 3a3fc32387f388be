"""Units of work: plain functions of `rows`, without await, that run in one transaction.

Slow hashing stands between units, never inside one. The answer to a client goes out after the commit.
"""

import re
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sallyport.kernel.meters import Meter

T = TypeVar("T")
Value = str | bytes | int | bool | None
Row = tuple[Any, ...]

_NAME = re.compile(r":([a-z_]+)")


class StorageUnavailableError(Exception):
    """The database can't be reached, is full or read-only. Nothing of the unit is stored."""


class Sql:
    """One statement with named parameters, translated once to what the driver wants."""

    __slots__ = ("names", "positional", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.names = tuple(_NAME.findall(text))
        self.positional = _NAME.sub("?", text)

    def values(self, given: dict[str, Value]) -> tuple[Value, ...]:
        """Put named values into the order of the statement. Raises `KeyError` for a missing one."""
        return tuple([given[name] for name in self.names])


class Rows(Protocol):
    """The database as a unit of work sees it."""

    def one(self, sql: Sql, **values: Value) -> Row | None:
        """Return the first row, or None. Also for writes with RETURNING."""
        ...

    def all(self, sql: Sql, **values: Value) -> list[Row]:
        """Return all rows."""
        ...

    def change(self, sql: Sql, **values: Value) -> int:
        """Run a write and return how many rows it met: the answer of a single-use claim."""
        ...


Unit = Callable[[Rows], T]


class Work(Protocol):
    """Runs units of work."""

    async def __call__(self, unit: Unit[T]) -> T:
        """Run a unit that writes, and return its outcome once it is durable.

        What the unit raises undoes that unit alone. Raises `StorageUnavailableError`.
        """
        ...

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads what is committed. Raises `StorageUnavailableError`."""
        ...


class Runner(Work, Protocol):
    """What runs units of work in a process, as long as it lives."""

    meters: tuple[Meter, ...]

    def close(self) -> None:
        """Commit what waits, and let the database go. Units that come later are refused."""
        ...
