"""Which rows name which keys, and re-sealing them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sallyport.kernel.vault import Place, sealing_key
from sallyport.store.work import Rows, Sql

# A sealed value names its key in bytes 2 to 9. The next id after one is found by one step into the index: a million
# rows under one key cost no more than one.
PASSWORD_NEXT_KEY = Sql(
    """SELECT substr(hash_sealed, 2, 8) FROM passwords
       WHERE substr(hash_sealed, 2, 8) > :after ORDER BY substr(hash_sealed, 2, 8) LIMIT 1"""
)
PASSWORD_COUNT = Sql("SELECT count(*) FROM passwords WHERE substr(hash_sealed, 2, 8) = :key")
# By user, from row to row: the CASE keeps planners from the index of keys, from which they would sort all that is left
# for each batch.
PASSWORDS_UNDER = Sql(
    """SELECT user_id, id, hash_sealed FROM passwords
       WHERE user_id > :user AND CASE substr(hash_sealed, 2, 8) WHEN :key THEN 1 END = 1
       ORDER BY user_id LIMIT :most"""
)
# Whoever wrote a new value meanwhile has sealed it under the new key: then this meets no row.
RESEAL_PASSWORD = Sql(
    "UPDATE passwords SET hash_sealed = :new WHERE user_id = :user AND id = :uid AND hash_sealed = :old"
)
TOTP_NEXT_KEY = Sql(
    """SELECT substr(seed_sealed, 2, 8) FROM totp
       WHERE substr(seed_sealed, 2, 8) > :after ORDER BY substr(seed_sealed, 2, 8) LIMIT 1"""
)
TOTP_COUNT = Sql("SELECT count(*) FROM totp WHERE substr(seed_sealed, 2, 8) = :key")
TOTP_UNDER = Sql(
    """SELECT user_id, id, seed_sealed FROM totp
       WHERE (user_id, id) > (:user, :uid) AND CASE substr(seed_sealed, 2, 8) WHEN :key THEN 1 END = 1
       ORDER BY user_id, id LIMIT :most"""
)
RESEAL_TOTP = Sql("UPDATE totp SET seed_sealed = :new WHERE user_id = :user AND id = :uid AND seed_sealed = :old")
REMOVED_NEXT_KEY = Sql(
    """SELECT substr(seed_sealed, 2, 8) FROM removed_totp
       WHERE substr(seed_sealed, 2, 8) > :after ORDER BY substr(seed_sealed, 2, 8) LIMIT 1"""
)
REMOVED_COUNT = Sql("SELECT count(*) FROM removed_totp WHERE substr(seed_sealed, 2, 8) = :key")
REMOVED_UNDER = Sql(
    """SELECT user_id, id, seed_sealed FROM removed_totp
       WHERE (user_id, id) > (:user, :uid) AND CASE substr(seed_sealed, 2, 8) WHEN :key THEN 1 END = 1
       ORDER BY user_id, id LIMIT :most"""
)
RESEAL_REMOVED = Sql(
    "UPDATE removed_totp SET seed_sealed = :new WHERE user_id = :user AND id = :uid AND seed_sealed = :old"
)

OUTBOX_NEXT_KEY = Sql(
    """SELECT substr(letter_sealed, 2, 8) FROM outbox
       WHERE substr(letter_sealed, 2, 8) > :after ORDER BY substr(letter_sealed, 2, 8) LIMIT 1"""
)
OUTBOX_COUNT = Sql("SELECT count(*) FROM outbox WHERE substr(letter_sealed, 2, 8) = :key")
OUTBOX_UNDER = Sql(
    """SELECT coalesce(user_id, ''), id, letter_sealed FROM outbox
       WHERE id > :uid AND CASE substr(letter_sealed, 2, 8) WHEN :key THEN 1 END = 1
       ORDER BY id LIMIT :most"""
)
RESEAL_OUTBOX = Sql("UPDATE outbox SET letter_sealed = :new WHERE id = :uid AND letter_sealed = :old")

AUDIT_ROWS_COUNT = Sql(
    "SELECT count(*) FROM audit_log WHERE substr(row_digest, 1, 8) = :key OR substr(chain_digest, 1, 8) = :key"
)
# Of the oldest row and of the newest: an index over all of them would cost every row.
AUDIT_NEXT_KEY = Sql(
    """SELECT substr(row_digest, 1, 8) FROM audit_log
       WHERE id IN ((SELECT min(id) FROM audit_log), (SELECT max(id) FROM audit_log))
         AND substr(row_digest, 1, 8) > :after ORDER BY substr(row_digest, 1, 8) LIMIT 1"""
)
ANY_AUDIT_ROW = Sql("SELECT 1 FROM audit_log LIMIT 1")
PROOF = Sql("SELECT keys_sealed FROM installation")
RENEW_PROOF = Sql("UPDATE installation SET keys_sealed = :new WHERE id = 1 AND keys_sealed = :old")

CODES_NEXT_PEPPER = Sql("SELECT pepper_id FROM backup_sets WHERE pepper_id > :after ORDER BY pepper_id LIMIT 1")
API_KEYS_NEXT_PEPPER = Sql("SELECT pepper_id FROM api_keys WHERE pepper_id > :after ORDER BY pepper_id LIMIT 1")
DEVICES_NEXT_PEPPER = Sql("SELECT pepper_id FROM devices WHERE pepper_id > :after ORDER BY pepper_id LIMIT 1")
DEVICES_COUNT = Sql("SELECT count(*) FROM devices WHERE pepper_id = :key")
API_KEYS_COUNT = Sql("SELECT count(*) FROM api_keys WHERE pepper_id = :key")
CODES_COUNT = Sql("SELECT count(*) FROM backup_sets WHERE pepper_id = :key")
# The successors of spent refresh tokens are derived under the pepper that their salt names. No index: it would cost
# every refresh, and only `keys list` and `keys retire` ask.
SUCCESSORS_COUNT = Sql("SELECT count(*) FROM refresh_tokens WHERE substr(successor_salt, 1, 8) = :key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """A column whose values name a key of a ring."""

    ring: str
    where: str
    """Table and column, for people."""
    count: Sql
    next_key: Sql | None
    """Finds the next id after one by an index; None where there is none."""
    as_text: bool = False
    """Whether the id stands as hexadecimal digits, not as bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A column of sealed values, which can be made anew."""

    table: str
    column: str
    naming: Naming
    under: Sql
    reseal: Sql

    def place(self, user: str, uid: str) -> Place:
        """Return where a value of this column is at home."""
        return Place(table=self.table, column=self.column, user=user, row=uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A sealed value of a row."""

    user: str
    uid: str
    sealed: bytes


