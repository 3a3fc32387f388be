"""The long lists of an account: API keys, devices and sessions, of which its own page shows the first alone."""

from collections.abc import Sequence
from typing import Final

from sallyport.authenticators.flow import ReadAuthenticators
from sallyport.edge.answers import Answer
from sallyport.kernel.outcomes import Refused
from sallyport.pages.views import Views
from sallyport.pages.visit import Page, Visit, passed_over
from sallyport.sessions.flow.manage import ManageSessions
from sallyport.sessions.rules import Session

_AT_ONCE: Final = 25


class Lists:
    """The pages of the lists."""

    def __init__(self, *, authenticators: ReadAuthenticators, sessions: ManageSessions, views: Views) -> None:
        self._authenticators = authenticators
        self._sessions = sessions
        self._view = views.page

    async def keys(self, visit: Visit) -> Answer | Refused:
        """Show API keys."""
        return await self._held(visit, "apikey")

    async def devices(self, visit: Visit) -> Answer | Refused:
        """Show devices."""
        return await self._held(visit, "device")

    async def _held(self, visit: Visit, kind: str) -> Answer | Refused:
        held = await self._authenticators.all(visit.me.uid)
        return self._shown(visit, kind, [one for one in held if one.type == kind])

    async def sessions(self, visit: Visit) -> Answer | Refused:
        """Show sessions."""
        return self._shown(visit, "session", in_order(await self._sessions.all(visit.me.uid), visit))

    def _shown(self, visit: Visit, kind: str, things: Sequence[object]) -> Answer:
        skip = passed_over(visit)
        further = skip + _AT_ONCE if len(things) > skip + _AT_ONCE else 0
        return self._view(visit, "list.html", kind=kind, things=things[skip : skip + _AT_ONCE], further=further)

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [
            Page(path="/ui/keys", get=self.keys),
            Page(path="/ui/devices", get=self.devices),
            Page(path="/ui/sessions", get=self.sessions),
        ]


def in_order(sessions: list[Session], visit: Visit) -> list[Session]:
    """Return the session of this browser, then the others, the last used first."""
    return sorted(sessions, key=lambda session: (session.uid != visit.me.session, -session.last_used_at))
