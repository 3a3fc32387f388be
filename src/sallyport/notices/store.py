"""Mail that waits, and the tokens in it, in the database."""

import msgspec

from sallyport.kernel.opaque import Digest
from sallyport.store.work import Row, Rows, Sql

ADD = Sql(
    """INSERT INTO outbox (id, user_id, letter_sealed, created_at, due_at, expires_at, tries)
       VALUES (:uid, :user, :sealed, :now, :now, :expires_at, 0)"""
)
# A user without a verified address is told nothing, and nothing is read to know that.
ADD_FOR_VERIFIED = Sql(
    """INSERT INTO outbox (id, user_id, letter_sealed, created_at, due_at, expires_at, tries)
       SELECT :uid, users.id, :sealed, :now, :now, :expires_at, 0
       FROM users WHERE users.id = :user AND verified_email IS NOT NULL"""
)
WAITING = Sql("SELECT count(*), min(due_at) FROM outbox WHERE due_at > 0")
# One write takes a mail, and whether it met a row is the answer: whoever comes second finds it due later.
CLAIM = Sql(
    """UPDATE outbox SET due_at = :until, tries = tries + 1
       WHERE id = (SELECT id FROM outbox WHERE due_at <= :now ORDER BY due_at LIMIT 1) AND due_at <= :now
       RETURNING id, user_id, letter_sealed, created_at, due_at, expires_at, tries"""
)
LETTERS_OF = Sql("SELECT id, letter_sealed FROM outbox WHERE user_id = :user AND due_at IS NOT NULL")
READDRESS = Sql("UPDATE outbox SET letter_sealed = :new WHERE id = :uid AND letter_sealed = :old")
READER = Sql(
    """SELECT name, verified_email,
              (SELECT count(*) FROM backup_codes WHERE backup_codes.user_id = users.id AND spent_at IS NULL)
       FROM users WHERE id = :user"""
)
# As long as it is still ours: a carrier that slept through its time has nothing to say any more.
SENT = Sql("DELETE FROM outbox WHERE id = :uid AND due_at = :until")
PUT_OFF = Sql("UPDATE outbox SET due_at = :due_at, fault = :fault WHERE id = :uid AND due_at = :until")
GIVE_UP = Sql(
    "UPDATE outbox SET due_at = NULL, letter_sealed = NULL, fault = :fault WHERE id = :uid AND due_at = :until"
)
# What is due and not dead is never so old: its carrier gives it up at its next try.
SWEEP = Sql(
    """DELETE FROM outbox WHERE id IN
       (SELECT id FROM outbox WHERE expires_at <= :before ORDER BY expires_at LIMIT :most)"""
)

