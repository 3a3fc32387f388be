"""Accounts as recovery sees them, in the database."""

from typing import Final

import msgspec

from sallyport.login.rules import By, Identifier
from sallyport.store.work import Rows, Sql

_ACCOUNT: Final = """SELECT users.id, name_key, email, email_key, verified_email, verified_email_key, verified_at,
           disabled_at, mfa_since, passwords.id, generation
    FROM users LEFT JOIN passwords ON passwords.user_id = users.id WHERE """
ACCOUNT_BY_UID = Sql(_ACCOUNT + "users.id = :key")
ACCOUNT_BY_EMAIL = Sql(_ACCOUNT + "verified_email_key = :key")
ACCOUNT_BY_NAME = Sql(_ACCOUNT + "name_key = :key")
_BY: Final = {By.UID: ACCOUNT_BY_UID, By.EMAIL: ACCOUNT_BY_EMAIL, By.NAME: ACCOUNT_BY_NAME}
TAKEN = Sql("SELECT 1 FROM users WHERE verified_email_key = :email_key AND id <> :user")
VERIFY = Sql(
    """UPDATE users SET verified_at = :now, verified_email = email, verified_email_key = email_key
       WHERE id = :user AND email_key = :email_key"""
)

# When a user showed a second factor last. Apps that are gone say nothing.
SHOWN = Sql(
    """SELECT max(shown_at)
       FROM (SELECT last_used_at AS shown_at FROM totp WHERE user_id = :user
             UNION ALL SELECT last_used_at FROM backup_sets WHERE user_id = :user) AS shown"""
)
NEVER: Final = 0


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A user whom somebody wants back, or whose address is to be verified."""

    user: str
    name_key: str
    email: str | None
    email_key: str | None
    last_verified: str | None
    """The address that was verified last, as it is written to."""
    last_verified_key: str | None
    verified: bool
    """Whether `email` is that one."""
    disabled: bool
    mfa: bool
    password: str | None
    """The uid of the password."""
    generation: int


def account(rows: Rows, identifier: Identifier) -> Account | None:
    """Return the user whom an identifier names; of addresses only a verified one does."""
    row = rows.one(_BY[identifier.by], key=identifier.key)
    if row is None:
        return None
    return Account(
        user=row[0],
        name_key=row[1],
        email=row[2],
        email_key=row[3],
        last_verified=row[4],
        last_verified_key=row[5],
        verified=row[6] is not None,
        disabled=row[7] is not None,
        mfa=row[8] is not None,
        password=row[9],
        generation=row[10] or 0,
    )


def account_of(rows: Rows, user: str) -> Account | None:
    """Return a user by uid."""
    return account(rows, Identifier(By.UID, user))


def last_shown(rows: Rows, user: str) -> int:
    """Return when a user showed a second factor last."""
    row = rows.one(SHOWN, user=user)
    return (row[0] if row else None) or NEVER


def is_taken(rows: Rows, user: str, email_key: str) -> bool:
    """Tell whether another user has verified an address."""
    return rows.one(TAKEN, user=user, email_key=email_key) is not None


def verify(rows: Rows, user: str, email_key: str, now: int) -> None:
    """Make a claimed address the user's own."""
    rows.post(VERIFY, user=user, email_key=email_key, now=now)
