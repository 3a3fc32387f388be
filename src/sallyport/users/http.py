"""Users on the wire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sallyport.edge.answers import Answer, Ask
from sallyport.edge.auth_token import MfaState
from sallyport.edge.counts import Count
from sallyport.edge.endpoint import Endpoint, Fresh, Nothing, Who
from sallyport.edge.paging import QUERY, only, page
from sallyport.edge.reason import Reasoned, parse_reasoned, reason_in
from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import rfc3339
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.scopes import Scope
from sallyport.kernel.text import printable
from sallyport.users.flow import Change, ChangeUser, DeleteUser, ReadUsers
from sallyport.users.rules import FILTERS, OPEN_FILTERS, User, parse_email, parse_filter, parse_name

Field = Annotated[str, Meta(max_length=4096)]
Optional = Field | UnsetType | None


class UserBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A user. Strangers see `uid` and `name` alone."""

    uid: str
    name: str
    email: str | UnsetType | None = UNSET
    first_name: str | UnsetType | None = UNSET
    last_name: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    roles: tuple[str, ...] | UnsetType = UNSET
    external_ids: tuple[str, ...] | UnsetType = UNSET
    verified: bool | UnsetType = UNSET
    mfa_enabled: bool | UnsetType = UNSET
    mfa: MfaState | UnsetType = UNSET
    """For the user alone."""
    disabled: bool | UnsetType = UNSET
    date_created: str | UnsetType = UNSET
    date_modified: str | UnsetType = UNSET
    version: int | UnsetType = UNSET


