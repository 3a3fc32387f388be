"""`sallyport keys`: the commands about key rings, and what their help teaches."""

from typing import Annotated

import typer

keys = typer.Typer(
    help="""List, rotate and retire keys, while the service runs.

    There is a ring for each purpose: `sealing` (passwords and TOTP seeds in the database), `pepper` (backup codes,
    refresh tokens), `signing` (access tokens) and `audit` (the chain of the audit log). Each is one file in
    SALLYPORT_KEYS_DIR. One key of a ring is active; older ones stay readable until they are retired.
    """,
    no_args_is_help=True,
)

_Ring = Annotated[str, typer.Argument(metavar="RING", help="One of those that `keys list` shows.", show_default=False)]
_Database = Annotated[
    str, typer.Option(help="URL of the database.", show_default="SALLYPORT_DATABASE_URL, as for serve")
]


@keys.command("list")
def list_keys(
    output: Annotated[str, typer.Option(help="`table` for people, `json` for programs.")] = "table",
    database: _Database = "",
) -> None:
    """Show every key: what it is for, since when, and how many rows name it. Never the key itself."""
    from sallyport.cli.key_desk import show

    if output not in {"table", "json"}:
        raise typer.BadParameter("table or json is wanted", param_hint="--output")
    raise typer.Exit(show(database, as_json=output == "json"))


@keys.command()
def rotate(
    ring: _Ring,
    wait: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Seconds that every node and client is given to learn of a new key before it is used.",
            show_default="5; for signing 305, because clients keep the JWKS for five minutes",
        ),
    ] = None,
    database: _Database = "",
) -> None:
    """Make a new key active, and move what was made with older ones.

    First the new key is written to the ring's file, and every running service picks it up. Then it becomes active.
    For `sealing`, all rows are then sealed anew, a few hundred at a time. No restart, and no request fails.

    Interrupted at any point, even by kill -9: run the same command again, it goes on where it was. The old key stays
    readable until `sallyport keys retire`. A pepper can't be changed under a backup code: the old pepper stays for as
    long as there are codes made with it.
    """
    from sallyport.cli.key_desk import rotate as run

    raise typer.Exit(run(database, ring, wait))


@keys.command()
def reseal(database: _Database = "") -> None:
    """Seal anew whatever is still sealed under an older key.

    `rotate sealing` does this at its end. By itself it is for rows that turn up under an old key later: from a node
    that was asleep, or from a restored backup.
    """
    from sallyport.cli.key_desk import reseal as run

    raise typer.Exit(run(database))


@keys.command()
def retire(
    ring: _Ring,
    key: Annotated[str, typer.Argument(metavar="KEYID", help="As `keys list` shows it.", show_default=False)],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[
        float | None, typer.Option(min=0, help="Seconds that running requests are given to end.", show_default="5")
    ] = None,
    database: _Database = "",
) -> None:
    """Erase an old key from its file, for good.

    Refused while a row names the key, for the active and the next key, and for a signing key until the last token that
    it signed has expired. A backup of the database that was made before needs the key: keep a copy of the key file
    beside such a backup, for as long as you keep the backup.
    """
    from sallyport.cli.key_desk import retire as run

    raise typer.Exit(run(database, ring, key, wait, yes=yes))
