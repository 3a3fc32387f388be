"""A request for a page that passed the gate, and how a page is declared."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sallyport.edge.answers import Answer, Headers
from sallyport.edge.endpoint import Who
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.text import UnfitError, bounded
from sallyport.users.rules import parse_email, parse_name

HOME: Final = "/ui/account"
EVENTS: Final = "/ui/events"
SIGN_IN: Final = "/ui/sign-in"
CODE: Final = "/ui/code"
FORGOT: Final = "/ui/forgot"
LOST_PHONE: Final = "/ui/lost-phone"
CONFIRM: Final = "/ui/confirm"
DESK: Final = "/ui/admin"
ONE_USER: Final = f"{DESK}/users/{{id}}"
"""About another user: `{id}` is never the visitor."""
NEW_AUTHENTICATOR: Final = "/ui/authenticators/new"

AWAY: Final = (("clear-site-data", '"cache"'),)
"""Whoever goes back after signing out sees nothing of what was."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request for a page, with everything parsed."""

    path: str
    here: str
    """The page to come back to: this one, or the one on which its form stands."""
    params: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    """The fields of a `POST`, which is proven to come from a page of ours."""
    client: Client
    caller: Caller | None
    challenge: Hidden[str] | None
    language: str
    form_token: str
    """For the forms of the page itself."""
    own_token: str
    """For those forms of every page that act on the session; empty where there is none."""
    headers: Headers = ()
    """What the answer has to carry, whatever it is."""
    said: str = ""
    """The name of what was just done, for the page that is shown now."""
    if_said: Headers = ()
    """What a page has to carry that tells it."""
    back: str = HOME
    """Where this visit leads on to when it is done: a page of ours, whatever was asked for."""

    @property
    def me(self) -> Caller:
        """The caller of a page for signed-in users."""
        if self.caller is None:
            message = "this page is not declared for signed-in users"
            raise LookupError(message)
        return self.caller

    def field(self, name: str) -> str:
        """Return what was typed; nothing where the field was not sent."""
        return self.form.get(name, "")


Handler = Callable[[Visit], Awaitable[Answer | Refused]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page is declared once."""

    path: str
    who: Who = Who.OWNER
    get: Handler | None = None
    post: Handler | None = None
    fresh: bool = False
    """Wants a proof no older than ten minutes, as the route behind the same use case does."""
    while_unenrolled: bool = True
    """Open to one who must enroll a second factor and has not."""
    home: str = HOME
    """The page to go back to where this one takes a `POST` alone; `{id}` in it is the user whom this one is about."""

    @property
    def signed_in(self) -> bool:
        """Whether it is for those who are signed in, and its forms are bound to their session."""
        return self.who not in {Who.ANYONE, Who.VISITOR}

    @property
    def of_other(self) -> bool:
        """Whether it is about another user: the one in its path."""
        return self.path.startswith(ONE_USER)


def moved(path: str, headers: Headers = ()) -> Answer:
    """Lead on to a page of ours."""
    return Answer(status=303, headers=(("location", path), *headers))


async def attempted(outcome: Awaitable[T | Refused]) -> T | Refused:
    """Return what comes of a form; a field that does not fit is a refusal like others, to be told beside the form."""
    try:
        return await outcome
    except UnfitError as unfit:
        return Refused(why=Why.INVALID_REQUEST, pointer=unfit.pointer, detail=unfit.detail)


def details_in(visit: Visit) -> dict[str, Any]:
    """Return name and address of a form, as fields of a user. Raises `UnfitError`."""
    name, typed = parse_name(visit.field("name").strip()), bounded("/email", visit.field("email").strip())
    try:
        email = parse_email(typed) if typed else None
    except UnfitError:
        # What a library of mail says of it is English, and nothing that people could act upon.
        raise UnfitError("/email", "No mail can be sent to this e-mail address.") from None
    return {
        "name": name.shown,
        "name_key": name.key,
        "email": email and email.shown,
        "email_key": email and email.key,
    }


def passed_over(visit: Visit) -> int:
    """Return how many of a list to pass over; 0 for what no link of ours says."""
    text = visit.query.get("from", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0  # noqa: PLR2004  # of some thousand


def version_in(visit: Visit) -> int:
    """Return the version that a form was made from; one that no form of ours has fits nothing."""
    text = visit.field("version")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1  # noqa: PLR2004  # of an Integer
