"""What a use case can answer when it does not grant: one value, with the reason kept inside."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from sallyport.kernel.hidden import Hidden


@enum.unique
class Why(enum.Enum):
    """Every expected refusal. `edge.problems` gives each its status, code and words."""

    MALFORMED_JSON = enum.auto()
    INVALID_REQUEST = enum.auto()
    UNKNOWN_FIELD = enum.auto()
    WRONG_ENROLLMENT_CODE = enum.auto()
    CODE_OUT_OF_STEP = enum.auto()
    PASSWORD_REJECTED = enum.auto()
    CURRENT_WRONG = enum.auto()
    TOKEN_INVALID = enum.auto()
    UNAUTHENTICATED = enum.auto()
    INVALID_TOKEN = enum.auto()
    INVALID_CREDENTIALS = enum.auto()
    WRONG_LOGIN_CODE = enum.auto()
    CHALLENGE_INVALID = enum.auto()
    STEP_UP_REQUIRED = enum.auto()
    FORBIDDEN = enum.auto()
    FIELD_FORBIDDEN = enum.auto()
    MFA_ENROLLMENT_REQUIRED = enum.auto()
    NOT_FOUND = enum.auto()
    METHOD_NOT_ALLOWED = enum.auto()
    NAME_TAKEN = enum.auto()
    EMAIL_TAKEN = enum.auto()
    PASSWORD_REQUIRED = enum.auto()
    VERSION_CONFLICT = enum.auto()
    ALREADY_EXISTS = enum.auto()
    ALREADY_ENROLLED = enum.auto()
    LIMIT_REACHED = enum.auto()
    MFA_NOT_ENABLED = enum.auto()
    LAST_AUTHENTICATOR = enum.auto()
    LAST_TRUSTED = enum.auto()
    PAYLOAD_TOO_LARGE = enum.auto()
    UNSUPPORTED_MEDIA_TYPE = enum.auto()
    THROTTLED = enum.auto()
    INTERNAL = enum.auto()
    OVERLOADED = enum.auto()
    STORAGE_UNAVAILABLE = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An expected refusal, returned and never raised, so that what was counted stays counted."""

    why: Why
    detail: str | None = None
    """One sentence for the person; without it the standard sentence of `why`."""
    pointer: str | None = None
    """JSON pointer (RFC 6901) of the field that is at fault."""
    clock_offset_seconds: int | None = None
    """How far the user's clock is ahead, for `CODE_OUT_OF_STEP`."""
    retry_after: int | None = None
    """Seconds to wait, for `THROTTLED`."""
    level: str | None = None
    """The `acr` that is wanted, for `STEP_UP_REQUIRED`."""
    reason: str = ""
    """For operators only; it never leaves the service."""


TOLD: Final = "told before"
"""The reason of a refusal like one since which nothing was tried: a flood of them is not written down each."""


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What a full login, a refresh or a fresh proof gives: both tokens, and what to know about the account."""

    access: Hidden[str]
    expires_in: int
    """Seconds until the access token ends."""
    refresh: Hidden[str]
    user: str
    session: str
    mfa: bool
    codes_left: int
    client: Hidden[str] | None = None
    """Makes the client known at its next login; only a full login gives it."""
    enroll_by: int | None = None
    """The end of the grace, while the user has one to do without a second factor; in microseconds."""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for is not done yet: a second person has to confirm it."""

    uid: str
    expires_at: int


Tokens = Callable[[], Granted]
"""Tokens of a session that a unit of work has opened or renewed: minted when called, after the commit."""


class Overloaded(Exception):  # noqa: N818  # a state of the machine, named as the code `overloaded` is
    """Raised when there is no place left in the hash pool, or none came free in time. Nothing has been judged."""
