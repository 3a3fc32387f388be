"""Writes the reference pages from the code that they tell of, and the index of decisions: `reference.py [FOLDER]`."""

import ast
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import typer.main
from typer.testing import CliRunner

from sallyport.audit import rules as audit
from sallyport.cli.main import app
from sallyport.edge.problems import FACES
from sallyport.kernel.meters import Family
from sallyport.kernel.scopes import MEANING, Scope
from sallyport.settings import load, table
from sallyport.wiring import Service, build

ROOT: Final = Path(__file__).resolve().parents[1]
_DECISIONS: Final = ROOT / "docs" / "adr"
_WIDTH: Final = "100"
_NOTE: Final = "<!-- written by scripts/reference.py from the code: change it there, then `make docs` -->"


def main() -> None:
    """Write all pages into the folder that is named, or into docs."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    with _service() as service:
        pages: Mapping[str, Callable[[], str]] = {
            "reference/settings.md": settings,
            "reference/problems.md": problems,
            "reference/cli.md": cli,
            "reference/api.md": lambda: api(_document(service)),
            "reference/audit-events.md": audit_events,
            "reference/scopes.md": scopes,
            "reference/metrics.md": lambda: metrics(service),
            "adr/README.md": decisions,
        }
        for name, page in pages.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(page())


def settings() -> str:
    """Return the page about settings."""
    intro = (
        "From flags (`sallyport serve --help`), then these variables, then `sallyport.toml` in the working folder\n"
        "(`port = 8080`), then defaults. Each secret can stand in a file of its own, named by the variable with\n"
        "`_FILE`. All faults are told in one message, and nothing starts with any of them."
    )
    return _page("Settings", intro, table())


def problems() -> str:
    """Return the page about the codes of problem documents."""
    intro = (
        "Every answer that is not 2xx is a problem document (RFC 9457, `application/problem+json`). `code` is\n"
        "stable: programs look at it, and at nothing else. `detail` is a sentence for a person, and may become\n"
        "another one; where none fits better it is the one below. `errors` names fields by JSON pointer.\n"
        "`requestId` finds the log line."
    )
    rows = [f"| {face.status} | `{face.code}` | {face.title} | {face.detail} |" for face in FACES.values()]
    return _page("Codes of refusals", intro, _table("status | code | title | detail", sorted(rows)))


def cli() -> str:
    """Return the page about the command line: every command with its help."""
    intro = (
        "What `--help` says, of every command. `sallyport --install-completion` teaches bash, zsh and fish to\n"
        "complete them. Exit status everywhere: 0 done, 1 refused or failed, 2 wrong use."
    )
    blocks = [f"## {' '.join(('sallyport', *path))}\n\n```text\n{_help(path)}\n```" for path in _commands((), _root())]
    return _page("Command line", intro, *blocks)


def api(document: dict[str, Any]) -> str:
    """Return the page about the HTTP API."""
    intro = (
        "Every route answers at `/` and at `/v1` alike. The running service tells the same to people at `/docs`,\n"
        "and to programs at `/openapi.json` (OpenAPI 3.1). [Codes of refusals](problems.md) are explained on a\n"
        "page of their own."
    )
    routes = [
        _route(path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    schemas = [_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return _page("HTTP API", intro, *routes, "# Bodies and answers", *filter(None, schemas))


def audit_events() -> str:
    """Return the page about what the audit log tells."""
    intro = (
        "`GET /audit`, `GET /users/{id}/audit` and `sallyport audit` tell of these, and filter by them. A row has\n"
        "a time, an outcome (`success`, `failure`, `throttled`), the kind of proof or secret, user, actor,\n"
        "session, address and request id. What an operator did at the command line of the host has no actor, and\n"
        "`(host)` at the end of its detail."
    )
    meanings = _meanings(audit.Event)
    rows = [f"| `{event.value}` | {meanings.get(event.name, '')} |" for event in audit.Event]
    return _page("Audit events", intro, _table("event | what it tells", rows))


def scopes() -> str:
    """Return the page about what API keys are good for."""
    intro = (
        "Named when a key is made, and as `scope` where a token is introspected. A key that names none has\n"
        "`self:read`. A route that declares none takes no key at all, and no route that writes declares one. A\n"
        "key of one with a trusted role sees what that role sees, for as long as its owner holds it."
    )
    rows = [f"| `{scope}` | {MEANING[scope]} |" for scope in Scope]
    return _page("Scopes of API keys", intro, _table("scope | what it opens", rows))


def metrics(service: Service) -> str:
    """Return the page about metrics."""
    intro = (
        "`GET /metrics`, for Prometheus; by default for this machine alone (`SALLYPORT_METRICS`). Beside these\n"
        "there are the usual numbers of the process (`process_*`, `python_*`). With several workers they are\n"
        "summed over all."
    )
    families = sorted(service.meters.families(), key=lambda family: family.name.name)
    rows = [f"| `{_exposed(one)}` | {one.kind} | {_labels(one)} | {one.name.meaning} |" for one in families]
    return _page("Metrics", intro, _table("name | kind | labels | meaning", rows))


def decisions() -> str:
    """Return the index of the decisions."""
    intro = (
        "What was decided, with the reasons, what follows from it, and what enforces it. New ones are added at the end."
    )
    first_lines = [(path.name, path.read_text().partition("\n")[0]) for path in sorted(_DECISIONS.glob("0*.md"))]
    return _page("Decisions", intro, "\n".join(f"- [{line.removeprefix('# ')}]({name})" for name, line in first_lines))


def _exposed(family: Family) -> str:
    return family.name.name + ("_total" if family.kind == "counter" else "")


def _labels(family: Family) -> str:
    return ", ".join(f"`{label}`" for label in family.name.labels)


@contextmanager
def _service() -> Iterator[Service]:
    """Build a service with default settings, for what only a whole one can tell."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        given = {"SALLYPORT_DATABASE_URL": f"sqlite:///{place}/one.db", "SALLYPORT_KEYS_DIR": f"{place}/keys"}
        service = build(load({}, given, place))
        try:
            yield service
        finally:
            service.close()


