"""Devices in the database."""

from collections.abc import Mapping
from typing import Final

import msgspec

from sallyport.authenticators.rules import Authenticator
from sallyport.store.work import Row, Rows, Soon, Sql

TYPE: Final = "device"

OF_USER = Sql(
    """SELECT user_id, id, description, created_at, modified_at, version, last_used_at FROM devices
       WHERE user_id = :user ORDER BY id"""
)
COUNT = Sql("SELECT count(*) FROM devices WHERE user_id = :user")
ANY = Sql("SELECT 1 FROM devices WHERE user_id = :user LIMIT 1")
INSERT = Sql(
    """INSERT INTO devices (user_id, id, value_digest, pepper_id, description, created_at, modified_at, version)
       VALUES (:user, :uid, :digest, :pepper_id, :description, :now, :now, 0)
       ON CONFLICT DO NOTHING"""
)
FIND = Sql("SELECT id FROM devices WHERE user_id = :user AND value_digest = :digest")
# The guard of a login: the device is still there, and its user is not disabled. Kept anew under the pepper of today.
USE = Sql(
    """UPDATE devices SET last_used_at = :now, value_digest = :digest, pepper_id = :pepper_id
       WHERE user_id = :user AND id = :uid
         AND EXISTS (SELECT 1 FROM users WHERE users.id = :user AND disabled_at IS NULL)"""
)
DESCRIBE = Sql(
    """UPDATE devices SET description = :description, modified_at = :now, version = version + 1
       WHERE user_id = :user AND id = :uid AND version = :version"""
)
DELETE = Sql("DELETE FROM devices WHERE user_id = :user AND id = :uid")
DELETE_ALL = Sql("DELETE FROM devices WHERE user_id = :user")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The device whose value somebody shows."""

    user: str
    uid: str


def of_user(rows: Rows, user: str, _now: int) -> list[Authenticator]:
    """Return what may be told of a user's devices."""
    return [_told(row) for row in rows.all(OF_USER, user=user)]


def count(rows: Rows, user: str) -> int:
    """Return how many devices a user has."""
    row = rows.one(COUNT, user=user)
    return row[0] if row else 0


def has_any(rows: Rows, user: str) -> bool:
    """Tell whether a user has a device."""
    return rows.one(ANY, user=user) is not None


def insert(
    rows: Rows, found: Found, pepper_id: str, digests: Mapping[str, bytes], description: str | None, now: int
) -> bool:
    """Write a new device; False where the user has one with this value."""
    if found_in(find(rows, found.user, digests), found.user):
        return False
    return bool(
        rows.change(
            INSERT,
            user=found.user,
            uid=found.uid,
            digest=digests[pepper_id],
            pepper_id=pepper_id,
            description=description,
            now=now,
        )
    )


def find(rows: Rows, user: str, digests: Mapping[str, bytes]) -> tuple[Soon, ...]:
    """Ask for the device of a user with one of these digests; `found_in` reads the answer."""
    return tuple([rows.soon(FIND, user=user, digest=digest) for digest in digests.values()])


def found_in(asked: tuple[Soon, ...], user: str) -> Found | None:
    """Return the device that was asked for."""
    row = next((row for soon in asked if (row := soon.one())), None)
    return Found(user=user, uid=row[0]) if row else None


def use(rows: Rows, found: Found, pepper_id: str, digest: bytes, now: int) -> Soon:
    """Note that a device logs in; meets no row where it is gone, or its user disabled."""
    return rows.soon(USE, user=found.user, uid=found.uid, pepper_id=pepper_id, digest=digest, now=now)


def describe(rows: Rows, told: Authenticator, description: str | None, now: int) -> bool:
    """Write a new description; False where the version has moved on."""
    return bool(
        rows.change(DESCRIBE, user=told.user, uid=told.uid, version=told.version, description=description, now=now)
    )


def delete(rows: Rows, user: str, uid: str) -> None:
    """Erase a device."""
    rows.change(DELETE, user=user, uid=uid)


def delete_all(rows: Rows, user: str) -> int:
    """Erase every device of a user; returns how many there were."""
    return rows.change(DELETE_ALL, user=user)


def _told(row: Row) -> Authenticator:
    user, uid, description, created_at, modified_at, version, last_used_at = row
    return Authenticator(
        uid=uid,
        user=user,
        type=TYPE,
        description=description,
        created_at=created_at,
        modified_at=modified_at,
        version=version,
        last_used_at=last_used_at,
    )
