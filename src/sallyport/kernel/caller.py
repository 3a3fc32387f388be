"""Who is calling, as the gate has judged it once for this request."""

from typing import Final

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
    host: bool = False
    """No request at all: the operator, at the command line of the host itself."""


ON_HOST: Final = Client(ip="", user_agent="", host=True)
"""Where a command on the host comes from. Nothing that reads a request makes a client like it: ADR 28."""


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

    @property
    def host(self) -> bool:
        """Whether this is the operator on the host, who is no user and has no session."""
        return self.client.host


OPERATOR: Final = Caller(
    uid="",
    name="",
    session="",
    roles=(),
    mfa=False,
    fresh=True,
    newcomer=False,
    trusted=True,
    demand=Demand.NOTHING,
    client=ON_HOST,
    login_client=None,
)
"""The operator on the host: whoever may read database and keys needs nobody's leave, and stands above trusted roles."""
