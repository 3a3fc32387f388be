"""Reading roles."""

from msgspec.structs import replace

from sallyport.kernel.caller import Caller
from sallyport.kernel.outcomes import Refused, Why
from sallyport.roles import store
from sallyport.roles.rules import Role, sees_people
from sallyport.store.work import Rows, Work
from sallyport.users.rules import role_key


class ReadRoles:
    """Reads roles; who is in them is told to those who may see it."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def one(self, caller: Caller, uid: str) -> Role | Refused:
        """Return one role."""
        found = await self._work.read(lambda rows: store.find(rows, uid))
        if found is None:
            return Refused(why=Why.NOT_FOUND)
        return found if sees_people(caller, found) else replace(found, people=None)

    async def page(
        self, caller: Caller, *, name: str | None, limit: int, skip: int, sort: str, after: str | None
    ) -> list[Role] | Refused:
        """Return a page of roles, or the one that has a name."""

        def unit(rows: Rows) -> list[Role] | None:
            if name is None:
                found = store.listed(rows, limit=limit, skip=skip, sort=sort, after=after)
            else:
                named = _named(rows, name)
                found = [named] if named and not skip and named.uid != after else []
            return found and _with_people(rows, caller, found)

        found = await self._work.read(unit)
        if found is None:
            return Refused(why=Why.INVALID_REQUEST, pointer="/after", detail="That role is gone: begin the walk anew.")
        return found

    async def count(self, name: str | None) -> int:
        """Return how many roles there are, or whether one has a name."""
        if name is None:
            return await self._work.read(store.count)
        return int(await self._work.read(lambda rows: _named(rows, name)) is not None)


class RoleRulers:
    """Answers the gate: who owns a role."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def ruled(self, role: str, user: str) -> tuple[str, bool] | None:
        """Return the name of a role, and whether a user owns it; None where there is no such role."""
        return await self._work.read(lambda rows: store.ruled(rows, role, user))


def _named(rows: Rows, name: str) -> Role | None:
    return store.find_named(rows, role_key(name))


def _with_people(rows: Rows, caller: Caller, found: list[Role]) -> list[Role]:
    asked = {role.uid: store.people(rows, role.uid) for role in found if sees_people(caller, role)}
    return [replace(role, people=store.people_in(asked[role.uid])) if role.uid in asked else role for role in found]
