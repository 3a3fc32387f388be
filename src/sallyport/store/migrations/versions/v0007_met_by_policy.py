"""When the rule that demands a second factor first met a user."""

import sqlalchemy as sa

from sallyport.store.migrations.online import add_column

revision = "0007_from_0001"
down_revision = "0006_from_0001"
LOCKS = "everybody on users, for milliseconds"


def upgrade() -> None:
    add_column("users", sa.Column("mfa_met_at", sa.BigInteger(), nullable=True))
