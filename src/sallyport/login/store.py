"""Candidates and challenges in the database."""

from dataclasses import dataclass
from typing import Final

from sallyport.authenticators.password.hashing import Kept
from sallyport.kernel.opaque import Digest
from sallyport.login.rules import CHALLENGE_LIFETIME, CHALLENGE_TRIES, MOST_CHALLENGES, By, Identifier
from sallyport.store.work import Rows, Soon, Sql

_CANDIDATE: Final = """SELECT users.id, disabled_at, mfa_since, passwords.id, hash_sealed, generation
    FROM users LEFT JOIN passwords ON passwords.user_id = users.id WHERE """
CANDIDATE_BY_UID = Sql(_CANDIDATE + "users.id = :key")
CANDIDATE_BY_EMAIL = Sql(_CANDIDATE + "verified_email_key = :key")
CANDIDATE_BY_NAME = Sql(_CANDIDATE + "name_key = :key")
_BY: Final = {By.UID: CANDIDATE_BY_UID, By.EMAIL: CANDIDATE_BY_EMAIL, By.NAME: CANDIDATE_BY_NAME}

MAY_LOG_IN = Sql("SELECT 1 FROM users WHERE id = :user AND disabled_at IS NULL AND mfa_since IS NOT NULL")

ADD = Sql(
    """INSERT INTO challenges (token_digest, user_id, created_at, expires_at, tries_left)
       VALUES (:digest, :user, :now, :expires_at, :tries)"""
)
# They are counted first, along their index: for most it ends there.
DROP_OLDEST = Sql(
    """DELETE FROM challenges
       WHERE (SELECT count(*) FROM challenges WHERE user_id = :user) > :others + 1 AND token_digest IN
       (SELECT token_digest FROM challenges WHERE user_id = :user AND token_digest <> :newest
        ORDER BY created_at DESC, token_digest LIMIT 1000 OFFSET :others)"""
)
CHALLENGED = Sql("SELECT user_id FROM challenges WHERE token_digest = :digest")
# The try is spent here, before it is judged.
SPEND_TRY = Sql(
    """UPDATE challenges SET tries_left = tries_left - 1
       WHERE token_digest = :digest AND tries_left > 0 AND expires_at > :now"""
)
# What the throttle refuses was not judged.
GIVE_TRY_BACK = Sql("UPDATE challenges SET tries_left = tries_left + 1 WHERE token_digest = :digest")
# A challenge is good once: the row count is the answer.
CLOSE = Sql("DELETE FROM challenges WHERE token_digest = :digest")
END_ALL = Sql("DELETE FROM challenges WHERE user_id = :user")
SWEEP = Sql(
    """DELETE FROM challenges WHERE token_digest IN
       (SELECT token_digest FROM challenges WHERE expires_at <= :now ORDER BY expires_at LIMIT :most)"""
)

HAD_FIRST_START = Sql("SELECT 1 FROM installation")
FIRST_START = Sql(
    "INSERT INTO installation (id, first_start_at, keys_sealed) VALUES (1, :now, :proof) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A user who may be the one that logs in."""

    user: str
    disabled: bool
    mfa: bool
    password: Kept | None
    generation: int

    @property
    def usable(self) -> Kept | None:
        """The password to check: none for a disabled user."""
        return None if self.disabled else self.password


def candidate(rows: Rows, identifier: Identifier) -> Candidate | None:
    """Return the user whom an identifier names."""
    row = rows.one(_BY[identifier.by], key=identifier.key)
    if row is None:
        return None
    user, disabled_at, mfa_since, uid, hash_sealed, generation = row
    return Candidate(
        user=user,
        disabled=disabled_at is not None,
        mfa=mfa_since is not None,
        password=Kept(user=user, uid=uid, hash_sealed=hash_sealed) if uid else None,
        generation=generation or 0,
    )


def may_log_in(rows: Rows, user: str) -> bool:
    """Tell whether a user is there, not disabled, and has a second factor."""
    return rows.one(MAY_LOG_IN, user=user) is not None


def add_challenge(rows: Rows, digest: Digest, user: str, now: int) -> None:
    """Open a challenge; of more than twenty of a user the oldest go."""
    rows.post(ADD, digest=digest, user=user, now=now, expires_at=now + CHALLENGE_LIFETIME, tries=CHALLENGE_TRIES)
    rows.post(DROP_OLDEST, user=user, newest=digest, others=MOST_CHALLENGES - 1)


def challenged(rows: Rows, digest: Digest) -> str | None:
    """Return the user of a challenge, or None where there is no such challenge."""
    row = rows.one(CHALLENGED, digest=digest)
    return str(row[0]) if row else None


def spend_try(rows: Rows, digest: Digest, now: int) -> Soon:
    """Spend one of the five tries of a challenge; meets no row where it is not open."""
    return rows.soon(SPEND_TRY, digest=digest, now=now)


def give_try_back(rows: Rows, digest: Digest) -> None:
    """Take back a try that is not judged."""
    rows.post(GIVE_TRY_BACK, digest=digest)


def close(rows: Rows, digest: Digest) -> Soon:
    """Use up a challenge that was open when its try was spent; meets no row where somebody used or ended it since."""
    return rows.soon(CLOSE, digest=digest)


def end_challenges(rows: Rows, user: str) -> None:
    """End all challenges of a user."""
    rows.post(END_ALL, user=user)


def sweep(rows: Rows, now: int, most: int) -> int:
    """Erase challenges that ended by themselves; returns how many."""
    return rows.change(SWEEP, now=now, most=most)


def claim_first_start(rows: Rows, proof: bytes, now: int) -> bool:
    """Tell whether this is the very first start of this database; only one unit ever hears yes."""
    return bool(rows.change(FIRST_START, proof=proof, now=now))


def had_first_start(rows: Rows) -> bool:
    """Tell whether this database had its first start."""
    return rows.one(HAD_FIRST_START) is not None
