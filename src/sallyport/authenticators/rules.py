"""What every authenticator shares, whatever its kind."""

from dataclasses import dataclass

from sallyport.kernel.hidden import Hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Plea:
    """What somebody says who removes an authenticator."""

    reason: str | None = None
    caller_code: Hidden[str] | None = None
    """Read out to the desk by the user: six digits."""
    lost: bool = False
    """Its owner says that somebody else may have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TotpTraits:
    """What is told of an authenticator app."""

    enrolled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupTraits:
    """What is told of a set of backup codes."""

    total: int
    remaining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyTraits:
    """What is told of an API key."""

    prefix: str
    scopes: tuple[str, ...]
    expires_at: int | None
    suspended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """One authenticator as it may be told: never with its value."""

    uid: str
    user: str
    type: str
    """The name of its kind on the wire."""
    description: str | None
    created_at: int
    modified_at: int
    version: int
    last_used_at: int | None
    traits: TotpTraits | BackupTraits | ApiKeyTraits | None = None
