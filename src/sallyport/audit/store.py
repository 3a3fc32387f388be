"""Audit rows in the database. Nothing here changes what a row tells, and nothing removes one."""

from collections.abc import Iterable
from typing import Final

from sallyport.audit.chain import START, Mark
from sallyport.audit.hours import Step
from sallyport.audit.rules import Record
from sallyport.store.work import Row, Rows, Sql

_FIELDS: Final = (
    "id, created_at, event, outcome, factor, user_id, actor_id, session_id, ip, ip_digest, request_id, detail, "
    "row_digest, position, chain_digest"
)
BEHIND_ALL: Final = "g"
"""Sorts behind every uid."""
INSERT = Sql(
    """INSERT INTO audit_log (id, created_at, event, outcome, factor, user_id, actor_id, session_id, ip, ip_digest,
                              request_id, detail, row_digest)
       VALUES (:uid, :created_at, :event, :outcome, :factor, :user, :actor, :session, :ip, :ip_digest,
               :request_id, :detail, :row_digest)"""
)
ERASE_OF = Sql("UPDATE audit_log SET ip = NULL WHERE user_id = :user")
ERASE_BY = Sql("UPDATE audit_log SET ip = NULL WHERE actor_id = :user AND actor_id <> user_id")

HEAD = Sql("SELECT position, chain_digest FROM audit_log WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1")
MOMENTS = Sql("SELECT created_at FROM audit_log WHERE position IS NOT NULL ORDER BY position DESC LIMIT :most")
BEGAN = Sql("SELECT created_at FROM audit_log WHERE position = 1")
AT = Sql("SELECT chain_digest FROM audit_log WHERE position = :position")
HAS_UNSEALED = Sql("SELECT 1 FROM audit_log WHERE position IS NULL LIMIT 1")
UNSEALED = Sql(
    f"SELECT {_FIELDS} FROM audit_log WHERE position IS NULL AND id > :after ORDER BY id LIMIT :limit"  # noqa: S608  # constants of this file, no input
)
SEAL = Sql("UPDATE audit_log SET position = :position, chain_digest = :digest WHERE id = :uid AND position IS NULL")
SEALED = Sql(
    f"SELECT {_FIELDS} FROM audit_log WHERE position > :after ORDER BY position LIMIT :limit"  # noqa: S608  # as above
)
SINCE = Sql(
    f"SELECT {_FIELDS} FROM audit_log WHERE id > :after AND created_at >= :since ORDER BY id LIMIT :limit"  # noqa: S608  # as above
)

# A uid begins with its moment: `oldest` bounds the walk along the index, `since` is exact.
_NEWEST: Final = f"SELECT {_FIELDS} FROM audit_log WHERE id < :before AND id >= :oldest AND created_at >= :since"  # noqa: S608  # as above
_PAGE: Final = " ORDER BY id DESC LIMIT :limit OFFSET :skip"
NEWEST = Sql(_NEWEST + _PAGE)
NEWEST_OF_USER = Sql(_NEWEST + " AND user_id = :user" + _PAGE)
NEWEST_OF_EVENT = Sql(_NEWEST + " AND event = :event" + _PAGE)
# The event stands in an expression, so that no plan walks it: of a user there are fewer rows.
NEWEST_OF_USER_AND_EVENT = Sql(_NEWEST + " AND user_id = :user AND event || '' = :event" + _PAGE)
_LOGINS: Final = "event || '' IN ('login.password', 'login.code', 'login.elevate')"
NEWEST_LOGINS = Sql(
    f"SELECT {_FIELDS} FROM audit_log WHERE id < :before AND user_id = :user AND {_LOGINS}{_PAGE}"  # noqa: S608  # as above
)
LOGIN = Sql(f"SELECT {_FIELDS} FROM audit_log WHERE id = :uid AND user_id = :user AND {_LOGINS}")  # noqa: S608  # as above
# By the event and the moment in the uid: so many at most, whatever the hour has.
STEPS = Sql(
    """SELECT created_at, outcome, session_id FROM audit_log
       WHERE event = :event AND id >= :oldest AND id < :before ORDER BY id LIMIT :most"""
)
_NEWEST_BY: Final = {
    (False, False): NEWEST,
    (True, False): NEWEST_OF_USER,
    (False, True): NEWEST_OF_EVENT,
    (True, True): NEWEST_OF_USER_AND_EVENT,
}


