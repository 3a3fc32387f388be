"""`sallyport audit list`: reading the log page by page, as the API shows it."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from sallyport.cli.accounts.asked import After, All, Limit, at_midnight, command
from sallyport.cli.accounts.listing import Part
from sallyport.cli.accounts.users import found

if TYPE_CHECKING:
    from sallyport.cli.accounts.desk import Desk

_COLUMNS: Final = (
    ("TIME", "dateCreated"),
    ("EVENT", "event"),
    ("OUTCOME", "outcome"),
    ("FACTOR", "factor"),
    ("USER", "userId"),
    ("ACTOR", "actorId"),
    ("IP", "ip"),
    ("DETAIL", "detail"),
)


def declare(audit: typer.Typer) -> None:
    """Add the command to the group that has `verify` and `export`."""

    @command(audit, "list")
    def list_audit(
        desk: "Desk",
        *,
        user: Annotated[str, typer.Option(help="Only about this user: name, or uid.", show_default=False)] = "",
        event: Annotated[str, typer.Option(help="Only this kind of event.", show_default=False)] = "",
        since: Annotated[
            str, typer.Option(help="Only then or later: 2030-01-31T12:00:00Z, or a day.", show_default=False)
        ] = "",
        limit: Limit = None,
        after: After = "",
        whole: All = False,
    ) -> None:
        """List what the log tells, newest first. The table has names, where users still have one; `json` has uids.

        Example: sallyport audit list --event login.password --since 2030-01-31
        """
        uid = found(desk, user)["uid"] if user else ""
        part = Part(limit=limit, after=after, whole=whole)
        found_rows = desk.pages("/audit", part, user=uid, event=event, since=at_midnight(since))
        desk.table(found_rows, *_COLUMNS, users=("userId", "actorId"))