class UserFields(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The fields of a user that a body may carry beside `version`; those that nobody sets must repeat."""

    name: Field | UnsetType = UNSET
    email: Optional = UNSET
    first_name: Optional = UNSET
    last_name: Optional = UNSET
    phone: Optional = UNSET
    uid: Field | UnsetType = UNSET
    roles: tuple[Field, ...] | UnsetType = UNSET
    external_ids: tuple[Field, ...] | UnsetType = UNSET
    verified: bool | UnsetType = UNSET
    mfa_enabled: bool | UnsetType = UNSET
    mfa: MfaState | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    date_created: Field | UnsetType = UNSET
    date_modified: Field | UnsetType = UNSET
    version: int | UnsetType = UNSET


class UserChange(UserFields, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT /users/{id}`. What it leaves out stays."""

    version: int
    reason: Field | UnsetType = UNSET
    """Why a trusted role changes another user."""


W = TypeVar("W", bound=UserFields)

READ_ONLY: Final = (
    "uid",
    "roles",
    "external_ids",
    "verified",
    "mfa_enabled",
    "mfa",
    "disabled",
    "date_created",
    "date_modified",
    "version",
)


def view(user: User, *, own: bool = False) -> UserBody:
    """Render a user for one who may see everything; `own` is what is told to the user alone."""
    return UserBody(
        uid=user.uid,
        name=user.name,
        email=user.email,
        first_name=user.first_name,
        last_name=user.last_name,
        phone=user.phone,
        roles=user.roles,
        external_ids=(),
        verified=user.verified,
        mfa_enabled=user.mfa,
        mfa=MfaState(enabled=user.mfa, backup_codes_remaining=user.codes_left) if own else UNSET,
        disabled=user.disabled,
        date_created=rfc3339(user.created_at),
        date_modified=rfc3339(user.modified_at),
        version=user.version,
    )


def view_for(caller: Caller, user: User) -> UserBody:
    """Render a user as this caller may see it."""
    if caller.reads_all or caller.uid == user.uid:
        return view(user)
    return UserBody(uid=user.uid, name=user.name)


@dataclass(frozen=True, slots=True)
class Wanted(Generic[W]):
    """A body about a user, with the fields that may be set parsed for `User`."""

    body: W
    fields: dict[str, Any]


def wanted(body: W) -> Wanted[W]:
    """Parse the fields that a user may set. Raises `UnfitError`."""
    reason_in(body)
    fields: dict[str, Any] = {}
    if not isinstance(body.name, UnsetType):
        name = parse_name(body.name)
        fields |= {"name": name.shown, "name_key": name.key}
    if not isinstance(body.email, UnsetType):
        email = parse_email(body.email) if body.email is not None else None
        fields |= {"email": email and email.shown, "email_key": email and email.key}
    for field, value in (
        ("first_name", body.first_name),
        ("last_name", body.last_name),
        ("phone", body.phone),
    ):
        if not isinstance(value, UnsetType):
            fields[field] = None if value is None else printable(f"/{msgspec_name(field)}", value)
    return Wanted(body, fields)


def forbidden(body: UserFields, may: frozenset[str]) -> Callable[[User], str | None]:
    """Return what names the first field that `body` would change beyond `may`."""

    def first(stored: User) -> str | None:
        shown = view(stored, own=True)
        for field in READ_ONLY:
            given = getattr(body, field)
            if given is not UNSET and field not in may and given != getattr(shown, field):
                return msgspec_name(field)
        return None

    return first


def msgspec_name(field: str) -> str:
    """Return the name of a field on the wire."""
    head, *rest = field.split("_")
    return head + "".join(part.title() for part in rest)


def filters_of(caller: Caller) -> Mapping[str, str]:
    """Return what a caller may ask a list of users for: the fields that they see of everybody."""
    return FILTERS if caller.reads_all else OPEN_FILTERS


class Users:
    """The routes about users."""

    def __init__(self, read: ReadUsers, change: ChangeUser, delete: DeleteUser) -> None:
        self._read = read
        self._change = change
        self._delete = delete

    async def show_all(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users`."""
        filters = filters_of(ask.me)
        part, wanted = page(ask.query, filters), parse_filter(ask.query)
        found = await self._read.page(wanted, limit=part.limit, skip=part.skip, sort=part.sort, after=part.after)
        if isinstance(found, Refused):
            return found
        kept = {name: ask.query[name] for name in filters if name in ask.query}
        link = part.link(ask.path, found[-1].uid, len(found), kept) if found else ()
        return Answer([view_for(ask.me, user) for user in found], headers=link)

    async def count(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/count`."""
        return Answer(Count(await self._read.count(parse_filter(only(ask.query, filters_of(ask.me))))))

    async def show(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}`."""
        found = await self._read.one(ask.target)
        if isinstance(found, Refused):
            return found
        return Answer(view(found, own=True) if ask.own else view_for(ask.me, found))

    async def change(self, ask: Ask[Wanted[UserChange]]) -> Answer | Refused:
        """Answer `PUT /users/{id}`."""
        body, fields = ask.body.body, dict(ask.body.fields)
        # A trusted role disables others, never itself: somebody must be left to undo it.
        may = frozenset({"disabled"}) if ask.me.trusted and not ask.own else frozenset[str]()
        if "disabled" in may and not isinstance(body.disabled, UnsetType):
            fields["disabled"] = body.disabled
        reason = None if ask.own else reason_in(body)
        change = Change(version=body.version, fields=fields, forbidden=forbidden(body, may), reason=reason)
        outcome = await self._change(ask.me, ask.target, change)
        return outcome if isinstance(outcome, Refused) else Answer(view(outcome, own=ask.own))

    async def delete(self, ask: Ask[Reasoned]) -> Answer | Refused:
        """Answer `DELETE /users/{id}`."""
        reason = None if ask.own else reason_in(ask.body)
        return await self._delete(ask.me, ask.target, reason) or Answer(status=204)

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        return [
            Endpoint(
                method="GET",
                path="/users",
                summary="List users",
                who=Who.SIGNED_IN,
                body=Nothing,
                handle=self.show_all,
                answers={200: list[UserBody]},
                refusals=(Why.INVALID_REQUEST,),
                query=QUERY | FILTERS,
                scope=Scope.USERS_READ,
            ),
            Endpoint(
                method="GET",
                path="/users/count",
                summary="Count users",
                who=Who.SIGNED_IN,
                body=Nothing,
                handle=self.count,
                answers={200: Count},
                refusals=(Why.INVALID_REQUEST,),
                query=FILTERS,
                scope=Scope.USERS_READ,
            ),
            Endpoint(
                method="GET",
                path="/users/{id}",
                summary="Read a user",
                who=Who.SIGNED_IN,
                body=Nothing,
                handle=self.show,
                answers={200: UserBody},
                refusals=(Why.NOT_FOUND,),
                while_unenrolled=True,
                scope=Scope.USERS_READ,
            ),
            Endpoint(
                method="PUT",
                path="/users/{id}",
                summary="Change a user",
                who=Who.OWNER_OR_DESK_OPEN,
                body=UserChange,
                parse=wanted,
                handle=self.change,
                answers={200: UserBody},
                refusals=(Why.STEP_UP_REQUIRED, Why.FIELD_FORBIDDEN, Why.VERSION_CONFLICT, Why.NAME_TAKEN),
                fresh=Fresh.FOR_OTHERS,
                reasoned=True,
                while_unenrolled=True,
            ),
            Endpoint(
                method="DELETE",
                path="/users/{id}",
                summary="Erase a user and all that is theirs",
                who=Who.OWNER_OR_DESK_OPEN,
                body=Reasoned,
                parse=parse_reasoned,
                handle=self.delete,
                answers={204: None},
                refusals=(Why.LAST_TRUSTED,),
                fresh=Fresh.ALWAYS,
                reasoned=True,
                while_unenrolled=True,
            ),
        ]
