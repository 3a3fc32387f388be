"""An index of the addresses that users claim."""

from sallyport.store.migrations.online import INDEX_LOCKS, build_index

revision = "0014_from_0001"
down_revision = "0013_from_0001"
LOCKS = INDEX_LOCKS
LARGE = "users"


def upgrade() -> None:
    build_index("users_by_email", LARGE, ["email_key", "id"])
