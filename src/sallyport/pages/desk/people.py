"""Finding users, and one of them as the desk sees them: details, authenticators, sessions, what happened."""

import asyncio
from typing import Final

from msgspec.structs import replace

from sallyport.audit.flow.read import ReadAudit, Wanted
from sallyport.authenticators.flow import ReadAuthenticators
from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import Who
from sallyport.edge.gate import Gate
from sallyport.kernel.ids import is_uid
from sallyport.kernel.outcomes import Refused
from sallyport.kernel.policy import DeskRules
from sallyport.kernel.text import bounded
from sallyport.pages.telling import N_
from sallyport.pages.views import Views
from sallyport.pages.visit import DESK, ONE_USER, Page, Visit, moved, passed_over
from sallyport.rescue.resets import Resets
from sallyport.sessions.flow.manage import ManageSessions
from sallyport.users.flow import Found, ReadUsers
from sallyport.users.rules import EVERYBODY, UserFilter, email_key, name_key

USERS: Final = f"{DESK}/users"
_AT_ONCE: Final = 25
_HELD_SHOWN: Final = 20
_SESSIONS_SHOWN: Final = 20
_ROLES_SHOWN: Final = 30
_EVENTS_SHOWN: Final = 12
_ONLY: Final = {
    "no-mfa": (UserFilter(mfa=False), N_("without a second factor")),
    "unverified": (UserFilter(verified=False), N_("whose address is not verified")),
    "disabled": (UserFilter(disabled=True), N_("who are disabled")),
}
_FIRST: Final = {"mfa": 0, "mfabackup": 1, "password": 2}
"""What the desk is asked about comes first; there may be a hundred keys and devices."""


class People:
    """The pages that look."""

    def __init__(
        self,
        *,
        users: ReadUsers,
        authenticators: ReadAuthenticators,
        sessions: ManageSessions,
        audit: ReadAudit,
        resets: Resets,
        gate: Gate,
        rules: DeskRules,
        views: Views,
    ) -> None:
        self._users = users
        self._authenticators = authenticators
        self._sessions = sessions
        self._audit = audit
        self._resets = resets
        self._gate = gate
        self._rules = rules
        self._view = views.page

    async def search(self, visit: Visit) -> Answer | Refused:
        """Show users whose names begin as was typed, or the one whose address or uid it is."""
        typed, only = bounded("/q", visit.query.get("q", "").strip()), visit.query.get("only", "")
        wanted, after = _wanted(typed, only), visit.query.get("after", "")
        found: Found | Refused = Found(users=[], onward=None)
        if wanted:
            found = await self._users.search(*wanted, after=after if is_uid(after) else None, limit=_AT_ONCE)
        if isinstance(found, Refused):
            return moved(USERS)
        choices = {name: words for name, (_, words) in _ONLY.items()}
        return self._view(visit, "admin/users.html", found=found, typed=typed, only=only, choices=choices)

    async def one(self, visit: Visit) -> Answer | Refused:
        """Show one user."""
        return await self.shown(visit, None)

    async def shown(self, visit: Visit, refused: Refused | None) -> Answer | Refused:
        """Show one user, and beside that why something was not done."""
        uid, skip = visit.params["id"], passed_over(visit)
        user = await self._users.one(uid)
        if isinstance(user, Refused):
            return user
        may_act, may_reset = await asyncio.gather(self._may(Who.OWNER_OR_DESK, visit), self._may(Who.DESK, visit))
        held = await self._authenticators.all(uid) if may_act else []
        sessions = await self._sessions.all(uid) if may_act else []
        records = await self._audit.page(Wanted(user=uid, event=None, since=0, after=None, limit=_EVENTS_SHOWN, skip=0))
        held.sort(key=lambda one: (_FIRST.get(one.type, len(_FIRST)), one.uid))
        sessions.sort(key=lambda session: -session.last_used_at)
        return self._view(
            visit,
            "admin/user.html",
            refused=refused,
            user=user,
            may_act=may_act,
            may_reset=may_reset and user.mfa,
            held=held[skip : skip + _HELD_SHOWN],
            further=skip + _HELD_SHOWN if len(held) > skip + _HELD_SHOWN else 0,
            most_roles=_ROLES_SHOWN,
            reset=await self._resets.of(uid),
            sessions=sessions[:_SESSIONS_SHOWN],
            more=len(sessions) - _SESSIONS_SHOWN,
            records=records,
            names=await self._users.names([uid, *(record.actor for record in records)]),
            rules=self._rules,
        )

    async def _may(self, who: Who, visit: Visit) -> bool:
        """Ask the gate whether its routes for such callers are open about this user."""
        return await self._gate.reach(who, visit.caller, visit.params["id"], unenrolled=False) is None

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [
            Page(path=USERS, who=Who.TRUSTED, get=self.search, while_unenrolled=False),
            # Fresh, because the route that lists authenticators of others is.
            Page(path=ONE_USER, who=Who.OWNER_OR_TRUSTED, get=self.one, fresh=True, while_unenrolled=False),
        ]


def _wanted(typed: str, only: str) -> tuple[str, UserFilter] | None:
    """Return the beginning of a prepared name, and what else is asked; None where no name can begin so."""
    asked, _ = _ONLY.get(only, (EVERYBODY, ""))
    if is_uid(typed):
        return "", replace(asked, uid=typed)
    if "@" in typed:
        return "", replace(asked, email_key=email_key(typed))
    key = name_key(typed) if typed else ""
    return None if key is None else (key, asked)
