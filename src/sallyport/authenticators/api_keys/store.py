"""API keys in the database."""

from collections.abc import Mapping
from typing import Final

import msgspec

from sallyport.authenticators.api_keys.rules import Wish, is_good
from sallyport.authenticators.rules import ApiKeyTraits, Authenticator
from sallyport.store.work import Row, Rows, Soon, Sql
from sallyport.users.store import read_roles

TYPE: Final = "apikey"

_TOLD: Final = (
    "user_id, id, description, created_at, modified_at, version, last_used_at, prefix, scopes, expires_at, suspended_at"
)
OF_USER = Sql(
    f"SELECT {_TOLD} FROM api_keys WHERE user_id = :user ORDER BY id"  # noqa: S608  # constants of this file, no input
)
COUNT = Sql("SELECT count(*) FROM api_keys WHERE user_id = :user")
ANY = Sql("SELECT 1 FROM api_keys WHERE user_id = :user LIMIT 1")
INSERT = Sql(
    """INSERT INTO api_keys (user_id, id, key_digest, pepper_id, prefix, scopes, expires_at, maker_id, maker_amr,
                             maker_auth_time, by_trusted, description, created_at, modified_at, version)
       VALUES (:user, :uid, :digest, :pepper_id, :prefix, :scopes, :expires_at, :maker, :amr, :auth_time, :by_trusted,
               :description, :now, :now, 0)"""
)
_FIND: Final = """SELECT user_id, api_keys.id, scopes, expires_at, suspended_at, maker_amr, by_trusted, last_used_at,
        name, roles, mfa_since, mfa_met_at, mfa_reset_at
    FROM api_keys JOIN users ON users.id = api_keys.user_id
    WHERE disabled_at IS NULL AND """
FIND = Sql(_FIND + "key_digest = :digest")
BEHIND = Sql(_FIND + "user_id = :user AND api_keys.id = :uid")
# The guard of a login: the key is still good, and its user not disabled. Kept anew under the pepper of today on the
# way: so the rows that an older one is needed for become fewer.
USE = Sql(
    """UPDATE api_keys SET last_used_at = :now, key_digest = :digest, pepper_id = :pepper_id
       WHERE user_id = :user AND id = :uid AND suspended_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
         AND EXISTS (SELECT 1 FROM users WHERE users.id = :user AND disabled_at IS NULL)"""
)
DESCRIBE = Sql(
    """UPDATE api_keys SET description = :description, modified_at = :now, version = version + 1
       WHERE user_id = :user AND id = :uid AND version = :version"""
)
SUSPEND_ALL = Sql(
    """UPDATE api_keys SET suspended_at = :now, version = version + 1
       WHERE user_id = :user AND suspended_at IS NULL"""
)
RESUME = Sql("UPDATE api_keys SET suspended_at = NULL WHERE user_id = :user AND id = :uid AND suspended_at IS NOT NULL")
DELETE = Sql("DELETE FROM api_keys WHERE user_id = :user AND id = :uid")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A new key as it is kept."""

    user: str
    uid: str
    digest: bytes
    pepper_id: str
    prefix: str


class Maker(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes a key, and how they had proved themselves."""

    uid: str
    amr: tuple[str, ...]
    auth_time: int
    """Seconds since the epoch."""
    trusted: bool
    """Whether they held a trusted role, proven at the account's strongest level."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A key that somebody shows, with its user, who is not disabled."""

    user: str
    uid: str
    scopes: tuple[str, ...]
    expires_at: int | None
    suspended_at: int | None
    maker_amr: tuple[str, ...]
    by_trusted: bool
    last_used_at: int | None
    name: str
    roles: tuple[str, ...]
    mfa: bool
    met_at: int | None
    reset: bool

    def is_good(self, now: int) -> bool:
        """Tell whether it is good at this moment."""
        return is_good(expires_at=self.expires_at, suspended_at=self.suspended_at, now=now)


