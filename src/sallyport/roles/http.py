"""Roles on the wire."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sallyport.edge.answers import Answer, Ask
from sallyport.edge.counts import Count
from sallyport.edge.endpoint import Endpoint, Fresh, Nothing, Who
from sallyport.edge.paging import QUERY, only, page
from sallyport.kernel.clock import rfc3339
from sallyport.kernel.ids import is_uid
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.scopes import Scope
from sallyport.kernel.text import UnfitError, printable
from sallyport.roles.flow.read import ReadRoles
from sallyport.roles.flow.write import ChangeRole, CreateRole, DeleteRole, RoleWish
from sallyport.roles.rules import Role
from sallyport.users.rules import parse_name

Field = Annotated[str, Meta(max_length=4096)]
Uids = tuple[Field, ...] | UnsetType
_FILTERS: Final = {"name": "the role of that name, in any case"}
_READ_ONLY: Final = {"uid": "uid", "date_created": "dateCreated", "date_modified": "dateModified", "version": "version"}


class RoleBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A role. Who is not in it sees `uid`, `name` and `description` alone."""

    uid: str
    name: str
    description: str | None
    members: tuple[str, ...] | UnsetType = UNSET
    owners: tuple[str, ...] | UnsetType = UNSET
    date_created: str | UnsetType = UNSET
    date_modified: str | UnsetType = UNSET
    version: int | UnsetType = UNSET


