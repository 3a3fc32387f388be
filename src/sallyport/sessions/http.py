"""Sessions, tokens and public keys on the wire."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sallyport.edge.answers import Answer, Ask
from sallyport.edge.auth_token import AuthToken, auth_token
from sallyport.edge.counts import Count
from sallyport.edge.endpoint import Endpoint, Fresh, Nothing, Who
from sallyport.edge.paging import QUERY, only, page
from sallyport.edge.reason import Reasoned, parse_reasoned, reason_in
from sallyport.kernel.clock import rfc3339
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.scopes import Scope
from sallyport.sessions.flow.introspect import Introspect, Told
from sallyport.sessions.flow.manage import ManageSessions
from sallyport.sessions.flow.refresh import Refresh
from sallyport.sessions.rules import Session, acr, amr
from sallyport.sessions.signing import SigningKeys

_FILTERS: Final = {"ip": "the address that opened it", "acr": "what was proven, for example `aal2`"}
_SORTS: Final = ("-dateCreated",)


class RefreshBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /auth/refresh`."""

    refresh: Annotated[str, Meta(max_length=4096)]


class IntrospectBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /auth/introspect`, as a form or as JSON: RFC 7662 2.1."""

    token: Annotated[str, Meta(max_length=4096)]
    token_type_hint: Annotated[str, Meta(max_length=4096)] | UnsetType = UNSET
    """Not needed: a token says by itself of what kind it is."""


class IntrospectedBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is told of a token, in the words of RFC 7662 2.2; of one that is not good, that alone."""

    active: bool
    token_type: str | UnsetType = UNSET
    """`Bearer` for what opens routes, `refresh_token` for what is only traded."""
    sub: str | UnsetType = UNSET
    username: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    """All that it is good for; absent where no API key is behind it."""
    exp: int | UnsetType = UNSET
    iat: int | UnsetType = UNSET
    jti: str | UnsetType = UNSET
    sid: str | UnsetType = UNSET
    iss: str | UnsetType = UNSET
    auth_time: int | UnsetType = UNSET
    acr: str | UnsetType = UNSET
    amr: tuple[str, ...] | UnsetType = UNSET


class SessionBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A session of a user."""

    uid: str
    date_created: str
    last_used: str
    ip: str
    user_agent: str
    amr: tuple[str, ...]
    acr: str
    current: bool


def _session(found: Session, current: str) -> SessionBody:
    return SessionBody(
        uid=found.uid,
        date_created=rfc3339(found.created_at),
        last_used=rfc3339(found.last_used_at),
        ip=found.ip,
        user_agent=found.user_agent,
        amr=amr(found.proven),
        acr=acr(found.proven),
        current=found.uid == current,
    )


def _introspected(told: Told | None, issuer: str) -> IntrospectedBody:
    if told is None:
        return IntrospectedBody(active=False)
    return IntrospectedBody(
        active=True,
        token_type=told.kind,
        sub=told.user,
        username=told.name,
        scope=UNSET if told.scopes is None else " ".join(told.scopes),
        exp=UNSET if told.expires is None else told.expires,
        iat=UNSET if told.issued is None else told.issued,
        jti=told.token_id or UNSET,
        sid=told.session or UNSET,
        iss=issuer,
        auth_time=UNSET if told.auth_time is None else told.auth_time,
        acr=told.acr,
        amr=told.amr,
    )


def _fits(session: Session, wanted: Mapping[str, str]) -> bool:
    told = {"ip": session.ip, "acr": acr(session.proven)}
    return all(told[name] == value for name, value in wanted.items())


class SessionRoutes:
    """The routes about sessions."""

    def __init__(
        self, *, refresh: Refresh, manage: ManageSessions, introspect: Introspect, keys: SigningKeys, issuer: str
    ) -> None:
        self._refresh = refresh
        self._manage = manage
        self._introspect = introspect
        self._keys = keys
        self._issuer = issuer

    async def introspect(self, ask: Ask[IntrospectBody]) -> Answer | Refused:
        """Answer `POST /auth/introspect`."""
        return Answer(_introspected(await self._introspect(Hidden(ask.body.token)), self._issuer))

    async def refresh(self, ask: Ask[RefreshBody]) -> Answer | Refused:
        """Answer `POST /auth/refresh`."""
        granted = await self._refresh(Hidden(ask.body.refresh), ask.client)
        return granted if isinstance(granted, Refused) else Answer(auth_token(granted))

    async def logout(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `POST /auth/logout`."""
        return await self._manage.end(ask.me, ask.me.uid, ask.me.session) or Answer(status=204)

    async def show_all(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}/sessions`."""
        wanted = page(ask.query, _FILTERS, _SORTS)
        kept = {name: ask.query[name] for name in _FILTERS if name in ask.query}
        found = wanted.cut(await self._standing(ask.target, kept), key=lambda session: session.uid)
        link = wanted.link(ask.path, found[-1].uid, len(found), kept) if found else ()
        return Answer([_session(session, ask.me.session) for session in found], headers=link)

    async def count(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}/sessions/count`."""
        return Answer(Count(len(await self._standing(ask.target, only(ask.query, _FILTERS)))))

    async def _standing(self, user: str, filters: Mapping[str, str]) -> list[Session]:
        return [session for session in await self._manage.all(user) if _fits(session, filters)]

    async def end(self, ask: Ask[Reasoned]) -> Answer | Refused:
        """Answer `DELETE /users/{id}/sessions/{sid}`."""
        reason = None if ask.own else reason_in(ask.body)
        return await self._manage.end(ask.me, ask.target, ask.params["sid"], reason) or Answer(status=204)

    async def end_others(self, ask: Ask[Reasoned]) -> Answer | Refused:
        """Answer `DELETE /users/{id}/sessions`."""
        reason = None if ask.own else reason_in(ask.body)
        return await self._manage.end_others(ask.me, ask.target, reason) or Answer(status=204)

    async def jwks(self, ask: Ask[Nothing]) -> Answer | Refused:  # noqa: ARG002  # every handler is given the request
        """Answer `GET /.well-known/jwks.json`."""
        return Answer(self._keys.jwks, headers=(("cache-control", "public, max-age=300"),))

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        return [
            Endpoint(
                method="POST",
                path="/auth/refresh",
                summary="Trade a refresh token for its successor",
                who=Who.ANYONE,
                body=RefreshBody,
                handle=self.refresh,
                answers={200: AuthToken},
                refusals=(Why.INVALID_TOKEN,),
            ),
            Endpoint(
                method="POST",
                path="/auth/introspect",
                summary="Tell whether a token is good at this moment (RFC 7662)",
                who=Who.TRUSTED,
                body=IntrospectBody,
                handle=self.introspect,
                answers={200: IntrospectedBody},
                scope=Scope.INTROSPECT,
                forms=True,
            ),
            Endpoint(
                method="POST",
                path="/auth/logout",
                summary="End this session",
                who=Who.SIGNED_IN,
                body=Nothing,
                handle=self.logout,
                answers={204: None},
                while_unenrolled=True,
            ),
            Endpoint(
                method="GET",
                path="/users/{id}/sessions",
                summary="List a user's sessions",
                handle=self.show_all,
                answers={200: list[SessionBody]},
                refusals=(Why.INVALID_REQUEST,),
                query=QUERY | {"sort": "`-dateCreated`; oldest first without it"} | _FILTERS,
                who=Who.OWNER_OR_DESK,
                body=Nothing,
                while_unenrolled=True,
            ),
            Endpoint(
                method="GET",
                path="/users/{id}/sessions/count",
                summary="Count a user's sessions",
                handle=self.count,
                answers={200: Count},
                refusals=(Why.INVALID_REQUEST,),
                query=_FILTERS,
                who=Who.OWNER_OR_DESK,
                body=Nothing,
                while_unenrolled=True,
            ),
            Endpoint(
                method="DELETE",
                path="/users/{id}/sessions",
                summary="End all of a user's sessions but this one",
                handle=self.end_others,
                answers={204: None},
                fresh=Fresh.FOR_OTHERS,
                who=Who.OWNER_OR_DESK,
                body=Reasoned,
                parse=parse_reasoned,
                reasoned=True,
                while_unenrolled=True,
            ),
            Endpoint(
                method="DELETE",
                path="/users/{id}/sessions/{sid}",
                summary="End one session",
                handle=self.end,
                answers={204: None},
                refusals=(Why.NOT_FOUND,),
                fresh=Fresh.FOR_OTHERS,
                who=Who.OWNER_OR_DESK,
                body=Reasoned,
                parse=parse_reasoned,
                reasoned=True,
                while_unenrolled=True,
            ),
            Endpoint(
                method="GET",
                path="/.well-known/jwks.json",
                summary="The public keys that verify access tokens",
                who=Who.ANYONE,
                body=Nothing,
                handle=self.jwks,
                answers={200: dict[str, Any]},
            ),
        ]
