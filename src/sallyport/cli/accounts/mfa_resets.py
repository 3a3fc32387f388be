"""`sallyport mfa-resets`: lost second factors that are reset by waiting."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from sallyport.cli.accounts.asked import After, Limit, User, Yes, command
from sallyport.cli.accounts.users import found

if TYPE_CHECKING:
    from sallyport.cli.accounts.desk import Desk

mfa_resets = typer.Typer(
    name="mfa-resets",
    help="""List and cancel resets of lost second factors that wait.

    One begins when a user says, with password and mailed token, that every second factor is lost, and has no backup
    code. From its end on the user may take it, for three days; a login with a second factor cancels it.
    """,
    no_args_is_help=True,
)

_COLUMNS: Final = (("UID", "uid"), ("USER", "userId"), ("BEGUN", "dateCreated"), ("ENDS", "ends"), ("UNTIL", "expires"))


@command(mfa_resets, "list")
def list_resets(desk: "Desk", *, limit: Limit = 100, after: After = "") -> None:
    """List what waits, oldest first.

    Example: sallyport mfa-resets list
    """
    desk.table(desk.listed("/mfa-resets", limit, after), *_COLUMNS)


@command(mfa_resets, "cancel")
def cancel(
    desk: "Desk",
    user: User,
    *,
    reason: Annotated[str, typer.Option(help="For the audit log, and the mail to the user.", show_default=False)] = "",
    yes: Yes = False,
) -> None:
    """Cancel the reset that waits for a user, who says that it was not them. Their second factors stay as they are.

    Example: sallyport mfa-resets cancel alice --reason "called, and asked for nothing" --yes
    """
    desk.person.confirm(f"Cancel the reset of the second factors of {user}?", yes=yes)
    uid = found(desk, user)["uid"]
    desk.delete(f"/users/{uid}/recover/mfa", {"reason": reason} if reason else None)
    desk.done(f"the second factors of {user} stay as they are", {"uid": uid})
