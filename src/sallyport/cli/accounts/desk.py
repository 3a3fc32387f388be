"""What a command about accounts works with: a way to the service, and ways to ask a person and to tell them."""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Protocol

import typer

from sallyport.cli.accounts.asked import Where
from sallyport.cli.accounts.person import Person, WrongUseError
from sallyport.cli.accounts.told import Column, record, table

OK: Final = 0
REFUSED: Final = 1
WRONG_USE: Final = 2
_AT_ONCE: Final = 1_000

Json = Any


class Backend(Protocol):
    """A way to the service: its routes in this process, or over HTTP. Both refuse alike, with the same codes."""

    def ask(self, method: str, path: str, query: Mapping[str, str], body: Json) -> Json:
        """Return what is answered. Raises `RefusedError`, or `FailedError` where there is no answer."""
        ...

    def close(self) -> None:
        """End what was opened for the command."""
        ...


class RefusedError(Exception):
    """The service refuses; this is its problem document."""

    def __init__(self, problem: Mapping[str, Json]) -> None:
        super().__init__(f"{problem['detail']} ({problem['code']})")
        self.problem = problem


class FailedError(Exception):
    """Nobody answers, or not as the service would. The message says what to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Asks the service, asks the person, and tells what came of it."""

    backend: Backend
    person: Person
    as_json: bool
    on_host: bool
    """Whether it works over the database: for the few commands that only the operator has."""

    def get(self, path: str, **query: str | int) -> Json:
        """Read something; what is empty in the query is left out."""
        return self.backend.ask("GET", path, {name: str(value) for name, value in query.items() if value}, None)

    def post(self, path: str, body: Json) -> Json:
        """Make something."""
        return self.backend.ask("POST", path, {}, body)

    def put(self, path: str, body: Json) -> Json:
        """Change something."""
        return self.backend.ask("PUT", path, {}, body)

    def delete(self, path: str, body: Json = None) -> Json:
        """Take something away; returns what waits for a second person, where it needs one."""
        return self.backend.ask("DELETE", path, {}, body or {})

    def listed(self, path: str, limit: int, after: str = "", **query: str) -> list[Json]:
        """Return so many of a list, fetched page by page."""
        found: list[Json] = []
        while wanted := min(limit - len(found), _AT_ONCE):
            page = self.get(path, limit=wanted, after=after, **query)
            found += page
            if len(page) < wanted:
                break
            after = page[-1]["uid"]
        return found

    def missing(self, detail: str) -> Exception:
        """Return what to raise where a list lacks what was asked for: the refusal that a look-up of it would get."""
        return RefusedError({"status": 404, "code": "not_found", "detail": detail})

    def table(self, rows: list[Json], *columns: Column) -> None:
        """Tell of several."""
        typer.echo(json.dumps(rows, indent=2) if self.as_json else table(rows, columns))

    def record(self, one: Json) -> None:
        """Tell of one, field by field."""
        typer.echo(json.dumps(one, indent=2) if self.as_json else record(one))

    def done(self, sentence: str, result: Json) -> None:
        """Tell what was done: in a sentence, or as the result of it."""
        typer.echo(json.dumps(result, indent=2) if self.as_json else sentence)


def carry_out(group: str, where: Where, run: Callable[[Desk], None], *, as_json: bool) -> int:
    """Run a command; returns the exit status: 0 done, 1 refused or failed, 2 wrong use."""
    person = Person()
    try:
        with closing(_way(where, person)) as backend:
            run(Desk(backend=backend, person=person, as_json=as_json, on_host=not where.url))
    except RefusedError as no:
        typer.echo(json.dumps(no.problem) if as_json else f"sallyport {group}: {no}", err=True)
        return REFUSED
    except FailedError as fault:
        typer.echo(f"sallyport {group}: {fault}", err=True)
        return REFUSED
    except WrongUseError as no:
        typer.echo(f"sallyport {group}: {no}", err=True)
        return WRONG_USE
    sys.stdout.flush()
    return OK


def _way(where: Where, person: Person) -> Backend:
    """Return the way that was asked for; each is imported alone, because both are slow to import."""
    if where.url:
        from sallyport.cli.accounts.remote import Remote

        if where.database:
            raise WrongUseError("say --database, for this host, or --url, for a service anywhere: not both")
        return Remote(where, person)
    from sallyport.cli.accounts.on_host import OnHost

    if where.key_file or where.login or where.login_stdin:
        raise WrongUseError("--key-file and --login go with --url; on the host nobody logs in")
    return OnHost(where.database)
