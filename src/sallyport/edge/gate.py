"""The one gate. Every credential becomes one `Caller` here, and here alone is judged what it is good for."""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from sallyport.edge.answers import Credential
from sallyport.edge.endpoint import Fresh, Who
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import SECOND, Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import API_KEY
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.policy import Demand, DeskRules, Policy
from sallyport.kernel.scopes import Scope, opens

FRESH_SECONDS: Final = 600


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a valid access token says."""

    uid: str
    session: str
    auth_time: int
    """Seconds since the epoch, as in the token."""
    acr: str
    amr: tuple[str, ...]


class KeyStanding(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says at this moment of an API key that is good."""

    uid: str
    name: str
    roles: tuple[str, ...]
    mfa: bool
    met_at: int | None
    """When the rule about second factors first met the user."""
    reset: bool
    scopes: frozenset[str]
    maker_amr: tuple[str, ...]
    """How its maker had proved themselves."""
    by_trusted: bool
    """Its maker held a trusted role, proven at the account's strongest level."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says at this moment of a session that has not ended."""

    uid: str
    name: str
    roles: tuple[str, ...]
    mfa: bool
    met_at: int | None
    """When the rule about second factors first met the user."""
    reset: bool
    client_digest: bytes | None
    key: KeyStanding | None
    """The API key that opened it, if one did."""


