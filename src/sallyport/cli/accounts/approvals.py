"""`sallyport approvals`: what waits for a second person."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from sallyport.cli.accounts.asked import After, All, Limit, Yes, command
from sallyport.cli.accounts.listing import Part

if TYPE_CHECKING:
    from sallyport.cli.accounts.desk import Desk

approvals = typer.Typer(
    name="approvals",
    help="""See and confirm what waits for a second person (SALLYPORT_DESK_APPROVAL=two).

    One trusted person asks that a second factor goes, and another one confirms it within the hour. On the host nobody
    confirms, because nobody there has a name: what must be done there needs no second person, and the audit log says
    that it was done on the host.
    """,
    no_args_is_help=True,
)

_COLUMNS: Final = (
    ("UID", "uid"),
    ("USER", "userId"),
    ("SECRET", "secretId"),
    ("ASKED BY", "askedBy"),
    ("EXPIRES", "expires"),
    ("REASON", "reason"),
)


@command(approvals, "list")
def list_approvals(desk: "Desk", *, limit: Limit = None, after: After = "", whole: All = False) -> None:
    """List what waits for a second person, oldest first: whose second factor, and who has asked.

    Example: sallyport approvals list --url https://accounts.example.org --login bob
    """
    part = Part(limit=limit, after=after, whole=whole)
    desk.table(desk.pages("/approvals", part), *_COLUMNS, users=("userId", "askedBy"))


@command(approvals, "confirm", ways="url")
def confirm(
    desk: "Desk",
    approval: Annotated[str, typer.Argument(metavar="UID", help="As `approvals list` shows it.", show_default=False)],
    *,
    yes: Yes = False,
) -> None:
    """Confirm, as the second person, that a second factor goes. It goes at once, and the user's sessions end.

    Ask the first person what they have seen. You can't confirm what you have asked for yourself, or what is about you.

    Example: sallyport approvals confirm 01912345-0000-7000-8000-000000000000 --url https://… --login bob
    """
    desk.person.confirm("Take that second factor away?", yes=yes)
    desk.post(f"/approvals/{approval}", {})
    desk.done("confirmed, and done", {"uid": approval})
