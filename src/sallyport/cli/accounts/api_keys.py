"""`sallyport api-keys`: keys for programs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sallyport.cli.accounts.asked import Reason, User, Yes, at_last_second, command
from sallyport.cli.accounts.listing import Part
from sallyport.cli.accounts.users import found, given

if TYPE_CHECKING:
    from sallyport.cli.accounts.desk import Desk

api_keys = typer.Typer(
    name="api-keys",
    help="""Make, list and revoke the API keys with which programs read.

    A key is its owner's: only the owner makes one, with --url, logged in, and it is shown this once. Anybody who may
    help the owner lists and revokes, on the host or with --url.
    """,
    no_args_is_help=True,
)

_COLUMNS: Final = (
    ("UID", "uid"),
    ("PREFIX", "prefix"),
    ("SCOPES", "scopes"),
    ("EXPIRES", "expires"),
    ("LAST USED", "lastUsed"),
    ("SUSPENDED", "suspended"),
    ("DESCRIPTION", "description"),
)
_Key = Annotated[str, typer.Argument(metavar="KEY", help="Uid of the key, or its prefix.", show_default=False)]


@command(api_keys, "list")
def list_keys(desk: "Desk", user: User) -> None:
    """List the API keys of a user. Never the keys themselves: nobody has them but who was shown them.

    Example: sallyport api-keys list alice
    """
    desk.table(_keys(desk, found(desk, user)["uid"]), *_COLUMNS)


@command(api_keys, "create", ways="url")
def create(
    desk: "Desk",
    *,
    scope: Annotated[
        list[str], typer.Option(help="What it is good for; say it once for each. `self:read` without it.")
    ] = [],  # noqa: B006  # Typer reads it, and nobody writes to it
    expires: Annotated[
        str,
        typer.Option(help="Its end: 2030-01-31T12:00:00Z, or its last day, which ends in UTC.", show_default="none"),
    ] = "",
    description: Annotated[str, typer.Option(help="What it is for.", show_default=False)] = "",
) -> None:
    """Make an API key of your own. It is the one line of standard output, and can't be shown again.

    Example: sallyport api-keys create --url https://accounts.example.org --login alice --scope users:read > key
    """
    wish: dict[str, Any] = {
        "type": "apikey",
        "scopes": scope,
        "expires": at_last_second(expires),
        "description": description,
    }
    made = desk.post("/users/me/secrets", {name: value for name, value in wish.items() if value})
    desk.done(made["secret"], made)


@command(api_keys, "revoke")
def revoke(desk: "Desk", user: User, key: _Key, *, reason: Reason = "", yes: Yes = False) -> None:
    """Take an API key away: the next request with it is refused. Do so when one has leaked.

    Example: sallyport api-keys revoke alice spk_Zr3v8_1q --yes
    """
    desk.person.confirm(f"Revoke the key {key} of {user}, for good?", yes=yes)
    uid = found(desk, user)["uid"]
    told = _key(desk, uid, key)
    desk.delete(f"/users/{uid}/secrets/{told['uid']}", given(reason=reason))
    desk.done(f"the key {told['prefix']} of {user} is revoked", told)


@command(api_keys, "resume", ways="url")
def resume(desk: "Desk", key: _Key) -> None:
    """Put a key of your own back that was suspended, as all are when a password is reset.

    Example: sallyport api-keys resume spk_Zr3v8_1q --url https://accounts.example.org --login alice
    """
    told = _key(desk, "me", key)
    changed = desk.put(f"/users/me/secrets/{told['uid']}", {"version": told["version"], "suspended": False})
    desk.done(f"the key {told['prefix']} is good again", changed)


def _keys(desk: "Desk", uid: str) -> Iterator[list[Any]]:
    return desk.pages(f"/users/{uid}/secrets", Part(whole=True), type="apikey")


def _key(desk: "Desk", uid: str, key: str) -> Any:  # noqa: ANN401  # JSON of any shape
    """Return one key, which is never a secret of another kind: revoking must not take a password away."""
    for page in _keys(desk, uid):
        for one in page:
            if key in {one["uid"], one["prefix"]}:
                return one
    raise desk.missing(f"There is no API key {key}.")