def of_user(rows: Rows, user: str, _now: int) -> list[Authenticator]:
    """Return what may be told of a user's keys."""
    return [_told(row) for row in rows.all(OF_USER, user=user)]


def count(rows: Rows, user: str) -> int:
    """Return how many keys a user has."""
    row = rows.one(COUNT, user=user)
    return row[0] if row else 0


def has_any(rows: Rows, user: str) -> bool:
    """Tell whether a user has a key."""
    return rows.one(ANY, user=user) is not None


def insert(rows: Rows, kept: Kept, wish: Wish, maker: Maker, now: int) -> None:
    """Write a new key."""
    rows.post(
        INSERT,
        user=kept.user,
        uid=kept.uid,
        digest=kept.digest,
        pepper_id=kept.pepper_id,
        prefix=kept.prefix,
        scopes=" ".join(wish.scopes),
        expires_at=wish.expires_at,
        maker=maker.uid,
        amr=" ".join(maker.amr),
        auth_time=maker.auth_time,
        by_trusted=int(maker.trusted),
        description=wish.description,
        now=now,
    )


def find(rows: Rows, digests: Mapping[str, bytes]) -> tuple[Soon, ...]:
    """Ask for the key with one of these digests, by the id of their pepper; `found_in` reads the answer."""
    return tuple([rows.soon(FIND, digest=digest) for digest in digests.values()])


def found_in(asked: tuple[Soon, ...]) -> Found | None:
    """Return the key that was asked for."""
    row = next((row for soon in asked if (row := soon.one())), None)
    return _found(row) if row else None


def behind(rows: Rows, user: str, uid: str) -> Found | None:
    """Return the key of a user that a session was opened with, or None where it is gone."""
    row = rows.one(BEHIND, user=user, uid=uid)
    return _found(row) if row else None


def use(rows: Rows, found: Found, pepper_id: str, digest: bytes, now: int) -> Soon:
    """Note that a key is used; meets no row where it is not good any more."""
    return rows.soon(USE, user=found.user, uid=found.uid, pepper_id=pepper_id, digest=digest, now=now)


def describe(rows: Rows, told: Authenticator, description: str | None, now: int) -> bool:
    """Write a new description; False where the version has moved on."""
    return bool(
        rows.change(DESCRIBE, user=told.user, uid=told.uid, version=told.version, description=description, now=now)
    )


def suspend_all(rows: Rows, user: str, now: int) -> int:
    """Suspend every key of a user; returns how many were not suspended before."""
    return rows.change(SUSPEND_ALL, user=user, now=now)


def resume(rows: Rows, user: str, uid: str) -> bool:
    """Put a suspended key back; False where it is not suspended."""
    return bool(rows.change(RESUME, user=user, uid=uid))


def delete(rows: Rows, user: str, uid: str) -> None:
    """Erase a key."""
    rows.change(DELETE, user=user, uid=uid)


def _found(row: Row) -> Found:
    return Found(
        user=row[0],
        uid=row[1],
        scopes=tuple(row[2].split()),
        expires_at=row[3],
        suspended_at=row[4],
        maker_amr=tuple(row[5].split()),
        by_trusted=bool(row[6]),
        last_used_at=row[7],
        name=row[8],
        roles=read_roles(row[9]),
        mfa=row[10] is not None,
        met_at=row[11],
        reset=row[12] is not None,
    )


def _told(row: Row) -> Authenticator:
    user, uid, description, created_at, modified_at, version, last_used_at, prefix, scopes, expires_at, suspended = row
    return Authenticator(
        uid=uid,
        user=user,
        type=TYPE,
        description=description,
        created_at=created_at,
        modified_at=modified_at,
        version=version,
        last_used_at=last_used_at,
        traits=ApiKeyTraits(
            prefix=prefix, scopes=tuple(scopes.split()), expires_at=expires_at, suspended=suspended is not None
        ),
    )
