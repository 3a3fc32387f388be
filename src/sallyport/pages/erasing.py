"""Erasing one's own account."""

from sallyport.edge.answers import Answer
from sallyport.kernel.outcomes import Refused
from sallyport.pages.cookies import Cookies
from sallyport.pages.views import Views
from sallyport.pages.visit import AWAY, SIGN_IN, Page, Visit, moved
from sallyport.users.flow import DeleteUser


class Erasing:
    """The page that asks, and does."""

    def __init__(self, *, delete: DeleteUser, cookies: Cookies, views: Views) -> None:
        self._delete = delete
        self._cookies = cookies
        self._view = views.page

    async def ask(self, visit: Visit) -> Answer | Refused:
        """Say what is gone then."""
        return self._view(visit, "erase.html")

    async def erase(self, visit: Visit) -> Answer | Refused:
        """Erase the account of the visitor."""
        if refused := await self._delete(visit.me, visit.me.uid):
            return self._view(visit, "erase.html", refused=refused)
        return moved(SIGN_IN, (*self._cookies.forget(), *self._cookies.say("erased"), *AWAY))

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [Page(path="/ui/erase", get=self.ask, post=self.erase, fresh=True)]
