"""Counted tries and known clients in the database."""

from collections.abc import Callable
from typing import Final

import msgspec

from sallyport.kernel.opaque import Digest
from sallyport.store.work import Row, Rows, Soon, Sql, Value
from sallyport.throttle.rules import FOREVER, Lane, Tries, packed, unpacked

MOST_CLIENTS: Final = 20

_ADD: Final = """INSERT INTO throttles (subject, lane, in_a_row, last_at, recent, refused_at, cleared_at, expires_at)
       VALUES (:subject, :lane, :in_a_row, :last_at, :recent, :refused_at, :cleared_at, :expires_at)"""
# A first try. Where another one is faster both count.
_ON_CONFLICT: Final = """
       ON CONFLICT (subject, lane) DO UPDATE
       SET in_a_row = throttles.in_a_row + 1, last_at = excluded.last_at, recent = excluded.recent,
           expires_at = excluded.expires_at"""
ADD = Sql(_ADD + _ON_CONFLICT)
# A try has one subject or two: mostly a user and an address.
ADD_BOTH = Sql(
    f"""{_ADD}, (:other_subject, :other_lane, :other_in_a_row, :other_last_at, :other_recent, :other_refused_at,
                 :other_cleared_at, :other_expires_at) {_ON_CONFLICT}"""
)
_FOUND: Final = "SELECT subject, lane, in_a_row, last_at, recent, refused_at, cleared_at FROM throttles"
FIND = Sql(f"{_FOUND} WHERE subject = :subject AND lane = :lane")
FIND_BOTH = Sql(
    f"""{_FOUND} WHERE subject = :subject AND lane = :lane
        UNION ALL {_FOUND} WHERE subject = :other AND lane = :other_lane"""
)
WRITE = Sql(
    """UPDATE throttles SET in_a_row = :in_a_row, last_at = :last_at, recent = :recent, refused_at = :refused_at,
                            cleared_at = :cleared_at, expires_at = :expires_at
       WHERE subject = :subject AND lane = :lane"""
)
REFUSED = Sql("UPDATE throttles SET refused_at = :now WHERE subject = :subject AND lane = :lane")
CLEAR_LATER = Sql("UPDATE throttles SET cleared_at = :at WHERE subject = :subject AND lane = :lane AND cleared_at = 0")
FORGET = Sql("DELETE FROM throttles WHERE subject = :subject AND lane = :lane")
FORGET_BOTH = Sql(
    """DELETE FROM throttles
       WHERE subject = :subject AND lane = :lane OR subject = :other AND lane = :other_lane"""
)
# What one try of a user from an address has left, where nobody else has tried or was refused since.
FORGET_UNTOUCHED = Sql(
    """DELETE FROM throttles
       WHERE subject = :subject AND lane = :lane AND refused_at < :at
       OR subject = :other AND lane = :other_lane AND in_a_row = 1 AND last_at = :at"""
)
SWEEP = Sql(
    """DELETE FROM throttles WHERE (subject, lane) IN
       (SELECT subject, lane FROM throttles WHERE expires_at <= :now ORDER BY expires_at LIMIT :most)"""
)

CLIENTS = Sql("SELECT token_digest, proven FROM known_clients WHERE user_id = :user")
CLIENT = Sql("SELECT proven FROM known_clients WHERE user_id = :user AND token_digest = :digest")
ADD_CLIENT = Sql(
    """INSERT INTO known_clients (user_id, token_digest, proven, created_at, last_used_at)
       VALUES (:user, :digest, :proven, :now, :now)"""
)
USE_CLIENT = Sql(
    """UPDATE known_clients SET last_used_at = :now, proven = :proven
       WHERE user_id = :user AND token_digest = :digest"""
)
HELD = Sql("SELECT count(*) FROM known_clients WHERE user_id = :user")
DROP_OLDEST_CLIENT = Sql(
    """DELETE FROM known_clients WHERE user_id = :user AND token_digest IN
       (SELECT token_digest FROM known_clients WHERE user_id = :user AND token_digest <> :newest
        ORDER BY last_used_at DESC, token_digest LIMIT 1000 OFFSET :others)"""
)
FORGET_CLIENTS = Sql(
    "DELETE FROM known_clients WHERE user_id = :user AND token_digest <> :shown AND token_digest <> :opened"
)
SWEEP_CLIENTS = Sql(
    """DELETE FROM known_clients WHERE (user_id, token_digest) IN
       (SELECT user_id, token_digest FROM known_clients WHERE last_used_at <= :before
        ORDER BY last_used_at LIMIT :most)"""
)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Whose tries are counted, and of what."""

    key: str
    lane: Lane


_LANES: Final = {lane: lane.value for lane in Lane}
"""As drivers want them: an enumeration is asked in Python for its value, and not quickly."""


def find(rows: Rows, subjects: tuple[Subject, ...]) -> Callable[[], dict[Subject, Tries | None]]:
    """Ask what was counted of up to two subjects; what is returned says so, with None where nothing was."""
    if not subjects:
        return dict[Subject, Tries | None]
    one, *more = subjects
    if more:
        (two,) = more
        asked = rows.soon(FIND_BOTH, subject=one.key, lane=_LANES[one.lane], other=two.key, other_lane=_LANES[two.lane])
    else:
        asked = rows.soon(FIND, subject=one.key, lane=_LANES[one.lane])

    def found() -> dict[Subject, Tries | None]:
        counted = {(row[0], row[1]): row for row in asked.all()}
        return {subject: _tries(counted.get((subject.key, subject.lane))) for subject in subjects}

    return found


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written of a subject."""

    subject: Subject
    tries: Tries
    expires_at: int