class Browsing(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind the cookie of a browser."""

    claims: Claims
    """What an access token of its session would say at this moment."""
    standing: Standing


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

    async def browsing(self, token: Hidden[str]) -> Browsing | None:
        """Return what stands behind the cookie of a browser, if it is good."""
        ...

    async def is_bare(self, uid: str) -> bool:
        """Tell whether the account has no secret at all yet."""
        ...

    async def roles_of(self, uid: str) -> tuple[str, ...] | None:
        """Return the roles of a user, or None where there is no such user."""
        ...


class ApiKeys(Protocol):
    """Knows which API keys are good."""

    async def standing(self, key: Hidden[str]) -> KeyStanding | None:
        """Return the standing of a key that is neither expired nor suspended, of a user not disabled, else None."""
        ...


class Roles(Protocol):
    """Knows who owns a role."""

    async def ruled(self, role: str, user: str) -> tuple[str, bool] | None:
        """Return the name of a role, and whether a user owns it; None where there is no such role."""
        ...


class Gate:
    """Turns a credential into a caller, and says which routes that caller reaches."""

    def __init__(
        self,
        *,
        tokens: AccessTokens,
        sessions: Sessions,
        keys: ApiKeys,
        roles: Roles,
        policy: Policy,
        clock: Clock,
        report: Callable[[], None],
        registration_open: bool,
        desk: DeskRules,
    ) -> None:
        self._tokens = tokens
        self._roles = roles
        self._sessions = sessions
        self._keys = keys
        self._policy = policy
        self._clock = clock
        self._report = report
        self._registration_open = registration_open
        self._desk = desk

    async def caller(self, credential: Credential | None, client: Client) -> Caller | Refused:
        """Judge a credential. Only access tokens and API keys open this gate."""
        if credential is None or credential.scheme not in {"jwt", "bearer"}:
            return Refused(why=Why.UNAUTHENTICATED)
        if credential.value.startswith(API_KEY):
            key = await self._keys.standing(Hidden(credential.value))
            return await self._by_key(key, "", client) if key else Refused(why=Why.INVALID_TOKEN)
        claims = self._tokens.read(credential.value)
        standing = claims and await self._sessions.standing(claims.session)
        if not claims or not standing or standing.uid != claims.uid:
            return Refused(why=Why.INVALID_TOKEN)
        return await self._judged(claims, standing, client)

    async def browser(self, token: Hidden[str], client: Client) -> Caller | Refused:
        """Judge the cookie of a browser. It is no credential of the JSON routes, and theirs open no page."""
        found = await self._sessions.browsing(token)
        if found is None:
            return Refused(why=Why.INVALID_TOKEN)
        return await self._judged(found.claims, found.standing, client)

    async def _judged(self, claims: Claims, standing: Standing, client: Client) -> Caller:
        if standing.key:
            return await self._by_key(standing.key, claims.session, client)
        demand = await self._demand(standing, client)
        recent = self._clock.now() // SECOND - claims.auth_time <= FRESH_SECONDS
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
            amr=claims.amr,
            auth_time=claims.auth_time,
        )

    async def _demand(self, standing: Standing | KeyStanding, client: Client) -> Demand:
        """Judge what the rule about second factors asks of a user now, and note when it first meets them."""
        mfa, reset, met_at = standing.mfa, standing.reset, standing.met_at
        demand = self._policy.demand(standing.roles, mfa=mfa, reset=reset, met_at=met_at, now=self._clock.now())
        if met_at is None and not reset and demand in {Demand.LATER, Demand.NOW}:
            await self._sessions.meet(standing.uid, client)
        return demand

    async def _by_key(self, key: KeyStanding, session: str, client: Client) -> Caller:
        """Return the caller of a key, or of a session that it opened: never fresh, never trusted, whoever made it."""
        # What was the strongest level when it was made may not be that any more.
        strongest = not key.mfa or "mfa" in key.maker_amr
        return Caller(
            uid=key.uid,
            name=key.name,
            session=session,
            roles=key.roles,
            mfa=key.mfa,
            fresh=False,
            newcomer=False,
            trusted=False,
            demand=await self._demand(key, client),
            client=client,
            login_client=None,
            amr=("swk",),
            scopes=key.scopes,
            overlooks=key.by_trusted and strongest and self._policy.trusts(key.roles),
        )

    async def reach(
        self,
        who: Who,
        caller: Caller | None,
        target: str,
        *,
        unenrolled: bool,
        scope: Scope | None = None,
        role: str = "",
    ) -> Refused | None:
        """Judge whether a caller reaches a route about the user `target`: first 404 of what is hidden, then 403.

        `scope` is what opens the route to an API key, `role` the uid of a role that it is about.
        """
        if who is Who.VISITOR and not self._registration_open and not (caller and caller.trusted):
            return Refused(why=Why.FORBIDDEN if caller else Why.UNAUTHENTICATED, detail="Registration is closed.")
        if caller is None:
            return None
        own = target == caller.uid
        if target and not own and _is_hidden(who, caller):
            return Refused(why=Why.NOT_FOUND)
        if caller.scopes is not None and not opens(caller.scopes, scope, own=own):
            return Refused(why=Why.FORBIDDEN, detail="The scopes of this API key do not open this route.")
        if (who is Who.TRUSTED and not caller.reads_all) or (who is Who.DESK and own):
            return Refused(why=Why.FORBIDDEN)
        if who is Who.RULER and (refused := await self._reach_role(caller, role)):
            return refused
        if target and not own and (refused := await self._reach_other(who, caller, target)):
            return refused
        leads_there = unenrolled and (own or not target)
        if caller.must_enroll and not leads_there:
            return Refused(why=Why.MFA_ENROLLMENT_REQUIRED)
        if caller.demand is Demand.REPORTED and not leads_there:
            self._report()
        return None

    async def _reach_role(self, caller: Caller, role: str) -> Refused | None:
        found = await self._roles.ruled(role, caller.uid)
        if found is None:
            return Refused(why=Why.NOT_FOUND)
        name, owns = found
        return None if self._policy.may_rule(name, trusted=caller.trusted, owns=owns) else Refused(why=Why.FORBIDDEN)

    async def _reach_other(self, who: Who, caller: Caller, target: str) -> Refused | None:
        roles = await self._sessions.roles_of(target)
        if roles is None:
            return Refused(why=Why.NOT_FOUND)
        if who in {Who.SIGNED_IN, Who.OWNER_OR_TRUSTED}:
            return None
        # Nobody acts on an equal: that takes a second person, or the CLI on the host.
        seconded = who is Who.DESK and self._desk.two_persons
        if who is Who.OWNER or not caller.trusted or (self._policy.trusts(roles) and not seconded):
            return Refused(why=Why.FORBIDDEN)
        return None

    def demand_reason(self, caller: Caller | None, target: str, reason: str | None) -> Refused | None:
        """Judge whether a trusted role that acts on another has said why, where the operator wants that."""
        if reason or not self._desk.reason_required or caller is None or target == caller.uid:
            return None
        return Refused(why=Why.INVALID_REQUEST, pointer="/reason", detail="Say why, as 'reason': the user is told.")


def _is_hidden(who: Who, caller: Caller) -> bool:
    """Tell whether a route about somebody else is not there for a caller."""
    if who is Who.OWNER_OR_TRUSTED:
        return not caller.reads_all
    return who in {Who.OWNER, Who.OWNER_OR_DESK, Who.DESK} and not caller.trusted


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
