"""The one gate. Every credential becomes one `Caller` here, and here alone is judged what it is good for."""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from sallyport.edge.answers import Credential
from sallyport.edge.endpoint import Fresh, Who
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import SECOND, Clock
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.policy import Demand, Policy

FRESH_SECONDS: Final = 600


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a valid access token says."""

    uid: str
    session: str
    auth_time: int
    """Seconds since the epoch, as in the token."""
    acr: str
    amr: tuple[str, ...]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says at this moment of a session that has not ended."""

    uid: str
    name: str
    roles: tuple[str, ...]
    mfa: bool
    met_at: int | None
    """When the rule about second factors first met the user."""
    client_digest: bytes | None


class AccessTokens(Protocol):
    """Verifies access tokens."""

    def read(self, token: str) -> Claims | None:
        """Return the claims of a valid, unexpired token of this service, else None."""
        ...


class Sessions(Protocol):
    """Knows which sessions stand."""

    async def standing(self, session: str) -> Standing | None:
        """Return the standing of a live session of a user who is not disabled, else None."""
        ...

    async def meet(self, uid: str, client: Client) -> None:
        """Note that the rule about second factors has met a user: from the first time on their grace runs."""
        ...

    async def is_bare(self, uid: str) -> bool:
        """Tell whether the account has no secret at all yet."""
        ...

    async def roles_of(self, uid: str) -> tuple[str, ...] | None:
        """Return the roles of a user, or None where there is no such user."""
        ...


class Gate:
    """Turns a credential into a caller, and says which routes that caller reaches."""

    def __init__(
        self,
        *,
        tokens: AccessTokens,
        sessions: Sessions,
        policy: Policy,
        clock: Clock,
        report: Callable[[], None],
        registration_open: bool,
    ) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._policy = policy
        self._clock = clock
        self._report = report
        self._registration_open = registration_open

    async def caller(self, credential: Credential | None, client: Client) -> Caller | Refused:
        """Judge a credential. Only access tokens open this gate."""
        if credential is None or credential.scheme not in {"jwt", "bearer"}:
            return Refused(why=Why.UNAUTHENTICATED)
        claims = self._tokens.read(credential.value)
        standing = claims and await self._sessions.standing(claims.session)
        if not claims or not standing or standing.uid != claims.uid:
            return Refused(why=Why.INVALID_TOKEN)
        now = self._clock.now()
        demand = self._policy.demand(standing.roles, mfa=standing.mfa, met_at=standing.met_at, now=now)
        if standing.met_at is None and demand in {Demand.LATER, Demand.NOW}:
            await self._sessions.meet(claims.uid, client)
        recent = now // SECOND - claims.auth_time <= FRESH_SECONDS
        strongest = _is_strongest(claims, standing)
        newcomer = recent and claims.acr == "aal0" and await self._sessions.is_bare(claims.uid)
        return Caller(
            uid=claims.uid,
            name=standing.name,
            session=claims.session,
            roles=standing.roles,
            mfa=standing.mfa,
            fresh=recent and strongest,
            newcomer=newcomer,
            trusted=strongest and self._policy.trusts(standing.roles),
            demand=demand,
            client=client,
            login_client=standing.client_digest,
        )

    async def reach(self, who: Who, caller: Caller | None, target: str, *, unenrolled: bool) -> Refused | None:
        """Judge whether a caller reaches a route about `target`: first 404 of what is hidden, then 403."""
        if who is Who.VISITOR and not self._registration_open and not (caller and caller.trusted):
            return Refused(why=Why.FORBIDDEN if caller else Why.UNAUTHENTICATED, detail="Registration is closed.")
        if caller is None:
            return None
        if who is Who.TRUSTED and not caller.trusted:
            return Refused(why=Why.FORBIDDEN)
        own = target == caller.uid
        if target and not own and (refused := await self._reach_other(who, caller, target)):
            return refused
        leads_there = unenrolled and (own or not target)
        if caller.must_enroll and not leads_there:
            return Refused(why=Why.MFA_ENROLLMENT_REQUIRED)
        if caller.demand is Demand.REPORTED and not leads_there:
            self._report()
        return None

    async def _reach_other(self, who: Who, caller: Caller, target: str) -> Refused | None:
        hidden = who in {Who.OWNER, Who.OWNER_OR_DESK, Who.OWNER_OR_TRUSTED}
        if hidden and not caller.trusted:
            return Refused(why=Why.NOT_FOUND)
        roles = await self._sessions.roles_of(target)
        if roles is None:
            return Refused(why=Why.NOT_FOUND)
        if who in {Who.SIGNED_IN, Who.OWNER_OR_TRUSTED}:
            return None
        # Nobody acts on an equal: that takes a second person, or the CLI on the host.
        if who is Who.OWNER or not caller.trusted or self._policy.trusts(roles):
            return Refused(why=Why.FORBIDDEN)
        return None


def demand_fresh(wanted: Fresh, caller: Caller | None, target: str) -> Refused | None:
    """Judge whether the caller's proof is fresh enough for a route. RFC 9470."""
    if caller is None or caller.fresh or wanted is Fresh.NO:
        return None
    if wanted is Fresh.BUT_FIRST_SECRET and caller.newcomer:
        return None
    if wanted is Fresh.FOR_OTHERS and (target == caller.uid or not caller.trusted):
        return None
    return Refused(why=Why.STEP_UP_REQUIRED, level=caller.level)


def _is_strongest(claims: Claims, standing: Standing) -> bool:
    """Tell whether the token was proven at the account's strongest level: the method counts, not only the age."""
    return claims.acr == "aal2" or (claims.acr == "aal1" and not standing.mfa and "pwd" in claims.amr)
