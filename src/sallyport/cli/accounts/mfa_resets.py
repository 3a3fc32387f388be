"""`sallyport mfa-resets`: lost second factors that are reset by waiting."""

from typing import TYPE_CHECKING, Final

import typer

from sallyport.cli.accounts.asked import After, All, Limit, Reason, User, Yes, command
from sallyport.cli.accounts.listing import Part
from sallyport.cli.accounts.users import found, given

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
def list_resets(desk: "Desk", *, limit: Limit = None, after: After = "", whole: All = False) -> None:
    """List what waits, oldest first.

    Example: sallyport mfa-resets list
    """
    part = Part(limit=limit, after=after, whole=whole)
    desk.table(desk.pages("/mfa-resets", part), *_COLUMNS, users=("userId",))


@command(mfa_resets, "cancel")
def cancel(desk: "Desk", user: User, *, reason: Reason = "", yes: Yes = False) -> None:
    """Cancel the reset that waits for a user, who says that it was not them. Their second factors stay as they are.

    Example: sallyport mfa-resets cancel alice --reason "called, and asked for nothing" --yes
    """
    desk.person.confirm(f"Cancel the reset of the second factors of {user}?", yes=yes)
    uid = found(desk, user)["uid"]
    desk.delete(f"/users/{uid}/recover/mfa", given(reason=reason))
    desk.done(f"the second factors of {user} stay as they are", {"uid": uid})
