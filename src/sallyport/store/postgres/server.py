"""A PostgreSQL server, before there is a runner on it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq.abc import PGconn as Connection

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.serverstate import ServerState
from sallyport.store.postgres.blocking import ENDLESS, BlockingRows, connected
from sallyport.store.postgres.link import LostError, RefusedError
from sallyport.store.postgres.runner import CONNECTIONS, PostgresWork
from sallyport.store.postgres.state import others, state_of
from sallyport.store.presence import InUseError
from sallyport.store.work import Runner, Sql, StorageUnavailableError, Unit

T = TypeVar("T")

LOWEST: Final = 16
"""The oldest release that is supported, and tested."""

_MIGRATION: Final = 0x53_61_6C_6C_79  # "Sally": the advisory lock of whoever brings up the schema
_TURN: Final = Sql("SELECT pg_try_advisory_lock(:key)")
# Who waits for a table lets nobody pass who comes later: so a migration waits for moments, and tries again.
_MIGRATING: Final = """SELECT set_config('lock_timeout', '150', false), set_config('statement_timeout', '0', false),
    set_config('idle_in_transaction_session_timeout', '0', false)"""
_UNDEFINED_TABLE: Final = "42P01"
_CONNECT_SECONDS: Final = 1.0
_PATIENT_SECONDS: Final = 3600.0  # a restore touches every authenticator of a million users in one unit
_QUESTION_SECONDS: Final = 60.0
_LONGEST_LOCK: Final = 15_000
_LOOKS: Final = 10
_SECONDS_BETWEEN_LOOKS: Final = 0.1
_SECONDS: Final = 0.9
"""How long a unit of the service may take: its request is refused within a second, whatever holds it."""
_HINT: Final = "\nLook at SALLYPORT_DATABASE_URL and at the server; docs/operate.md, PostgreSQL, says what it needs."
# Statements, and not the `options` of a connection, which a pgbouncer in between would refuse. A commit is answered
# when it is on the disk, whatever the server's default; one that waits for standbys stays. A client that has vanished
# without a word is noticed by the server within two minutes, and what it had under way is undone long before.
_PREPARE: Final = Sql("""SELECT
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('statement_timeout', :longest, false),
    set_config('lock_timeout', :locked, false),
    set_config('idle_in_transaction_session_timeout', :idle, false),
    set_config('tcp_keepalives_idle', '60', false),
    set_config('tcp_keepalives_interval', '10', false),
    set_config('tcp_keepalives_count', '5', false),
    CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
        THEN set_config('synchronous_commit', 'on', false) END""")


class PostgresServer:
    """A database on a PostgreSQL server."""

    __slots__ = ("_told", "_url")

    def __init__(self, url: Hidden[str]) -> None:
        """Take a URL as libpq reads it. Raises `StorageUnavailableError` for another, and never tells it."""
        self._url = url
        self._told = _read(url)

    @property
    def name(self) -> str:
        """Host and database."""
        return f"postgresql://{self._told.get('host', 'localhost')}/{self._told.get('dbname', '')}"

    @property
    def hint(self) -> str:
        """Which setting and which page to look at."""
        return _HINT

    @property
    def _wanted(self) -> str:
        """Which of several hosts: the primary, unless the URL says otherwise."""
        return str(self._told.get("target_session_attrs") or "read-write")

    def ask(self, unit: Unit[T], otherwise: T) -> T:
        """Run a unit that only reads."""
        with self._connected(_QUESTION_SECONDS) as rows:
            try:
                return unit(rows)
            except RefusedError as refusal:
                if refusal.state == _UNDEFINED_TABLE:
                    return otherwise
                raise

    def work(self, *, patient: bool = False) -> Runner:
        """Return a runner; a `patient` one is for commands that may take long."""
        seconds = _PATIENT_SECONDS if patient else _SECONDS
        return PostgresWork(lambda: self._connect(seconds), seconds=seconds)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold an advisory lock, which is gone with the connection, however this process ends.

        Asked for again and again: a statement that waits would be an old transaction, and an index that is built
        online waits for those.
        """
        with self._connected(ENDLESS) as rows:
            while rows.one(_TURN, key=_MIGRATION) != (True,):
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            yield

    def demand_alone(self) -> None:
        """Look for other connections of our user. A connection that was just closed is given a second to vanish."""
        with self._connected(_QUESTION_SECONDS) as rows:
            for _ in range(_LOOKS):
                if not others(rows):
                    return
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        raise InUseError(f"{self.name} is in use, by other connections of its user: stop the service on every node")

    def server(self) -> ServerState | None:
        """Ask the server, on a connection as the service has them."""
        verified = self._told.get("sslmode") == "verify-full"
        with self._connected(_QUESTION_SECONDS) as rows:
            return state_of(rows, connections=CONNECTIONS, verified=verified)

    def engine(self) -> Any:  # noqa: ANN401  # its type would import SQLAlchemy
        """Return SQLAlchemy's engine, for migrations."""
        from sqlalchemy import create_engine  # noqa: PLC0415  # 0.2 s and 18 MB that a start does not need
        from sqlalchemy.pool import NullPool  # noqa: PLC0415  # as above

        conninfo = make_conninfo(self._url.reveal(), connect_timeout=10, target_session_attrs=self._wanted)
        return create_engine("postgresql+psycopg://", poolclass=NullPool, creator=lambda: _migrating(conninfo))

    @contextmanager
    def _connected(self, seconds: float) -> Iterator[BlockingRows]:
        """Connect for a start or a command on the host. Raises `StorageUnavailableError`, with what to do."""
        try:
            pg = self._connect(seconds)
        except StorageUnavailableError as fault:
            raise StorageUnavailableError(f"{fault}{self.hint}") from fault
        try:
            yield BlockingRows(pg, seconds)
        except (LostError, RefusedError) as fault:
            raise StorageUnavailableError(f"can't work on {self.name}: {fault}") from fault
        finally:
            pg.finish()

    def _connect(self, seconds: float) -> Connection:
        """Connect, blocking. `seconds` bounds each statement. Raises `StorageUnavailableError`."""
        more = {
            # A command that waits an hour for an answer hears within a minute that there is nobody any more.
            "keepalives_idle": self._told.get("keepalives_idle") or 30,
            "keepalives_interval": self._told.get("keepalives_interval") or 10,
            "keepalives_count": self._told.get("keepalives_count") or 3,
            "application_name": self._told.get("application_name") or "sallyport",
            "client_encoding": "UTF8",
            "target_session_attrs": self._wanted,
        }
        try:
            pg = connected(self._told | more, float(self._told.get("connect_timeout") or _CONNECT_SECONDS))
        except LostError as fault:
            raise StorageUnavailableError(f"can't reach {self.name}: {fault}") from fault
        try:
            self._demand_fit(pg)
            _prepare(pg, seconds)
        except (LostError, RefusedError) as fault:
            pg.finish()
            raise StorageUnavailableError(f"can't work on {self.name}: {fault}") from fault
        except StorageUnavailableError:
            pg.finish()
            raise
        return pg

    def _demand_fit(self, pg: Connection) -> None:
        """Judge what a server tells of itself. Raises `StorageUnavailableError`."""
        if pg.server_version < LOWEST * 10_000:
            version = pg.server_version // 10_000
            raise StorageUnavailableError(f"{self.name} is PostgreSQL {version}: {LOWEST} is the oldest supported")
        encoding = (pg.parameter_status(b"server_encoding") or b"UTF8").decode()
        if encoding != "UTF8":
            what = "not every name can be kept: create it with ENCODING 'UTF8' TEMPLATE template0"
            raise StorageUnavailableError(f"{self.name} has the encoding {encoding}, in which {what}")