COUNT_TOKENS = Sql(
    """SELECT (SELECT count(*) FROM mailed_tokens
               WHERE subject = :subject AND purpose = :purpose AND created_at > :since),
              (SELECT count(*) FROM mailed_tokens
               WHERE address_digest = :address AND purpose = :purpose AND created_at > :since)"""
)
VOID_TOKENS = Sql(
    """UPDATE mailed_tokens SET ended_at = :now
       WHERE subject = :subject AND purpose = :purpose AND created_at > 0 AND ended_at IS NULL"""
)
ADD_TOKEN = Sql(
    """INSERT INTO mailed_tokens
           (token_digest, subject, user_id, purpose, made_for, address_digest, created_at, expires_at)
       VALUES (:digest, :subject, :user, :purpose, :made_for, :address, :created_at, :expires_at)
       ON CONFLICT DO NOTHING"""
)
LIVE_TOKEN = Sql(
    """SELECT made_for FROM mailed_tokens
       WHERE token_digest = :digest AND purpose = :purpose AND user_id = :user
         AND ended_at IS NULL AND expires_at > :now"""
)
SPEND_TOKEN = Sql(
    "UPDATE mailed_tokens SET ended_at = :now WHERE token_digest = :digest AND ended_at IS NULL AND expires_at > :now"
)
SWEEP_TOKENS = Sql(
    """DELETE FROM mailed_tokens WHERE token_digest IN
       (SELECT token_digest FROM mailed_tokens WHERE expires_at <= :before ORDER BY expires_at LIMIT :most)"""
)


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that one carrier has taken."""

    uid: str
    user: str | None
    sealed: bytes
    created_at: int
    until: int
    """Until when it is this carrier's alone, which also is by what it is known to be theirs."""
    expires_at: int
    tries: int


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets a mail."""

    name: str
    verified: str | None
    """The address that was verified last."""
    codes_left: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """How much mail waits."""

    count: int
    due_at: int | None


class MailedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is kept."""

    digest: Digest
    subject: str
    user: str | None
    purpose: str
    made_for: str
    address: bytes
    created_at: int
    expires_at: int


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How many mails with tokens went out lately."""

    to_subject: int
    to_address: int


def add(rows: Rows, uid: str, user: str | None, sealed: bytes, now: int, expires_at: int) -> None:
    """Write a mail that has its address with it."""
    rows.post(ADD, uid=uid, user=user, sealed=sealed, now=now, expires_at=expires_at)


def add_for_verified(rows: Rows, uid: str, user: str, sealed: bytes, now: int, expires_at: int) -> None:
    """Write a mail to the address that a user has verified; nothing where there is none."""
    rows.post(ADD_FOR_VERIFIED, uid=uid, user=user, sealed=sealed, now=now, expires_at=expires_at)


def waiting(rows: Rows) -> Waiting:
    """Return how much mail waits, and since when the first is due."""
    row = rows.one(WAITING)
    return Waiting(count=row[0], due_at=row[1]) if row else Waiting(count=0, due_at=None)


def letters_of(rows: Rows, user: str) -> list[tuple[str, bytes]]:
    """Return the letters about a user that wait, by their uids."""
    return [(row[0], row[1]) for row in rows.all(LETTERS_OF, user=user)]


def readdress(rows: Rows, uid: str, old: bytes, new: bytes) -> None:
    """Put a letter in the place of one; a letter that somebody sealed anew meanwhile stays."""
    rows.post(READDRESS, uid=uid, old=old, new=new)


def claim(rows: Rows, now: int, until: int) -> Parcel | None:
    """Take a mail that is due, for so long; None where there is none."""
    row = rows.one(CLAIM, now=now, until=until)
    return _parcel(row) if row else None


def reader(rows: Rows, user: str) -> Reader | None:
    """Return who gets mail about a user."""
    row = rows.one(READER, user=user)
    return Reader(name=row[0], verified=row[1], codes_left=row[2]) if row else None


def sent(rows: Rows, parcel: Parcel) -> None:
    """Erase a mail that went out."""
    rows.change(SENT, uid=parcel.uid, until=parcel.until)


def put_off(rows: Rows, parcel: Parcel, due_at: int, fault: str) -> None:
    """Have a mail tried again later."""
    rows.change(PUT_OFF, uid=parcel.uid, until=parcel.until, due_at=due_at, fault=fault)


def give_up(rows: Rows, parcel: Parcel, fault: str) -> None:
    """Keep of a mail only that it was never taken, and why."""
    rows.change(GIVE_UP, uid=parcel.uid, until=parcel.until, fault=fault)


def sweep(rows: Rows, before: int, most: int) -> int:
    """Erase what nobody asks for any more; returns how many."""
    return rows.change(SWEEP, before=before, most=most)


def count_tokens(rows: Rows, subject: str, purpose: str, address: bytes, since: int) -> Counted:
    """Count the tokens of one kind of a subject, and those of that kind to an address."""
    row = rows.one(COUNT_TOKENS, subject=subject, purpose=purpose, address=address, since=since)
    return Counted(to_subject=row[0], to_address=row[1]) if row else Counted(to_subject=0, to_address=0)


def void_tokens(rows: Rows, subject: str, purpose: str, now: int) -> None:
    """End the tokens of one kind of a subject."""
    rows.post(VOID_TOKENS, subject=subject, purpose=purpose, now=now)


def add_token(rows: Rows, token: MailedToken) -> None:
    """Write a token."""
    rows.post(
        ADD_TOKEN,
        digest=token.digest,
        subject=token.subject,
        user=token.user,
        purpose=token.purpose,
        made_for=token.made_for,
        address=token.address,
        created_at=token.created_at,
        expires_at=token.expires_at,
    )


def live_token(rows: Rows, digest: Digest, purpose: str, user: str, now: int) -> str | None:
    """Return what a live token of a user was made for."""
    row = rows.one(LIVE_TOKEN, digest=digest, purpose=purpose, user=user, now=now)
    return str(row[0]) if row else None


def spend_token(rows: Rows, digest: Digest, now: int) -> bool:
    """Use up a live token."""
    return bool(rows.change(SPEND_TOKEN, digest=digest, now=now))


def sweep_tokens(rows: Rows, before: int, most: int) -> int:
    """Erase tokens that ended by themselves; returns how many."""
    return rows.change(SWEEP_TOKENS, before=before, most=most)


def _parcel(row: Row) -> Parcel:
    return Parcel(
        uid=row[0], user=row[1], sealed=row[2], created_at=row[3], until=row[4], expires_at=row[5], tries=row[6]
    )
