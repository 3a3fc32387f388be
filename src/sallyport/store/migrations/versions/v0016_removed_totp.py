"""Authenticator apps that were removed a short while ago, and can come back."""

import sqlalchemy as sa
from alembic import op

revision = "0016_from_0001"
down_revision = "0015_from_0001"
LOCKS = "nobody"


def upgrade() -> None:
    """Add a table that the release before knows nothing of: what its nodes remove is gone at once."""
    op.create_table(
        "removed_totp",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("seed_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "id"),
    )
    op.create_index("removed_totp_by_sealing_key", "removed_totp", [sa.text("substr(seed_sealed, 2, 8)")], unique=False)
    op.create_index("removed_totp_by_expiry", "removed_totp", ["expires_at"], unique=False)
