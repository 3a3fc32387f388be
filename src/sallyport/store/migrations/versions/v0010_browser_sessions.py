"""Sessions of browsers: the digest of the cookie that each is shown by."""

import sqlalchemy as sa
from alembic import op

revision = "0010_from_0001"
down_revision = "0009_from_0001"
LOCKS = "writers of sessions, for as long as it takes to say that a new, empty table refers to them"


def upgrade() -> None:
    op.create_table(
        "browser_sessions",
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.String(36), nullable=False),
        sa.Column("auth_time", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_digest"),
        sa.UniqueConstraint("session_id"),
    )
