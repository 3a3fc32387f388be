"""Approvals on the wire."""

from typing import Any

import msgspec

from sallyport.desk.flow import Approve
from sallyport.desk.rules import Approval
from sallyport.edge.answers import Answer, Ask
from sallyport.edge.endpoint import Endpoint, Fresh, Nothing, Who
from sallyport.edge.paging import QUERY, page
from sallyport.kernel.clock import rfc3339
from sallyport.kernel.outcomes import Refused, Why


class ApprovalBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What one trusted person has asked for, and another one has to confirm."""

    uid: str
    user_id: str
    secret_id: str | None
    """The second factor that is to go; null for all of them."""
    reason: str | None
    asked_by: str
    date_created: str
    expires: str


class DeskRoutes:
    """The routes about what waits for a second person."""

    def __init__(self, approve: Approve) -> None:
        self._approve = approve

    async def show_all(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /approvals`."""
        part = page(ask.query, sorts=())
        found = await self._approve.pending(after=part.after, limit=part.limit, skip=part.skip)
        link = part.link(ask.path, found[-1].uid, len(found)) if found else ()
        return Answer([_told(approval) for approval in found], headers=link)

    async def confirm(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `POST /approvals/{sid}`."""
        return await self._approve(ask.me, ask.params["sid"]) or Answer(status=204)

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        return [
            Endpoint(
                method="GET",
                path="/approvals",
                summary="List what waits for a second person, oldest first",
                who=Who.TRUSTED,
                body=Nothing,
                handle=self.show_all,
                answers={200: list[ApprovalBody]},
                refusals=(Why.INVALID_REQUEST,),
                query={name: meaning for name, meaning in QUERY.items() if name != "sort"},
            ),
            Endpoint(
                method="POST",
                path="/approvals/{sid}",
                summary="Confirm, as the second person, what another one has asked for",
                who=Who.TRUSTED,
                body=Nothing,
                handle=self.confirm,
                answers={204: None},
                refusals=(Why.NOT_FOUND, Why.MFA_NOT_ENABLED),
                fresh=Fresh.ALWAYS,
            ),
        ]


def _told(approval: Approval) -> ApprovalBody:
    return ApprovalBody(
        uid=approval.uid,
        user_id=approval.user,
        secret_id=approval.secret,
        reason=approval.reason,
        asked_by=approval.asked_by,
        date_created=rfc3339(approval.created_at),
        expires=rfc3339(approval.expires_at),
    )