_PASSWORDS: Final = Naming(
    ring="sealing", where="passwords.hash_sealed", count=PASSWORD_COUNT, next_key=PASSWORD_NEXT_KEY
)
_TOTP: Final = Naming(ring="sealing", where="totp.seed_sealed", count=TOTP_COUNT, next_key=TOTP_NEXT_KEY)
_REMOVED: Final = Naming(
    ring="sealing", where="removed_totp.seed_sealed", count=REMOVED_COUNT, next_key=REMOVED_NEXT_KEY
)
_OUTBOX: Final = Naming(ring="sealing", where="outbox.letter_sealed", count=OUTBOX_COUNT, next_key=OUTBOX_NEXT_KEY)
_CODES: Final = Naming(
    ring="pepper", where="backup_sets.pepper_id", count=CODES_COUNT, next_key=CODES_NEXT_PEPPER, as_text=True
)
_API_KEYS: Final = Naming(
    ring="pepper", where="api_keys.pepper_id", count=API_KEYS_COUNT, next_key=API_KEYS_NEXT_PEPPER, as_text=True
)
_DEVICES: Final = Naming(
    ring="pepper", where="devices.pepper_id", count=DEVICES_COUNT, next_key=DEVICES_NEXT_PEPPER, as_text=True
)
_SUCCESSORS: Final = Naming(ring="pepper", where="refresh_tokens.successor_salt", count=SUCCESSORS_COUNT, next_key=None)
_AUDIT: Final = Naming(ring="audit", where="audit_log.row_digest", count=AUDIT_ROWS_COUNT, next_key=AUDIT_NEXT_KEY)
NAMINGS: Final = (_PASSWORDS, _TOTP, _REMOVED, _OUTBOX, _CODES, _API_KEYS, _DEVICES, _SUCCESSORS, _AUDIT)
SEALED: Final = (
    Sealed(table="passwords", column="hash_sealed", naming=_PASSWORDS, under=PASSWORDS_UNDER, reseal=RESEAL_PASSWORD),
    Sealed(table="totp", column="seed_sealed", naming=_TOTP, under=TOTP_UNDER, reseal=RESEAL_TOTP),
    # At home where it comes back to: it goes there as it is.
    Sealed(table="totp", column="seed_sealed", naming=_REMOVED, under=REMOVED_UNDER, reseal=RESEAL_REMOVED),
    Sealed(table="outbox", column="letter_sealed", naming=_OUTBOX, under=OUTBOX_UNDER, reseal=RESEAL_OUTBOX),
)
"""What a rotation of the sealing ring makes anew; the proof of the rings comes on top."""


def audited(rows: Rows) -> bool:
    """Tell whether there is any audit row."""
    return rows.one(ANY_AUDIT_ROW) is not None


def keys_named(rows: Rows, naming: Naming) -> list[str]:
    """Return the ids of all keys that a column names, along its index; none where it has no index."""
    if naming.next_key is None:
        return []
    found: list[str] = []
    after: str | bytes = "" if naming.as_text else b""
    while row := rows.one(naming.next_key, after=after):
        after = row[0]
        found.append(after if isinstance(after, str) else after.hex())
    return found


def count(rows: Rows, naming: Naming, key_id: str) -> int:
    """Return how many rows of a column name a key."""
    row = rows.one(naming.count, key=key_id if naming.as_text else bytes.fromhex(key_id))
    return row[0] if row else 0


def under(rows: Rows, sealed: Sealed, key_id: str, after: Value | None, most: int) -> list[Value]:
    """Return values that are sealed under a key, in the order of their rows, from behind `after`."""
    user, uid = (after.user, after.uid) if after else ("", "")
    found = rows.all(sealed.under, key=bytes.fromhex(key_id), user=user, uid=uid, most=most)
    return [Value(user=row[0], uid=row[1], sealed=row[2]) for row in found]


def reseal(rows: Rows, sealed: Sealed, moves: Sequence[tuple[Value, bytes]]) -> int:
    """Put new values in the place of old ones; returns how many were still the old ones."""
    return sum(rows.change(sealed.reseal, user=old.user, uid=old.uid, old=old.sealed, new=new) for old, new in moves)


def proof(rows: Rows) -> bytes | None:
    """Return the proof of the rings, or None before the first start."""
    row = rows.one(PROOF)
    return row[0] if row else None


def renew_proof(rows: Rows, old: bytes, new: bytes) -> bool:
    """Put a new proof in the place of the old one; False where somebody else did."""
    return bool(rows.change(RENEW_PROOF, old=old, new=new))


def proof_key(sealed: bytes) -> str:
    """Return which sealing key a proof is sealed under."""
    return sealing_key(sealed).hex()
