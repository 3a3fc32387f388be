"""A PostgreSQL server, before there is a runner on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, PGconn
from psycopg.pq.abc import PGconn as Connection

from sallyport.kernel.hidden import Hidden
from sallyport.store.postgres.codec import decoders, encoded, rows_of
from sallyport.store.postgres.link import Answer, RefusedError
from sallyport.store.postgres.runner import PostgresWork
from sallyport.store.work import Row, Runner, Soon, Sql, StorageUnavailableError, Unit, Value

T = TypeVar("T")

LOWEST: Final = 15
"""The oldest release that is supported, and tested."""

_MIGRATION: Final = 0x53_61_6C_6C_79  # "Sally": the advisory lock of whoever brings up the schema
_UNDEFINED_TABLE: Final = "42P01"
# A commit is answered when it is on the disk, whatever the server's default; one that waits for standbys stays.
_DURABLE: Final = b"""SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local')"""
_PATIENT_SECONDS: Final = 60.0


class BlockingRows:
    """Rows over a connection of one's own, for what happens before there is an event loop."""

    __slots__ = ("_pg",)

    def __init__(self, pg: Connection) -> None:
        self._pg = pg

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
        raw, formats = encoded(sql.each(values))
        result = self._pg.exec_params(sql.numbered.encode(), raw, param_formats=formats, result_format=1)
        if result.status == ExecStatus.FATAL_ERROR:
            state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
            raise RefusedError(state, result.get_error_message())
        return Answer(rows_of(result, decoders(result)), result.command_tuples or 0)


class PostgresServer:
    """A database on a PostgreSQL server."""

    __slots__ = ("_url",)

    def __init__(self, url: Hidden[str]) -> None:
        self._url = url

    @property
    def name(self) -> str:
        """Host and database."""
        told = self._told()
        return f"postgresql://{told.get('host', 'localhost')}/{told.get('dbname', '')}"

    def ask(self, unit: Unit[T], otherwise: T) -> T:
        """Run a unit that only reads."""
        with self._connected() as pg:
            try:
                return unit(BlockingRows(pg))
            except RefusedError as refusal:
                if refusal.state == _UNDEFINED_TABLE:
                    return otherwise
                raise StorageUnavailableError(f"can't read {self.name}: {refusal}") from refusal

    def work(self, *, patient: bool = False) -> Runner:
        """Return a runner; a `patient` one is for commands that may take long."""
        seconds = _PATIENT_SECONDS if patient else 1.0
        return PostgresWork(lambda: self._connect(seconds), seconds=seconds)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold an advisory lock, which is gone with the connection, however this process ends."""
        with self._connected() as pg:
            BlockingRows(pg).all(Sql("SELECT pg_advisory_lock(:key)"), key=_MIGRATION)
            yield

    def engine(self) -> Any:  # noqa: ANN401  # its type would import SQLAlchemy
        """Return SQLAlchemy's engine, for migrations."""
        from sqlalchemy import create_engine  # noqa: PLC0415  # 0.2 s and 18 MB that a start does not need
        from sqlalchemy.pool import NullPool  # noqa: PLC0415  # as above

        conninfo = make_conninfo(self._url.reveal(), connect_timeout=10)
        return create_engine("postgresql+psycopg://", poolclass=NullPool, creator=lambda: psycopg.connect(conninfo))

    def _told(self) -> dict[str, Any]:
        return conninfo_to_dict(self._url.reveal())

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        pg = self._connect(None)
        try:
            yield pg
        finally:
            pg.finish()

    def _connect(self, seconds: float | None) -> Connection:
        """Connect, blocking. `seconds` bounds each statement. Raises `StorageUnavailableError`."""
        told = self._told()
        options = [told.get("options") or "", "-c default_transaction_isolation=read\\ committed"]
        if seconds:
            longest = round(seconds * 1000)
            # Who waits for a lock so long may be in a ring of waiters: out, and run again.
            options += [f"-c statement_timeout={longest}", f"-c lock_timeout={longest // 4}"]
            options += ["-c idle_in_transaction_session_timeout=5000"]
        more = {
            "options": " ".join(options).strip(),
            "application_name": told.get("application_name") or "sallyport",
            "connect_timeout": told.get("connect_timeout") or 2,
            "target_session_attrs": told.get("target_session_attrs") or "read-write",
        }
        pg = PGconn.connect(make_conninfo(self._url.reveal(), **more).encode())
        if pg.status != ConnStatus.OK:
            why = pg.get_error_message().strip()
            pg.finish()
            raise StorageUnavailableError(f"can't reach {self.name}: {why}")
        pg.exec_(_DURABLE)
        if pg.server_version < LOWEST * 10_000:
            version = pg.server_version // 10_000
            pg.finish()
            raise StorageUnavailableError(f"{self.name} is PostgreSQL {version}: {LOWEST} is the oldest supported")
        return pg
