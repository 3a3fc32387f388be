"""Roles are made of the names that users carry, and who carries one is a member."""

from collections.abc import Iterable
from typing import Final

from alembic import op
from precis_i18n import get_profile
from sqlalchemy import text

from sallyport.kernel.clock import SystemClock
from sallyport.kernel.ids import Ids, system_randomness

revision = "0013_from_0001"
down_revision = "0012_from_0001"
LOCKS = "nobody on PostgreSQL; on SQLite all writers, for a quarter of a second per million users"
LARGE = "users"

# A user who is erased meanwhile is passed over on PostgreSQL, and no member that the reference would refuse.
_SQL: Final = {
    "sqlite": (
        "SELECT DISTINCT value FROM users, json_each(users.roles) WHERE users.roles <> '[]'",
        "EXISTS (SELECT 1 FROM json_each(users.roles) WHERE value = :name)",
    ),
    "postgresql": (
        "SELECT DISTINCT jsonb_array_elements_text(roles::jsonb) FROM users WHERE roles <> '[]'",
        "roles::jsonb @> to_jsonb(CAST(:name AS TEXT)) FOR KEY SHARE",
    ),
}
_ROLE: Final = text(
    """INSERT INTO roles (id, name, name_key, created_at, modified_at, version)
       VALUES (:uid, :name, :name_key, :now, :now, 0)"""
)
_MEMBERS: Final = """INSERT INTO role_members (role_id, user_id, is_member, is_owner)
                     SELECT CAST(:uid AS VARCHAR(36)), id, :yes, :no FROM users WHERE roles <> '[]' AND """


def upgrade() -> None:
    """Fill the new tables, which no release before reads. Nothing of a user is changed."""
    connection, clock = op.get_bind(), SystemClock()
    names, carries = _SQL[connection.dialect.name]
    for name_key, name in sorted(_by_key(connection.execute(text(names)).scalars().all()).items()):
        role = {"uid": Ids(clock, system_randomness).new(), "name": name}
        connection.execute(_ROLE, role | {"name_key": name_key, "now": clock.now()})
        connection.execute(text(_MEMBERS + carries), role | {"yes": True, "no": False})


def _by_key(names: Iterable[str]) -> dict[str, str]:
    """Return the name that each key goes to: of several spellings the one that is its own key, else the first.

    The other spellings were written by hand, and nobody trusted them: who carries one is in no role.
    """
    by_key: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (name != _key(name), name)):
        by_key.setdefault(_key(name), name)
    return by_key


def _key(name: str) -> str:
    try:
        return str(get_profile("UsernameCaseMapped").enforce(name))
    except UnicodeEncodeError:  # written by hand: no such role can be made over HTTP, but one that is there stays
        return name.casefold()
