"""The audit log, with filters."""

from typing import Final

from sallyport.audit.flow.read import ReadAudit, Wanted
from sallyport.audit.rules import Event
from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import Who
from sallyport.kernel.ids import is_uid
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.text import UnfitError, bounded, moment
from sallyport.pages.telling import EVENTS
from sallyport.pages.views import Views
from sallyport.pages.visit import DESK, Page, Visit
from sallyport.users.flow import ReadUsers

_AT_ONCE: Final = 25
_NOBODY: Final = Refused(why=Why.INVALID_REQUEST, detail="There is no such user.")


class Log:
    """The page of the audit log."""

    def __init__(self, *, audit: ReadAudit, users: ReadUsers, views: Views) -> None:
        self._audit = audit
        self._users = users
        self._view = views.page

    async def show(self, visit: Visit) -> Answer | Refused:
        """Show what happened, newest first: to whom, what, and since when is asked."""
        typed, after = bounded("/user", visit.query.get("user", "").strip()), visit.query.get("after", "")
        user = await self._users.typed(typed) if typed else None
        refused = _NOBODY if typed and user is None else None
        event, since = _event(visit.query.get("event", "")), visit.query.get("since", "")
        wanted = Wanted(
            user=user,
            event=event,
            since=_day(since),
            after=after if is_uid(after) else None,
            limit=_AT_ONCE + 1,
            skip=0,
        )
        found = [] if refused else await self._audit.page(wanted)
        shown = found[:_AT_ONCE]
        return self._view(
            visit,
            "admin/audit.html",
            refused=refused,
            records=shown,
            names=await self._users.names(uid for one in shown for uid in (one.user, one.actor)),
            older=shown[-1].uid if len(found) > _AT_ONCE else "",
            typed=typed,
            chosen=event or "",
            since=since if _day(since) else "",
            events=EVENTS,
        )

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [Page(path=f"{DESK}/audit", who=Who.TRUSTED, get=self.show, while_unenrolled=False)]


def _event(text: str) -> Event | None:
    return Event(text) if text in set(Event) else None


def _day(text: str) -> int:
    """Return where a day begins, UTC; 0 for what is none, as for nothing."""
    try:
        return moment("/since", f"{text}T00:00:00Z")
    except UnfitError:
        return 0
