"""The AuthToken on the wire: what a full login gives, and whatever renews it."""

import msgspec
from msgspec import UNSET, UnsetType

from sallyport.kernel.clock import rfc3339
from sallyport.kernel.outcomes import Granted


class MfaState(msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """What to know about the second factor."""

    enabled: bool
    backup_codes_remaining: int
    enroll_by: str | UnsetType = UNSET
    """The end of the grace, while the user has one to do without a second factor that policy demands."""


class AuthToken(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Both tokens of a session."""

    token: str
    refresh: str
    type: str
    user_uid: str
    expires_in: int
    mfa: MfaState
    client: str | UnsetType = UNSET
    """Given at a full login, to be sent back as `X-Sallyport-Client`."""


def auth_token(granted: Granted) -> AuthToken:
    """Render what a full login, a refresh or a fresh proof gives."""
    return AuthToken(
        token=granted.access.reveal(),
        refresh=granted.refresh.reveal(),
        type="ACCESS",
        user_uid=granted.user,
        expires_in=granted.expires_in,
        mfa=MfaState(
            enabled=granted.mfa,
            backup_codes_remaining=granted.codes_left,
            enroll_by=UNSET if granted.enroll_by is None else rfc3339(granted.enroll_by),
        ),
        client=granted.client.reveal() if granted.client else UNSET,
    )
