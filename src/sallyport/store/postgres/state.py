"""What a PostgreSQL server tells of itself, for people who ask whether it is fit."""

import time
from typing import Final

from sallyport.kernel.serverstate import ServerState
from sallyport.store.work import Rows, Sql

# A limit may stand at the server, the database or the role: the least of them counts.
_STATE: Final = Sql("""SELECT
    current_setting('server_version'),
    current_setting('fsync') = 'on',
    current_setting('full_page_writes') = 'on',
    current_setting('synchronous_commit'),
    least(
        CAST(current_setting('max_connections') AS int)
            - CAST(current_setting('superuser_reserved_connections') AS int)
            - CAST(current_setting('reserved_connections') AS int),
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)),
    pg_database_size(current_database()),
    (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()),
    coalesce(host(inet_server_addr()), '')""")
_CLOCK: Final = Sql("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")
_COLLATIONS: Final = Sql("""SELECT CAST(c.relname AS text) || '.' || CAST(a.attname AS text)
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
        AND c.relnamespace = CAST(current_schema() AS regnamespace)
    JOIN pg_collation k ON k.oid = a.attcollation
    WHERE a.attnum > 0 AND NOT a.attisdropped AND k.collname <> 'C' ORDER BY 1""")
_OTHERS: Final = Sql("""SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()""")
_MICROS: Final = 1_000_000


def state_of(rows: Rows, *, connections: int, verified: bool) -> ServerState:
    """Ask a server. `connections` is how many a process of ours may open; `verified` whether TLS proves its name."""
    found = rows.one(_STATE)
    asked = time.time()
    clock = rows.one(_CLOCK)
    told = time.time()
    if found is None or clock is None:
        raise AssertionError("each of these questions has an answer")
    return ServerState(
        version=found[0],
        fsync=found[1],
        full_page_writes=found[2],
        synchronous_commit=found[3],
        connections=found[4],
        connections_of_a_process=connections,
        size=found[5],
        encrypted=bool(found[6]),
        verified=verified,
        address=found[7],
        seconds_ahead=(asked + told) / 2 - clock[0] / _MICROS,
        other_collations=tuple(row[0] for row in rows.all(_COLLATIONS)),
        others=others(rows),
    )


def others(rows: Rows) -> int:
    """Return how many other connections our user has to this database."""
    row = rows.one(_OTHERS)
    return int(row[0]) if row else 0