def insert(rows: Rows, record: Record, digest: bytes) -> None:
    """Write a row with its digest."""
    rows.post(
        INSERT,
        uid=record.uid,
        created_at=record.created_at,
        event=str(record.event),  # not as a member of its enumeration, over which SQLite's driver thinks for long
        outcome=str(record.outcome),
        factor=record.factor and str(record.factor),
        user=record.user,
        actor=record.actor,
        session=record.session,
        ip=record.ip,
        ip_digest=record.ip_digest,
        request_id=record.request_id,
        detail=record.detail,
        row_digest=digest,
    )


def erase_addresses(rows: Rows, user: str) -> None:
    """Erase the addresses from a user's rows, and from rows about others that this user caused."""
    rows.post(ERASE_OF, user=user)
    rows.post(ERASE_BY, user=user)


def head(rows: Rows) -> Mark:
    """Return the end of the chain."""
    row = rows.one(HEAD)
    return Mark(position=row[0], digest=row[1]) if row else START


def began_at(rows: Rows) -> int:
    """Return when the first row of the chain was made; 0 where it is not there."""
    row = rows.one(BEGAN)
    return row[0] if row else 0


def latest_moment(rows: Rows, most: int) -> int:
    """Return the latest moment that the last rows of the chain tell of, whichever node made them; 0 without any."""
    return max((row[0] for row in rows.all(MOMENTS, most=most)), default=0)


def digest_at(rows: Rows, position: int) -> bytes | None:
    """Return the chain digest at a position, or None where there is no such row."""
    row = rows.one(AT, position=position)
    return row[0] if row else None


def has_unsealed(rows: Rows) -> bool:
    """Tell whether there is anything to seal."""
    return rows.one(HAS_UNSEALED) is not None


def unsealed(rows: Rows, after: str, limit: int) -> list[Record]:
    """Return rows that have no place in the chain yet, oldest first, behind a uid."""
    return [_record(row) for row in rows.all(UNSEALED, after=after, limit=limit)]


def seal(rows: Rows, uid: str, mark: Mark) -> None:
    """Give a row its place in the chain."""
    rows.post(SEAL, uid=uid, position=mark.position, digest=mark.digest)


def sealed(rows: Rows, after: int, limit: int) -> list[Record]:
    """Return rows in the order of the chain, behind a position."""
    return [_record(row) for row in rows.all(SEALED, after=after, limit=limit)]


def since(rows: Rows, moment: int, after: str, limit: int) -> list[Record]:
    """Return rows made at a moment or later, oldest first, behind a uid."""
    return [_record(row) for row in rows.all(SINCE, since=moment, after=after, limit=limit)]


def newest(
    rows: Rows, *, user: str | None, event: str | None, since: int, oldest: str, before: str, limit: int, skip: int
) -> list[Record]:
    """Return a page of rows, newest first."""
    sql = _NEWEST_BY[user is not None, event is not None]
    found = rows.all(sql, user=user, event=event, since=since, oldest=oldest, before=before, limit=limit, skip=skip)
    return [_record(row) for row in found]


def last_of(rows: Rows, user: str, event: str) -> Record | None:
    """Return the newest row of a user that tells of an event."""
    row = rows.one(
        NEWEST_OF_USER_AND_EVENT, user=user, event=event, since=0, oldest="", before=BEHIND_ALL, limit=1, skip=0
    )
    return _record(row) if row else None


def logins(rows: Rows, user: str, before: str, limit: int, skip: int) -> list[Record]:
    """Return a page of the steps of a user's logins, newest first."""
    return [_record(row) for row in rows.all(NEWEST_LOGINS, user=user, before=before, limit=limit, skip=skip)]


def login(rows: Rows, user: str, uid: str) -> Record | None:
    """Return one step of a user's logins."""
    row = rows.one(LOGIN, user=user, uid=uid)
    return _record(row) if row else None


def steps(rows: Rows, events: Iterable[str], *, oldest: str, before: str, most: int) -> list[list[Step]]:
    """Return the first rows of each of these events between two uids, in their order."""
    asked = [rows.soon(STEPS, event=str(event), oldest=oldest, before=before, most=most) for event in events]
    return [[Step(at=at, outcome=outcome, session=session) for at, outcome, session in found.all()] for found in asked]


def _record(row: Row) -> Record:
    return Record(
        uid=row[0],
        created_at=row[1],
        event=row[2],
        outcome=row[3],
        factor=row[4],
        user=row[5],
        actor=row[6],
        session=row[7],
        ip=row[8],
        ip_digest=row[9],
        request_id=row[10],
        detail=row[11],
        row_digest=row[12],
        position=row[13],
        chain_digest=row[14],
    )
