"""The outbox, tokens in mails, and the address as it was verified."""

import sqlalchemy as sa
from alembic import op

from sallyport.store.migrations.online import add_column

revision = "0009_from_0001"
down_revision = "0008_from_0001"
LOCKS = "writers of users, for milliseconds"


def upgrade() -> None:
    """Add tables, and a column that may be empty: the release before runs on it as well."""
    add_column("users", sa.Column("verified_email", sa.Text(), nullable=True))
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("letter_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outbox_user_id", "outbox", ["user_id"], unique=False)
    op.create_index("outbox_by_due", "outbox", ["due_at"], unique=False)
    op.create_index("outbox_by_expiry", "outbox", ["expires_at"], unique=False)
    op.create_index("outbox_by_sealing_key", "outbox", [sa.text("substr(letter_sealed, 2, 8)")], unique=False)
    op.create_table(
        "mailed_tokens",
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("made_for", sa.Text(), nullable=False),
        sa.Column("address_digest", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_digest"),
    )
    op.create_index("ix_mailed_tokens_user_id", "mailed_tokens", ["user_id"], unique=False)
    op.create_index("mailed_tokens_by_subject", "mailed_tokens", ["subject", "purpose", "created_at"], unique=False)
    op.create_index("mailed_tokens_by_address", "mailed_tokens", ["address_digest", "created_at"], unique=False)
    op.create_index("mailed_tokens_by_expiry", "mailed_tokens", ["expires_at"], unique=False)
