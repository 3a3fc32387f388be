"""An index of the keys that passwords are sealed under."""

import sqlalchemy as sa

from sallyport.store.migrations.online import INDEX_LOCKS, build_index

revision = "0005_from_0001"
down_revision = "0004_from_0001"
LOCKS = INDEX_LOCKS
LARGE = "passwords"


def upgrade() -> None:
    build_index("passwords_by_sealing_key", LARGE, [sa.text("substr(hash_sealed, 2, 8)")])
