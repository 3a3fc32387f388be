"""Roles, and who is in them."""

from collections.abc import Callable
from typing import Final

from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import Who
from sallyport.kernel.ids import is_uid
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.text import bounded, printable
from sallyport.pages.cookies import Cookies
from sallyport.pages.views import Views
from sallyport.pages.visit import DESK, Handler, Page, Visit, attempted, moved, version_in
from sallyport.roles.flow.read import ReadRoles
from sallyport.roles.flow.write import ChangeRole, CreateRole, DeleteRole, RoleWish
from sallyport.roles.rules import NOBODY, People, Role
from sallyport.users.flow import ReadUsers
from sallyport.users.rules import parse_name

_AT_ONCE: Final = 25
ROLES: Final = f"{DESK}/roles"
ONE_ROLE: Final = f"{ROLES}/{{id}}"
_NO_SUCH_USER: Final = Refused(
    why=Why.INVALID_REQUEST,
    pointer="/who",
    detail="There is no such user; an address is that of the one who has verified it.",
)


class Roles:
    """The pages of roles."""

    def __init__(
        self,
        *,
        read: ReadRoles,
        create: CreateRole,
        change: ChangeRole,
        delete: DeleteRole,
        trusts: Callable[[Role], bool],
        users: ReadUsers,
        cookies: Cookies,
        views: Views,
    ) -> None:
        self._read = read
        self._create = create
        self._change = change
        self._delete = delete
        self._trusts = trusts
        self._users = users
        self._cookies = cookies
        self._view = views.page

    async def all(self, visit: Visit) -> Answer | Refused:
        """Show roles in the order of their names."""
        after = visit.query.get("after", "")
        found = await self._read.page(
            visit.me, name=None, limit=_AT_ONCE + 1, skip=0, sort="name", after=after if is_uid(after) else None
        )
        if isinstance(found, Refused):
            return moved(ROLES)
        onward = found[_AT_ONCE - 1].uid if len(found) > _AT_ONCE else ""
        return self._view(visit, "admin/roles.html", roles=found[:_AT_ONCE], onward=onward, trusts=self._trusts)

    async def one(self, visit: Visit) -> Answer | Refused:
        """Show one role."""
        return await self._shown(visit, None)

    async def _shown(self, visit: Visit, refused: Refused | None) -> Answer | Refused:
        role = await self._read.one(visit.me, visit.params["id"])
        if isinstance(role, Refused):
            return role
        people = role.people or NOBODY
        behind = sorted(uid for uid in people.all if uid > visit.query.get("after", ""))
        shown = behind[:_AT_ONCE]
        return self._view(
            visit,
            "admin/role.html",
            refused=refused,
            role=role,
            trusted=self._trusts(role),
            number=len(people.all),
            shown=[(uid, uid in people.owners) for uid in shown],
            names=await self._users.names(shown),
            onward=shown[-1] if len(behind) > _AT_ONCE else "",
        )

    async def new(self, visit: Visit) -> Answer | Refused:
        """Ask for a new role."""
        return self._view(visit, "admin/new_role.html", typed="", description="")

    async def make(self, visit: Visit) -> Answer | Refused:
        """Make a role."""
        made = await attempted(self._made(visit))
        if isinstance(made, Refused):
            typed, description = visit.field("name"), visit.field("description")
            return self._view(visit, "admin/new_role.html", refused=made, typed=typed, description=description)
        return moved(ONE_ROLE.format(id=made.uid))

    async def _made(self, visit: Visit) -> Role | Refused:
        return await self._create(visit.me, _wish(visit, NOBODY, **_described(visit)))

    async def describe(self, visit: Visit) -> Answer | Refused:
        """Give a role another name or description."""
        return await self._told(visit, await attempted(self._redescribed(visit)))

    async def _redescribed(self, visit: Visit) -> Role | Refused:
        return await self._changed(visit, _same, **_described(visit))

    async def add(self, visit: Visit) -> Answer | Refused:
        """Put somebody into a role."""
        # Whoever only claims an address must not get what its owner is to have.
        uid = await self._users.typed(bounded("/who", visit.field("who").strip()), verified=True)
        if uid is None:
            return await self._told(visit, _NO_SUCH_USER)
        owns = visit.field("owner") == "yes"
        return await self._told(visit, await self._changed(visit, lambda people: _with(people, uid, owns=owns)))

    async def remove(self, visit: Visit) -> Answer | Refused:
        """Take somebody out of a role."""
        uid = visit.params["sid"]
        return await self._told(visit, await self._changed(visit, lambda people: _without(people, uid)))

    async def _changed(self, visit: Visit, of: Callable[[People], People], **fields: str | None) -> Role | Refused:
        role = await self._read.one(visit.me, visit.params["id"])
        if isinstance(role, Refused):
            return role
        # Of the version that the form was made from these are the people, or the flow refuses.
        return await self._change(visit.me, role.uid, _wish(visit, of(role.people or NOBODY), **fields))

    async def _told(self, visit: Visit, outcome: Role | Refused) -> Answer | Refused:
        if isinstance(outcome, Refused):
            return await self._shown(visit, outcome)
        return moved(visit.here, self._cookies.say("saved"))

    async def delete(self, visit: Visit) -> Answer | Refused:
        """Delete a role."""
        refused = await self._delete(visit.me, visit.params["id"])
        return await self._shown(visit, refused) if refused else moved(ROLES, self._cookies.say("role"))

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [
            Page(path=ROLES, who=Who.TRUSTED, get=self.all, while_unenrolled=False),
            Page(
                path=f"{ROLES}/new",
                who=Who.TRUSTED,
                get=self.new,
                post=self.make,
                fresh=True,
                while_unenrolled=False,
            ),
            Page(path=ONE_ROLE, who=Who.TRUSTED, get=self.one, while_unenrolled=False),
            _form("describe", self.describe),
            _form("add", self.add),
            _form("people/{sid}/remove", self.remove),
            _form("delete", self.delete),
        ]


def _form(path: str, handle: Handler) -> Page:
    return Page(
        path=f"{ONE_ROLE}/{path}", who=Who.TRUSTED, post=handle, fresh=True, while_unenrolled=False, home=ONE_ROLE
    )


def _described(visit: Visit) -> dict[str, str | None]:
    """Return name and description as typed. Raises `UnfitError`."""
    name = parse_name(visit.field("name").strip())
    told = printable("/description", visit.field("description").strip()) or None
    return {"name": name.shown, "name_key": name.key, "description": told}


def _wish(visit: Visit, people: People, **fields: str | None) -> RoleWish:
    return RoleWish(
        fields=fields,
        members=people.members,
        owners=people.owners,
        forbidden=lambda _: None,
        version=version_in(visit),
    )


def _same(people: People) -> People:
    return people


def _without(people: People, uid: str) -> People:
    return People(
        members=tuple(one for one in people.members if one != uid),
        owners=tuple(one for one in people.owners if one != uid),
    )


def _with(people: People, uid: str, *, owns: bool) -> People:
    """Put somebody in, in the one place or the other."""
    left = _without(people, uid)
    if owns:
        return People(members=left.members, owners=(*left.owners, uid))
    return People(members=(*left.members, uid), owners=left.owners)
