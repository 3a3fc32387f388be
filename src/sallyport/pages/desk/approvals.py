"""What waits for a second person, and the resets of second factors that their owners wait for."""

from typing import Final

from sallyport.desk.flow import Approve
from sallyport.desk.rules import may_confirm
from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import Who
from sallyport.kernel.ids import is_uid
from sallyport.kernel.outcomes import Refused
from sallyport.pages.cookies import Cookies
from sallyport.pages.views import Views
from sallyport.pages.visit import DESK, Page, Visit, moved
from sallyport.rescue.resets import Resets
from sallyport.users.flow import ReadUsers

_AT_ONCE: Final = 25
APPROVALS: Final = f"{DESK}/approvals"


class Approvals:
    """The page of a second person."""

    def __init__(self, *, approve: Approve, resets: Resets, users: ReadUsers, cookies: Cookies, views: Views) -> None:
        self._approve = approve
        self._resets = resets
        self._users = users
        self._cookies = cookies
        self._view = views.page

    async def waiting(self, visit: Visit) -> Answer | Refused:
        """Show what waits, oldest first."""
        return await self._shown(visit, None)

    async def _shown(self, visit: Visit, refused: Refused | None) -> Answer | Refused:
        found = await self._approve.pending(after=_behind(visit, "after"), limit=_AT_ONCE + 1, skip=0)
        begun = await self._resets.all(after=_behind(visit, "resets"), limit=_AT_ONCE + 1, skip=0)
        shown, resets = found[:_AT_ONCE], begun[:_AT_ONCE]
        return self._view(
            visit,
            "admin/approvals.html",
            refused=refused,
            waiting=[(approval, may_confirm(approval, visit.me.uid)) for approval in shown],
            resets=resets,
            names=await self._users.names(
                [*(uid for one in shown for uid in (one.user, one.asked_by)), *(reset.user for reset in resets)]
            ),
            onward=shown[-1].uid if len(found) > _AT_ONCE else "",
            further=resets[-1].uid if len(begun) > _AT_ONCE else "",
        )

    async def confirm(self, visit: Visit) -> Answer | Refused:
        """Confirm one, as the second person."""
        refused = await self._approve(visit.me, visit.params["sid"])
        return await self._shown(visit, refused) if refused else moved(APPROVALS, self._cookies.say("approved"))

    def pages(self) -> list[Page]:
        """Declare the pages."""
        one = f"{APPROVALS}/{{sid}}"
        return [
            Page(path=APPROVALS, who=Who.TRUSTED, get=self.waiting, while_unenrolled=False),
            Page(path=one, who=Who.TRUSTED, post=self.confirm, fresh=True, while_unenrolled=False, home=APPROVALS),
        ]


def _behind(visit: Visit, name: str) -> str | None:
    uid = visit.query.get(name, "")
    return uid if is_uid(uid) else None
