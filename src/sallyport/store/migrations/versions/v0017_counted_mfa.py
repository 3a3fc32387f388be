"""Users with a second factor are counted as they come and go, as all users are: their share is two short sums."""

import sqlalchemy as sa
from alembic import op

revision = "0017_from_0001"
down_revision = "0016_from_0001"
LOCKS = "writers of users, while they are counted: a fifth of a second a million"
LARGE = "users"

_CAME_OR_WENT = "CASE WHEN NEW.mfa_since IS NULL THEN -1 ELSE 1 END"
_CHANGED = "(OLD.mfa_since IS NULL) <> (NEW.mfa_since IS NULL)"
# Name, event, when, and what it adds.
_TRIGGERS = (
    ("mfa_counted", "UPDATE OF mfa_since", _CHANGED, _CAME_OR_WENT),
    ("mfa_brought", "INSERT", "NEW.mfa_since IS NOT NULL", "1"),
    ("mfa_taken_along", "DELETE", "OLD.mfa_since IS NOT NULL", "-1"),
)


def upgrade() -> None:
    """Add a table that triggers write, so that the release before counts as well, and count who is there."""
    op.create_table(
        "mfa_counts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            """CREATE FUNCTION count_mfa() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
               BEGIN
                   INSERT INTO mfa_counts (change) VALUES (
                       CASE WHEN TG_OP = 'DELETE' THEN -1 WHEN NEW.mfa_since IS NULL THEN -1 ELSE 1 END);
                   RETURN NULL;
               END $$"""
        )
        # Waits for who is writing users, and lets nobody else begin until the count below is committed.
        for name, event, when, _ in _TRIGGERS:
            op.execute(
                f"CREATE TRIGGER {name} AFTER {event} ON users FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION count_mfa()"
            )
    else:
        for name, event, when, change in _TRIGGERS:
            op.execute(
                f"CREATE TRIGGER {name} AFTER {event} ON users WHEN {when} BEGIN"  # noqa: S608  # names written here
                f" INSERT INTO mfa_counts (change) VALUES ({change}); END"
            )
    op.execute("INSERT INTO mfa_counts (change) SELECT count(mfa_since) FROM users")
