"""Runs units of work on PostgreSQL: each in a transaction of its own, on a connection of its own.

A unit is a plain function, so it runs in a greenlet: where it wants an answer it leaves the processor to the event
loop, and goes on when the answer is there. What it does not want to know travels with the next statement: the BEGIN
with the first, a posted write with the one behind it, the last of them with the COMMIT.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import zip_longest
from typing import Any, Final, TypeVar, cast

from greenlet import getcurrent, greenlet

from sallyport.kernel.meters import Histogram, Meter, Reading, Tally
from sallyport.store.postgres.link import Answer, Link, LostError, RefusedError
from sallyport.store.postgres.pool import Connect, Pool
from sallyport.store.work import Row, Soon, Sql, StorageUnavailableError, Unit, Value

T = TypeVar("T")

CONNECTIONS: Final = 16
"""The most that a process opens."""
_MOST_RUNS: Final = 4
_GIVE_WAY: Final = 0.05
"""Seconds at most between two runs of a unit."""
_BEGIN: Final = Sql("BEGIN")
_COMMIT: Final = Sql("COMMIT")
_ROLLBACK: Final = Sql("ROLLBACK")
# Held until the end of the transaction, on every node. Two keys with the same hash wait for each other, no more.
_ALONE: Final = Sql("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
# In one statement the first of them first: in a list of columns no order is promised, but what a row is made from is
# there before it.
_ALONE_WITH_BOTH: Final = Sql(
    """SELECT pg_advisory_xact_lock(hashtextextended(:second, 0))
       FROM (SELECT pg_advisory_xact_lock(hashtextextended(:first, 0)) OFFSET 0) AS held"""
)
# A standby, or a primary that has become one: another host of the URL may be the primary now.
_READ_ONLY: Final = "25006"
# Another unit was in the way: run again, this one sees what that one did. Class 23 is a row that came meanwhile.
_AGAIN: Final = ("40001", "40P01", "55P03", "23", _READ_ONLY)
# The server, its disk or its memory, not the unit. 57014: out of time.
_NOT_NOW: Final = ("08", _READ_ONLY, "53", "57", "58", "F0", "XX")


class _Soon:
    """What will have come of a statement that waits for the next trip."""

    __slots__ = ("_rows", "answer")

    def __init__(self, rows: "PostgresRows") -> None:
        self._rows = rows
        self.answer: Answer | None = None

    def one(self) -> Row | None:
        """Return the first row, or None."""
        return self._known().one()

    def all(self) -> list[Row]:
        """Return all rows."""
        return self._known().rows

    def count(self) -> int:
        """Return how many rows a write met."""
        return self._known().met

    def _known(self) -> Answer:
        if self.answer is None:
            self._rows.trip()
        return cast("Answer", self.answer)


class PostgresRows:
    """Rows over one connection, for one run of a unit."""

    __slots__ = ("_keys", "_link", "_may_write", "_queued", "_sent", "_soon", "_wrote")

    def __init__(self, link: Link, *, begin: bool) -> None:
        self._link = link
        self._queued: list[tuple[Sql, tuple[Value, ...]]] = [(_BEGIN, ())] if begin else []
        self._soon: list[tuple[int, _Soon]] = []
        self._keys: set[str] = set()
        self._may_write = begin
        self._wrote = False
        self._sent = False

    def one(self, sql: Sql, **values: Value) -> Row | None:
        """Return the first row, or None."""
        return self._ask(sql, values).one()

    def all(self, sql: Sql, **values: Value) -> list[Row]:
        """Return all rows."""
        return self._ask(sql, values).rows

    def change(self, sql: Sql, **values: Value) -> int:
        """Run a write and return how many rows it met."""
        return self._ask(sql, values).met

    def post(self, sql: Sql, **values: Value) -> None:
        """Run a write with whatever is asked next."""
        self._queue(sql, values)

    def soon(self, sql: Sql, **values: Value) -> Soon:
        """Run a statement with whatever is asked next."""
        soon = _Soon(self)
        self._soon.append((len(self._queued), soon))
        self._queue(sql, values)
        return soon

    def alone(self, *keys: str) -> None:
        """Wait until no other unit has one of these keys. Raises `RuntimeError` where the order is wrong."""
        wanted = sorted(set(keys) - self._keys)
        if wanted and (wanted[0] < max(self._keys) if self._keys else self._wrote):
            raise RuntimeError(
                "a unit takes its keys in order and before it writes, or two of them wait for each other"
            )
        self._keys.update(wanted)
        for first, second in zip_longest(wanted[::2], wanted[1::2]):
            self._queued.append((_ALONE, (first,)) if second is None else (_ALONE_WITH_BOTH, (second, first)))

    def commit(self) -> None:
        """Make everything durable. Raises `LostError` where nobody knows whether it is."""
        self._queued.append((_COMMIT, ()))
        self.trip()

    def roll_back(self) -> None:
        """Undo everything."""
        self._queued, self._soon = [(_ROLLBACK, ())], []
        self.trip()

    @property
    def has_begun(self) -> bool:
        """Whether the server knows of this unit."""
        return self._sent

    @property
    def has_asked(self) -> bool:
        """Whether the unit has asked anything, or will have."""
        return self._sent or len(self._queued) > 1

    def trip(self) -> list[Answer]:
        """Send what is queued, and leave the processor until the answers are there."""
        batch, self._queued = self._queued, []
        soon, self._soon = self._soon, []
        self._sent = True
        here = getcurrent()
        self._link.send(batch, here.switch)
        outcome = cast("greenlet", here.parent).switch()
        if isinstance(outcome, Exception):
            raise outcome
        answers = cast("list[Answer]", outcome)
        for at, one in soon:
            one.answer = answers[at]
        return answers

    def _ask(self, sql: Sql, values: dict[str, Value]) -> Answer:
        self._queue(sql, values)
        return self.trip()[-1]

    def _queue(self, sql: Sql, values: dict[str, Value]) -> None:
        if sql.writes and not self._may_write:
            raise RuntimeError("a unit that only reads has no transaction: what it writes could not be undone")
        self._wrote |= sql.writes
        self._queued.append((sql, sql.each(values)))


class _Run:
    """One run of a unit, from its first statement to its commit."""

    __slots__ = ("_over", "_rows", "_unit", "_writes", "committing", "future")

    def __init__(self, unit: Unit[Any], link: Link, over: Callable[[], object], *, writes: bool) -> None:
        """`over` is called once, when the connection is free for others."""
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.committing = False
        """Whether a COMMIT is under way: if the connection is lost now, nobody knows what came of it."""
        self._unit = unit
        self._rows = PostgresRows(link, begin=writes)
        self._writes = writes
        self._over = over

    def __call__(self) -> None:
        try:
            outcome = self._unit(self._rows)
            if self._writes and self._rows.has_asked:
                self.committing = True
                self._rows.commit()
        except Exception as fault:  # noqa: BLE001  # whatever a unit raises is its caller's, and undoes it
            self._undo(fault)
            self._over()
            if not self.future.done():
                self.future.set_exception(fault)
        else:
            self._over()
            # A caller who left meanwhile gets nothing; the commit stands.
            if not self.future.done():
                self.future.set_result(outcome)

    def _undo(self, fault: Exception) -> None:
        if self._writes and self._rows.has_begun and not isinstance(fault, LostError):
            with suppress(LostError, RefusedError):
                self._rows.roll_back()


class PostgresWork:
    """Runs units of work on a PostgreSQL server. A unit may be run again: it must change nothing but rows."""

    def __init__(self, connect: Connect, *, seconds: float) -> None:
        """`seconds` is how long a unit may take, waiting for a connection included."""
        self._pool = Pool(connect, CONNECTIONS)
        self._seconds = seconds
        self._durations = Histogram("sallyport_commit_seconds", "Time of a unit of work, from its BEGIN to its commit.")
        self._failures = Tally("sallyport_commit_failures", "Units of work that could not be committed.")
        self._again = Tally("sallyport_units_run_again", "Units that another one was in the way of.")
        connections = Reading(
            "sallyport_database_connections", "Connections to the database.", "gauge", lambda: self._pool.size
        )
        self.meters: tuple[Meter, ...] = (self._durations, self._failures, self._again, connections)

    async def __call__(self, unit: Unit[T]) -> T:
        """Run a unit that writes, and return its outcome once it is durable."""
        begun = time.perf_counter()
        try:
            outcome = await self._run(unit, writes=True)
        except StorageUnavailableError:
            self._failures.count()
            raise
        self._durations.observe(time.perf_counter() - begun)
        return outcome

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads. Each of its statements sees what is committed at that moment."""
        return await self._run(unit, writes=False)

    def close(self) -> None:
        """Close every connection. Units that come later are refused."""
        self._pool.close()

    async def _run(self, unit: Unit[T], *, writes: bool) -> T:
        until = time.monotonic() + self._seconds
        for left in range(_MOST_RUNS - 1, -1, -1):
            link = await self._pool.take(until - time.monotonic())
            run = self._begun(unit, link, until - time.monotonic(), writes=writes)
            try:
                return cast("T", await run.future)
            except LostError as fault:
                if run.committing or not left or time.monotonic() >= until:
                    raise StorageUnavailableError(str(fault)) from fault
            except RefusedError as refusal:
                if refusal.state == _READ_ONLY:
                    link.lose("the server is read-only")
                self._judge(refusal, last=not left)
                # Not all at once: who gave way to each other in one moment would meet again in the next.
                await asyncio.sleep(random.uniform(0, _GIVE_WAY))  # noqa: S311  # no secret
        raise AssertionError("the last run returns or raises")

    def _begun(self, unit: Unit[T], link: Link, seconds: float, *, writes: bool) -> _Run:
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(max(0.0, seconds), link.lose, f"the database did not answer in {self._seconds:g} s")

        def over() -> None:
            alarm.cancel()
            self._pool.give(link)

        run = _Run(unit, link, over, writes=writes)
        greenlet(run).switch()
        return run

    def _judge(self, refusal: RefusedError, *, last: bool) -> None:
        """Return where the unit is to be run again. Raises what its caller is to hear where not."""
        if refusal.state.startswith(_AGAIN) and not last:
            self._again.count()
            return
        if refusal.state.startswith(_NOT_NOW) or refusal.state in {"40P01", "55P03", "40001"}:
            raise StorageUnavailableError(str(refusal)) from refusal
        raise refusal
