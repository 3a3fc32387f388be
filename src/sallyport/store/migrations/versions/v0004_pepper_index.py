"""An index of the keys that backup codes name."""

from sallyport.store.migrations.online import INDEX_LOCKS, build_index

revision = "0004_from_0001"
down_revision = "0003"
LOCKS = INDEX_LOCKS
LARGE = "backup_sets"


def upgrade() -> None:
    build_index("ix_backup_sets_pepper_id", LARGE, ["pepper_id"])
