"""What may be done to a table that is large while the release before serves from it."""

from typing import Any, Final

from alembic import op
from sqlalchemy import Column, text

INDEX_LOCKS: Final = "nobody on PostgreSQL; on SQLite all writers, for half a second per million rows"

_INVALID: Final = text(
    """SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = pg_index.indexrelid
       WHERE pg_class.relname = :name AND NOT pg_index.indisvalid AND pg_table_is_visible(pg_class.oid)"""
)


def add_column(table: str, column: Column[Any]) -> None:
    """Add a column that may be empty, or has a constant default: before anything else that its revision does.

    On PostgreSQL outside a transaction: whoever holds one table and waits for another meets a service that does so the
    other way round, and gets no turn among many. What was added is there already when the revision is run again.
    """
    if op.get_bind().dialect.name == "sqlite":
        op.add_column(table, column)
        return
    with op.get_context().autocommit_block():
        op.add_column(table, column, if_not_exists=True)


def build_index(name: str, table: str, columns: list[Any]) -> None:
    """Build an index: the only thing that its revision does, so that SQLite's writers wait for nothing else.

    PostgreSQL builds it beside readers and writers, outside a transaction. A build that was killed leaves an index that
    nothing uses: it is dropped, and built again. postgresql.org/docs/current/sql-createindex.html
    """
    if op.get_bind().dialect.name == "sqlite":
        op.create_index(name, table, columns, if_not_exists=True)
        return
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        # It waits for every transaction that is older, with a lock that nobody waits behind.
        op.execute("SET lock_timeout = 0")
        if connection.execute(_INVALID, {"name": name}).first():
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(name, table, columns, if_not_exists=True, postgresql_concurrently=True)
