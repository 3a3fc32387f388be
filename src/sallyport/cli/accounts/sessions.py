"""`sallyport sessions`: who is logged in, and where."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from sallyport.cli.accounts.asked import After, All, Limit, Reason, User, command
from sallyport.cli.accounts.listing import Part
from sallyport.cli.accounts.users import found, given

if TYPE_CHECKING:
    from sallyport.cli.accounts.desk import Desk

sessions = typer.Typer(name="sessions", help="List and end the sessions of a user.", no_args_is_help=True)

_COLUMNS: Final = (
    ("UID", "uid"),
    ("CREATED", "dateCreated"),
    ("LAST USED", "lastUsed"),
    ("IP", "ip"),
    ("LEVEL", "acr"),
    ("METHODS", "amr"),
    ("USER AGENT", "userAgent"),
)


@command(sessions, "list")
def list_sessions(desk: "Desk", user: User, *, limit: Limit = None, after: After = "", whole: All = False) -> None:
    """List the sessions of a user that stand, oldest first.

    Example: sallyport sessions list alice
    """
    part = Part(limit=limit, after=after, whole=whole)
    desk.table(desk.pages(f"/users/{found(desk, user)['uid']}/sessions", part), *_COLUMNS)


@command(sessions, "end")
def end(
    desk: "Desk",
    user: User,
    session: Annotated[
        str, typer.Argument(metavar="[SESSION]", help="Uid of one; all of them without it.", show_default=False)
    ] = "",
    *,
    reason: Reason = "",
) -> None:
    """End one session of a user, or all of them: at the next request their tokens are refused.

    With --url and your own name all but the one of this command end.

    Example: sallyport sessions end alice
    """
    uid = found(desk, user)["uid"]
    desk.delete(f"/users/{uid}/sessions" + (f"/{session}" if session else ""), given(reason=reason))
    desk.done(f"{'that session' if session else 'every session'} of {user} is over", {"uid": uid})
