"""Passwords that were set by mail say so: beside a mailed token they prove nothing new."""

import sqlalchemy as sa

from sallyport.store.migrations.online import add_column

revision = "0019_from_0001"
down_revision = "0018_from_0001"
LOCKS = "everybody on passwords, for milliseconds"


def upgrade() -> None:
    """Add what the release before neither writes nor asks for."""
    add_column("passwords", sa.Column("mailed_at", sa.BigInteger(), nullable=True))
