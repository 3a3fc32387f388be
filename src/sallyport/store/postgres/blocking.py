"""A connection whose caller waits for it: in a thread, or before there is an event loop. Nothing waits for ever."""

import selectors
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg import OperationalError
from psycopg.conninfo import conninfo_attempts, make_conninfo
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, PGconn, PollingStatus
from psycopg.pq.abc import PGconn as Connection
from psycopg.pq.abc import PGresult

from sallyport.store.postgres.codec import decoders, encoded, rows_of
from sallyport.store.postgres.link import Answer, LostError, RefusedError
from sallyport.store.work import Row, Soon, Sql, Value

ENDLESS: Final = float("inf")


def connected(told: Mapping[str, Any], seconds: float) -> Connection:
    """Connect to the first host that answers within `seconds`, with each of its addresses. Raises `LostError`.

    Not by `PGconn.connect`: that keeps Python's lock until it is done, and the whole process would stand still while
    the network swallows what it sends.
    """
    faults: list[str] = []
    try:
        attempts = conninfo_attempts(dict(told))
    except OperationalError as fault:
        raise LostError(str(fault)) from fault
    for attempt in attempts:
        pg = PGconn.connect_start(make_conninfo("", **attempt).encode())
        try:
            _finish_connecting(pg, time.monotonic() + seconds)
        except LostError as fault:
            pg.finish()
            faults.append(str(fault))
            continue
        return pg
    raise LostError("; ".join(faults))


class BlockingRows:
    """Rows over a connection of one's own; each statement is a transaction by itself."""

    __slots__ = ("_pg", "_seconds")

    def __init__(self, pg: Connection, seconds: float) -> None:
        """`seconds` is how long each answer may take. Then, or without the server, a call raises `LostError`."""
        self._pg = pg
        self._seconds = seconds

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
        """Run a write."""
        self._ask(sql, values)

    def soon(self, sql: Sql, **values: Value) -> Soon:
        """Run a statement at once."""
        return self._ask(sql, values)

    def alone(self, *keys: str) -> None:
        """Do nothing: whoever works here is alone or only reads."""

    def _ask(self, sql: Sql, values: dict[str, Value]) -> Answer:
        result = _result(self._pg, sql.numbered.encode(), sql.each(values), time.monotonic() + self._seconds)
        if result.status == ExecStatus.FATAL_ERROR:
            state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
            text = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b""
            raise RefusedError(state, text.decode(errors="replace"))
        return Answer(rows_of(result, decoders(result)), result.command_tuples or 0)


def _result(pg: Connection, text: bytes, values: Sequence[Value], until: float) -> PGresult:
    raw, formats = encoded(values)
    try:
        pg.send_query_params(text, raw, param_formats=formats, result_format=1)
        last = None
        while result := _next(pg, until):
            last = result
    except OperationalError as fault:
        raise LostError(str(fault).strip()) from fault
    if last is None or (last.status == ExecStatus.FATAL_ERROR and not last.error_field(DiagnosticField.SQLSTATE)):
        raise LostError(pg.get_error_message().strip())
    return last


def _next(pg: Connection, until: float) -> PGresult | None:
    # libpq's own wait has no end: a network that swallows everything would hold the caller for hours.
    while pg.is_busy():
        _wait(pg, selectors.EVENT_READ, until)
        pg.consume_input()
    return pg.get_result()


def _finish_connecting(pg: Connection, until: float) -> None:
    events = {PollingStatus.READING: selectors.EVENT_READ, PollingStatus.WRITING: selectors.EVENT_WRITE}
    status = PollingStatus.WRITING  # of a connection that was just begun, by libpq's manual
    while status != PollingStatus.OK:
        if pg.status == ConnStatus.BAD or status == PollingStatus.FAILED:
            raise LostError(pg.get_error_message().strip())
        _wait(pg, events[status], until)
        status = PollingStatus(pg.connect_poll())


def _wait(pg: Connection, event: int, until: float) -> None:
    with selectors.DefaultSelector() as waiting:
        waiting.register(pg.socket, event)
        if not waiting.select(None if until == ENDLESS else max(0.0, until - time.monotonic())):
            raise LostError("the server did not answer in time")
