"""An index of the keys that seeds are sealed under."""

import sqlalchemy as sa

from sallyport.store.migrations.online import INDEX_LOCKS, build_index

revision = "0006_from_0001"
down_revision = "0005_from_0001"
LOCKS = INDEX_LOCKS
LARGE = "totp"


def upgrade() -> None:
    build_index("totp_by_sealing_key", LARGE, [sa.text("substr(seed_sealed, 2, 8)")])
