"""What the database alone is asked: the statements of one real request, recorded, then run for other people.

So the limits follow the service by themselves when its statements change.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sallyport.kernel.ids import Ids, is_uid
from sallyport.store.work import Row, Rows, Soon, Sql, Unit, Value, Work

T = TypeVar("T")

_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as it was run: the method of `Rows`, the text, the values."""

    method: str
    sql: Sql
    values: Mapping[str, Value]


Script = list[list[Statement]]
"""The statements of a request, unit of work by unit of work."""


class Recorder:
    """Runs units of work, and keeps what they ask."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.script: Script = []

    async def __call__(self, unit: Unit[T]) -> T:
        """Run a unit that writes."""
        return await self._work(self._kept(unit))

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads."""
        return await self._work.read(self._kept(unit))

    def _kept(self, unit: Unit[T]) -> Unit[T]:
        asked: list[Statement] = []
        self.script.append(asked)
        return lambda rows: unit(_Kept(rows, asked))


class _Kept:
    """Rows that write down what they are asked."""

    def __init__(self, rows: Rows, asked: list[Statement]) -> None:
        self._rows = rows
        self._asked = asked

    def one(self, sql: Sql, **values: Value) -> Row | None:
        self._asked.append(Statement("one", sql, values))
        return self._rows.one(sql, **values)

    def all(self, sql: Sql, **values: Value) -> list[Row]:
        self._asked.append(Statement("all", sql, values))
        return self._rows.all(sql, **values)

    def change(self, sql: Sql, **values: Value) -> int:
        self._asked.append(Statement("change", sql, values))
        return self._rows.change(sql, **values)

    def post(self, sql: Sql, **values: Value) -> None:
        self._asked.append(Statement("post", sql, values))
        self._rows.post(sql, **values)

    def soon(self, sql: Sql, **values: Value) -> Soon:
        self._asked.append(Statement("soon", sql, values))
        return self._rows.soon(sql, **values)

    def alone(self, *keys: str) -> None:
        """Nothing to replay: a bare loop keeps nobody apart."""
        self._rows.alone(*keys)


def units_for(script: Script, swapped: Mapping[Value, Value], ids: Ids) -> list[Unit[None]]:
    """Return the units of a script with the values of another person.

    Identifiers and digests that `swapped` does not know were made on the way (a session, a token): new ones take
    their place. All else, times above all, stays as it was.
    """
    swapped = dict(swapped)

    def value(old: Value) -> Value:
        if isinstance(old, str) and is_uid(old):
            return swapped.setdefault(old, ids.new())
        if isinstance(old, bytes) and len(old) == _DIGEST_BYTES:
            return swapped.setdefault(old, secrets.token_bytes(_DIGEST_BYTES))
        return old

    return [_unit([(s.method, s.sql, {k: value(v) for k, v in s.values.items()}) for s in unit]) for unit in script]


def _unit(calls: list[tuple[str, Sql, dict[str, Value]]]) -> Unit[None]:
    def unit(rows: Rows) -> None:
        methods: dict[str, Callable[..., Any]] = {
            "one": rows.one,
            "all": rows.all,
            "change": rows.change,
            "post": rows.post,
            "soon": rows.soon,
        }
        for method, sql, values in calls:
            methods[method](sql, **values)

    return unit
