"""How Alembic reaches the database: one connection, one transaction for the whole way."""

from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from sallyport.store.tables import metadata

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "", poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
