"""Passwords in the database."""

from dataclasses import dataclass
from typing import Final

from sallyport.authenticators.password.hashing import Kept
from sallyport.authenticators.rules import Authenticator
from sallyport.store.work import Row, Rows, Sql, Value

TYPE: Final = "password"

OF_USER = Sql(
    """SELECT user_id, id, hash_sealed, generation, description, created_at, modified_at, version, last_used_at
       FROM passwords WHERE user_id = :user"""
)
INSERT = Sql(
    """INSERT INTO passwords (user_id, id, hash_sealed, generation, description, created_at, modified_at, version)
       VALUES (:user, :uid, :hash_sealed, 0, :description, :now, :now, 0)
       ON CONFLICT DO NOTHING"""
)
CHANGE = Sql(
    """UPDATE passwords
       SET hash_sealed = :hash_sealed, generation = generation + 1, description = :description, modified_at = :now,
           version = version + 1, mailed_at = NULL
       WHERE user_id = :user AND id = :uid AND generation = :generation AND version = :version"""
)
RECOVER = Sql(
    """UPDATE passwords
       SET hash_sealed = :hash_sealed, generation = generation + 1, modified_at = :now, version = version + 1,
           mailed_at = :mailed_at
       WHERE user_id = :user AND id = :uid"""
)
DESCRIBE = Sql(
    """UPDATE passwords SET description = :description, modified_at = :now, version = version + 1
       WHERE user_id = :user AND version = :version"""
)
DELETE = Sql("DELETE FROM passwords WHERE user_id = :user")
# The guard of every login: the password is still the one that was checked, its user is not disabled, and MFA is as
# it was seen.
_STILL: Final = """WHERE user_id = :user AND id = :uid AND generation = :generation
         AND EXISTS (SELECT 1 FROM users
                     WHERE users.id = :user AND disabled_at IS NULL AND (mfa_since IS NOT NULL) = :mfa)"""
USE = Sql(f"UPDATE passwords SET last_used_at = :now {_STILL}")  # noqa: S608  # constants of this file, no input
# A better hash of the same password is written on the way. Not in the statement above: SQLite would write the index
# over the hashes' keys with every login.
USE_AND_RAISE = Sql(f"UPDATE passwords SET last_used_at = :now, hash_sealed = :rehashed {_STILL}")  # noqa: S608  # as above


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPassword:
    """A password row."""

    kept: Kept
    generation: int
    told: Authenticator


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a password and its user when it was checked."""

    user: str
    uid: str
    """Of the password: one that was deleted and set anew counts its generations from the start again."""
    generation: int
    mfa: bool


def of_user(rows: Rows, user: str) -> StoredPassword | None:
    """Return the password of a user."""
    row = rows.one(OF_USER, user=user)
    return _stored(row) if row else None


def told(rows: Rows, user: str) -> Authenticator:
    """Return what may be told of a password that this unit has written."""
    return next(_stored(row).told for row in rows.all(OF_USER, user=user))


def insert(rows: Rows, kept: Kept, description: str | None, now: int) -> bool:
    """Write a first password; False where there is one already."""
    return bool(
        rows.change(
            INSERT,
            user=kept.user,
            uid=kept.uid,
            hash_sealed=kept.hash_sealed,
            description=description,
            now=now,
        )
    )


def change(rows: Rows, old: StoredPassword, hash_sealed: bytes, description: str | None, now: int) -> bool:
    """Write a new password; False where the old one is no longer what was checked."""
    return bool(
        rows.change(
            CHANGE,
            user=old.kept.user,
            uid=old.kept.uid,
            generation=old.generation,
            version=old.told.version,
            hash_sealed=hash_sealed,
            description=description,
            now=now,
        )
    )


def recover(rows: Rows, kept: Kept, now: int, mailed_at: int) -> None:
    """Write a new password in the place of one that was forgotten, and that it came by mail."""
    rows.post(RECOVER, user=kept.user, uid=kept.uid, hash_sealed=kept.hash_sealed, now=now, mailed_at=mailed_at)


def describe(rows: Rows, told: Authenticator, description: str | None, now: int) -> bool:
    """Write a new description; False where the version has moved on."""
    return bool(rows.change(DESCRIBE, user=told.user, version=told.version, description=description, now=now))


def delete(rows: Rows, user: str) -> None:
    """Erase the password of a user."""
    rows.change(DELETE, user=user)


def use(rows: Rows, seen: Seen, rehashed: bytes | None, now: int) -> bool:
    """Note a use of the password; False where it is no longer what was checked."""
    guard: dict[str, Value] = {
        "user": seen.user,
        "uid": seen.uid,
        "generation": seen.generation,
        "mfa": seen.mfa,
        "now": now,
    }
    if rehashed is None:
        return bool(rows.change(USE, **guard))
    return bool(rows.change(USE_AND_RAISE, rehashed=rehashed, **guard))


def _stored(row: Row) -> StoredPassword:
    user, uid, hash_sealed, generation, description, created_at, modified_at, version, last_used_at = row
    told = Authenticator(
        uid=uid,
        user=user,
        type=TYPE,
        description=description,
        created_at=created_at,
        modified_at=modified_at,
        version=version,
        last_used_at=last_used_at,
    )
    return StoredPassword(kept=Kept(user=user, uid=uid, hash_sealed=hash_sealed), generation=generation, told=told)