def _document(service: Service) -> dict[str, Any]:
    from sallyport.edge.openapi import document  # noqa: PLC0415  # beside its only use

    return document(service.endpoints(), "", service.settings.public_url)


def _root() -> Any:  # noqa: ANN401  # a class of the Click that Typer brings along
    return typer.main.get_command(app)


def _commands(path: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:  # noqa: ANN401  # as above
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands((*path, name), inner)


def _help(path: tuple[str, ...]) -> str:
    shown = CliRunner().invoke(app, [*path, "--help"], prog_name="sallyport", env={"COLUMNS": _WIDTH})
    return "\n".join(line.rstrip() for line in shown.output.strip().splitlines())


def _route(path: str, method: str, operation: dict[str, Any]) -> str:
    lines = [f"## {method.upper()} {path}", "", f"{operation['summary']}. {operation['description']}", ""]
    query = [one for one in operation["parameters"] if one["in"] == "query"]
    lines += [f"- `?{one['name']}`: {one['description']}" for one in query]
    if body := operation.get("requestBody"):
        lines.append(f"- Body: {_named(body['content']['application/json']['schema'])}")
    for status, answer in operation["responses"].items():
        content = next(iter(answer.get("content", {}).values()), {})
        told = answer["description"] if int(status) >= 300 else _named(content.get("schema"))  # noqa: PLR2004  # a status
        lines.append(f"- {status}: {told}")
    return "\n".join(lines)


def _named(schema: dict[str, Any] | None) -> str:
    """Say of a schema what it is, with links to those that have a name."""
    if not schema:
        return "no body"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for way, word in (("oneOf", " or "), ("anyOf", " or ")):
        if way in schema:
            return word.join(_named(one) for one in schema[way])
    if schema.get("type") == "array":
        return f"list of {_named(schema['items'])}" if "items" in schema else "list"
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    return str(schema.get("type", "anything"))


def _schema(name: str, schema: dict[str, Any]) -> str:
    if "properties" not in schema:
        return ""
    required = set(schema.get("required", ()))
    rows = [
        f"| `{field}` | {_named(told)} | {'yes' if field in required else ''} |"
        for field, told in schema["properties"].items()
    ]
    about = inspect.cleandoc(schema.get("description", ""))
    return f"## {name}\n\n{about}\n\n{_table('field | type | always', rows)}"


def _meanings(kind: type[Any]) -> dict[str, str]:
    """Return what the source says of the members of an enumeration: the text behind each."""
    (found,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(found, ast.ClassDef)  # noqa: S101  # tells mypy
    meanings = {}
    for member, text in zip(found.body, found.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            name = ast.unparse(member.targets[0])
            meanings[name] = " ".join(str(text.value.value).split())
    return meanings


def _table(heads: str, rows: list[str]) -> str:
    return "\n".join([f"| {heads} |", "|---" * (heads.count("|") + 1) + "|", *rows])


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([_NOTE, f"# {title}", *parts]) + "\n"


if __name__ == "__main__":
    os.environ = {name: value for name, value in os.environ.items() if not name.startswith("SALLYPORT_")}  # noqa: B003
    main()
