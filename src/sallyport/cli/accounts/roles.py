"""`sallyport roles`: who is in what."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sallyport.cli.accounts.asked import After, Limit, User, Yes, command
from sallyport.cli.accounts.users import found

if TYPE_CHECKING:
    from sallyport.cli.accounts.desk import Desk

roles = typer.Typer(
    name="roles",
    help="""Make, change and delete roles, and say who is in them.

    What users carry in their tokens follows by itself. Who loses the last trusted role is logged out everywhere.
    """,
    no_args_is_help=True,
)

_COLUMNS: Final = (("UID", "uid"), ("NAME", "name"), ("DESCRIPTION", "description"), ("MEMBERS", "members"))
_Role = Annotated[str, typer.Argument(metavar="ROLE", help="Name or uid.", show_default=False)]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="What tokens call it.", show_default=False)]
_Description = Annotated[str, typer.Option(help="What it is for.", show_default=False)]


@command(roles, "list")
def list_roles(desk: "Desk", *, limit: Limit = 100, after: After = "") -> None:
    """List roles, oldest first.

    Example: sallyport roles list
    """
    desk.table(desk.listed("/roles", limit, after), *_COLUMNS)


@command(roles, "show")
def show(desk: "Desk", role: _Role) -> None:
    """Show one role, with the uids of its members and owners.

    Example: sallyport roles show staff
    """
    desk.record(_found(desk, role))


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
    description: _Description = "",
) -> None:
    """Give a role another name or description.

    Example: sallyport roles change staff --name crew
    """
    given = {"name": name, "description": description}
    changed = _changed(desk, _found(desk, role), {field: value for field, value in given.items() if value})
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
    changed = _changed(desk, told, {field: [*(one for one in told[field] if one != uid), uid]})
    desk.done(f"{user} is {'an owner' if owner else 'a member'} of {told['name']}", changed)


@command(roles, "remove-member")
def remove_member(desk: "Desk", role: _Role, user: User) -> None:
    """Take a user out of a role, as a member and as an owner.

    Example: sallyport roles remove-member staff alice
    """
    told, uid = _found(desk, role), found(desk, user)["uid"]
    people = {field: [one for one in told[field] if one != uid] for field in ("members", "owners")}
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
    return desk.put(f"/roles/{told['uid']}", {"version": told["version"], **fields})
