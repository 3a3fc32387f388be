"""What waits for a second person of the help desk, and the codes of callers."""

import sqlalchemy as sa
from alembic import op

revision = "0015_from_0001"
down_revision = "0014_from_0001"
LOCKS = "nobody"


def upgrade() -> None:
    """Add tables that the release before knows nothing of: its nodes have no such routes."""
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("secret_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("asked_by", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_approvals_user_id", "approvals", ["user_id"], unique=False)
    op.create_index("approvals_by_expiry", "approvals", ["expires_at"], unique=False)
    op.create_table(
        "caller_codes",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("tries_left", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_index("caller_codes_by_expiry", "caller_codes", ["expires_at"], unique=False)
