"""Who is calling, as the gate has judged it once for this request."""

import msgspec

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.policy import Demand


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request came from, as far as that can be trusted."""

    ip: str
    user_agent: str
    request_id: str = ""
    token: Hidden[str] | None = None
    """What it shows to be known again: the client token of an earlier login, not judged yet."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in user, with what their access token proves at this moment."""

    uid: str
    name: str
    session: str
    roles: tuple[str, ...]
    mfa: bool
    """Whether the account has a second factor."""
    fresh: bool
    """Proof no older than ten minutes at the account's strongest level."""
    newcomer: bool
    """Registered less than ten minutes ago and without any secret yet."""
    trusted: bool
    """Holds a trusted role and proved it at the account's strongest level."""
    demand: Demand
    """What the rule about second factors asks of this user now."""
    client: Client
    login_client: bytes | None
    """Digest of the client token that the session was opened with."""
    amr: tuple[str, ...] = ()
    """How they proved themselves. RFC 8176"""
    auth_time: int = 0
    """When, in seconds since the epoch."""
    scopes: frozenset[str] | None = None
    """All that an API key is good for; None for a person, who is bound by none."""
    overlooks: bool = False
    """A key that one with a trusted role has made: it reads what they read, and is never `trusted` to write."""

    @property
    def reads_all(self) -> bool:
        """Whether they may read what a trusted role reads."""
        return self.trusted or self.overlooks

    @property
    def must_enroll(self) -> bool:
        """Whether this user reaches nothing but what leads to a second factor."""
        return self.demand is Demand.NOW

    @property
    def level(self) -> str:
        """The `acr` of this account's strongest proof."""
        return "aal2" if self.mfa else "aal1"
