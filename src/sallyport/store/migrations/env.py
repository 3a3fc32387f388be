"""How Alembic reaches the database: one connection, one transaction for the whole way.

SQLite can undo DDL, but the driver begins no transaction for it, and Alembic does not ask for one unless it is told
to: without the two lines below, a process that is killed half-way leaves half a schema, which no start gets past.
"""

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from sallyport.store.tables import metadata


def _leave_transactions_to_us(driver: Any, _: object) -> None:  # noqa: ANN401  # the driver's own connection
    driver.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
event.listen(engine, "connect", _leave_transactions_to_us)
event.listen(engine, "begin", _begin)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
