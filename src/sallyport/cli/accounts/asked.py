"""What every command about accounts is asked in the same way: where, as whom, and how to tell it."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

import typer

Run = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Over the database on the host, or over HTTP where there is a URL; and as whom."""

    database: str = ""
    url: str = ""
    key_file: str = ""
    login: str = ""
    login_stdin: bool = False


Ways = Literal["both", "host", "url"]
"""Which ways a command knows: over the database on the host, over HTTP, or both."""

_ON_HOST: Final = "as for serve"
_OF_HOST: Final = {"database"}
_OF_URL: Final = {"url", "key_file", "login", "login_stdin"}
_SHARED: Final[dict[str, tuple[Any, Any]]] = {
    "output": (
        Annotated[
            Literal["table", "json"], typer.Option(help="`table` for people, `json` for programs.", show_default=True)
        ],
        "table",
    ),
    "database": (
        Annotated[str, typer.Option(help="On the host: URL of the database.", show_default=_ON_HOST)],
        "",
    ),
    "url": (
        Annotated[str, typer.Option(help="Work over HTTP, at this address, and not on the host.", show_default=False)],
        "",
    ),
    "key_file": (
        Annotated[str, typer.Option(help="With --url: file with an API key. Enough for reading.", show_default=False)],
        "",
    ),
    "login": (
        Annotated[
            str,
            typer.Option(help="With --url: log in by this name; password and code are asked for.", show_default=False),
        ],
        "",
    ),
    "login_stdin": (
        Annotated[bool, typer.Option("--login-stdin", help="Take password and code from two lines of standard input.")],
        False,
    ),
}


def command(group: typer.Typer, name: str, ways: Ways = "both") -> Callable[[Run], Run]:
    """Declare a command: `run` gets a desk, and then what its own parameters ask for."""
    unknown = {"both": set[str](), "host": _OF_URL, "url": _OF_HOST}[ways]
    shared = {field: how for field, how in _SHARED.items() if field not in unknown}

    def declare(run: Run) -> Run:
        def asked(output: str, **given: Any) -> None:  # noqa: ANN401  # whatever the parameters of `run` are
            from sallyport.cli.accounts.desk import carry_out

            where = Where(**{field: given.pop(field) for field in shared if field != "output"})
            if ways == "url" and not where.url:
                raise typer.BadParameter("this is for users themselves: say where, and log in", param_hint="--url")
            raise typer.Exit(carry_out(group.info.name or "", where, partial(run, **given), as_json=output == "json"))

        own = list(inspect.signature(run).parameters.values())[1:]
        kind = inspect.Parameter.KEYWORD_ONLY
        more = [
            inspect.Parameter(field, kind, annotation=annotation, default=default)
            for field, (annotation, default) in shared.items()
        ]
        asked.__signature__ = inspect.Signature([*(one.replace(kind=kind) for one in own), *more])  # type: ignore[attr-defined]  # Typer reads it
        asked.__doc__ = run.__doc__
        group.command(name)(asked)
        return run

    return declare


User = Annotated[str, typer.Argument(metavar="USER", help="Name or uid; `me` with --url.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where nobody is there to ask.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit log; the user reads it.", show_default=False)]
Limit = Annotated[int | None, typer.Option(min=1, help="How many at most.", show_default="100")]
After = Annotated[str, typer.Option(metavar="UID", help="Go on behind this one.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="To the end, however many there are.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="It is the first line of standard input.")]
PasswordFile = Annotated[str, typer.Option(metavar="FILE", help="It is the first line of FILE.", show_default=False)]
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def at_midnight(moment: str) -> str:
    """Return a moment; of a day its beginning, in UTC."""
    return moment + "T00:00:00Z" if _DAY.fullmatch(moment) else moment


def at_last_second(moment: str) -> str:
    """Return a moment; of a day its end, in UTC."""
    return moment + "T23:59:59Z" if _DAY.fullmatch(moment) else moment