class RoleFields(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The fields of a role beside `name` and `version`; those that nobody sets must repeat."""

    description: Field | UnsetType | None = UNSET
    members: Uids = UNSET
    owners: Uids = UNSET
    uid: Field | UnsetType = UNSET
    date_created: Field | UnsetType = UNSET
    date_modified: Field | UnsetType = UNSET


class NewRole(RoleFields, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /roles`. Members and owners are the uids of users; an owner counts as a member."""

    name: Field
    version: int | UnsetType = UNSET


class RoleChange(RoleFields, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT /roles/{id}`. What it leaves out stays."""

    version: int
    name: Field | UnsetType = UNSET


def view(role: Role) -> RoleBody:
    """Render a role; without what a stranger to it does not see."""
    if role.people is None:
        return RoleBody(uid=role.uid, name=role.name, description=role.description)
    return RoleBody(
        uid=role.uid,
        name=role.name,
        description=role.description,
        members=role.people.members,
        owners=role.people.owners,
        date_created=rfc3339(role.created_at),
        date_modified=rfc3339(role.modified_at),
        version=role.version,
    )


def wish(body: NewRole | RoleChange) -> RoleWish:
    """Parse a body. Raises `UnfitError`."""
    fields: dict[str, Any] = {}
    if not isinstance(body.name, UnsetType):
        name = parse_name(body.name)
        fields |= {"name": name.shown, "name_key": name.key}
    if not isinstance(body.description, UnsetType):
        told = body.description
        fields["description"] = None if told is None else printable("/description", told)
    return RoleWish(
        fields=fields,
        members=_uids("members", body.members),
        owners=_uids("owners", body.owners),
        forbidden=_forbidden(body),
        version=0 if isinstance(body.version, UnsetType) else body.version,
    )


def _uids(field: str, given: Uids) -> tuple[str, ...] | None:
    if isinstance(given, UnsetType):
        return None
    for place, uid in enumerate(given):
        if not is_uid(uid):
            raise UnfitError(f"/{field}/{place}", "The uid of a user is wanted.")
    return given


def _forbidden(body: NewRole | RoleChange) -> Callable[[Role], str | None]:
    def first(stored: Role) -> str | None:
        shown = view(stored)
        changed = (field for field in _READ_ONLY if getattr(body, field) not in (UNSET, getattr(shown, field)))
        return next((_READ_ONLY[field] for field in changed), None)

    return first


class RoleRoutes:
    """The routes about roles."""

    def __init__(self, *, read: ReadRoles, create: CreateRole, change: ChangeRole, delete: DeleteRole) -> None:
        self._read = read
        self._create = create
        self._change = change
        self._delete = delete

    async def show_all(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /roles`."""
        part, name = page(ask.query, _FILTERS), ask.query.get("name")
        found = await self._read.page(
            ask.me, name=name, limit=part.limit, skip=part.skip, sort=part.sort, after=part.after
        )
        if isinstance(found, Refused):
            return found
        kept = {} if name is None else {"name": name}
        link = part.link(ask.path, found[-1].uid, len(found), kept) if found else ()
        return Answer([view(role) for role in found], headers=link)

    async def count(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /roles/count`."""
        return Answer(Count(await self._read.count(only(ask.query, _FILTERS).get("name"))))

    async def show(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /roles/{id}`."""
        found = await self._read.one(ask.me, ask.params["id"])
        return found if isinstance(found, Refused) else Answer(view(found))

    async def create(self, ask: Ask[RoleWish]) -> Answer | Refused:
        """Answer `POST /roles`."""
        made = await self._create(ask.me, ask.body)
        if isinstance(made, Refused):
            return made
        return Answer(view(made), status=201, headers=(("location", f"{ask.path}/{made.uid}"),))

    async def change(self, ask: Ask[RoleWish]) -> Answer | Refused:
        """Answer `PUT /roles/{id}`."""
        outcome = await self._change(ask.me, ask.params["id"], ask.body)
        return outcome if isinstance(outcome, Refused) else Answer(view(outcome))

    async def delete(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `DELETE /roles/{id}`."""
        return await self._delete(ask.me, ask.params["id"]) or Answer(status=204)

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        return [*self._readers(), *self._writers()]

    def _readers(self) -> list[Endpoint[Any]]:
        return [
            Endpoint(
                method="GET",
                path="/roles",
                summary="List roles",
                who=Who.SIGNED_IN,
                scope=Scope.ROLES_READ,
                body=Nothing,
                handle=self.show_all,
                answers={200: list[RoleBody]},
                refusals=(Why.INVALID_REQUEST,),
                query=QUERY | _FILTERS,
            ),
            Endpoint(
                method="GET",
                path="/roles/count",
                summary="Count roles",
                who=Who.SIGNED_IN,
                scope=Scope.ROLES_READ,
                body=Nothing,
                handle=self.count,
                answers={200: Count},
                refusals=(Why.INVALID_REQUEST,),
                query=_FILTERS,
            ),
            Endpoint(
                method="GET",
                path="/roles/{id}",
                summary="Read a role",
                who=Who.SIGNED_IN,
                scope=Scope.ROLES_READ,
                body=Nothing,
                handle=self.show,
                answers={200: RoleBody},
                refusals=(Why.NOT_FOUND,),
            ),
        ]

    def _writers(self) -> list[Endpoint[Any]]:
        return [
            Endpoint(
                method="POST",
                path="/roles",
                summary="Make a role",
                who=Who.TRUSTED,
                body=NewRole,
                parse=wish,
                handle=self.create,
                answers={201: RoleBody},
                refusals=(Why.FIELD_FORBIDDEN, Why.NAME_TAKEN, Why.LIMIT_REACHED),
                fresh=Fresh.ALWAYS,
            ),
            Endpoint(
                method="PUT",
                path="/roles/{id}",
                summary="Change a role, and who is in it",
                who=Who.RULER,
                body=RoleChange,
                parse=wish,
                handle=self.change,
                answers={200: RoleBody},
                refusals=(
                    Why.VERSION_CONFLICT,
                    Why.FIELD_FORBIDDEN,
                    Why.NAME_TAKEN,
                    Why.LIMIT_REACHED,
                    Why.LAST_TRUSTED,
                ),
                fresh=Fresh.ALWAYS,
            ),
            Endpoint(
                method="DELETE",
                path="/roles/{id}",
                summary="Delete a role",
                who=Who.RULER,
                body=Nothing,
                handle=self.delete,
                answers={204: None},
                refusals=(Why.VERSION_CONFLICT,),
                fresh=Fresh.ALWAYS,
            ),
        ]
