"""For one who has neither phone nor backup codes: the password brings six digits that the help desk asks for."""

from typing import Final

from sallyport.authenticators.password.rules import parse_password
from sallyport.desk.rules import CODE_LIFETIME
from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import Who
from sallyport.kernel.clock import MINUTE
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused
from sallyport.kernel.text import bounded
from sallyport.login.rules import parse_identifier
from sallyport.pages.views import Views
from sallyport.pages.visit import LOST_PHONE, Page, Visit, attempted
from sallyport.rescue.flow import LostDevice

_MINUTES: Final = CODE_LIFETIME // MINUTE


class Lost:
    """The page in front of the help desk."""

    def __init__(self, *, lost: LostDevice, views: Views) -> None:
        self._lost = lost
        self._view = views.page

    async def ask(self, visit: Visit) -> Answer | Refused:
        """Ask for the password again: the code is for one who has just proved it."""
        return self._view(visit, "lost_phone.html", typed="")

    async def tell(self, visit: Visit) -> Answer | Refused:
        """Show what to read out to the help desk. The answer of a wrong password is that of the first door."""
        outcome = await attempted(self._proven(visit))
        if isinstance(outcome, Refused):
            return self._view(visit, "lost_phone.html", refused=outcome, typed=visit.field("name"))
        return self._view(visit, "caller_code.html", code=outcome.reveal(), minutes=_MINUTES)

    async def _proven(self, visit: Visit) -> Hidden[str] | Refused:
        who = parse_identifier(bounded("/name", visit.field("name").strip()))
        return await self._lost(who, parse_password(visit.field("password"), "/password"), visit.client)

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [Page(path=LOST_PHONE, who=Who.ANYONE, get=self.ask, post=self.tell)]
