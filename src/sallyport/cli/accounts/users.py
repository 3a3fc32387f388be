"""`sallyport users`: the accounts."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sallyport.cli.accounts.asked import After, Limit, PasswordFile, PasswordStdin, User, Yes, command
from sallyport.cli.accounts.person import WrongUseError

if TYPE_CHECKING:
    from sallyport.cli.accounts.desk import Desk

users = typer.Typer(
    name="users",
    help="""Make, list, disable and delete users, and help those who are locked out.

    On the host, beside a service that may be running, the database and its keys are leave enough: that is the way to
    reset one who holds a trusted role. From anywhere else say --url, and --login or --key-file. Refusals are those of
    the HTTP API, with the same codes. Exit status: 0 done, 1 refused or failed, 2 wrong use.
    """,
    no_args_is_help=True,
)

_ALL: Final = 1_000
_COLUMNS: Final = (
    ("UID", "uid"),
    ("NAME", "name"),
    ("EMAIL", "email"),
    ("ROLES", "roles"),
    ("MFA", "mfaEnabled"),
    ("DISABLED", "disabled"),
    ("CREATED", "dateCreated"),
)
_Email = Annotated[str, typer.Option(help="Address; not verified by this.", show_default=False)]
_Text = Annotated[str, typer.Option(show_default=False)]


@command(users, "list")
def list_users(desk: "Desk", *, limit: Limit = 100, after: After = "") -> None:
    """List users, oldest first.

    Example: sallyport users list --limit 1000 --output json
    """
    desk.table(desk.listed("/users", limit, after), *_COLUMNS)


@command(users, "show")
def show(desk: "Desk", user: User) -> None:
    """Show one user.

    Example: sallyport users show alice
    """
    desk.record(found(desk, user))


@command(users, "create")
def create(
    desk: "Desk",
    name: Annotated[str, typer.Argument(metavar="NAME", help="What they log in with.", show_default=False)],
    *,
    email: _Email = "",
    first_name: _Text = "",
    last_name: _Text = "",
    phone: _Text = "",
    no_password: Annotated[bool, typer.Option("--no-password", help="None yet: they can't log in with one.")] = False,
    password_stdin: PasswordStdin = False,
    password_file: PasswordFile = "",
) -> None:
    """Make a user. The password is asked for, twice, unless an option says where it is.

    Example: sallyport users create alice --email alice@example.org
    """
    fields = {"name": name, "email": email, "firstName": first_name, "lastName": last_name, "phone": phone}
    if not no_password:
        fields["password"] = desk.person.password(stdin=password_stdin, file=password_file)
    made = desk.post("/users", {field: value for field, value in fields.items() if value})["user"]
    desk.done(f"{made['name']} is there, with the uid {made['uid']}", made)


@command(users, "disable")
def disable(desk: "Desk", user: User) -> None:
    """Stop a user: sessions end at once, and no login succeeds until `enable`.

    Example: sallyport users disable alice
    """
    changed = _switched(desk, user, disabled=True)
    desk.done(f"{changed['name']} is disabled", changed)


@command(users, "enable")
def enable(desk: "Desk", user: User) -> None:
    """Let a disabled user log in again.

    Example: sallyport users enable alice
    """
    changed = _switched(desk, user, disabled=False)
    desk.done(f"{changed['name']} is enabled", changed)


@command(users, "reset-mfa")
def reset_mfa(
    desk: "Desk",
    user: User,
    *,
    reason: Annotated[str, typer.Option(help="For the audit log.", show_default=False)] = "",
    yes: Yes = False,
) -> None:
    """Take a user's authenticator apps and backup codes away: for one who has lost the phone.

    Make sure first that it is them who asks. Their password stays, and from then on opens the account alone: they
    enroll anew at the next login. All their sessions end. On the host this works on admins, too.

    Example: sallyport users reset-mfa alice --reason "lost phone, seen in person" --yes
    """
    desk.person.confirm(f"Take the second factor of {user} away?", yes=yes)
    uid = found(desk, user)["uid"]
    apps = [one["uid"] for one in desk.get(f"/users/{uid}/secrets", limit=_ALL) if one["type"] == "mfa"]
    said = [desk.delete(f"/users/{uid}/secrets/{app}", {"reason": reason} if reason else None) for app in apps]
    if waiting := [one for one in said if one]:
        until = ", ".join(f"POST /approvals/{one['uid']} until {one['expires']}" for one in waiting)
        desk.done(f"waits for a second person: {until}", {"uid": uid, "waiting": waiting})
        return
    desk.done(f"{user} has no second factor any more ({len(apps)} taken away)", {"uid": uid, "removed": apps})


@command(users, "reset-password")
def reset_password(desk: "Desk", user: User, *, yes: Yes = False) -> None:
    """Make a token with which a user sets a new password: for one whom no mail reaches. On the host alone.

    Nobody chooses a password for somebody else: hand the token to the user, by a way that nobody else reads. It is good
    once, for half an hour, and voids those before it. It opens no session, and a second factor stays as it is. When the
    new password is set all sessions end, and API keys are suspended.

    Example: sallyport users reset-password admin --yes
    """
    if not desk.on_host:
        raise WrongUseError("this is for the host alone: with --url let the user ask for a mail (POST /users/recover)")
    desk.person.confirm(f"Make a token that sets the password of {user}?", yes=yes)
    made = desk.post(f"/users/{found(desk, user)['uid']}/recovery-token", {})
    sentence = f"""For {user}, once, within {made["expiresIn"] // 60} minutes:

  {made["url"]}

or POST /users/{made["uid"]}/recover with {{"token": "{made["token"]}", "password": "..."}}"""
    desk.done(sentence, made)


@command(users, "delete")
def delete(desk: "Desk", user: User, *, yes: Yes = False) -> None:
    """Erase a user and all that is theirs. The audit log keeps the uid, and no address.

    Example: sallyport users delete alice --yes
    """
    desk.person.confirm(f"Erase {user} and all that is theirs, for good?", yes=yes)
    uid = found(desk, user)["uid"]
    desk.delete(f"/users/{uid}")
    desk.done(f"{user} is erased", {"uid": uid})


def found(desk: "Desk", user: str) -> Any:  # noqa: ANN401  # JSON of any shape
    """Return a user, by uid or by name in any case, as the API shows them."""
    from sallyport.kernel.ids import is_uid

    if user == "me" or is_uid(user):
        return desk.get(f"/users/{user}")
    named = desk.get("/users", name=user)
    if not named:
        raise desk.missing(f"There is no user {user}.")
    return desk.get(f"/users/{named[0]['uid']}")


def _switched(desk: "Desk", user: str, *, disabled: bool) -> Any:  # noqa: ANN401  # JSON of any shape
    seen = found(desk, user)
    return desk.put(f"/users/{seen['uid']}", {"version": seen["version"], "disabled": disabled})
