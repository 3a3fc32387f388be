"""Resets of second factors that wait, in the database."""

from typing import Final

from sallyport.notices.flow.tokens import address_digest
from sallyport.recovery.rules import bound
from sallyport.rescue.rules import Reset
from sallyport.store.work import Row, Rows, Sql

# Who has something to lose, and an address to be told at.
BINDING = Sql(
    """SELECT verified_email_key, passwords.id, generation, mfa_since
       FROM users JOIN passwords ON passwords.user_id = users.id
       WHERE users.id = :user AND disabled_at IS NULL AND mfa_since IS NOT NULL AND verified_email_key IS NOT NULL"""
)

# When the password was set by mail.
MAILED = Sql("SELECT mailed_at FROM passwords WHERE user_id = :user")

_FIELDS: Final = "id, user_id, created_at, ends_at, expires_at, remind_at"
FIND = Sql(f"SELECT {_FIELDS} FROM mfa_resets WHERE user_id = :user AND expires_at > :now")  # noqa: S608  # constants of this file, no input
# One a user: whoever begins again finds it running. In the place of one that nobody took in time.
BEGIN = Sql(
    f"""INSERT INTO mfa_resets ({_FIELDS})
        VALUES (:uid, :user, :created_at, :ends_at, :expires_at, :remind_at)
        ON CONFLICT (user_id) DO UPDATE
        SET id = excluded.id, created_at = excluded.created_at, ends_at = excluded.ends_at,
            expires_at = excluded.expires_at, remind_at = excluded.remind_at
        WHERE mfa_resets.expires_at <= excluded.created_at"""  # noqa: S608  # as above
)
# It is taken once, and not before all mails are written: the row count is the answer.
TAKE = Sql(
    """DELETE FROM mfa_resets
       WHERE user_id = :user AND id = :uid AND ends_at <= :now AND expires_at > :now AND remind_at IS NULL"""
)
CANCEL = Sql("DELETE FROM mfa_resets WHERE user_id = :user AND expires_at > :now")
CANCEL_ONE = Sql("DELETE FROM mfa_resets WHERE user_id = :user AND id = :uid AND expires_at > :now")
DROP = Sql("DELETE FROM mfa_resets WHERE user_id = :user")
PENDING = Sql(
    f"""SELECT {_FIELDS} FROM mfa_resets
        WHERE id > :after AND expires_at > :now ORDER BY id LIMIT :limit OFFSET :skip"""  # noqa: S608  # as above
)
DUE = Sql(f"SELECT {_FIELDS} FROM mfa_resets WHERE remind_at <= :now ORDER BY remind_at LIMIT :most")  # noqa: S608  # as above
# One node writes each mail.
REMIND = Sql(
    """UPDATE mfa_resets SET remind_at = :remind_at, ends_at = :ends_at, expires_at = :expires_at
       WHERE user_id = :user AND id = :uid AND remind_at = :due"""
)
SWEEP = Sql(
    """DELETE FROM mfa_resets WHERE user_id IN
       (SELECT user_id FROM mfa_resets WHERE expires_at <= :now ORDER BY expires_at LIMIT :most)"""
)


def binding(rows: Rows, user: str) -> tuple[bytes, str] | None:
    """Return the digest of a user's address, and what a token is made for that stands beside their password.

    With another address, password, or second factor it is dead. None where there is no second factor to lose, nothing
    to prove, or nobody to mail to.
    """
    row = rows.one(BINDING, user=user)
    if row is None:
        return None
    address = address_digest(row[0])
    return address, f"{bound(address, row[1], row[2])} {row[3]}"


def mailed_at(rows: Rows, user: str) -> int | None:
    """Return when a user's password was set by mail; None where its owner chose it signed in."""
    row = rows.one(MAILED, user=user)
    return row[0] if row else None


def find(rows: Rows, user: str, now: int) -> Reset | None:
    """Return what waits for a user, or may be taken."""
    row = rows.one(FIND, user=user, now=now)
    return _reset(row) if row else None


def begin(rows: Rows, reset: Reset) -> None:
    """Write a reset; one that still waits stays as it is."""
    rows.change(
        BEGIN,
        uid=reset.uid,
        user=reset.user,
        created_at=reset.created_at,
        ends_at=reset.ends_at,
        expires_at=reset.expires_at,
        remind_at=reset.remind_at,
    )


def take(rows: Rows, reset: Reset, now: int) -> bool:
    """Use up a reset whose delay is over; False where it is not, or somebody was faster."""
    return bool(rows.change(TAKE, user=reset.user, uid=reset.uid, now=now))


def cancel(rows: Rows, user: str, now: int) -> bool:
    """Cancel what waits for a user; False where nothing does."""
    return bool(rows.change(CANCEL, user=user, now=now))


def cancel_one(rows: Rows, user: str, uid: str, now: int) -> bool:
    """Cancel the one reset of a user that a mail tells of; False where that is over."""
    return bool(rows.change(CANCEL_ONE, user=user, uid=uid, now=now))


def drop(rows: Rows, user: str) -> None:
    """Erase what waits for a user, who has got it in another way."""
    rows.change(DROP, user=user)


def pending(rows: Rows, *, after: str, limit: int, skip: int, now: int) -> list[Reset]:
    """Return what waits, oldest first."""
    return [_reset(row) for row in rows.all(PENDING, after=after, limit=limit, skip=skip, now=now)]


def due(rows: Rows, now: int, most: int) -> list[Reset]:
    """Return some of those whose users are to be told again."""
    return [_reset(row) for row in rows.all(DUE, now=now, most=most)]


def remind(rows: Rows, old: Reset, new: Reset) -> bool:
    """Note that the user is told; False where another node does, or it was cancelled."""
    return bool(
        rows.change(
            REMIND,
            user=old.user,
            uid=old.uid,
            due=old.remind_at,
            remind_at=new.remind_at,
            ends_at=new.ends_at,
            expires_at=new.expires_at,
        )
    )


def sweep(rows: Rows, now: int, most: int) -> int:
    """Erase what nobody took in time; returns how many."""
    return rows.change(SWEEP, now=now, most=most)


def _reset(row: Row) -> Reset:
    uid, user, created_at, ends_at, expires_at, remind_at = row
    return Reset(uid=uid, user=user, created_at=created_at, ends_at=ends_at, expires_at=expires_at, remind_at=remind_at)
