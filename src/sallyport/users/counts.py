"""How many users there are, and how many of them have a second factor: sums of what triggers have written. ADR 18."""

from typing import Final

import msgspec

from sallyport.store.work import Rows, Sql

COUNT = Sql("SELECT sum(change) FROM user_counts")
CHANGES = Sql("SELECT count(*) FROM user_counts")
TAKE_CHANGES = Sql(
    """DELETE FROM user_counts WHERE id IN (SELECT id FROM user_counts ORDER BY id LIMIT :most)
       RETURNING change"""
)
ADD_CHANGES = Sql("INSERT INTO user_counts (change) VALUES (:change)")

COUNT_MFA = Sql("SELECT sum(change) FROM mfa_counts")
MFA_CHANGES = Sql("SELECT count(*) FROM mfa_counts")
TAKE_MFA_CHANGES = Sql(
    """DELETE FROM mfa_counts WHERE id IN (SELECT id FROM mfa_counts ORDER BY id LIMIT :most)
       RETURNING change"""
)
ADD_MFA_CHANGES = Sql("INSERT INTO mfa_counts (change) VALUES (:change)")


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """A table of changes, and what is asked of it."""

    total: Sql
    changes: Sql
    take: Sql
    add: Sql


USERS: Final = Counted(total=COUNT, changes=CHANGES, take=TAKE_CHANGES, add=ADD_CHANGES)
ENROLLED: Final = Counted(total=COUNT_MFA, changes=MFA_CHANGES, take=TAKE_MFA_CHANGES, add=ADD_MFA_CHANGES)


def count(rows: Rows, counted: Counted = USERS) -> int:
    """Return how many there are."""
    row = rows.one(counted.total)
    return (row[0] if row else None) or 0


def changes(rows: Rows, counted: Counted = USERS) -> int:
    """Return how many rows the count is spread over."""
    row = rows.one(counted.changes)
    return row[0] if row else 0


def add_up(rows: Rows, most: int, counted: Counted = USERS) -> None:
    """Put one row of the count in the place of so many; what another node took meanwhile is in its own sum."""
    if taken := rows.all(counted.take, most=most):
        rows.change(counted.add, change=sum(row[0] for row in taken))
