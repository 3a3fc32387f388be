"""One connection to PostgreSQL: batches of statements that go out together and come back in one trip."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from psycopg import OperationalError
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from sallyport.store.postgres.codec import Decoder, decoders, encoded, rows_of
from sallyport.store.work import Row, Sql, Value

Done = Callable[["list[Answer] | Exception"], object]

# As numbers: Python 3.11 runs a function for each look at an enumeration's member.
_GOOD: Final = frozenset({ExecStatus.COMMAND_OK.value, ExecStatus.TUPLES_OK.value})
_SYNC: Final = ExecStatus.PIPELINE_SYNC.value
_REFUSED: Final = ExecStatus.FATAL_ERROR.value
_ALIVE: Final = ConnStatus.OK.value


class LostError(Exception):
    """The connection is gone, or did not answer in time. What was under way may or may not have happened."""


class RefusedError(Exception):
    """The server refused a statement, and with it the transaction."""

    def __init__(self, state: str, message: str) -> None:
        super().__init__(f"{message} ({state})")
        self.state = state
        """SQLSTATE. postgresql.org/docs/current/errcodes-appendix.html"""


class Answer:
    """What came of one statement."""

    __slots__ = ("met", "rows")

    def __init__(self, rows: list[Row], met: int) -> None:
        self.rows = rows
        self.met = met

    def one(self) -> Row | None:
        """Return the first row, or None."""
        return self.rows[0] if self.rows else None

    def all(self) -> list[Row]:
        """Return all rows."""
        return self.rows

    def count(self) -> int:
        """Return how many rows a write met."""
        return self.met


class Link:
    """A connection that speaks libpq's pipeline, driven by the event loop. One batch at a time."""

    def __init__(self, pg: PGconn, loop: asyncio.AbstractEventLoop, on_lost: Callable[["Link"], object]) -> None:
        """Take over a blocking connection that nothing is under way on."""
        self.is_lost = False
        self._pg = pg
        self._loop = loop
        self._on_lost = on_lost
        self._names: dict[Sql, bytes] = {}
        self._named = 0
        self._readers: dict[Sql, tuple[Decoder, ...]] = {}
        self._done: Done | None = None
        self._expected: deque[Sql | None] = deque()
        """What results are to come: of a statement, or of a preparation."""
        self._fresh: deque[Sql] = deque()
        """Statements of this batch that the server has not yet said to have prepared."""
        self._answers: list[Answer] = []
        self._refusal: RefusedError | None = None
        pg.nonblocking = 1
        pg.enter_pipeline_mode()
        self._socket = pg.socket
        loop.add_reader(self._socket, self._readable)

    def send(self, batch: list[tuple[Sql, tuple[Value, ...]]], done: Done) -> None:
        """Send statements; `done` gets their answers, or `RefusedError`, or `LostError`."""
        self._done, self._answers, self._refusal = done, [], None
        pg = self._pg
        try:
            for sql, values in batch:
                raw, formats = encoded(values)
                pg.send_query_prepared(self._name(sql), raw, formats, 1)
                self._expected.append(sql)
            pg.pipeline_sync()
            self._flush()
        except OperationalError as fault:
            self._loop.call_soon(self.lose, str(fault))  # not at once: whoever sends does not wait yet

    def lose(self, why: str) -> None:
        """Give the connection up. Whoever waits for an answer hears `LostError`."""
        if not self.is_lost:
            self.is_lost = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._pg.finish()
            self._on_lost(self)
        self._finish(LostError(why))

    def _name(self, sql: Sql) -> bytes:
        """Return under which name a statement is prepared here; it is prepared in this batch if it was not yet."""
        if name := self._names.get(sql):
            return name
        self._named += 1
        name = self._names[sql] = b"s%d" % self._named
        self._pg.send_prepare(name, sql.numbered.encode())
        self._expected.append(None)
        self._fresh.append(sql)
        return name

    def _flush(self) -> None:
        if self._pg.flush():
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        try:
            if not self._pg.flush():
                self._loop.remove_writer(self._socket)
        except OperationalError as fault:
            self.lose(str(fault))

    def _readable(self) -> None:
        pg = self._pg
        try:
            pg.consume_input()
            while self._done and not pg.is_busy():
                if result := pg.get_result():
                    self._take(result)
            if pg.status != _ALIVE:
                self.lose("the server has closed the connection")
        except OperationalError as fault:
            self.lose(str(fault).strip())

    def _take(self, result: PGresult) -> None:
        status = result.status
        if status in _GOOD:
            sql = self._expected.popleft()
            if sql is None:
                self._fresh.popleft()
            else:
                self._answers.append(self._answer(sql, result))
        elif status == _SYNC:
            self._end()
        elif status == _REFUSED:  # what stands behind it does not run, and says so
            state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
            text = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b""
            self._refusal = self._refusal or RefusedError(state, text.decode(errors="replace"))

    def _answer(self, sql: Sql, result: PGresult) -> Answer:
        read = self._readers.get(sql)
        if read is None:
            read = self._readers[sql] = decoders(result)
        return Answer(rows_of(result, read), result.ntuples) if read else Answer([], result.command_tuples or 0)

    def _end(self) -> None:
        self._expected.clear()
        # What stood behind a refused statement was not prepared either.
        for sql in self._fresh:
            del self._names[sql]
        self._fresh.clear()
        self._finish(self._refusal or self._answers)

    def _finish(self, outcome: list[Answer] | Exception) -> None:
        done, self._done = self._done, None
        if done:
            done(outcome)
