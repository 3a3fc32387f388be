"""What a command about accounts works with: a way to the service, and ways to ask a person and to tell them."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Protocol

import typer

from sallyport.cli.accounts.asked import Where
from sallyport.cli.accounts.listing import Part, write_json, write_table
from sallyport.cli.accounts.person import Person, WrongUseError
from sallyport.cli.accounts.told import Column, record

OK: Final = 0
REFUSED: Final = 1
WRONG_USE: Final = 2
_NOT_FOUND: Final = 404
_MOST_NAMES: Final = {True: 1_000, False: 20}
"""Of how many users a table looks up the name: a question each, which costs little on the host alone."""

Json = Any


class Backend(Protocol):
    """A way to the service: its routes in this process, or over HTTP. Both refuse alike, with the same codes."""

    def ask(self, method: str, path: str, query: Mapping[str, str], body: Json) -> Json:
        """Return what is answered. Raises `RefusedError`, or `FailedError` where there is no answer."""
        ...

    def trusted_roles(self) -> tuple[str, ...]:
        """Return the roles that may act on other users, where the settings are at hand."""
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

    def pages(self, path: str, part: Part, **query: str) -> Iterator[list[Json]]:
        """Yield a part of a list, page by page; says so where it is not the end of the list."""
        if part.whole and part.limit:
            raise WrongUseError("say --limit or --all, not both")
        after = part.after
        for wanted in part.sizes():
            page = self.get(path, limit=wanted, after=after, **query)
            if page:
                yield page
                after = page[-1]["uid"]
            if len(page) < wanted:
                return
        if self.get(path, limit=1, after=after, **query):
            typer.echo(f"there is more: go on with --after {after}, or say --all", err=True)

    def missing(self, detail: str) -> Exception:
        """Return what to raise where a list lacks what was asked for: the refusal that a look-up of it would get."""
        return RefusedError({"status": 404, "code": "not_found", "detail": detail})

    def table(self, pages: Iterator[list[Json]], *columns: Column, users: tuple[str, ...] = ()) -> None:
        """Tell of several. In a table, users in those fields are told by their names."""
        if self.as_json:
            return write_json(pages)
        names = Names(self)
        return write_table(([names.told(one, users) for one in page] for page in pages), columns)

    def record(self, one: Json, users: tuple[str, ...] = ()) -> None:
        """Tell of one, field by field. Where people read it, users in those fields are told by their names."""
        if self.as_json:
            typer.echo(json.dumps(one, indent=2))
            return
        typer.echo(record(Names(self).told(one, users)))

    def heed_last_trusted(self, uid: str, *, yes: bool) -> None:
        """Let the operator think twice before the last trusted person goes: the API refuses that, the host does not."""
        roles = self.backend.trusted_roles()
        left = {one["uid"] for role in roles for one in self.get("/users", role=role, disabled="false", limit=2)}
        if left != {uid}:
            return
        warning = "This is the last one with a trusted role: nobody is left who can help others, but at this host."
        self.person.confirm(f"{warning} Go on?", yes=yes)
        back = f"`sallyport roles add-member {roles[0]} NAME` gives the role to somebody again"
        typer.echo(f"{warning} {back}.", err=True)

    def done(self, sentence: str, result: Json) -> None:
        """Tell what was done: in a sentence, or as the result of it."""
        typer.echo(json.dumps(result, indent=2) if self.as_json else sentence)


class Names:
    """Names in the place of uids. Who may not read them, or asks for too many, sees uids."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: dict[str, str] = {}
        self._left = _MOST_NAMES[desk.on_host]

    def told(self, one: Json, users: tuple[str, ...]) -> Json:
        """Return a resource with names in those of its fields that the caller sees."""
        return one | {field: self.of(one[field]) for field in users if field in one}

    def of(self, told: Json) -> Json:
        """Return the name of a user, or of several, as far as they are known."""
        if isinstance(told, list):
            return [self.of(one) for one in told]
        if told not in self._known and told and self._left:
            self._left -= 1
            self._known[told] = self._asked(told)
        return self._known.get(told, told)

    def _asked(self, uid: str) -> str:
        try:
            return str(self._desk.get(f"/users/{uid}")["name"])
        except RefusedError as no:
            if no.problem["status"] != _NOT_FOUND:
                self._left = 0
            return uid


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
    except BrokenPipeError:
        # Whoever reads has seen enough; nothing is left for the interpreter to flush into the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
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
