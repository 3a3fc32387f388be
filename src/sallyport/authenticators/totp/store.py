"""TOTP authenticators in the database."""

from typing import Final

import msgspec

from sallyport.authenticators.rules import Authenticator, TotpTraits
from sallyport.authenticators.totp.rules import NO_STEP, PENDING_TRIES, UNDO_LIFETIME, Accepted
from sallyport.kernel.vault import Place
from sallyport.store.work import Row, Rows, Soon, Sql

TYPE: Final = "mfa"

_TOLD: Final = "user_id, id, enrolled_at, description, created_at, modified_at, version, last_used_at"
# A pending one that is dead by time or by tries is not there.
OF_USER = Sql(
    f"""SELECT {_TOLD} FROM totp
        WHERE user_id = :user AND (enrolled_at IS NOT NULL OR (expires_at > :now AND tries_left > 0))
        ORDER BY id"""  # noqa: S608  # constants of this file, no input
)
ENROLLED = Sql("SELECT count(*) FROM totp WHERE user_id = :user AND enrolled_at IS NOT NULL")
# At enrollment both moments are one: the first login moves the later one.
SEEDS = Sql(
    """SELECT user_id, id, seed_sealed, last_step, last_used_at = enrolled_at FROM totp
       WHERE user_id = :user AND enrolled_at IS NOT NULL AND switched_off_at IS NULL"""
)
# Idempotent: whoever comes first says since when. NIST SP 800-63B-4 3.2.2
SWITCH_OFF = Sql(
    """UPDATE totp SET switched_off_at = :now
       WHERE user_id = :user AND enrolled_at IS NOT NULL AND switched_off_at IS NULL"""
)
DROP_PENDING = Sql("DELETE FROM totp WHERE user_id = :user AND enrolled_at IS NULL")
INSERT = Sql(
    f"""INSERT INTO totp (user_id, id, seed_sealed, last_step, expires_at, tries_left, description, created_at,
                          modified_at, version)
        VALUES (:user, :uid, :seed_sealed, {NO_STEP}, :expires_at, {PENDING_TRIES}, :description, :now, :now, 0)"""  # noqa: S608  # as above
)
# The try is spent here, before it is judged.
SPEND_TRY = Sql(
    """UPDATE totp SET tries_left = tries_left - 1
       WHERE user_id = :user AND id = :uid AND enrolled_at IS NULL AND expires_at > :now AND tries_left > 0
       RETURNING user_id, id, seed_sealed, last_step"""
)
# What the throttle refuses was not judged.
GIVE_TRY_BACK = Sql("UPDATE totp SET tries_left = tries_left + 1 WHERE user_id = :user AND id = :uid")
ENROLL = Sql(
    """UPDATE totp SET enrolled_at = :now, last_step = :step, last_used_at = :now, modified_at = :now,
                       version = version + 1
       WHERE user_id = :user AND id = :uid AND enrolled_at IS NULL AND expires_at > :now AND last_step < :step"""
)
# RFC 6238 5.2: accepted at most once. The row count is the answer.
CLAIM_STEP = Sql(
    """UPDATE totp SET last_step = :step, last_used_at = :now
       WHERE user_id = :user AND id = :uid AND enrolled_at IS NOT NULL AND switched_off_at IS NULL
             AND last_step < :step"""
)
DESCRIBE = Sql(
    """UPDATE totp SET description = :description, modified_at = :now, version = version + 1
       WHERE user_id = :user AND id = :uid AND version = :version"""
)
DELETE = Sql("DELETE FROM totp WHERE user_id = :user AND id = :uid")
DELETE_ALL = Sql("DELETE FROM totp WHERE user_id = :user")

# An app that a hundred wrong codes have switched off does not come back: it would be on again.
IS_ON = Sql(
    """SELECT 1 FROM totp
       WHERE user_id = :user AND id = :uid AND enrolled_at IS NOT NULL AND switched_off_at IS NULL"""
)
_KEPT: Final = "user_id, id, seed_sealed, last_step, enrolled_at, description, created_at, last_used_at"
SHELVE = Sql(
    f"""INSERT INTO removed_totp ({_KEPT}, modified_at, version, expires_at)
        SELECT {_KEPT}, :now, version, :expires_at FROM totp WHERE user_id = :user AND id = :uid"""  # noqa: S608  # as above
)
# The step that was spent last comes with it: no code is good again.
RESTORE = Sql(
    f"""INSERT INTO totp ({_KEPT}, modified_at, version, expires_at, tries_left)
        SELECT {_KEPT}, :now, version + 1, :now, 0 FROM removed_totp
        WHERE user_id = :user AND id = :uid AND expires_at > :now"""  # noqa: S608  # as above
)
SHELVED = Sql("SELECT 1 FROM removed_totp WHERE user_id = :user AND id = :uid AND expires_at > :now")
UNSHELVE = Sql("DELETE FROM removed_totp WHERE user_id = :user AND id = :uid")
FORGET_REMOVED = Sql("DELETE FROM removed_totp WHERE user_id = :user")
SWEEP_REMOVED = Sql(
    """DELETE FROM removed_totp WHERE (user_id, id) IN
       (SELECT user_id, id FROM removed_totp WHERE expires_at <= :now ORDER BY expires_at LIMIT :most)"""
)


