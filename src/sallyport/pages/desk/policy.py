"""The rule about second factors, and whom it or another one would meet."""

from collections.abc import Callable, Mapping
from typing import Final

from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import Who
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.policy import Policy
from sallyport.kernel.text import bounded
from sallyport.pages.telling import N_
from sallyport.pages.views import Views
from sallyport.pages.visit import DESK, Page, Visit
from sallyport.policy.flow import SeeImpact
from sallyport.policy.rules import Hindrance

_MOST: Final = 10_000
_TOLD: Final = 25
HINDRANCES: Final = {
    Hindrance.DISABLED: N_("disabled"),
    Hindrance.NO_PASSWORD: N_("no password"),
    Hindrance.NO_VERIFIED_ADDRESS: N_("no verified address"),
}


class Rules:
    """The page of the policy."""

    def __init__(
        self, *, see: SeeImpact, parse: Callable[[str], Policy], settings: Mapping[str, str], views: Views
    ) -> None:
        self._see = see
        self._parse = parse
        self._settings = settings
        self._view = views.page

    async def show(self, visit: Visit) -> Answer | Refused:
        """Show what is set; where a rule is typed, whom it would meet among the first users."""
        rule = bounded("/rule", visit.query.get("rule", "").strip())
        refused, impact = None, None
        if rule:
            try:
                impact = await self._see.among(self._parse(rule), _MOST, _TOLD)
            except ValueError as fault:
                refused = Refused(why=Why.INVALID_REQUEST, detail=str(fault))
        return self._view(
            visit,
            "admin/policy.html",
            refused=refused,
            rule=rule or self._settings["SALLYPORT_REQUIRE_MFA"],
            impact=impact,
            settings=self._settings,
            hindrances=HINDRANCES,
        )

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [Page(path=f"{DESK}/policy", who=Who.TRUSTED, get=self.show, while_unenrolled=False)]
