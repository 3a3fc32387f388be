"""What mailed links open: a forgotten password, an address to verify, "this was not me". None acts by being opened."""

from sallyport.authenticators.password.rules import parse_password
from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import Who
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused
from sallyport.kernel.text import bounded
from sallyport.login.rules import parse_identifier
from sallyport.notices.news import NOT_ME_PAGE, UNDO_PAGE
from sallyport.pages.cookies import Cookies
from sallyport.pages.links import INCOMPLETE, shown_in
from sallyport.pages.telling import N_
from sallyport.pages.views import Views
from sallyport.pages.visit import FORGOT, HOME, SIGN_IN, Page, Visit, attempted
from sallyport.recovery.flow.ask import AskRecovery
from sallyport.recovery.flow.disown import Disown
from sallyport.recovery.flow.reset import SetPasswordByMail
from sallyport.recovery.flow.verify import SendVerification, VerifyAddress
from sallyport.recovery.rules import RECOVER_PAGE, VERIFY_PAGE
from sallyport.rescue.undo import UndoRemoval


class Mailed:
    """The pages of recovery and verification."""

    def __init__(
        self,
        *,
        ask: AskRecovery,
        reset: SetPasswordByMail,
        send: SendVerification,
        verify: VerifyAddress,
        disown: Disown,
        undo: UndoRemoval,
        cookies: Cookies,
        views: Views,
    ) -> None:
        self._ask = ask
        self._reset = reset
        self._send = send
        self._verify = verify
        self._disown = disown
        self._undo = undo
        self._cookies = cookies
        self._view = views.page

    async def forgot(self, visit: Visit) -> Answer | Refused:
        """Ask whose password is forgotten."""
        return self._view(visit, "forgot.html")

    async def mail_link(self, visit: Visit) -> Answer | Refused:
        """Have a link mailed, and say the same whoever was named."""
        await self._ask(parse_identifier(bounded("/name", visit.field("name").strip())), visit.client)
        text = N_(
            "If there is such an account, a mail is on its way to its verified address. "
            "The link in it is good for 30 minutes."
        )
        return self._view(
            visit,
            "told.html",
            title=N_("Look into your mailbox"),
            text=text,
            onward=SIGN_IN,
            label=N_("Back to sign-in"),
        )

    async def new_password(self, visit: Visit) -> Answer | Refused:
        """Ask for a new password; the link that led here stands in the address, where no server sees it."""
        return self._view(visit, "recover.html")

    async def set_password(self, visit: Visit) -> Answer | Refused:
        """Set it: no session is made, and whatever session this browser had is over. It is known from now on."""
        known = await attempted(self._password_set(visit))
        if isinstance(known, Refused):
            return self._view(visit, "recover.html", refused=known)
        return self._view(
            visit,
            "told.html",
            headers=(*self._cookies.forget(), *self._cookies.known(known)),
            title=N_("Your new password is set"),
            text=N_("Sign in with it now."),
            onward=SIGN_IN,
            label=N_("Sign in"),
        )

    async def _password_set(self, visit: Visit) -> Hidden[str] | Refused:
        shown = shown_in(visit)
        if shown is None:
            return INCOMPLETE
        return await self._reset(*shown, parse_password(visit.field("password"), "/password"), visit.client)

    async def address(self, visit: Visit) -> Answer | Refused:
        """Ask for the one click that verifies an address: a scanner of mails that opens links does nothing."""
        return self._view(visit, "verify.html")

    async def verify_address(self, visit: Visit) -> Answer | Refused:
        """Verify it."""
        if refused := await attempted(self._verified(visit)):
            return self._view(visit, "verify.html", refused=refused)
        return self._view(
            visit,
            "told.html",
            title=N_("Your address is verified"),
            text=N_("From now on you can sign in with it, and it is where a forgotten password comes back."),
            onward=HOME,
            label=N_("Go on"),
        )

    async def _verified(self, visit: Visit) -> Refused | None:
        shown = shown_in(visit)
        return await self._verify(*shown, visit.client) if shown else INCOMPLETE

    async def not_me(self, visit: Visit) -> Answer | Refused:
        """Ask whether it was somebody else."""
        return self._view(visit, "not_me.html")

    async def disown(self, visit: Visit) -> Answer | Refused:
        """End every session, and suspend API keys."""
        if refused := await attempted(self._disowned(visit)):
            return self._view(visit, "not_me.html", refused=refused)
        return self._view(
            visit,
            "told.html",
            headers=self._cookies.forget(),
            title=N_("Everybody is signed out"),
            text=N_("Set a new password now, and look through your account afterwards."),
            onward=FORGOT,
            label=N_("Set a new password"),
        )

    async def _disowned(self, visit: Visit) -> Refused | None:
        shown = shown_in(visit)
        return await self._disown(*shown, visit.client) if shown else INCOMPLETE

    async def back(self, visit: Visit) -> Answer | Refused:
        """Ask for the password that brings a removed authenticator app back."""
        return self._view(visit, "undo.html")

    async def bring_back(self, visit: Visit) -> Answer | Refused:
        """Bring it back: no session is made, and whatever session this browser had is over."""
        if refused := await attempted(self._brought_back(visit)):
            return self._view(visit, "undo.html", refused=refused)
        return self._view(
            visit,
            "told.html",
            headers=self._cookies.forget(),
            title=N_("Your authenticator app is back"),
            text=N_("Sign in with a code of it now, and make new backup codes."),
            onward=SIGN_IN,
            label=N_("Sign in"),
        )

    async def _brought_back(self, visit: Visit) -> Refused | None:
        shown = shown_in(visit)
        if shown is None:
            return INCOMPLETE
        return await self._undo(*shown, parse_password(visit.field("password"), "/password"), visit.client)

    async def send_link(self, visit: Visit) -> Answer | Refused:
        """Have a link mailed that verifies the address of the caller."""
        if refused := await self._send(visit.me):
            return refused
        return self._view(
            visit,
            "told.html",
            title=N_("Look into your mailbox"),
            text=N_("A link is on its way to your address. Open it to verify that the address is yours."),
            onward=HOME,
            label=N_("Go on"),
        )

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [
            Page(path=FORGOT, who=Who.ANYONE, get=self.forgot, post=self.mail_link),
            Page(path=RECOVER_PAGE, who=Who.ANYONE, get=self.new_password, post=self.set_password),
            Page(path=VERIFY_PAGE, who=Who.ANYONE, get=self.address, post=self.verify_address),
            Page(path=NOT_ME_PAGE, who=Who.ANYONE, get=self.not_me, post=self.disown),
            Page(path=UNDO_PAGE, who=Who.ANYONE, get=self.back, post=self.bring_back),
            Page(path=f"{VERIFY_PAGE}/send", post=self.send_link, while_unenrolled=False),
        ]
