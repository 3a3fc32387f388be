"""The commands and their help texts."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sallyport import __version__
from sallyport.cli.accounts import audit as audit_list
from sallyport.cli.accounts.api_keys import api_keys
from sallyport.cli.accounts.approvals import approvals
from sallyport.cli.accounts.asked import at_midnight
from sallyport.cli.accounts.mfa_resets import mfa_resets
from sallyport.cli.accounts.roles import roles
from sallyport.cli.accounts.sessions import sessions
from sallyport.cli.accounts.users import users
from sallyport.cli.keys import keys

app = typer.Typer(
    help="Accounts and multi-factor authentication, self-hosted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich alone takes 0.2 s to import
)


app.add_typer(users)
app.add_typer(roles)
app.add_typer(sessions)
app.add_typer(api_keys)
app.add_typer(approvals)
app.add_typer(mfa_resets)
app.add_typer(keys, name="keys")


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"sallyport {__version__}")
        raise typer.Exit


@app.callback()
def sallyport(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Accounts and multi-factor authentication, self-hosted."""


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = "",
    port: Annotated[str, typer.Option(help="Port to listen on.", show_default="8080")] = "",
    database: Annotated[
        str, typer.Option(help="URL of the database.", show_default="sqlite:///./data/sallyport.db")
    ] = "",
    workers: Annotated[str, typer.Option(help="Number of processes.", show_default="1")] = "",
) -> None:
    """Start the service. Settings come from flags, SALLYPORT_* variables, sallyport.toml, defaults."""
    from sallyport.cli.serve import run

    flags = {"host": host, "port": port, "database_url": database, "workers": workers}
    raise typer.Exit(run({name: value for name, value in flags.items() if value}))


@app.command()
def health(
    host: Annotated[str, typer.Option(help="Address that it listens on.", show_default="as for serve")] = "",
    port: Annotated[str, typer.Option(help="Port that it listens on.", show_default="as for serve")] = "",
) -> None:
    """Ask the running service whether it is ready. Exit status 1 where it is not, or is silent for 2 seconds."""
    from sallyport.cli.health import run

    raise typer.Exit(run({name: value for name, value in {"host": host, "port": port}.items() if value}))


audit_app = typer.Typer(
    name="audit",
    help="Look at the audit log: read it, verify that it is whole, or write it out. Works beside a running service.",
    no_args_is_help=True,
)
app.add_typer(audit_app)
audit_list.declare(audit_app)
_Database = Annotated[str, typer.Option(help="URL of the database.", show_default="as for serve")]


@audit_app.command("verify")
def audit_verify(
    database: _Database = "",
    output: Annotated[Literal["table", "json"], typer.Option(help="How to tell it.")] = "table",
) -> None:
    """Find rows that were changed, removed, inserted or cut off. Exit status: 0 whole, 1 faults, 2 wrong use."""
    from sallyport.cli.audit import verify

    raise typer.Exit(verify({"database_url": database} if database else {}, as_json=output == "json"))


@audit_app.command("export")
def audit_export(
    database: _Database = "",
    to: Annotated[str, typer.Option(help="File to write; it must not be there yet.", show_default="stdout")] = "",
    since: Annotated[str, typer.Option(help="Only what happened then or later: 2030-01-31T12:00:00Z, or a day.")] = "",
) -> None:
    """Write the log as JSON lines, oldest first, with the digests that prove it."""
    from sallyport.cli.audit import export

    raise typer.Exit(export({"database_url": database} if database else {}, to, at_midnight(since)))


policy_app = typer.Typer(help="Look at the rule about second factors before you switch it on.", no_args_is_help=True)
app.add_typer(policy_app, name="policy")


