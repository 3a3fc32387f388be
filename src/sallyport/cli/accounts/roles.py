"""`sallyport roles`: who is in what."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sallyport.cli.accounts.asked import After, All, Limit, User, Yes, command
from sallyport.cli.accounts.listing import Part
from sallyport.cli.accounts.users import found, version

if TYPE_CHECKING:
    from sallyport.cli.accounts.desk import Desk

roles = typer.Typer(
    name="roles",
    help="""Make, change and delete roles, and say who is in them.

    What users carry in their tokens follows by itself. Who loses the last trusted role is logged out everywhere.
    """,
    no_args_is_help=True,
)

_COLUMNS: Final = (
    ("UID", "uid"),
    ("NAME", "name"),
    ("DESCRIPTION", "description"),
    ("MEMBERS", "members"),
    ("OWNERS", "owners"),
)
_PEOPLE: Final = ("members", "owners")
_Role = Annotated[str, typer.Argument(metavar="ROLE", help="Name or uid.", show_default=False)]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="What tokens call it.", show_default=False)]
_Description = Annotated[str, typer.Option(help="What it is for.", show_default=False)]


@command(roles, "list")
def list_roles(desk: "Desk", *, limit: Limit = None, after: After = "", whole: All = False) -> None:
    """List roles, oldest first, and who is in them: by name in the table, by uid in `json`.

    Example: sallyport roles list
    """
    part = Part(limit=limit, after=after, whole=whole)
    desk.table(desk.pages("/roles", part), *_COLUMNS, users=_PEOPLE)


@command(roles, "show")
def show(desk: "Desk", role: _Role) -> None:
    """Show one role, with its members and owners: by name for people, by uid in `json`.

    Example: sallyport roles show staff
    """
    desk.record(_found(desk, role), users=_PEOPLE)


@command(roles, "create")
def create(desk: "Desk", name: _Name, *, description: _Description = "") -> None:
    """Make a role, with nobody in it yet.

    Example: sallyport roles create staff --description "Who works here"
    """
    made = desk.post("/roles", {"name": name} | ({"description": description} if description else {}))
    desk.done(f"{made['name']} is there, with the uid {made['uid']}", made)


@command(roles, "change")
def change(
    desk: "Desk",
    role: _Role,
    *,
    name: Annotated[str, typer.Option(help="Another name.", show_default=False)] = "",
    description: Annotated[
        str | None, typer.Option(help="What it is for; an empty one takes it away.", show_default=False)
    ] = None,
) -> None:
    """Give a role another name or description.

    Example: sallyport roles change staff --name crew
    """
    given: dict[str, Any] = {"name": name} if name else {}
    if description is not None:
        given["description"] = description or None
    if not given:
        raise typer.BadParameter("say --name, --description, or both")
    changed = _changed(desk, _found(desk, role), given)
    desk.done(f"{changed['name']} is changed", changed)


@command(roles, "delete")
def delete(desk: "Desk", role: _Role, *, yes: Yes = False) -> None:
    """Delete a role: all who are in it lose it.

    Example: sallyport roles delete staff --yes
    """
    desk.person.confirm(f"Delete the role {role}, for good?", yes=yes)
    told = _found(desk, role)
    desk.delete(f"/roles/{told['uid']}")
    desk.done(f"{told['name']} is deleted", {"uid": told["uid"]})


@command(roles, "add-member")
def add_member(
    desk: "Desk",
    role: _Role,
    user: User,
    *,
    owner: Annotated[bool, typer.Option("--owner", help="As an owner, who says who else is in it.")] = False,
) -> None:
    """Put a user into a role.

    Example: sallyport roles add-member staff alice --owner
    """
    told, uid, field = _found(desk, role), found(desk, user)["uid"], "owners" if owner else "members"
    changed = _changed(desk, told, {field: [*(one for one in told.get(field, ()) if one != uid), uid]})
    desk.done(f"{user} is {'an owner' if owner else 'a member'} of {told['name']}", changed)


@command(roles, "remove-member")
def remove_member(desk: "Desk", role: _Role, user: User, *, yes: Yes = False) -> None:
    """Take a user out of a role, as a member and as an owner.

    --yes is for the host, which is asked before the last one with a trusted role goes.

    Example: sallyport roles remove-member staff alice
    """
    told, uid = _found(desk, role), found(desk, user)["uid"]
    if told["name"].casefold() in map(str.casefold, desk.backend.trusted_roles()):
        desk.heed_last_trusted(uid, yes=yes)
    people = {field: [one for one in told.get(field, ()) if one != uid] for field in _PEOPLE}
    changed = _changed(desk, told, people)
    desk.done(f"{user} is not in {told['name']}", changed)


def _found(desk: "Desk", role: str) -> Any:  # noqa: ANN401  # JSON of any shape
    """Return a role by its name or uid."""
    from sallyport.kernel.ids import is_uid

    if is_uid(role):
        return desk.get(f"/roles/{role}")
    named = desk.get("/roles", name=role)
    if not named:
        raise desk.missing(f"There is no role {role}.")
    return named[0]


def _changed(desk: "Desk", told: Any, fields: dict[str, Any]) -> Any:  # noqa: ANN401  # JSON of any shape
    return desk.put(f"/roles/{told['uid']}", {"version": version(told), **fields})
