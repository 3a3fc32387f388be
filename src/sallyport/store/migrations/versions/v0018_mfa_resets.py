"""Second factors that are reset after a delay, because their owner says that all are lost."""

import sqlalchemy as sa
from alembic import op

from sallyport.store.migrations.online import add_column

revision = "0018_from_0001"
down_revision = "0017_from_0001"
LOCKS = "everybody on users, for milliseconds"


def upgrade() -> None:
    """Add what the release before knows nothing of: its nodes take a user whose MFA was reset for one without."""
    add_column("users", sa.Column("mfa_reset_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "mfa_resets",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("remind_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("mfa_resets_by_expiry", "mfa_resets", ["expires_at"], unique=False)
    op.create_index("mfa_resets_by_reminder", "mfa_resets", ["remind_at"], unique=False)