@policy_app.command("impact")
def policy_impact(
    require_mfa: Annotated[
        str, typer.Option("--require-mfa", help="The rule: all, or roles:a,b.", show_default="as for serve")
    ] = "",
    mfa_grace: Annotated[
        str, typer.Option("--mfa-grace", help="How long they may do without: 14d.", show_default="as for serve")
    ] = "",
    database: _Database = "",
    output: Annotated[Literal["table", "json"], typer.Option(help="How to tell it.")] = "table",
) -> None:
    """Tell who would have to enroll, until when, and who of them could not. Changes nothing.

    Stuck is who is disabled, or has neither a password nor a verified address to set one by. Exit status: 0 nobody
    is stuck, 1 somebody is, 2 wrong use.
    """
    from sallyport.cli.policy import impact

    flags = {"require_mfa": require_mfa, "mfa_grace": mfa_grace, "database_url": database}
    raise typer.Exit(impact({name: value for name, value in flags.items() if value}, as_json=output == "json"))


@app.command()
def demo() -> None:
    """Show the whole MFA journey on a service that exists for a few seconds."""
    from sallyport.cli.demo import run

    raise typer.Exit(run())


@app.command()
def backup(
    to: Annotated[Path, typer.Option("--to", help="File to write. It must not be there yet.", metavar="FILE")],
    database: Annotated[
        str, typer.Option(help="URL of the database.", show_default="sqlite:///./data/sallyport.db")
    ] = "",
) -> None:
    """Copy the database to a file while the service runs.

    The copy is of one moment, checked, and readable by you alone. The keys are NOT in it: they travel by another way.
    """
    from sallyport.cli.backup import run_backup

    raise typer.Exit(run_backup(to, {"database_url": database} if database else {}))


@app.command()
def restore(
    backup: Annotated[
        Path | None,
        typer.Argument(help="A file that `sallyport backup` wrote.", metavar="FILE", show_default=False),
    ] = None,
    *,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="PostgreSQL: the database was put back by pg_restore or the like.")
    ] = False,
    database: Annotated[
        str, typer.Option(help="URL of the database.", show_default="sqlite:///./data/sallyport.db")
    ] = "",
) -> None:
    """Put a backup in the place of the database. The service must be stopped.

    The keys that the backup was sealed under must be in the key directory. The database that is there now is kept
    aside. All sessions end, all backup codes are void, every code that a phone has shown so far is spent.

    A PostgreSQL server is put back by its own tools. Then, with `--in-place` and no FILE, this command ends and voids
    the same in the database where it is.
    """
    from sallyport.cli.backup import run_restore, run_restore_in_place

    flags = {"database_url": database} if database else {}
    if in_place == bool(backup):
        raise typer.BadParameter("name a file, or say --in-place", param_hint="FILE")
    raise typer.Exit(run_restore(backup, flags) if backup else run_restore_in_place(flags))


@app.command()
def migrate(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing, and tell what waits.")] = False,
    output: Annotated[Literal["table", "json"], typer.Option(help="How --check tells it.")] = "table",
    database: _Database = "",
) -> None:
    """Bring the schema of the database to this release, and end: before the first of several nodes is upgraded.

    `serve` does the same when it starts. Exit status: 0 up to date, 1 failed, 2 wrong use. With `--check`: 0 nothing to
    do, 1 a migration waits, 2 nobody can tell.
    """
    from sallyport.cli import migrate as command

    flags = {"database_url": database} if database else {}
    raise typer.Exit(command.check(flags, as_json=output == "json") if check else command.run(flags))


@app.command()
def doctor(
    output: Annotated[
        Literal["screen", "json"], typer.Option(help="For people, or for a program.", case_sensitive=False)
    ] = "screen",
    database: Annotated[
        str, typer.Option(help="URL of the database.", show_default="sqlite:///./data/sallyport.db")
    ] = "",
) -> None:
    """Look at what a careful operator would look at: host, network, policy. Changes nothing.

    Run it as the user of the service, with its settings; whether the service runs or not. Exit status 1 when
    something is red. Clauses are of NIST SP 800-63B-4 and OWASP ASVS 5.0.
    """
    from sallyport.cli.doctor import run

    raise typer.Exit(run(output, {"database_url": database} if database else {}))


def main() -> None:
    """Run the command line, under the one name that the completion of a shell is installed for."""
    app(prog_name="sallyport")
