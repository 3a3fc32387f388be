"""What the desk does to a user, with the reason that it gives."""

from typing import Final

from msgspec import UNSET

from sallyport.authenticators.flow import RemoveAuthenticator
from sallyport.authenticators.rules import Plea
from sallyport.authenticators.wire import Removal, parse_removal
from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import Who
from sallyport.edge.gate import Gate
from sallyport.edge.reason import Reasoned, reason_in
from sallyport.kernel.outcomes import Pending, Refused
from sallyport.pages.cookies import Cookies
from sallyport.pages.desk.people import USERS, People
from sallyport.pages.visit import ONE_USER, Handler, Page, Visit, attempted, moved, version_in
from sallyport.rescue.resets import Resets
from sallyport.sessions.flow.manage import ManageSessions
from sallyport.users.flow import Change, ChangeUser, DeleteUser

_WAITS: Final = "waits"


class Acts:
    """The forms on the page of a user. Each asks the gate for what the route behind the same use case asks it."""

    def __init__(
        self,
        *,
        change: ChangeUser,
        delete: DeleteUser,
        remove: RemoveAuthenticator,
        sessions: ManageSessions,
        resets: Resets,
        gate: Gate,
        people: People,
        cookies: Cookies,
    ) -> None:
        self._change = change
        self._delete = delete
        self._remove = remove
        self._sessions = sessions
        self._resets = resets
        self._gate = gate
        self._people = people
        self._cookies = cookies

    async def disable(self, visit: Visit) -> Answer | Refused:
        """Stop a user."""
        return await self._told(visit, await attempted(self._set(visit, disabled=True)), "disabled")

    async def enable(self, visit: Visit) -> Answer | Refused:
        """Let a user in again."""
        return await self._told(visit, await attempted(self._set(visit, disabled=False)), "enabled")

    async def _set(self, visit: Visit, *, disabled: bool) -> Refused | None:
        reason = self._reason(visit)
        if isinstance(reason, Refused):
            return reason
        fields, version = {"disabled": disabled}, version_in(visit)
        wish = Change(version=version, fields=fields, forbidden=lambda _: None, reason=reason)
        changed = await self._change(visit.me, visit.params["id"], wish)
        return changed if isinstance(changed, Refused) else None

    async def erase(self, visit: Visit) -> Answer | Refused:
        """Erase a user."""
        refused = await attempted(self._erased(visit))
        return await self._people.shown(visit, refused) if refused else moved(USERS, self._cookies.say("erased"))

    async def _erased(self, visit: Visit) -> Refused | None:
        reason = self._reason(visit)
        return reason if isinstance(reason, Refused) else await self._delete(visit.me, visit.params["id"], reason)

    async def end_sessions(self, visit: Visit) -> Answer | Refused:
        """End all sessions of a user."""
        return await self._told(visit, await attempted(self._ended(visit)), "sessions")

    async def end_session(self, visit: Visit) -> Answer | Refused:
        """End one session of a user."""
        return await self._told(visit, await attempted(self._ended(visit, visit.params["sid"])), "session")

    async def _ended(self, visit: Visit, session: str = "") -> Refused | None:
        uid, reason = visit.params["id"], self._reason(visit)
        if isinstance(reason, Refused):
            return reason
        if session:
            return await self._sessions.end(visit.me, uid, session, reason)
        return await self._sessions.end_others(visit.me, uid, reason)

    async def cancel_reset(self, visit: Visit) -> Answer | Refused:
        """Cancel the reset of second factors that waits for a user."""
        return await self._told(visit, await attempted(self._cancelled(visit)), "reset")

    async def _cancelled(self, visit: Visit) -> Refused | None:
        reason = self._reason(visit)
        if isinstance(reason, Refused):
            return reason
        return await self._resets.cancel(visit.me, visit.params["id"], reason)

    async def remove_mfa(self, visit: Visit) -> Answer | Refused:
        """Take every second factor away from a user."""
        return await self._told(visit, await attempted(self._removed(visit)), "mfa")

    async def remove(self, visit: Visit) -> Answer | Refused:
        """Take one authenticator away from a user."""
        return await self._told(visit, await attempted(self._removed(visit, visit.params["sid"])), "secret")

    async def _removed(self, visit: Visit, secret: str = "") -> Pending | Refused | None:
        uid, plea = visit.params["id"], _plea(visit)
        if refused := self._gate.demand_reason(visit.me, uid, plea.reason):
            return refused
        if secret:
            return await self._remove(visit.me, uid, secret, plea)
        return await self._remove.every(visit.me, uid, plea)

    def _reason(self, visit: Visit) -> str | Refused | None:
        reason = reason_in(Reasoned(reason=visit.field("reason")))
        return self._gate.demand_reason(visit.me, visit.params["id"], reason) or reason

    async def _told(self, visit: Visit, outcome: Pending | Refused | None, done: str) -> Answer | Refused:
        if isinstance(outcome, Refused):
            return await self._people.shown(visit, outcome)
        return moved(visit.here, self._cookies.say(_WAITS if isinstance(outcome, Pending) else done))

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [
            _form("disable", Who.OWNER_OR_DESK_OPEN, self.disable),
            _form("enable", Who.OWNER_OR_DESK_OPEN, self.enable),
            _form("erase", Who.OWNER_OR_DESK_OPEN, self.erase),
            _form("end-sessions", Who.OWNER_OR_DESK, self.end_sessions),
            _form("sessions/{sid}/end", Who.OWNER_OR_DESK, self.end_session),
            _form("cancel-reset", Who.OWNER_OR_DESK, self.cancel_reset),
            _form("remove-mfa", Who.DESK, self.remove_mfa),
            _form("authenticators/{sid}/remove", Who.OWNER_OR_DESK, self.remove),
        ]


def _form(path: str, who: Who, handle: Handler) -> Page:
    return Page(path=f"{ONE_USER}/{path}", who=who, post=handle, fresh=True, while_unenrolled=False, home=ONE_USER)


def _plea(visit: Visit) -> Plea:
    """Read what is said to a removal, as its route does. Raises `UnfitError`."""
    return parse_removal(Removal(reason=visit.field("reason"), caller_code=visit.field("caller_code").strip() or UNSET))
