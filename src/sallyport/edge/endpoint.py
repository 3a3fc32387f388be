"""A route is declared once, and the declaration validates, renders and documents it."""

import enum
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from sallyport.edge.answers import Answer, Ask
from sallyport.kernel.ids import UID
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.scopes import Scope

B = TypeVar("B")


class Who(enum.Enum):
    """Who reaches a route. `others` below are signed-in users whom the path does not name."""

    LOCAL = "anyone on this machine itself; hidden from others"
    ANYONE = "anyone"
    """Credentials, if there are any, are the handler's own business (login)."""
    VISITOR = "anyone where registration is open, else a trusted role; a token, if shown, must be valid"
    SIGNED_IN = "signed in"
    TRUSTED = "a trusted role; forbidden to others"
    RULER = "an owner of the role, or a trusted role, and of a trusted role nobody else; forbidden to others"
    OWNER_OR_TRUSTED = "the user, or a trusted role about any user; hidden from others"
    """For reading only: a trusted role acts on nobody who holds one too, but sees what they did."""
    OWNER = "the user; hidden from others, forbidden to trusted roles"
    OWNER_OR_DESK = "the user or a trusted role; hidden from others"
    DESK = "a trusted role about others; hidden from others, forbidden to the user"
    """About one who holds a trusted role too only where a second person has to confirm it."""
    OWNER_OR_DESK_OPEN = "the user or a trusted role; forbidden to others"


class Fresh(enum.Enum):
    """When a route wants proof no older than ten minutes."""

    NO = "never"
    FOR_OTHERS = "when a trusted role acts on another user, or makes one"
    ALWAYS = "always"
    BUT_FIRST_SECRET = "always, except for the first secret of an account just registered"  # noqa: S105  # no password


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request that needs none: absent, or an empty object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[B]):
    """One route: who may call it, what it takes, what it answers, how it refuses."""

    method: str
    path: str
    summary: str
    who: Who
    body: type[Any]
    handle: Callable[[Ask[B]], Awaitable[Answer | Refused]]
    answers: Mapping[int, Any]
    """Status to wire type; a tuple where it is one of several, None for an answer without a body."""
    parse: Callable[[Any], B] | None = None
    """Makes of the wire body what the handler takes. It may raise `UnfitError`, and does so before any question
    of a fresh proof: 400 goes before 401 `step_up_required`."""
    refusals: tuple[Why, ...] = ()
    """What the flow behind it may refuse; what gate and body refuse is added by itself."""
    fresh: Fresh = Fresh.NO
    reasoned: bool = False
    """A trusted role that acts on another here gives a reason, where the operator wants one."""
    while_unenrolled: bool = False
    """Open to one who must enroll a second factor and has not."""
    scope: Scope | None = None
    """What opens this route to an API key; None never does."""
    forms: bool = False
    """The body may come as `application/x-www-form-urlencoded` too."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Query parameters and what they mean."""
    schemes: tuple[str, ...] = ()
    """Credentials of its own that a route for anyone takes: `basic`, `challenge`."""
    media_type: str = "application/json"

    @property
    def is_a_look(self) -> bool:
        """Whether nothing comes of it but the answer: no login, no mail."""
        return not self.schemes and 200 in self.answers  # noqa: PLR2004  # a status is clearer as a number

    @property
    def of_user(self) -> bool:
        """Whether the `{id}` of the path, if there is one, is that of a user."""
        return self.path.startswith("/users/")

    @property
    def takes_body(self) -> bool:
        """Whether a body can say anything here."""
        return self.body is not Nothing


def path_pattern(path: str) -> re.Pattern[str]:
    """Return what matches a path: a uid in canonical form, or `me`; anything else in its place is not found."""
    return re.compile(re.escape(path).replace(r"\{id\}", f"(?P<id>me|{UID})").replace(r"\{sid\}", f"(?P<sid>{UID})"))
