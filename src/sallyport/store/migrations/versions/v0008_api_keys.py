"""API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0008_from_0001"
down_revision = "0007_from_0001"
LOCKS = "nobody"


def upgrade() -> None:
    """Add a table that the release before knows nothing of: its nodes refuse API keys."""
    op.create_table(
        "api_keys",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False),
        sa.Column("pepper_id", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("suspended_at", sa.BigInteger(), nullable=True),
        sa.Column("maker_id", sa.String(length=36), nullable=False),
        sa.Column("maker_amr", sa.Text(), nullable=False),
        sa.Column("maker_auth_time", sa.BigInteger(), nullable=False),
        sa.Column("by_trusted", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "id"),
    )
    op.create_index("ix_api_keys_key_digest", "api_keys", ["key_digest"], unique=False)
    op.create_index("ix_api_keys_pepper_id", "api_keys", ["pepper_id"], unique=False)
