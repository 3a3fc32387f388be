"""Signing in and out, registering, and proving oneself again."""

from dataclasses import dataclass
from urllib.parse import quote

from sallyport.authenticators.codes import parse_code
from sallyport.authenticators.password.rules import parse_password
from sallyport.edge.answers import Answer, Headers
from sallyport.edge.endpoint import Who
from sallyport.kernel.opaque import digest_of
from sallyport.kernel.outcomes import Granted, Refused, Why
from sallyport.kernel.text import bounded
from sallyport.login.flow.answer import AnswerChallenge
from sallyport.login.flow.begin import BeginLogin, Challenged
from sallyport.login.flow.elevate import Elevate
from sallyport.login.flow.register import Register, Registered, Registration
from sallyport.login.rules import parse_identifier
from sallyport.pages.cookies import Cookies
from sallyport.pages.views import Views
from sallyport.pages.visit import (
    AWAY,
    CODE,
    CONFIRM,
    HOME,
    NEW_AUTHENTICATOR,
    SIGN_IN,
    Page,
    Visit,
    attempted,
    details_in,
    moved,
)
from sallyport.sessions.flow.browser import BindBrowser
from sallyport.sessions.flow.manage import ManageSessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Gives a browser what it shows from now on."""

    cookies: Cookies
    bind: BindBrowser

    async def headers(self, granted: Granted) -> Headers | Refused:
        """Return the cookies of a session just opened or proven; the token of before is dead."""
        token = await self.bind(granted)
        if isinstance(token, Refused):
            return token
        known = () if granted.client is None else self.cookies.known(granted.client)
        return (*self.cookies.session(token), *known)


class Doors:
    """The pages in front of an account."""

    def __init__(
        self,
        *,
        register: Register,
        begin: BeginLogin,
        answer: AnswerChallenge,
        elevate: Elevate,
        manage: ManageSessions,
        entry: Entry,
        views: Views,
    ) -> None:
        self._register = register
        self._begin = begin
        self._answer = answer
        self._elevate = elevate
        self._manage = manage
        self._entry = entry
        self._view = views.page

    async def home(self, visit: Visit) -> Answer | Refused:
        """Lead to the account, which leads to the door where there is no session."""
        return moved(HOME, visit.headers)

    async def sign_in(self, visit: Visit) -> Answer | Refused:
        """Show the first door."""
        return moved(visit.back) if visit.caller else self._view(visit, "sign_in.html", typed="")

    async def give_password(self, visit: Visit) -> Answer | Refused:
        """Take a password."""
        outcome: Granted | Challenged | Refused = await attempted(self._judged(visit))
        if isinstance(outcome, Refused):
            return self._view(visit, "sign_in.html", refused=outcome, typed=visit.field("name"))
        if isinstance(outcome, Granted):
            return await self._in(visit, outcome)
        kept = self._entry.cookies.challenge(outcome.token)
        return moved(_with_next(CODE, visit), (*visit.headers, *kept))

    async def _judged(self, visit: Visit) -> Granted | Challenged | Refused:
        identifier = parse_identifier(bounded("/name", visit.field("name").strip()))
        return await self._begin(identifier, parse_password(visit.field("password"), "/password"), visit.client)

    async def code(self, visit: Visit) -> Answer | Refused:
        """Show the second door."""
        if visit.caller or visit.challenge is None:
            return moved(_with_next(SIGN_IN, visit))
        return self._view(visit, "code.html", letters="letters" in visit.query)

    async def give_code(self, visit: Visit) -> Answer | Refused:
        """Take a code."""
        if visit.challenge is None:
            return moved(_with_next(SIGN_IN, visit))
        outcome = await attempted(self._answered(visit))
        if not isinstance(outcome, Refused):
            return await self._in(visit, outcome)
        if outcome.why is Why.CHALLENGE_INVALID:
            forgotten = self._entry.cookies.forget()
            return self._view(visit, "sign_in.html", refused=outcome, headers=forgotten, typed="")
        return self._view(visit, "code.html", refused=outcome, letters=bool(visit.field("letters")))

    async def _answered(self, visit: Visit) -> Granted | Refused:
        if visit.challenge is None:
            return Refused(why=Why.CHALLENGE_INVALID)
        return await self._answer(digest_of(visit.challenge), parse_code(visit.field("code")), visit.client)

    async def sign_out(self, visit: Visit) -> Answer | Refused:
        """End the session of this browser."""
        if refused := await self._manage.end(visit.me, visit.me.uid, visit.me.session):
            return refused
        cookies = self._entry.cookies
        return moved(SIGN_IN, (*visit.headers, *cookies.forget(), *cookies.say("signed-out"), *AWAY))

    async def new_account(self, visit: Visit) -> Answer | Refused:
        """Show the form of registration."""
        return moved(HOME) if visit.caller else self._view(visit, "register.html", given={"name": "", "email": ""})

    async def make_account(self, visit: Visit) -> Answer | Refused:
        """Register."""
        outcome = await attempted(self._registered(visit))
        if isinstance(outcome, Refused):
            given = {"name": visit.field("name"), "email": visit.field("email")}
            return self._view(visit, "register.html", refused=outcome, given=given)
        if outcome.granted is None:
            return moved(SIGN_IN)
        return await self._in(visit, outcome.granted, onward=NEW_AUTHENTICATOR)

    async def _registered(self, visit: Visit) -> Registered | Refused:
        wish = Registration(
            fields={**details_in(visit), "disabled": False},
            password=parse_password(visit.field("password"), "/password"),
            forbidden=lambda _: None,
        )
        return await self._register(None, wish, visit.client)

    async def confirm(self, visit: Visit) -> Answer | Refused:
        """Ask for a fresh proof, in between."""
        return moved(visit.back) if visit.me.fresh else self._view(visit, "confirm.html")

    async def give_proof(self, visit: Visit) -> Answer | Refused:
        """Take a fresh proof, and lead back to where one was."""
        outcome = await attempted(self._proven(visit))
        if isinstance(outcome, Refused):
            return self._view(visit, "confirm.html", refused=outcome)
        return await self._in(visit, outcome)

    async def _proven(self, visit: Visit) -> Granted | Refused:
        typed = visit.field("code")
        code = parse_code(typed) if visit.me.mfa and typed else None
        return await self._elevate(visit.me, parse_password(visit.field("password"), "/password"), code)

    async def _in(self, visit: Visit, granted: Granted, onward: str = "") -> Answer | Refused:
        headers = await self._entry.headers(granted)
        return headers if isinstance(headers, Refused) else moved(onward or visit.back, (*visit.headers, *headers))

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [
            Page(path="/ui", who=Who.ANYONE, get=self.home),
            Page(path=SIGN_IN, who=Who.ANYONE, get=self.sign_in, post=self.give_password),
            Page(path=CODE, who=Who.ANYONE, get=self.code, post=self.give_code),
            Page(path="/ui/register", who=Who.VISITOR, get=self.new_account, post=self.make_account),
            Page(path="/ui/sign-out", post=self.sign_out),
            Page(path=CONFIRM, get=self.confirm, post=self.give_proof),
        ]


def _with_next(path: str, visit: Visit) -> str:
    return path if visit.back == HOME else f"{path}?next={quote(visit.back)}"
