"""The commands and their help texts."""

from typing import Annotated

import typer

from sallyport import __version__
from sallyport.cli.keys import keys

app = typer.Typer(
    help="Accounts and multi-factor authentication, self-hosted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # so that the lines of a paragraph run on
)


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
def demo() -> None:
    """Show the whole MFA journey on a service that exists for a few seconds."""
    from sallyport.cli.demo import run

    raise typer.Exit(run())


def main() -> None:
    """Run the command line."""
    app()
