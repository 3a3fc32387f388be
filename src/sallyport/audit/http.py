"""The audit log on the wire."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sallyport.audit.flow.read import ReadAudit, Wanted
from sallyport.audit.rules import Event, Record
from sallyport.edge.answers import Answer, Ask
from sallyport.edge.counts import Count
from sallyport.edge.endpoint import Endpoint, Nothing, Who
from sallyport.edge.paging import QUERY, Page, only, page
from sallyport.kernel.clock import rfc3339
from sallyport.kernel.ids import is_uid
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.scopes import Scope
from sallyport.kernel.text import UnfitError
from sallyport.kernel.text import moment as text_moment

_PAGING: Final = QUERY | {"sort": "`-dateCreated`, which is the order without it too"}
_OF_USER: Final = {
    "event": "one kind of event, for example `login.password`",
    "since": "RFC 3339; what happened then or later",
}
_OF_ALL: Final = {"user": "the uid of the user whom it is about; of an erased one too"} | _OF_USER
_SORTS: Final = ("-dateCreated",)


class AuditBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One row of the audit log."""

    uid: str
    date_created: str
    event: str
    outcome: str
    factor: str | None
    user_id: str | None
    actor_id: str | None
    session_id: str | None
    ip: str | None
    request_id: str
    detail: str | None


class AuditRoutes:
    """The routes that read the audit log."""

    def __init__(self, read: ReadAudit) -> None:
        self._read = read

    async def show_all(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /audit`."""
        return await self._listed(ask, _user(ask.query), _OF_ALL)

    async def show_own(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}/audit`."""
        return await self._listed(ask, ask.target, _OF_USER)

    async def count_all(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /audit/count`."""
        return await self._counted(_user(ask.query), only(ask.query, _OF_ALL))

    async def count_own(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}/audit/count`."""
        return await self._counted(ask.target, only(ask.query, _OF_USER))

    async def _counted(self, user: str | None, filters: Mapping[str, str]) -> Answer:
        return Answer(Count(await self._read.count(_wanted(user, filters, page({})))))

    async def _listed(self, ask: Ask[Nothing], user: str | None, filters: Mapping[str, str]) -> Answer:
        part = page(ask.query, filters, _SORTS)
        found = await self._read.page(_wanted(user, ask.query, part))
        kept = {name: ask.query[name] for name in filters if name in ask.query}
        link = part.link(ask.path, found[-1].uid, len(found), kept) if found else ()
        reader = None if ask.me.reads_all else ask.me.uid
        return Answer([told(record, reader) for record in found], headers=link)

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        return [
            Endpoint(
                method="GET",
                path="/audit",
                summary="Read the audit log, newest first",
                who=Who.TRUSTED,
                body=Nothing,
                handle=self.show_all,
                answers={200: list[AuditBody]},
                refusals=(Why.INVALID_REQUEST,),
                query=_PAGING | _OF_ALL,
                scope=Scope.AUDIT_READ,
            ),
            Endpoint(
                method="GET",
                path="/audit/count",
                summary="Count what the audit log tells",
                who=Who.TRUSTED,
                body=Nothing,
                handle=self.count_all,
                answers={200: Count},
                refusals=(Why.INVALID_REQUEST,),
                query=_OF_ALL,
                scope=Scope.AUDIT_READ,
            ),
            Endpoint(
                method="GET",
                path="/users/{id}/audit",
                summary="Read what the audit log tells of a user, newest first",
                who=Who.OWNER_OR_TRUSTED,
                body=Nothing,
                handle=self.show_own,
                answers={200: list[AuditBody]},
                refusals=(Why.INVALID_REQUEST,),
                query=_PAGING | _OF_USER,
                scope=Scope.AUDIT_READ,
            ),
            Endpoint(
                method="GET",
                path="/users/{id}/audit/count",
                summary="Count what the audit log tells of a user",
                who=Who.OWNER_OR_TRUSTED,
                body=Nothing,
                handle=self.count_own,
                answers={200: Count},
                refusals=(Why.INVALID_REQUEST,),
                query=_OF_USER,
                scope=Scope.AUDIT_READ,
            ),
        ]


def _user(query: Mapping[str, str]) -> str | None:
    user = query.get("user")
    if user is not None and not is_uid(user):
        raise UnfitError("/user", "Give the uid of a user.")
    return user


def _wanted(user: str | None, filters: Mapping[str, str], part: Page) -> Wanted:
    event, since = filters.get("event"), filters.get("since")
    return Wanted(
        user=user,
        event=None if event is None else _event(event),
        since=0 if since is None else moment(since),
        after=part.after,
        limit=part.limit,
        skip=part.skip,
    )


def moment(text: str) -> int:
    """Read the moment from which rows are wanted. Raises `UnfitError`."""
    return text_moment("/since", text)


def _event(text: str) -> Event:
    try:
        return Event(text)
    except ValueError:
        raise UnfitError("/event", f"The events are: {', '.join(Event)}.") from None


def told(record: Record, reader: str | None = None) -> AuditBody:
    """Render a row. A `reader` without a trusted role is not told where somebody else was who acted on them."""
    hidden = reader is not None and record.actor not in {None, reader}
    return AuditBody(
        uid=record.uid,
        date_created=rfc3339(record.created_at),
        event=record.event,
        outcome=record.outcome,
        factor=record.factor,
        user_id=record.user,
        actor_id=record.actor,
        session_id=None if hidden else record.session,
        ip=None if hidden else record.ip,
        request_id=record.request_id,
        detail=record.detail,
    )
