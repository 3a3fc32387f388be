"""What a finding is, what is known when it is made, and the words for sizes and times. No I/O."""

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sallyport.kernel.clock import DAY, HOUR, MINUTE, SECOND
from sallyport.kernel.loopback import is_loopback
from sallyport.kernel.serverstate import ServerState
from sallyport.settings import Settings, is_server


@enum.unique
class State(enum.Enum):
    """Green, yellow, red."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Holds(enum.Enum):
    """What a file is, as far as its mode is concerned."""

    SECRET = enum.auto()
    """For its owner's eyes alone."""
    FOLDER = enum.auto()
    """Nobody else may put another file into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's screen."""

    check: str
    state: State
    told: str
    remedy: str = ""
    """What to do; empty where all is well."""
    clauses: tuple[str, ...] = ()
    """Where it is asked for: NIST is SP 800-63B-4, ASVS is OWASP ASVS 5.0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSeen:
    """A file or folder as it is on the disk."""

    path: Path
    holds: Holds
    mode: int
    owner: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSeen:
    """What the database says of itself."""

    version: str | None
    fits: bool
    """Whether this release may run on that schema."""
    started: bool
    epoch: int
    journal_mode: str
    """Of a file; empty on a server."""
    trusted: int
    """Users with a trusted role who are not disabled."""
    trusted_without_mfa: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysSeen:
    """What is known of the key rings, without a key among it."""

    faults: tuple[str, ...]
    """Why they can't be used with this database."""
    ages: Mapping[str, int | None]
    """How old the active key of each ring is, in microseconds; None where its file does not tell."""
    epoch: int
    """The epoch that they remember."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that the rules look at."""

    settings: Settings
    newest_schema: str
    pragmas: tuple[str, ...]
    """What every start tells SQLite."""
    database: DatabaseSeen | str
    """Or why it can't be read."""
    server: ServerState | None = None
    """What the server of the database tells; None for a file, and where it can't be asked."""
    running: bool
    keys: KeysSeen
    files: tuple[FileSeen, ...]
    file_systems: Mapping[Path, str]
    """The kind of file system under the database and under the keys; empty where the system does not tell."""
    free: int
    """Bytes that are left beside the database."""
    size: int
    """Bytes of the database."""
    clock_offset: float | str | None
    """Seconds by which this clock is ahead, or why that is not known; None where there is no source."""


Check = Callable[[Facts], Finding | None]
"""Judges one thing; None where there is nothing to judge."""


def examined(facts: Facts, checks: Iterable[Check]) -> list[Finding]:
    """Run the checks that apply."""
    return [finding for check in checks if (finding := check(facts)) is not None]


def worst(findings: Iterable[Finding]) -> State:
    """Return the state of the whole."""
    states = {finding.state for finding in findings}
    return next((state for state in (State.FAIL, State.WARN) if state in states), State.OK)


def is_exposed(facts: Facts) -> bool:
    """Tell whether people reach this service from elsewhere."""
    return not is_loopback(urlsplit(facts.settings.public_url).hostname or "")


def lies_on_a_server(facts: Facts) -> bool:
    """Tell whether the database is a server's, and no file."""
    return is_server(facts.settings.database_url)


def duration(micros: int) -> str:
    """Write a time in its largest whole unit."""
    for unit, letter in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if micros >= unit and micros % unit == 0:
            return f"{micros // unit}{letter}"
    return f"{micros // SECOND}s"


def size(count: int) -> str:
    """Write a number of bytes for people."""
    for exponent, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count >= 1024**exponent:
            return f"{count / 1024**exponent:.1f} {unit}"
    return f"{count} bytes"
