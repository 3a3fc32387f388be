"""Making API keys, for programs that act for their owner."""

from typing import Final

from sallyport.authenticators.api_keys.flow import CreateApiKey
from sallyport.authenticators.api_keys.rules import Wish
from sallyport.authenticators.rules import Authenticator
from sallyport.edge.answers import Answer
from sallyport.kernel.clock import DAY, Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.scopes import Scope
from sallyport.kernel.text import printable
from sallyport.pages.views import Views
from sallyport.pages.visit import Page, Visit, attempted

_DAYS: Final = {"30": 30, "90": 90, "365": 365, "": None}
_NO_SCOPE: Final = Refused(why=Why.INVALID_REQUEST, detail="Choose at least one thing that the key may do.")


class Keys:
    """The page that makes a key."""

    def __init__(self, *, create: CreateApiKey, clock: Clock, views: Views) -> None:
        self._create = create
        self._clock = clock
        self._view = views.page

    async def ask(self, visit: Visit) -> Answer | Refused:
        """Ask what a key is wanted for."""
        return self._view(visit, "new_key.html", chosen=(Scope.SELF_READ,), scopes=tuple(Scope), days="90")

    async def make(self, visit: Visit) -> Answer | Refused:
        """Make a key, and show it, this once."""
        chosen = tuple(scope for scope in Scope if visit.field(f"scope {scope}"))
        outcome = await attempted(self._made(visit, chosen)) if chosen else _NO_SCOPE
        if isinstance(outcome, Refused):
            days = visit.field("days")
            return self._view(visit, "new_key.html", refused=outcome, chosen=chosen, scopes=tuple(Scope), days=days)
        return self._view(visit, "key.html", key=outcome[1].reveal())

    async def _made(self, visit: Visit, scopes: tuple[Scope, ...]) -> tuple[Authenticator, Hidden[str]] | Refused:
        days = _DAYS.get(visit.field("days"), 90)
        wish = Wish(
            scopes=scopes,
            expires_at=None if days is None else self._clock.now() + days * DAY,
            description=printable("/device", visit.field("device").strip()) or None,
        )
        return await self._create(visit.me, wish)

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [Page(path="/ui/keys/new", get=self.ask, post=self.make, fresh=True, while_unenrolled=False)]
