"""How Alembic reaches the database: one connection, one transaction for the whole way."""

from alembic import context
from sqlalchemy import URL, create_engine
from sqlalchemy.pool import NullPool

from sallyport.store.tables import metadata

url = URL.create("sqlite", database=context.config.attributes["path"])
engine = create_engine(url, poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
