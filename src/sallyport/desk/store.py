"""Approvals and caller codes in the database."""

from typing import Final

from sallyport.desk.rules import CODE_TRIES, Approval
from sallyport.store.work import Row, Rows, Sql

_FIELDS: Final = "id, user_id, secret_id, reason, asked_by, created_at, expires_at"
ADD = Sql(
    f"INSERT INTO approvals ({_FIELDS}) VALUES (:uid, :user, :secret, :reason, :asked_by, :created_at, :expires_at)"  # noqa: S608  # constants of this file, no input
)
FIND = Sql(f"SELECT {_FIELDS} FROM approvals WHERE id = :uid AND expires_at > :now")  # noqa: S608  # as above
PENDING = Sql(
    f"SELECT {_FIELDS} FROM approvals WHERE id > :after AND expires_at > :now ORDER BY id LIMIT :limit OFFSET :skip"  # noqa: S608  # as above
)
# An approval is good once: the row count is the answer.
CLAIM = Sql("DELETE FROM approvals WHERE id = :uid AND expires_at > :now")
DROP_APPROVALS = Sql("DELETE FROM approvals WHERE user_id = :user")
SWEEP_APPROVALS = Sql(
    """DELETE FROM approvals WHERE id IN
       (SELECT id FROM approvals WHERE expires_at <= :now ORDER BY expires_at LIMIT :most)"""
)
# Whether the one who asked may still ask.
ROLES_OF = Sql("SELECT roles FROM users WHERE id = :user AND disabled_at IS NULL")

SET_CODE = Sql(
    """INSERT INTO caller_codes (user_id, code_digest, expires_at, tries_left)
       VALUES (:user, :digest, :expires_at, :tries)
       ON CONFLICT (user_id) DO UPDATE
       SET code_digest = excluded.code_digest, expires_at = excluded.expires_at, tries_left = excluded.tries_left"""
)
# The try is spent here, before it is judged.
SPEND_TRY = Sql(
    """UPDATE caller_codes SET tries_left = tries_left - 1
       WHERE user_id = :user AND tries_left > 0 AND expires_at > :now"""
)
USE_CODE = Sql("DELETE FROM caller_codes WHERE user_id = :user AND code_digest = :digest AND expires_at > :now")
DROP_CODE = Sql("DELETE FROM caller_codes WHERE user_id = :user")
SWEEP_CODES = Sql(
    """DELETE FROM caller_codes WHERE user_id IN
       (SELECT user_id FROM caller_codes WHERE expires_at <= :now ORDER BY expires_at LIMIT :most)"""
)


def add(rows: Rows, approval: Approval) -> None:
    """Write what waits for a second person."""
    rows.post(
        ADD,
        uid=approval.uid,
        user=approval.user,
        secret=approval.secret,
        reason=approval.reason,
        asked_by=approval.asked_by,
        created_at=approval.created_at,
        expires_at=approval.expires_at,
    )


def find(rows: Rows, uid: str, now: int) -> Approval | None:
    """Return what waits, if it still does."""
    row = rows.one(FIND, uid=uid, now=now)
    return _approval(row) if row else None


def pending(rows: Rows, *, after: str, limit: int, skip: int, now: int) -> list[Approval]:
    """Return what waits for a second person, oldest first."""
    return [_approval(row) for row in rows.all(PENDING, after=after, limit=limit, skip=skip, now=now)]


def claim(rows: Rows, uid: str, now: int) -> bool:
    """Use an approval up; False where somebody was faster, or it is over."""
    return bool(rows.change(CLAIM, uid=uid, now=now))


def roles_of(rows: Rows, user: str) -> str | None:
    """Return the roles of a user as written, or None for one who is disabled or gone."""
    row = rows.one(ROLES_OF, user=user)
    return str(row[0]) if row else None


def set_code(rows: Rows, user: str, digest: bytes, expires_at: int) -> None:
    """Write the caller code of a user; one of before is void."""
    rows.post(SET_CODE, user=user, digest=digest, expires_at=expires_at, tries=CODE_TRIES)


def use_code(rows: Rows, user: str, digest: bytes, now: int) -> bool:
    """Spend a try at a user's caller code, and the code where it is right."""
    return bool(rows.change(SPEND_TRY, user=user, now=now)) and bool(
        rows.change(USE_CODE, user=user, digest=digest, now=now)
    )


def drop(rows: Rows, user: str) -> None:
    """Erase what was asked for about a user, and the code that they would read out."""
    rows.post(DROP_APPROVALS, user=user)
    rows.post(DROP_CODE, user=user)


def sweep(rows: Rows, now: int, most: int) -> int:
    """Erase what is over; returns how much."""
    return max(rows.change(SWEEP_APPROVALS, now=now, most=most), rows.change(SWEEP_CODES, now=now, most=most))


def _approval(row: Row) -> Approval:
    uid, user, secret, reason, asked_by, created_at, expires_at = row
    return Approval(
        uid=uid,
        user=user,
        secret=secret,
        reason=reason,
        asked_by=asked_by,
        created_at=created_at,
        expires_at=expires_at,
    )
