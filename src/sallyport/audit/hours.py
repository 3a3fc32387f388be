"""Logins by hour and outcome, counted from a bounded part of the rows. Values come in, values go out."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from sallyport.audit.rules import Outcome

SIGNED_IN: Final = "signed in"
FAILED: Final = "failed"
THROTTLED: Final = "throttled"
KINDS: Final = (SIGNED_IN, FAILED, THROTTLED)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One row about a password or a code at the doors."""

    at: int
    outcome: str
    session: str | None
    """None where nothing was opened: of a success, where a code was asked for next."""


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """How many logins ended how in an hour, or in what has passed of it."""

    begins_at: int
    counts: tuple[int, ...]
    """In the order of `KINDS`."""
    is_exact: bool
    """Else there were more rows than are looked at, and the first of them stand for all."""


def kind_of(step: Step) -> str | None:
    """Tell what came of a step; None for the first half of a login that went on."""
    if step.outcome == Outcome.SUCCESS:
        return SIGNED_IN if step.session else None
    return FAILED if step.outcome == Outcome.FAILURE else THROTTLED


def counted(begins_at: int, ends_at: int, read: Iterable[Sequence[Step]], most: int) -> Hour:
    """Count an hour from what was read of each event in its order, so many rows of it at most.

    Where that was not all, the moment of the last row tells which part of the hour they cover.
    """
    counts, is_exact = dict.fromkeys(KINDS, 0.0), True
    for steps in read:
        share = 1.0
        if len(steps) == most:
            share, is_exact = max(1, steps[-1].at - begins_at) / max(1, ends_at - begins_at), False
        for kind in filter(None, map(kind_of, steps)):
            counts[kind] += 1 / min(1.0, share)
    return Hour(begins_at=begins_at, counts=tuple(round(counts[kind]) for kind in KINDS), is_exact=is_exact)