class SealedSeed(msgspec.Struct, frozen=True, kw_only=True):
    """A seed as stored."""

    user: str
    uid: str
    sealed: bytes
    last_step: int
    unused: bool = False
    """No code of it was taken since the one that enrolled it."""


def seed_place(user: str, uid: str) -> Place:
    """Return where a seed is at home."""
    return Place(table="totp", column="seed_sealed", user=user, row=uid)


def of_user(rows: Rows, user: str, now: int) -> list[Authenticator]:
    """Return what may be told of a user's authenticators, the pending one too."""
    return [_told(row) for row in rows.all(OF_USER, user=user, now=now)]


def enrolled(rows: Rows, user: str) -> int:
    """Return how many authenticators a user has enrolled."""
    row = rows.one(ENROLLED, user=user)
    return row[0] if row else 0


def seeds(rows: Rows, user: str) -> Soon:
    """Ask for the seeds of a user's enrolled authenticators; `seeds_in` reads the answer."""
    return rows.soon(SEEDS, user=user)


def seeds_in(found: Soon) -> list[SealedSeed]:
    """Return the seeds that were asked for."""
    return [_seed(row, unused=bool(row[4])) for row in found.all()]


def replace_pending(rows: Rows, seed: SealedSeed, description: str | None, now: int, expires_at: int) -> None:
    """Write a pending authenticator in place of the one before."""
    rows.change(DROP_PENDING, user=seed.user)
    rows.change(
        INSERT,
        user=seed.user,
        uid=seed.uid,
        seed_sealed=seed.sealed,
        expires_at=expires_at,
        description=description,
        now=now,
    )


def spend_try(rows: Rows, user: str, uid: str, now: int) -> SealedSeed | None:
    """Spend one of the five tries of a pending authenticator; None where there is none alive."""
    row = rows.one(SPEND_TRY, user=user, uid=uid, now=now)
    return _seed(row) if row else None


def give_try_back(rows: Rows, user: str, uid: str) -> None:
    """Take back a try that is not judged."""
    rows.change(GIVE_TRY_BACK, user=user, uid=uid)


def enroll(rows: Rows, user: str, accepted: Accepted, now: int) -> bool:
    """Enroll a pending authenticator and spend the step that proved it; False where it is gone meanwhile."""
    return bool(rows.change(ENROLL, user=user, uid=accepted.uid, step=accepted.step, now=now))


def switch_off(rows: Rows, user: str, now: int) -> int:
    """Let no code of the user's enrolled authenticators be good any more; MFA stays on, and so do backup codes.

    Returns how many were on.
    """
    return rows.change(SWITCH_OFF, user=user, now=now)


def claim(rows: Rows, user: str, accepted: Accepted, now: int) -> Soon:
    """Spend a step; meets no row where somebody spent it, or a later one, before."""
    return rows.soon(CLAIM_STEP, user=user, uid=accepted.uid, step=accepted.step, now=now)


def describe(rows: Rows, told: Authenticator, description: str | None, now: int) -> bool:
    """Write a new description; False where the version has moved on."""
    return bool(
        rows.change(DESCRIBE, user=told.user, uid=told.uid, version=told.version, description=description, now=now)
    )


def delete(rows: Rows, user: str, uid: str) -> None:
    """Erase an authenticator."""
    rows.change(DELETE, user=user, uid=uid)


def delete_all(rows: Rows, user: str) -> None:
    """Erase every authenticator of a user, and what waits to come back."""
    rows.change(DELETE_ALL, user=user)
    forget_removed(rows, user)


def is_on(rows: Rows, user: str, uid: str) -> bool:
    """Tell whether codes of an authenticator are good."""
    return rows.one(IS_ON, user=user, uid=uid) is not None


def shelve(rows: Rows, user: str, uid: str, now: int) -> None:
    """Keep an authenticator that is about to be erased, so that it can come back for a while."""
    rows.change(SHELVE, user=user, uid=uid, now=now, expires_at=now + UNDO_LIFETIME)


def is_shelved(rows: Rows, user: str, uid: str, now: int) -> bool:
    """Tell whether a removed authenticator can come back."""
    return rows.one(SHELVED, user=user, uid=uid, now=now) is not None


def restore(rows: Rows, user: str, uid: str, now: int) -> bool:
    """Enroll a removed authenticator again, as it was; False where it can't come back any more."""
    return bool(rows.change(RESTORE, user=user, uid=uid, now=now)) and bool(rows.change(UNSHELVE, user=user, uid=uid))


def forget_removed(rows: Rows, user: str) -> None:
    """Let nothing come back that a user has removed."""
    rows.change(FORGET_REMOVED, user=user)


def sweep_removed(rows: Rows, now: int, most: int) -> int:
    """Erase what can't come back any more; returns how many."""
    return rows.change(SWEEP_REMOVED, now=now, most=most)


def _seed(row: Row, *, unused: bool = False) -> SealedSeed:
    return SealedSeed(user=row[0], uid=row[1], sealed=row[2], last_step=row[3], unused=unused)


def _told(row: Row) -> Authenticator:
    user, uid, enrolled_at, description, created_at, modified_at, version, last_used_at = row
    return Authenticator(
        uid=uid,
        user=user,
        type=TYPE,
        description=description,
        created_at=created_at,
        modified_at=modified_at,
        version=version,
        last_used_at=last_used_at,
        traits=TotpTraits(enrolled=enrolled_at is not None),
    )
