"""`sallyport users`: the accounts."""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from sallyport.cli.accounts.asked import After, All, Limit, PasswordFile, PasswordStdin, Reason, User, Yes, command
from sallyport.cli.accounts.listing import Part

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
_Switch = Literal["yes", "no"] | None
_SWITCHES: Final = {None: "", "yes": "true", "no": "false"}


@command(users, "list")
def list_users(
    desk: "Desk",
    *,
    role: Annotated[str, typer.Option(help="Only who is in this role.", show_default=False)] = "",
    email: Annotated[str, typer.Option(help="Only who claims this address.", show_default=False)] = "",
    mfa: Annotated[_Switch, typer.Option(help="Only who has a second factor, or has none.")] = None,
    disabled: Annotated[_Switch, typer.Option(help="Only who is disabled, or is not.")] = None,
    sort: Annotated[Literal["name", "-dateCreated"] | None, typer.Option(help="Oldest first without it.")] = None,
    limit: Limit = None,
    after: After = "",
    whole: All = False,
) -> None:
    """List users, oldest first.

    Example: sallyport users list --disabled no --all --output json
    """
    only = {"role": role, "email": email, "mfaEnabled": _SWITCHES[mfa], "disabled": _SWITCHES[disabled]}
    part = Part(limit=limit, after=after, whole=whole)
    desk.table(desk.pages("/users", part, sort=sort or "", **only), *_COLUMNS)


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
    first_name: Annotated[str, typer.Option(help="Given name.", show_default=False)] = "",
    last_name: Annotated[str, typer.Option(help="Family name.", show_default=False)] = "",
    phone: Annotated[str, typer.Option(help="Phone number; nothing is sent to it.", show_default=False)] = "",
    no_password: Annotated[bool, typer.Option("--no-password", help="None yet: they can't log in with one.")] = False,
    password_stdin: PasswordStdin = False,
    password_file: PasswordFile = "",
) -> None:
    """Make a user. The password is asked for, twice, unless an option says where it is.

    Example: sallyport users create alice --email alice@example.org
    """
    fields = {"name": name, "email": email, "firstName": first_name, "lastName": last_name, "phone": phone}
    fields["password"] = desk.person.password(stdin=password_stdin, file=password_file, none=no_password)
    made = desk.post("/users", {field: value for field, value in fields.items() if value})["user"]
    desk.done(f"{made['name']} is there, with the uid {made['uid']}", made)


@command(users, "disable")
def disable(desk: "Desk", user: User, *, reason: Reason = "", yes: Yes = False) -> None:
    """Stop a user: sessions end at once, and no login succeeds until `enable`.

    --yes is for the host, which is asked before the last one with a trusted role goes.

    Example: sallyport users disable alice --reason "left the company"
    """
    seen = found(desk, user)
    desk.heed_last_trusted(seen["uid"], yes=yes)
    changed = _switched(desk, seen, reason, disabled=True)
    desk.done(f"{changed['name']} is disabled", changed)


@command(users, "enable")
def enable(desk: "Desk", user: User, *, reason: Reason = "") -> None:
    """Let a disabled user log in again.

    Example: sallyport users enable alice
    """
    changed = _switched(desk, found(desk, user), reason, disabled=False)
    desk.done(f"{changed['name']} is enabled", changed)


@command(users, "reset-mfa")
def reset_mfa(
    desk: "Desk",
    user: User,
    *,
    reason: Reason = "",
    caller_code: Annotated[
        bool,
        typer.Option(
            "--caller-code", help="Ask for the six digits that the user reads out to you; a line of --login-stdin."
        ),
    ] = False,
    yes: Yes = False,
) -> None:
    """Take a user's authenticator apps and backup codes away: for one who has lost the phone.

    Make sure first that it is them who asks. Their password stays, and from then on opens the account alone: they
    enroll anew at the next login. All their sessions end. On the host this works on admins, too. Where a second person
    has to confirm, that one says `sallyport approvals confirm`.

    Example: sallyport users reset-mfa alice --reason "lost phone, seen in person" --yes
    """
    desk.person.confirm(f"Take the second factor of {user} away?", yes=yes)
    uid = found(desk, user)["uid"]
    code = desk.person.heard("caller code", "say --login-stdin, with the code behind the login") if caller_code else ""
    waiting = desk.delete(f"/users/{uid}/mfa", given(reason=reason, callerCode=code))
    if waiting:
        until = f"until {waiting['expires']}: sallyport approvals confirm {waiting['uid']}"
        desk.done(f"waits for a second person, {until}", waiting)
        return
    desk.done(f"{user} has no second factor any more", {"uid": uid})


@command(users, "reset-password", ways="host")
def reset_password(desk: "Desk", user: User, *, yes: Yes = False) -> None:
    """Make a token with which a user sets a new password: for one whom no mail reaches. On the host alone.

    Nobody chooses a password for somebody else: hand the token to the user, by a way that nobody else reads. It is good
    once, for half an hour, and voids those before it. It opens no session, and a second factor stays as it is. When the
    new password is set all sessions end, and API keys are suspended.

    From elsewhere let the user ask for a mail: "Forgot your password?" on the pages, or POST /users/recover.

    Example: sallyport users reset-password admin --yes
    """
    desk.person.confirm(f"Make a token that sets the password of {user}?", yes=yes)
    made = desk.post(f"/users/{found(desk, user)['uid']}/recovery-token", {})
    sentence = f"""For {user}, once, within {made["expiresIn"] // 60} minutes:

  {made["url"]}

or POST /users/{made["uid"]}/recover with {{"token": "{made["token"]}", "password": "..."}}"""
    desk.done(sentence, made)


@command(users, "delete")
def delete(desk: "Desk", user: User, *, reason: Reason = "", yes: Yes = False) -> None:
    """Erase a user and all that is theirs. The audit log keeps the uid, and no address.

    Example: sallyport users delete alice --yes
    """
    desk.person.confirm(f"Erase {user} and all that is theirs, for good?", yes=yes)
    uid = found(desk, user)["uid"]
    desk.heed_last_trusted(uid, yes=yes)
    desk.delete(f"/users/{uid}", given(reason=reason))
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


def given(**fields: str) -> dict[str, str]:
    """Return the body that says what was given, and nothing else."""
    return {name: value for name, value in fields.items() if value}


def version(seen: Any) -> int:  # noqa: ANN401  # JSON of any shape
    """Return the version to change; of what one sees too little of none that there is, and the service says why not."""
    return int(seen.get("version", -1))


def _switched(desk: "Desk", seen: Any, reason: str, *, disabled: bool) -> Any:  # noqa: ANN401  # JSON of any shape
    body = {"version": version(seen), "disabled": disabled}
    return desk.put(f"/users/{seen['uid']}", body | given(reason=reason))
