"""What the mails about lost second factors open: give a code or wait, and cancel. Neither acts by being opened."""

from sallyport.authenticators.codes import NoCode, parse_backup_code
from sallyport.authenticators.password.rules import parse_password
from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import Who
from sallyport.kernel.outcomes import Granted, Refused
from sallyport.kernel.text import bounded
from sallyport.pages.doors import Entry
from sallyport.pages.links import INCOMPLETE, shown_in
from sallyport.pages.telling import N_
from sallyport.pages.views import Views
from sallyport.pages.visit import FORGOT, NEW_AUTHENTICATOR, Page, Visit, attempted, moved
from sallyport.rescue.recover import Proofs, RecoverSecondFactor
from sallyport.rescue.resets import Resets
from sallyport.rescue.rules import CANCEL_PAGE, LOST_PAGE, Reset


class Resetting:
    """The pages of one who lost every second factor, and of one who has not."""

    def __init__(self, *, recover: RecoverSecondFactor, resets: Resets, entry: Entry, views: Views) -> None:
        self._recover = recover
        self._resets = resets
        self._entry = entry
        self._view = views.page

    async def ask(self, visit: Visit) -> Answer | Refused:
        """Ask for the password, and for a backup code if there is one."""
        return self._view(visit, "lost.html")

    async def begin(self, visit: Visit) -> Answer | Refused:
        """Lead to the set-up of a new app, or say how long that waits."""
        outcome: Granted | Reset | Refused = await attempted(self._recovered(visit))
        if isinstance(outcome, Refused):
            return self._view(visit, "lost.html", refused=outcome)
        if isinstance(outcome, Reset):
            return self._view(visit, "waits.html", reset=outcome)
        headers = await self._entry.headers(outcome)
        return headers if isinstance(headers, Refused) else moved(NEW_AUTHENTICATOR, (*visit.headers, *headers))

    async def _recovered(self, visit: Visit) -> Granted | Reset | Refused:
        shown, typed = shown_in(visit), bounded("/code", visit.field("code")).strip()
        if shown is None:
            return INCOMPLETE
        password = parse_password(visit.field("password"), "/password")
        code = (parse_backup_code(typed) or NoCode()) if typed else None
        return await self._recover(Proofs(user=shown[0], token=shown[1], password=password, code=code), visit.client)

    async def question(self, visit: Visit) -> Answer | Refused:
        """Ask for the one click that cancels: a scanner of mails that opens links does nothing."""
        return self._view(visit, "cancel.html")

    async def cancel(self, visit: Visit) -> Answer | Refused:
        """Cancel what waits."""
        if refused := await attempted(self._cancelled(visit)):
            return self._view(visit, "cancel.html", refused=refused)
        return self._view(
            visit,
            "told.html",
            title=N_("Your second factors stay as they are"),
            text=N_("If it was not you who asked, somebody knows your password: set a new one now."),
            onward=FORGOT,
            label=N_("Set a new password"),
        )

    async def _cancelled(self, visit: Visit) -> Refused | None:
        shown = shown_in(visit)
        return await self._resets.cancel_by_mail(*shown, visit.client) if shown else INCOMPLETE

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [
            Page(path=LOST_PAGE, who=Who.ANYONE, get=self.ask, post=self.begin),
            Page(path=CANCEL_PAGE, who=Who.ANYONE, get=self.question, post=self.cancel),
        ]
