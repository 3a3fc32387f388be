"""Counted tries, known clients, the audit log; columns for restored backups."""

import sqlalchemy as sa
from alembic import op

from sallyport.store.migrations.online import add_column

revision = "0002"
down_revision = "0001"
LOCKS = "writers of users, and everybody on installation, sessions and totp, for milliseconds"


def upgrade() -> None:
    """Add tables, and columns that may be absent: the release before runs on it as well."""
    add_column("installation", sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False))
    add_column("sessions", sa.Column("client_digest", sa.LargeBinary(), nullable=True))
    add_column("totp", sa.Column("switched_off_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "known_clients",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("proven", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "token_digest"),
    )
    op.create_index("known_clients_by_last_use", "known_clients", ["last_used_at"], unique=False)
    op.create_table(
        "throttles",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("in_a_row", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("recent", sa.LargeBinary(), nullable=False),
        sa.Column("refused_at", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "lane"),
    )
    op.create_index("throttles_by_expiry", "throttles", ["expires_at"], unique=False)
    op.create_table(
        "audit_log",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("factor", sa.Text(), nullable=True),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("actor_id", sa.String(length=36), nullable=True),
        sa.Column("session_id", sa.String(length=36), nullable=True),
        sa.Column("ip", sa.Text(), nullable=True),
        sa.Column("ip_digest", sa.LargeBinary(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("row_digest", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("chain_digest", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_log_by_user", "audit_log", ["user_id", "id"], unique=False)
    op.create_index("audit_log_by_event", "audit_log", ["event", "id"], unique=False)
    op.create_index(
        "audit_log_by_actor",
        "audit_log",
        ["actor_id"],
        unique=False,
        sqlite_where=sa.text("actor_id <> user_id"),
        postgresql_where=sa.text("actor_id <> user_id"),
    )
    op.create_index(
        "audit_log_sealed",
        "audit_log",
        ["position"],
        unique=True,
        sqlite_where=sa.text("position IS NOT NULL"),
        postgresql_where=sa.text("position IS NOT NULL"),
    )
    op.create_index(
        "audit_log_unsealed",
        "audit_log",
        ["id"],
        unique=False,
        sqlite_where=sa.text("position IS NULL"),
        postgresql_where=sa.text("position IS NULL"),
    )
