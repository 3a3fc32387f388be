"""Levels, lifetimes and the rotation of refresh tokens. Values come in, values go out."""

import enum
from dataclasses import dataclass
from typing import Final

import msgspec

from sallyport.kernel.clock import SECOND

Proven = tuple[str, ...]
"""Methods really used in a session, in the words of RFC 8176: `pwd`, `otp`, `swk`."""

PASSWORD: Final[Proven] = ("pwd",)
PASSWORD_AND_CODE: Final[Proven] = ("pwd", "otp")
CODE: Final[Proven] = ("otp",)
POSSESSION: Final[Proven] = ("swk",)
"""Of a device, or of an API key: a value that a program keeps."""
NOTHING: Final[Proven] = ()

_KIND: Final = {"pwd": "knowledge", "otp": "possession", "swk": "possession"}
GRACE: Final = 10 * SECOND


def amr(proven: Proven) -> Proven:
    """Return the `amr` claim: `mfa` is there only when two kinds of factor were proven. RFC 8176 2."""
    return (*proven, "mfa") if _kinds(proven) > 1 else proven


def acr(proven: Proven) -> str:
    """Return the `acr` claim, derived from the factors proven and never stored."""
    return f"aal{min(_kinds(proven), 2)}"


def _kinds(proven: Proven) -> int:
    return len({_KIND[method] for method in proven})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a session lives, in microseconds."""

    idle: int
    absolute: int


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session as stored."""

    uid: str
    user: str
    proven: Proven
    auth_time: int
    created_at: int
    last_used_at: int
    ip: str
    user_agent: str
    client_digest: bytes | None = None
    """The known client that a full login opened it with."""
    secret: str | None = None
    """The device or API key that opened it, and with which it ends."""
    scopes: tuple[str, ...] | None = None
    """All that it is good for, where an API key opened it."""


def ends_at(session: Session, limits: Limits) -> int:
    """Return when a session ends by itself if it is not used again."""
    return min(session.last_used_at + limits.idle, session.created_at + limits.absolute)


class Turn(enum.Enum):
    """What a refresh token that is not fresh any more means."""

    AGAIN = "the answer was lost: give the same successor again"
    DEAD = "retired, or its successor was, or nobody knows since when it is spent: refuse, and end nothing"
    STOLEN = "it comes back after its successor was used or its grace is over: end the session"


def turn(*, spent_at: int | None, retired: bool, successor: str, now: int) -> Turn:
    """Judge a refresh token that is known but not live. `successor` is `live`, `spent` or `retired`.

    RFC 9700 4.14.2: reuse of a spent token revokes the family.
    """
    if retired or spent_at is None:
        return Turn.DEAD
    if now - spent_at > GRACE or successor == "spent":
        return Turn.STOLEN
    # Spent in our future: by a clock that is ahead of ours, or by ours before it was set back. Its grace may be over.
    if spent_at - now > GRACE:
        return Turn.DEAD
    return Turn.AGAIN if successor == "live" else Turn.DEAD
