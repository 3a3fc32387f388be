"""Devices; sessions that a device or an API key has opened."""

import sqlalchemy as sa
from alembic import op

from sallyport.store.migrations.online import add_column

revision = "0011_from_0001"
down_revision = "0010_from_0001"
LOCKS = "everybody on sessions, for milliseconds"


def upgrade() -> None:
    """Add a table, and columns that are empty for all other sessions."""
    add_column("sessions", sa.Column("secret_id", sa.String(length=36), nullable=True))
    add_column("sessions", sa.Column("scopes", sa.Text(), nullable=True))
    op.create_table(
        "devices",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("value_digest", sa.LargeBinary(), nullable=False),
        sa.Column("pepper_id", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "id"),
    )
    op.create_index("devices_by_value", "devices", ["user_id", "value_digest"], unique=True)
    op.create_index("ix_devices_pepper_id", "devices", ["pepper_id"], unique=False)
