"""When a rotation goes on, and which key may go."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class State(enum.StrEnum):
    """What a key is for at this moment."""

    ACTIVE = "active"
    NEXT = "next"
    OLD = "old"
    MISSING = "missing"
    """Named in the database, and in no file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTold:
    """What may be told of a key: everything but the key."""

    ring: str
    key: str
    state: State
    made: int | None = None
    """Microseconds; None where the file does not tell, as those of the first release."""
    left: int | None = None
    """When it stopped being active."""
    rows: Mapping[str, int]
    """How many rows name it, by table and column; none for a ring whose keys no row names."""


def still_to_wait(since: int | None, settle: int, now: int) -> int:
    """Return how long to wait yet until something written at `since` is known everywhere. All in microseconds.

    Where nobody knows since when, or a clock was set back, the whole time is waited, and never more.
    """
    if since is None or since > now:
        return settle
    return max(0, since + settle - now)


def reason_to_keep(told: KeyTold, rest: int, now: int) -> str | None:
    """Return why a key may not be retired, for the operator, or None if it may."""
    if told.state is State.MISSING:
        return f"the {told.ring} ring holds no key {told.key}"
    if told.state is State.ACTIVE:
        return f"it is the active key: sallyport keys rotate {told.ring} makes another one active first"
    if told.state is State.NEXT:
        return "it is the next key: clients know it already, and the next rotation makes it active"
    rows = ", ".join(f"{count} in {where}" for where, count in told.rows.items() if count)
    if rows:
        return f"rows still name it: {rows}"
    if told.left is not None and (seconds := -(-(told.left + rest - now) // 1_000_000)) > 0:
        return f"tokens that it signed may still be good: wait {seconds} seconds more"
    return None