def _read(url: Hidden[str]) -> dict[str, Any]:
    """Read a URL. What libpq says of a wrong one repeats it, and so the password: that is never told."""
    try:
        told = conninfo_to_dict(url.reveal())
    except psycopg.ProgrammingError:
        told = {"port": "?"}
    # A slash in a password makes libpq take the user for the host, and a part of the password for port or database.
    ports_are_numbers = all(port.isdigit() for port in str(told.get("port") or "0").split(",") if port)
    if ports_are_numbers and "@" not in str(told.get("dbname")):
        return told
    raise StorageUnavailableError(
        "SALLYPORT_DATABASE_URL can't be read: what is special in user, password or path is written as %40 for @, "
        "%2F for /, %3A for :, %25 for %; and behind the question mark only what libpq knows may stand"
    )


def _migrating(conninfo: str) -> psycopg.Connection:
    connection = psycopg.connect(conninfo)
    connection.execute(_MIGRATING)
    connection.commit()
    return connection


def _prepare(pg: Connection, seconds: float) -> None:
    """Set what each session needs. Raises `LostError` or `RefusedError`."""
    if seconds == ENDLESS:
        settings = dict.fromkeys(("longest", "locked", "idle"), "0")
    else:
        longest = round(seconds * 1000)
        # Who waits for a lock so long may be in a ring of waiters: out, and run again.
        settings = {"longest": f"{longest}", "locked": f"{min(longest // 4, _LONGEST_LOCK)}", "idle": f"{2 * longest}"}
    BlockingRows(pg, _CONNECT_SECONDS).all(_PREPARE, **settings)
