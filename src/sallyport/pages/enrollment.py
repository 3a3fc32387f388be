"""Setting up an authenticator app, and keeping the backup codes."""

from typing import Final

from sallyport.authenticators.backup_codes.flow import RegenerateCodes
from sallyport.authenticators.codes import parse_code
from sallyport.authenticators.flow import ReadAuthenticators
from sallyport.authenticators.totp.flow import BeginEnrollment, Begun, DrawQr, Enroll, Enrolled
from sallyport.edge.answers import Answer
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.text import printable
from sallyport.pages.doors import Entry
from sallyport.pages.views import Views
from sallyport.pages.visit import HOME, NEW_AUTHENTICATOR, Page, Visit, attempted, moved

_OVER: Final = Refused(
    why=Why.NOT_FOUND, detail="This set-up took too long, or too many codes were wrong. Begin again."
)
_MADE: Final = Refused(
    why=Why.VERSION_CONFLICT, detail="Your new codes are made. If you have not kept them, make others."
)


class Enrollment:
    """The pages that make a second factor."""

    def __init__(
        self,
        *,
        begin: BeginEnrollment,
        enroll: Enroll,
        draw_qr: DrawQr,
        regenerate: RegenerateCodes,
        authenticators: ReadAuthenticators,
        entry: Entry,
        views: Views,
    ) -> None:
        self._begin = begin
        self._enroll = enroll
        self._draw_qr = draw_qr
        self._regenerate = regenerate
        self._authenticators = authenticators
        self._entry = entry
        self._view = views.page

    async def name(self, visit: Visit) -> Answer | Refused:
        """Ask how the device is called."""
        return self._view(visit, "name_device.html")

    async def scan(self, visit: Visit) -> Answer | Refused:
        """Show the key of a new authenticator, this once."""
        begun = await attempted(self._begun(visit))
        if isinstance(begun, Refused):
            return self._view(visit, "name_device.html", refused=begun)
        url, key = begun.url.reveal(), begun.key.reveal()
        return self._view(
            visit,
            "scan.html",
            uid=begun.told.uid,
            device=begun.told.description or "",
            url=url,
            groups=[key[at : at + 4] for at in range(0, len(key), 4)],
            picture=await self._draw_qr(begun.url),
        )

    async def _begun(self, visit: Visit) -> Begun | Refused:
        description = printable("/device", visit.field("device").strip()) or None
        return await self._begin(visit.me, description)

    async def again(self, visit: Visit) -> Answer | Refused:
        """Ask for the code alone: the key is shown to nobody a second time."""
        return self._view(visit, "code_again.html", uid=visit.params["sid"])

    async def prove(self, visit: Visit) -> Answer | Refused:
        """Take the first code, and show the backup codes, this once."""
        outcome = await attempted(self._enrolled(visit))
        if isinstance(outcome, Enrolled):
            headers = await self._entry.headers(outcome.granted)
            if isinstance(headers, Refused):
                return headers
            return self._view(visit, "codes.html", headers=headers, codes=outcome.codes.reveal(), first=True)
        if outcome.why is Why.NOT_FOUND:
            return self._view(visit, "name_device.html", refused=_OVER)
        if outcome.why is Why.PASSWORD_REQUIRED:
            return self._view(visit, "name_device.html", refused=outcome)
        if outcome.why is Why.ALREADY_ENROLLED:
            return moved(HOME)
        return self._view(visit, "code_again.html", refused=outcome, uid=visit.params["sid"])

    async def _enrolled(self, visit: Visit) -> Enrolled | Refused:
        return await self._enroll(visit.me, visit.params["sid"], parse_code(visit.field("code")))

    async def ask_for_codes(self, visit: Visit) -> Answer | Refused:
        """Ask whether new codes are wanted: those of before are void then."""
        return self._view(visit, "new_codes.html", instead_of=await self._set_of(visit))

    async def make_codes(self, visit: Visit) -> Answer | Refused:
        """Make new backup codes, and show them, this once."""
        instead_of = await self._set_of(visit)
        # A browser that sends the form again, because somebody reloads the codes, must not void them.
        is_same = visit.field("instead_of") == instead_of
        made = await self._regenerate(visit.me) if is_same else _MADE
        if isinstance(made, Refused):
            return self._view(visit, "new_codes.html", refused=made, instead_of=instead_of)
        return self._view(visit, "codes.html", codes=made[1].reveal(), first=False)

    async def _set_of(self, visit: Visit) -> str:
        held = await self._authenticators.all(visit.me.uid)
        return next((one.uid for one in held if one.type == "mfabackup"), "")

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [
            Page(path=NEW_AUTHENTICATOR, get=self.name, post=self.scan, fresh=True),
            Page(path="/ui/authenticators/{sid}/enroll", get=self.again, post=self.prove, fresh=True),
            Page(path="/ui/codes/new", get=self.ask_for_codes, post=self.make_codes, fresh=True),
        ]
