"""How Alembic reaches the database: one connection, one transaction for the whole way."""

from typing import Any

from alembic import context
from sqlalchemy import String, Text
from sqlalchemy.ext.compiler import compiles

from sallyport.store.tables import metadata


@compiles(String, "postgresql")
@compiles(Text, "postgresql")
def _by_bytes(kind: Any, compiler: Any, **more: Any) -> str:  # noqa: ANN401  # as SQLAlchemy passes them
    """Compare texts by their bytes, as SQLite does: order and uniqueness are no matter of a server's language."""
    plain = compiler.visit_text if isinstance(kind, Text) else compiler.visit_string
    return f'{plain(kind, **more)} COLLATE "C"'


with context.config.attributes["database"].engine().connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
