"""The account: details, password, authenticators, sessions, and what happened."""

import asyncio
from typing import Any

from sallyport.audit.flow.read import ReadAudit, Wanted
from sallyport.authenticators.flow import (
    DescribeAuthenticator,
    Description,
    ReadAuthenticators,
    RemoveAuthenticator,
)
from sallyport.authenticators.password.flow import ChangePassword, NewPassword
from sallyport.authenticators.password.rules import parse_password
from sallyport.authenticators.rules import Authenticator, Plea, TotpTraits
from sallyport.edge.answers import Answer, Headers
from sallyport.kernel.ids import is_uid
from sallyport.kernel.outcomes import Granted, Refused, Why
from sallyport.kernel.text import printable
from sallyport.pages.doors import Entry
from sallyport.pages.lists import in_order
from sallyport.pages.views import Views
from sallyport.pages.visit import EVENTS, HOME, Page, Visit, attempted, details_in, moved, version_in
from sallyport.sessions.flow.manage import ManageSessions
from sallyport.users.flow import Change, ChangeUser, ReadUsers
from sallyport.users.rules import User

_EVENTS_AT_ONCE = 25
_AT_ONCE = 10
"""Of a list that may be long; the rest has a page of its own."""


class Account:
    """The pages behind the doors."""

    def __init__(
        self,
        *,
        users: ReadUsers,
        change: ChangeUser,
        authenticators: ReadAuthenticators,
        describe: DescribeAuthenticator,
        remove: RemoveAuthenticator,
        change_password: ChangePassword,
        sessions: ManageSessions,
        audit: ReadAudit,
        entry: Entry,
        views: Views,
    ) -> None:
        self._users = users
        self._change = change
        self._authenticators = authenticators
        self._describe = describe
        self._remove = remove
        self._change_password = change_password
        self._sessions = sessions
        self._audit = audit
        self._entry = entry
        self._view = views.page

    async def show(self, visit: Visit) -> Answer | Refused:
        """Show the account."""
        return await self._shown(visit, None)

    async def _shown(self, visit: Visit, refused: Refused | None) -> Answer | Refused:
        uid = visit.me.uid
        user, held, sessions = await asyncio.gather(
            self._users.one(uid), self._authenticators.all(uid), self._sessions.all(uid)
        )
        if isinstance(user, Refused):
            return Refused(why=Why.INVALID_TOKEN)
        sessions = in_order(sessions, visit)
        told = _sorted_out(held) | {"user": user, "sessions": sessions, "at_once": _AT_ONCE}
        return self._view(visit, "account.html", refused=refused, **told)

    async def profile(self, visit: Visit) -> Answer | Refused:
        """Show name and address, to change them."""
        user = await self._users.one(visit.me.uid)
        return user if isinstance(user, Refused) else self._view(visit, "profile.html", user=user)

    async def change_profile(self, visit: Visit) -> Answer | Refused:
        """Change name and address."""
        user = await self._users.one(visit.me.uid)
        if isinstance(user, Refused):
            return user
        outcome = await attempted(self._changed(visit))
        if isinstance(outcome, Refused):
            return self._view(visit, "profile.html", refused=outcome, user=user)
        return self._done("saved")

    async def _changed(self, visit: Visit) -> User | Refused:
        wish = Change(version=version_in(visit), fields=details_in(visit), forbidden=lambda _: None)
        return await self._change(visit.me, visit.me.uid, wish)

    async def password(self, visit: Visit) -> Answer | Refused:
        """Ask for a new password."""
        return self._view(visit, "password.html")

    async def set_password(self, visit: Visit) -> Answer | Refused:
        """Change the password; all other sessions end."""
        outcome = await attempted(self._password_changed(visit))
        if isinstance(outcome, Refused):
            return self._view(visit, "password.html", refused=outcome)
        headers = await self._entry.headers(outcome)
        return headers if isinstance(headers, Refused) else self._done("password", headers)

    async def _password_changed(self, visit: Visit) -> Granted | Refused:
        held = await self._authenticators.all(visit.me.uid)
        password = next((one for one in held if one.type == "password"), None)
        if password is None:
            return Refused(why=Why.NOT_FOUND)
        wish = NewPassword(
            uid=password.uid,
            version=password.version,
            current=parse_password(visit.field("current"), "/current"),
            new=parse_password(visit.field("password"), "/password"),
            description=None,
            keep_description=True,
        )
        changed = await self._change_password(visit.me, wish)
        return changed if isinstance(changed, Refused) else changed[1]

    async def authenticator(self, visit: Visit) -> Answer | Refused:
        """Show one authenticator, to rename or remove it."""
        return await self._one(visit, None)

    async def _one(self, visit: Visit, refused: Refused | None) -> Answer | Refused:
        found = await self._authenticators.one(visit.me.uid, visit.params["sid"])
        if isinstance(found, Refused):
            return found
        apps = _sorted_out(await self._authenticators.all(visit.me.uid))["apps"]
        is_last = [one.uid for one in apps] == [found.uid]
        return self._view(visit, "authenticator.html", refused=refused, one=found, is_last=is_last)

    async def rename(self, visit: Visit) -> Answer | Refused:
        """Give an authenticator another name."""
        outcome = await attempted(self._renamed(visit))
        return await self._one(visit, outcome) if isinstance(outcome, Refused) else self._done("saved")

    async def _renamed(self, visit: Visit) -> Authenticator | Refused:
        text = printable("/device", visit.field("device").strip()) or None
        wish = Description(
            uid=visit.params["sid"],
            version=version_in(visit),
            text=text,
            keep=False,
            resume=False,
            forbidden=lambda _: None,
        )
        return await self._describe(visit.me, wish)

    async def resume(self, visit: Visit) -> Answer | Refused:
        """Put a suspended API key back."""
        wish = Description(
            uid=visit.params["sid"],
            version=version_in(visit),
            text=None,
            keep=True,
            resume=True,
            forbidden=lambda _: None,
        )
        outcome = await self._describe(visit.me, wish)
        return await self._one(visit, outcome) if isinstance(outcome, Refused) else self._done("resumed")

    async def take_away(self, visit: Visit) -> Answer | Refused:
        """Remove an authenticator."""
        plea = Plea(lost=visit.field("lost") == "yes")
        refused = await self._remove(visit.me, visit.me.uid, visit.params["sid"], plea)
        # What is one's own never waits for a second person.
        return await self._one(visit, refused) if isinstance(refused, Refused) else self._done("secret")

    async def end_session(self, visit: Visit) -> Answer | Refused:
        """End one session."""
        refused = await self._sessions.end(visit.me, visit.me.uid, visit.params["sid"])
        return self._done("session") if refused is None or refused.why is Why.NOT_FOUND else refused

    async def end_others(self, visit: Visit) -> Answer | Refused:
        """End all sessions but this one."""
        return await self._sessions.end_others(visit.me, visit.me.uid) or self._done("others")

    async def events(self, visit: Visit) -> Answer | Refused:
        """Show what happened to the account, newest first."""
        after = visit.query.get("after", "")
        wanted = Wanted(
            user=visit.me.uid,
            event=None,
            since=0,
            after=after if is_uid(after) else None,
            limit=_EVENTS_AT_ONCE + 1,
            skip=0,
        )
        found = await self._audit.page(wanted)
        shown = found[:_EVENTS_AT_ONCE]
        older = shown[-1].uid if len(found) > _EVENTS_AT_ONCE else ""
        return self._view(visit, "events.html", records=shown, older=older)

    def _done(self, what: str, headers: Headers = ()) -> Answer:
        return moved(HOME, (*headers, *self._entry.cookies.say(what)))

    def pages(self) -> list[Page]:
        """Declare the pages."""
        one = "/ui/authenticators/{sid}"
        return [
            Page(path=HOME, get=self.show),
            Page(path="/ui/profile", get=self.profile, post=self.change_profile, fresh=True),
            Page(path="/ui/password", get=self.password, post=self.set_password, fresh=True),
            Page(path=one, get=self.authenticator, post=self.rename, fresh=True),
            Page(path=f"{one}/resume", get=self.authenticator, post=self.resume, fresh=True, while_unenrolled=False),
            Page(path=f"{one}/remove", get=self.authenticator, post=self.take_away, fresh=True),
            Page(path="/ui/sessions/end-others", post=self.end_others),
            Page(path="/ui/sessions/{sid}/end", post=self.end_session),
            Page(path=EVENTS, get=self.events, while_unenrolled=False),
        ]


def _sorted_out(held: list[Authenticator]) -> dict[str, Any]:
    return {
        "password": next((one for one in held if one.type == "password"), None),
        "apps": [one for one in held if one.traits == TotpTraits(enrolled=True)],
        "codes": next((one for one in held if one.type == "mfabackup"), None),
        "keys": [one for one in held if one.type == "apikey"],
        "devices": [one for one in held if one.type == "device"],
    }