def add(rows: Rows, counted: list[Counted]) -> None:
    """Write the first try of a subject, or of two."""
    one, *more = map(_values, counted)
    if more:
        (two,) = more
        rows.post(ADD_BOTH, **one, **{f"other_{name}": value for name, value in two.items()})
    else:
        rows.post(ADD, **one)


def write(rows: Rows, counted: Counted) -> None:
    """Write what is counted now, where something was counted before."""
    rows.post(WRITE, **_values(counted))


def refused(rows: Rows, subject: Subject, now: int) -> None:
    """Note that somebody was refused."""
    rows.post(REFUSED, subject=subject.key, lane=_LANES[subject.lane], now=now)


def clear_later(rows: Rows, subject: Subject, at: int) -> None:
    """Let what was counted stop counting at that moment."""
    rows.post(CLEAR_LATER, subject=subject.key, lane=_LANES[subject.lane], at=at)


def forget(rows: Rows, *subjects: Subject) -> None:
    """Erase what was counted of a subject, or of two."""
    one, *more = subjects
    if more:
        (two,) = more
        lane, other_lane = _LANES[one.lane], _LANES[two.lane]
        rows.post(FORGET_BOTH, subject=one.key, lane=lane, other=two.key, other_lane=other_lane)
    else:
        rows.post(FORGET, subject=one.key, lane=_LANES[one.lane])


def forget_untouched(rows: Rows, subject: Subject, address: Subject, at: int) -> Soon:
    """Erase what a try at that moment has left of both; meets less than two rows where others were in between."""
    lane, other_lane = _LANES[subject.lane], _LANES[address.lane]
    return rows.soon(FORGET_UNTOUCHED, subject=subject.key, lane=lane, other=address.key, other_lane=other_lane, at=at)


def sweep(rows: Rows, now: int, most: int) -> int:
    """Erase counters that say nothing any more; returns how many."""
    return rows.change(SWEEP, now=min(now, FOREVER - 1), most=most)


def clients(rows: Rows, user: str) -> dict[bytes, str]:
    """Return what each known client of a user has proven, by the digest of its token."""
    return {row[0]: row[1] for row in rows.all(CLIENTS, user=user)}


def client(rows: Rows, user: str, digest: bytes) -> Soon:
    """Ask what one client of a user has proven; `proven_in` reads the answer."""
    return rows.soon(CLIENT, user=user, digest=digest)


def proven_in(found: Soon) -> str | None:
    """Return what a client has proven, or None where it is not known."""
    row = found.one()
    return str(row[0]) if row else None


def held(rows: Rows, user: str) -> Soon:
    """Ask how many clients a user has."""
    return rows.soon(HELD, user=user)


def add_client(rows: Rows, user: str, digest: Digest, proven: str, now: int, held: Soon | None = None) -> None:
    """Write a client that has just become known; of more than twenty of a user the least recently seen go.

    `held` is the answer of one who has asked, and has the user to himself: mostly there is nothing to look for then.
    """
    rows.post(ADD_CLIENT, user=user, digest=digest, proven=proven, now=now)
    before = held.one() if held else None
    if before is None or before[0] >= MOST_CLIENTS:
        rows.post(DROP_OLDEST_CLIENT, user=user, newest=digest, others=MOST_CLIENTS - 1)


def use_client(rows: Rows, user: str, digest: bytes, proven: str, now: int) -> None:
    """Note that a known client has logged in again, and with what."""
    rows.post(USE_CLIENT, user=user, digest=digest, proven=proven, now=now)


def forget_clients(rows: Rows, user: str, but: tuple[bytes, bytes]) -> None:
    """Erase the known clients of a user, two of them excepted."""
    rows.post(FORGET_CLIENTS, user=user, shown=but[0], opened=but[1])


def sweep_clients(rows: Rows, before: int, most: int) -> int:
    """Erase clients that were not seen for long; returns how many."""
    return rows.change(SWEEP_CLIENTS, before=before, most=most)


def _values(counted: Counted) -> dict[str, Value]:
    subject, tries = counted.subject, counted.tries
    return {
        "subject": subject.key,
        "lane": _LANES[subject.lane],
        "in_a_row": tries.in_a_row,
        "last_at": tries.last_at,
        "recent": packed(tries.marks),
        "refused_at": tries.refused_at,
        "cleared_at": tries.cleared_at,
        "expires_at": counted.expires_at,
    }


def _tries(row: Row | None) -> Tries | None:
    if row is None:
        return None
    _, _, in_a_row, last_at, recent, refused_at, cleared_at = row
    return Tries(
        in_a_row=in_a_row, last_at=last_at, marks=unpacked(recent), refused_at=refused_at, cleared_at=cleared_at
    )
