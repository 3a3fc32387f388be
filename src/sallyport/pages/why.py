"""Why a sign-in went as it did, for its owner and for the desk."""

from sallyport.audit.decision import explained
from sallyport.audit.flow.read import ReadAudit
from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import Who
from sallyport.kernel.outcomes import Refused, Why
from sallyport.pages.views import Views
from sallyport.pages.visit import EVENTS, ONE_USER, Page, Visit


class Explained:
    """The pages about one step of a login."""

    def __init__(self, *, audit: ReadAudit, views: Views) -> None:
        self._audit = audit
        self._view = views.page

    async def own(self, visit: Visit) -> Answer | Refused:
        """Tell the owner."""
        return await self._shown(visit, visit.me.uid, EVENTS)

    async def of_other(self, visit: Visit) -> Answer | Refused:
        """Tell the desk."""
        return await self._shown(visit, visit.params["id"], ONE_USER.format_map(visit.params))

    async def _shown(self, visit: Visit, user: str, behind: str) -> Answer | Refused:
        record = await self._audit.login(user, visit.params["sid"])
        if record is None:
            return Refused(why=Why.NOT_FOUND)
        return self._view(visit, "why.html", record=record, told=explained(record), behind=behind)

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [
            Page(path=f"{EVENTS}/{{sid}}", get=self.own, while_unenrolled=False),
            Page(
                path=f"{ONE_USER}/logins/{{sid}}", who=Who.OWNER_OR_TRUSTED, get=self.of_other, while_unenrolled=False
            ),
        ]
