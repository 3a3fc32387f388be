"""A user's logins on the wire, and why each went as it did."""

from typing import Any, Final

import msgspec

from sallyport.audit.decision import explained, read, second_factor
from sallyport.audit.flow.read import ReadAudit
from sallyport.audit.http import told
from sallyport.audit.rules import Record
from sallyport.edge.answers import Answer, Ask
from sallyport.edge.endpoint import Endpoint, Nothing, Who
from sallyport.edge.paging import QUERY, page
from sallyport.kernel.outcomes import Refused, Why

_SORTS: Final = ("-dateCreated",)
_PAGING: Final = QUERY | {"sort": "`-dateCreated`, which is the order without it too"}


class LoginBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One step of a login: a password, a code, or a new proof."""

    uid: str
    date_created: str
    event: str
    outcome: str
    factor: str | None
    second_factor: str
    """`asked`, `given`, `not asked`."""
    known_client: bool | None
    rule: str | None
    """The part of the rule that demanded a second factor which was not there."""
    demand: str | None
    """`later`, `now`, or `reported`."""
    session_id: str | None
    ip: str | None
    request_id: str


class ExplainedBody(LoginBody, frozen=True, rename="camel", kw_only=True):
    """The same, and why it went so."""

    explanation: tuple[str, ...]


class LoginsRoutes:
    """The routes that tell a user, and the desk, what decided each login."""

    def __init__(self, read: ReadAudit) -> None:
        self._read = read

    async def show_all(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}/logins`."""
        part = page(ask.query, sorts=_SORTS)
        found = await self._read.logins(ask.target, after=part.after, limit=part.limit, skip=part.skip)
        link = part.link(ask.path, found[-1].uid, len(found)) if found else ()
        return Answer([LoginBody(**_body(record, ask)) for record in found], headers=link)

    async def explain(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}/logins/{sid}/explain`."""
        record = await self._read.login(ask.target, ask.params["sid"])
        if record is None:
            return Refused(why=Why.NOT_FOUND)
        return Answer(ExplainedBody(**_body(record, ask), explanation=tuple(map(str, explained(record)))))

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        return [
            Endpoint(
                method="GET",
                path="/users/{id}/logins",
                summary="List a user's logins step by step, newest first",
                who=Who.OWNER_OR_TRUSTED,
                body=Nothing,
                handle=self.show_all,
                answers={200: list[LoginBody]},
                refusals=(Why.INVALID_REQUEST,),
                query=_PAGING,
            ),
            Endpoint(
                method="GET",
                path="/users/{id}/logins/{sid}/explain",
                summary="Tell in words why a login went as it did",
                who=Who.OWNER_OR_TRUSTED,
                body=Nothing,
                handle=self.explain,
                answers={200: ExplainedBody},
                refusals=(Why.NOT_FOUND,),
            ),
        ]


def _body(record: Record, ask: Ask[Nothing]) -> dict[str, Any]:
    decision, shown = read(record.detail), told(record, None if ask.me.trusted else ask.me.uid)
    return {
        "uid": shown.uid,
        "date_created": shown.date_created,
        "event": shown.event,
        "outcome": shown.outcome,
        "factor": shown.factor,
        "second_factor": second_factor(record),
        "known_client": None if decision.client is None else decision.client == "known",
        "rule": decision.rule,
        "demand": decision.demand,
        "session_id": shown.session_id,
        "ip": shown.ip,
        "request_id": shown.request_id,
    }
