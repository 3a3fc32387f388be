"""What may be restored, and under which epoch. No I/O."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sallyport.authenticators.totp.rules import SKEW, step_at
from sallyport.kernel.clock import SECOND

PART: Final = ".part"
RESTORING: Final = ".restoring"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing was done, and what to do instead."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a restore has ended, in numbers."""

    sessions: int
    challenges: int
    pending: int
    codes: int
    authenticators: int
    api_keys: int
    devices: int


def schema_fault(version: str | None, newest: str) -> str | None:
    """Return why a schema can't be restored by this release, or None where it can, by a migration if it is older."""
    if version is None:
        return "it holds no Sallyport database"
    if version > newest:
        return f"it has the schema {version} of a newer release, and this one knows {newest}: use that release"
    return None


def next_epoch(*known: int) -> int:
    """Return an epoch above all that are known."""
    return max(known) + 1


def spent_until(now: int) -> int:
    """Return the last TOTP step that may have been accepted up to now: the window reaches one step ahead."""
    return step_at(now) + SKEW


def aside_ending(now: int) -> str:
    """Return what is put behind the name of what a restore replaces."""
    return f".before-restore-{datetime.fromtimestamp(now // SECOND, UTC):%Y%m%dT%H%M%SZ}"
