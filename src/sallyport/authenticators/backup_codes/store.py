"""Backup codes in the database: one set for each user, kept as digests."""

from dataclasses import dataclass
from typing import Final

import msgspec

from sallyport.authenticators.rules import Authenticator, BackupTraits
from sallyport.store.work import Rows, Soon, Sql

TYPE: Final = "mfabackup"

OF_USER = Sql(
    """SELECT user_id, id, description, created_at, modified_at, version, last_used_at,
              (SELECT count(*) FROM backup_codes WHERE backup_codes.user_id = backup_sets.user_id),
              (SELECT count(*) FROM backup_codes WHERE backup_codes.user_id = backup_sets.user_id AND spent_at IS NULL)
       FROM backup_sets WHERE user_id = :user"""
)
RECIPE = Sql("SELECT salt, pepper_id FROM backup_sets WHERE user_id = :user")
DELETE = Sql("DELETE FROM backup_sets WHERE user_id = :user")
INSERT_SET = Sql(
    """INSERT INTO backup_sets (user_id, id, salt, pepper_id, created_at, modified_at, version)
       VALUES (:user, :uid, :salt, :pepper_id, :now, :now, 0)"""
)
INSERT_CODE = Sql("INSERT INTO backup_codes (user_id, code_digest) VALUES (:user, :digest)")
# Good once: the row count is the answer.
SPEND = Sql(
    "UPDATE backup_codes SET spent_at = :now WHERE user_id = :user AND code_digest = :digest AND spent_at IS NULL"
)
USED = Sql("UPDATE backup_sets SET last_used_at = :now WHERE user_id = :user")
DESCRIBE = Sql(
    """UPDATE backup_sets SET description = :description, modified_at = :now, version = version + 1
       WHERE user_id = :user AND version = :version"""
)


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How the digests of a set are made."""

    salt: bytes
    pepper_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSet:
    """A set of codes as it is kept."""

    user: str
    uid: str
    recipe: Recipe
    digests: tuple[bytes, ...]


def of_user(rows: Rows, user: str) -> Authenticator | None:
    """Return what may be told of a user's set."""
    row = rows.one(OF_USER, user=user)
    if row is None:
        return None
    owner, uid, description, created_at, modified_at, version, last_used_at, total, remaining = row
    return Authenticator(
        uid=uid,
        user=owner,
        type=TYPE,
        description=description,
        created_at=created_at,
        modified_at=modified_at,
        version=version,
        last_used_at=last_used_at,
        traits=BackupTraits(total=total, remaining=remaining),
    )


def recipe(rows: Rows, user: str) -> Soon:
    """Ask how a user's codes are digested; `recipe_in` reads the answer."""
    return rows.soon(RECIPE, user=user)


def recipe_in(found: Soon) -> Recipe | None:
    """Return how a user's codes are digested, or None where there is no set."""
    row = found.one()
    return Recipe(salt=row[0], pepper_id=row[1]) if row else None


def replace(rows: Rows, codes: NewSet, now: int) -> None:
    """Write a new set; the one before is void at the same instant."""
    delete(rows, codes.user)
    rows.change(
        INSERT_SET,
        user=codes.user,
        uid=codes.uid,
        salt=codes.recipe.salt,
        pepper_id=codes.recipe.pepper_id,
        now=now,
    )
    for digest in codes.digests:
        rows.change(INSERT_CODE, user=codes.user, digest=digest)


def spend(rows: Rows, user: str, digest: bytes, now: int) -> Soon:
    """Spend a code; meets no row where it is not of this user's set, or was spent before."""
    return rows.soon(SPEND, user=user, digest=digest, now=now)


def used(rows: Rows, user: str, now: int) -> None:
    """Note that a set was used."""
    rows.post(USED, user=user, now=now)


def describe(rows: Rows, told: Authenticator, description: str | None, now: int) -> bool:
    """Write a new description; False where the version has moved on."""
    return bool(rows.change(DESCRIBE, user=told.user, version=told.version, description=description, now=now))


def delete(rows: Rows, user: str) -> None:
    """Erase a user's set, codes and all."""
    rows.change(DELETE, user=user)
