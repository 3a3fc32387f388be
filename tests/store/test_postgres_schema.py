"""The schema on PostgreSQL: migrations lead to the same tables, and every statement finds an index."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg.pq import ExecStatus

from sallyport.kernel.hidden import Hidden
from sallyport.store import schema
from sallyport.store.postgres.codec import _DECODERS
from sallyport.store.postgres.server import PostgresServer
from sallyport.store.tables import metadata
from tests.engines import Server
from tests.store.test_schema import STATEMENTS, WITHOUT_INDEX

WALKS_HERE = {
    "sallyport.audit.store.HEAD": "walks an index of sealed rows from its end, and stops at the first",
    "sallyport.audit.store.MOMENTS": "walks the same index, and stops at the limit",
    "sallyport.backups.store.END_CHALLENGES": "a restore, which there is for files only",
    "sallyport.backups.store.END_SESSIONS": "as above",
    "sallyport.backups.store.END_TOKENS": "as above",
    "sallyport.backups.store.END_REMOVED": "as above",
    "sallyport.backups.store.END_RESETS": "as above",
    "sallyport.backups.store.END_MAILED": "as above",
    "sallyport.backups.store.END_APPROVALS": "as above",
    "sallyport.backups.store.END_CALLER_CODES": "as above",
}
"""What SQLite's plans do not call a walk."""


@pytest.fixture(scope="module", params=["server", "oldest_server"], ids=["newest", "oldest"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    server: Server = request.getfixturevalue(request.param)
    name = server.fresh()
    yield server.url_of(name)
    server.give_up(name)


@pytest.fixture(scope="module")
def connection(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as made:
        made.execute("SET enable_seqscan = off")
        made.execute("SET plan_cache_mode = force_generic_plan")
        yield made


# An index over an expression can't be compared: the next test finds those by name.
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_migrations_make_the_tables_of_today(url: str) -> None:
    engine = PostgresServer(Hidden(url)).engine()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_migrations_make_the_indexes_of_today(connection: psycopg.Connection[Any]) -> None:
    made = {name for (name,) in connection.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")}
    assert made >= {index.name for table in metadata.tables.values() for index in table.indexes}


def test_texts_compare_by_their_bytes(connection: psycopg.Connection[Any]) -> None:
    asked = """SELECT attrelid::regclass::text || '.' || attname
               FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND attcollation <> 0
                     AND attcollation <> 'pg_catalog."C"'::regcollation"""
    assert {name for (name,) in connection.execute(asked)} <= {
        "alembic_version.version_num",
        "alembic_version_pkc.version_num",
    }


def test_a_migrated_database_is_left_alone(url: str, connection: psycopg.Connection[Any]) -> None:
    asked = "SELECT oid, relname, xmin::text FROM pg_class ORDER BY oid"
    before = connection.execute(asked).fetchall()
    schema.migrate(PostgresServer(Hidden(url)))
    assert connection.execute(asked).fetchall() == before


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_is_understood_and_its_answer_can_be_read(
    connection: psycopg.Connection[Any], name: str
) -> None:
    pg, sql = connection.pgconn, STATEMENTS[name]
    prepared = pg.prepare(b"", sql.numbered.encode())
    assert prepared.status == ExecStatus.COMMAND_OK, prepared.get_error_message()
    told = pg.describe_prepared(b"")
    assert told.nparams == len(sql.distinct)
    assert {told.ftype(column) for column in range(told.nfields)} <= set(_DECODERS)


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_finds_an_index(connection: psycopg.Connection[Any], name: str) -> None:
    walks = plan(connection, STATEMENTS[name].numbered)
    assert bool(walks) == (name in WITHOUT_INDEX or name in WALKS_HERE), walks


def test_every_foreign_key_is_followed_by_an_index(connection: psycopg.Connection[Any]) -> None:
    for table in metadata.tables.values():
        for key in table.foreign_keys:
            probe = f"SELECT 1 FROM {table.name} WHERE {key.parent.name} = $1"  # noqa: S608  # our own names
            assert plan(connection, probe) == [], key


def plan(connection: psycopg.Connection[Any], statement: str) -> list[str]:
    """Return the steps that walk through a whole table or index, in the plan that serves whatever values."""
    pg = connection.pgconn
    pg.exec_(b"DEALLOCATE ALL")
    prepared = pg.exec_(b"PREPARE probe AS " + statement.encode())
    assert prepared.status == ExecStatus.COMMAND_OK, prepared.get_error_message()
    count = pg.describe_prepared(b"probe").nparams
    nothing = f"({', '.join(['NULL'] * count)})" if count else ""
    told = pg.exec_(f"EXPLAIN (FORMAT JSON) EXECUTE probe{nothing}".encode())
    assert told.status == ExecStatus.TUPLES_OK, told.get_error_message()
    return list(walks_in(json.loads((told.get_value(0, 0) or b"").decode())[0]["Plan"]))


def walks_in(step: dict[str, Any]) -> Iterator[str]:
    kind = step["Node Type"]
    if kind == "Seq Scan" or ("Index" in kind and "Index Cond" not in step):
        yield kind
    for below in step.get("Plans", []):
        yield from walks_in(below)
