"""Units of work: plain functions of `rows`, without await, that run in one transaction.

Slow hashing stands between units, never inside one. The answer to a client goes out after the commit.
"""

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
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

    __slots__ = ("distinct", "each", "names", "numbered", "positional", "text", "values", "writes")

    values: Callable[[Mapping[str, Value]], tuple[Value, ...]]
    """Puts named values into the order of the statement. Raises `KeyError` for a missing one."""
    each: Callable[[Mapping[str, Value]], tuple[Value, ...]]
    """Puts named values into the order of their numbers. Raises `KeyError` for a missing one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names = tuple(_NAME.findall(text))
        self.positional = _NAME.sub("?", text)
        self.distinct = tuple(dict.fromkeys(self.names))
        self.numbered = _NAME.sub(lambda found: f"${self.distinct.index(found[1]) + 1}", text)
        """As PostgreSQL wants it: one number for each name, however often it stands there."""
        self.writes = not text.lstrip().upper().startswith("SELECT")
        self.values, self.each = _taking(self.names), _taking(self.distinct)


def _taking(names: tuple[str, ...]) -> Callable[[Mapping[str, Value]], tuple[Value, ...]]:
    """Return what takes these values out of all that were given, in this order: in C where there are several."""
    if len(names) > 1:
        return itemgetter(*names)
    if names:
        (name,) = names
        return lambda given: (given[name],)
    return lambda _: ()


class Soon(Protocol):
    """What came of a statement, or will have come of it by the time that somebody asks."""

    def one(self) -> Row | None:
        """Return the first row, or None."""
        ...

    def all(self) -> list[Row]:
        """Return all rows."""
        ...

    def count(self) -> int:
        """Return how many rows a write met."""
        ...


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

    def post(self, sql: Sql, **values: Value) -> None:
        """Run a write whose outcome nobody asks for. It may travel with what comes next."""
        ...

    def soon(self, sql: Sql, **values: Value) -> Soon:
        """Run a statement, and look at what came of it later: several of them make one trip to a server."""
        ...

    def alone(self, *keys: str) -> None:
        """Wait until no other unit, on any node, has one of these keys; they are given back at the end of the unit.

        For a unit that reads, judges and then writes: what it has read of a user stays true. Its first keys come before
        its first write, and later ones are greater: two units that take the same ones in another order would wait for
        each other. SQLite runs one writing unit at a time anyway.
        """
        ...


Unit = Callable[[Rows], T]


class Work(Protocol):
    """Runs units of work.

    A unit that another one was in the way of is run again, on engines that run several at a time: it changes rows, and
    nothing else that must not happen twice.
    """

    async def __call__(self, unit: Unit[T]) -> T:
        """Run a unit that writes, and return its outcome once it is durable.

        What the unit raises undoes that unit alone. Raises `StorageUnavailableError`.
        """
        ...

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads what is committed. Raises `StorageUnavailableError`.

        On SQLite all its statements see one moment; on PostgreSQL each sees its own.
        """
        ...


class Runner(Work, Protocol):
    """What runs units of work in a process, as long as it lives."""

    meters: tuple[Meter, ...]

    def close(self) -> None:
        """Commit what waits, and let the database go. Units that come later are refused."""
        ...
