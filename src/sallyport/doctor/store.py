"""What the doctor asks the database."""

from dataclasses import dataclass
from typing import Final

from sallyport.kernel.policy import Policy
from sallyport.store.work import Rows, Sql
from sallyport.users.store import read_roles

EPOCH = Sql("SELECT epoch FROM installation WHERE id = 1")
WAS_STARTED = Sql("SELECT 1 FROM installation WHERE id = 1")
HOLDERS = Sql("SELECT roles, mfa_since FROM users WHERE length(roles) > 2 AND disabled_at IS NULL")
FIRST_SCHEMA_WITH_EPOCH: Final = "0002"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """How many users hold a trusted role, and how many of them have no second factor."""

    all: int
    without_mfa: int


NOBODY: Final = Trusted(all=0, without_mfa=0)


def epoch(rows: Rows) -> int | None:
    """Return the epoch, or None where there was no first start yet."""
    row = rows.one(EPOCH)
    return int(row[0]) if row else None


def trusted(rows: Rows, policy: Policy) -> Trusted:
    """Count those who may act on others."""
    found = [row[1] for row in rows.all(HOLDERS) if policy.trusts(read_roles(row[0]))]
    return Trusted(all=len(found), without_mfa=found.count(None))
