"""The rules of the house that neither ruff nor import-linter knows, read off the source by machine.

Each rule is a function that returns its faults, one line a fault, with the place. A fault is mended, or its place
goes into the list of the rule with a reason.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "sallyport"

LONGEST_FILE = 300
LONGEST_FUNCTION = 40
DEEPEST = 3

NO_NAMES = ("utils", "util", "helpers", "helper", "common", "manager", "misc")

POSITIONAL = {
    "sallyport.authenticators.totp.rules.Accepted": "an authenticator and its step, in the order in which one says it",
    "sallyport.edge.answers.Answer": "a body, and rarely more",
    "sallyport.edge.answers.Credential": "scheme and value, as they stand in the header",
    "sallyport.edge.problems.FieldError": "pointer and detail, as they stand in the answer",
    "sallyport.login.http.CodeBody": "read from JSON, never made by hand",
    "sallyport.login.http.ElevateBody": "read from JSON, never made by hand",
    "sallyport.login.http.PasswordBody": "read from JSON, never made by hand",
    "sallyport.edge.problems.Face": "a line of a table, whose columns are named above it",
    "sallyport.login.rules.Identifier": "a kind and its key",
    "sallyport.login.rules.Credentials": "identifier and value, as they stand in the header",
    "sallyport.sessions.signing.SigningKey": "made in one place, beside its fields",
    "sallyport.store.database.SqliteFile": "a path with another name",
    "sallyport.users.rules.Name": "shown and key",
    "sallyport.users.rules.Email": "shown and key",
    "sallyport.users.http.Wanted": "a body, and what was read from it",
}

ENDLESS = {
    "sallyport.app._share": "shares numbers as long as the process lives, and is cancelled with it",
    "sallyport.app._follow_keys": "looks as long as the process lives, and is cancelled with it",
    "sallyport.app._repeat": "repeats as long as the process lives, and is cancelled with it",
}

REVEALS = {
    "sallyport.kernel.keyfiles._ring": "measures a key",
    "sallyport.kernel.keyfiles._written": "writes the file of a ring",
    "sallyport.kernel.macs.Macs.digest": "derives under a key",
    "sallyport.kernel.vault.Vault.proof_pepper": "reads the key id in a proof",
    "sallyport.kernel.vault.Vault.proves": "compares the mark of the rings",
    "sallyport.login.flow.first_start.FirstStart.__call__": "normalizes the password that an operator chose",
    "sallyport.authenticators.api_keys.digest.digests": "digests a key",
    "sallyport.authenticators.api_keys.flow.CreateApiKey.__call__": "keeps the beginning of a key",
    "sallyport.authenticators.api_keys.flow.ReadApiKey.found": "looks at the form of a key",
    "sallyport.authenticators.devices.digest.digests": "digests the value of a device",
    "sallyport.authenticators.wire._device": "judges the form of a device's value",
    "sallyport.login.flow.possession.Possession.shown": "looks at the form of a value",
    "sallyport.authenticators.creation.Create.__call__": "shows backup codes, this once",
    "sallyport.authenticators.creation.Create._api_key": "shows an API key, this once",
    "sallyport.authenticators.creation.Create._mfa": "shows a seed, this once",
    "sallyport.authenticators.http.SecretRoutes._enrolled": "shows backup codes, this once",
    "sallyport.authenticators.password.hashing.Hashing._check": "hashes a password, and reads the opened hash",
    "sallyport.authenticators.password.hashing.Hashing._seal": "hashes a password",
    "sallyport.authenticators.password.rules.fault": "judges a new password",
    "sallyport.authenticators.totp.flow.DrawQr.__call__": "draws a URI",
    "sallyport.authenticators.totp.rules.base32": "writes a seed for the answer that shows it",
    "sallyport.authenticators.totp.rules._begun": "computes codes",
    "sallyport.cli.serve._tell_password": "prints the first admin's password, this once",
    "sallyport.desk.flow.CallerCodes._digest": "derives under a key",
    "sallyport.edge.auth_token.auth_token": "hands tokens out",
    "sallyport.edge.client.client_cookie_header": "hands a client token out",
    "sallyport.kernel.opaque.bits_of": "reads the tag of a client token",
    "sallyport.kernel.opaque.digest_of": "digests a token",
    "sallyport.kernel.vault.Vault.seal": "seals the value",
    "sallyport.kernel.vault._cipher": "derives the key of a cipher",
    "sallyport.login.flow.begin.BeginLogin._with_backup_code": "reads the typed value as a code",
    "sallyport.login.http.LoginRoutes._judged": "reads a Basic value as a password",
    "sallyport.login.http._challenge": "hands a challenge out",
    "sallyport.login.http._shown": "compares header and body",
    "sallyport.notices.carriers.ToServer._connection": "logs in at the mail server",
    "sallyport.notices.flow.outbox._encoded": "seals a letter",
    "sallyport.notices.flow.outbox.decoded": "reads a sealed letter",
    "sallyport.notices.rules.link": "hands a token out, in the link of a mail",
    "sallyport.pages.cookies.Cookies.challenge": "hands a challenge to the browser that has given the password",
    "sallyport.pages.cookies.Cookies.session": "hands the token of its session to a browser",
    "sallyport.pages.enrollment.Enrollment.make_codes": "shows backup codes, this once",
    "sallyport.pages.enrollment.Enrollment.prove": "shows backup codes, this once",
    "sallyport.pages.enrollment.Enrollment.scan": "shows a seed, this once",
    "sallyport.pages.keys.Keys.make": "shows an API key, this once",
    "sallyport.pages.lost.Lost.tell": "shows the code of a caller, this once",
    "sallyport.recovery.http.RecoveryRoutes.reset": "hands a client the token that it is known by",
    "sallyport.recovery.operator.RecoveryDesk.issue": "hands a token of recovery to the operator on the host",
    "sallyport.rescue.http.RescueRoutes.lost": "hands a caller code out",
    "sallyport.sessions.flow.introspect.Introspect.__call__": "looks at the form of a token",
    "sallyport.sessions.flow.refresh.Refresh._successor": "derives the next refresh token",
    "sallyport.sessions.signing._private": "loads the private keys",
    "sallyport.settings._together": "measures the admin's password",
    "sallyport.settings.is_server": "reads which engine the URL of a database names",
    "sallyport.settings.path_of": "reads the path in the URL of a database",
    "sallyport.store.database.database_at": "reads which engine the URL of a database names",
    "sallyport.store.postgres.server._read": "reads host and name of the URL",
    "sallyport.store.postgres.server.PostgresServer.engine": "connects with the password in the URL",
}

TOKENS_GIVEN_BY = {
    "sallyport.authenticators.password.flow.ChangePassword._record": {"renew"},
    "sallyport.authenticators.totp.flow.Enroll._record": {"renew"},
    "sallyport.login.flow.answer.AnswerChallenge._record": {"open"},
    "sallyport.login.flow.begin.BeginLogin._opening": {"open"},
    "sallyport.login.flow.begin.BeginLogin._record_code": {"open"},
    "sallyport.login.flow.elevate.Elevate._record": {"renew"},
    "sallyport.login.flow.possession.Possession.record": {"open"},
    "sallyport.login.flow.register.Register._record": {"open"},
    "sallyport.sessions.flow.keeper.SessionKeeper._with_new_token": {"tokens"},
    "sallyport.rescue.ending.EndSecondFactors.__call__": {"open"},
    "sallyport.sessions.flow.refresh.Refresh._once_more": {"tokens"},
    "sallyport.sessions.flow.refresh.Refresh._record": {"tokens"},
}
"""Which functions ask the keeper for a session's tokens, and by which of its ways."""

OPERATORS = {
    "sallyport.kernel.caller": "makes the operator, this once",
    "sallyport.edge.operator": "calls handlers as the operator, and has no way in for a request",
    "sallyport.wiring.host": "opens the desk, from database and keys",
    "sallyport.cli.accounts.on_host": "asks at the desk",
}
"""Which modules name the operator of the host, or the desk at which the operator is one."""

_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_KEEPERS = {"self._keeper", "self._sessions", "self"}
_UNREASONED = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?!.*#\s*(?:noqa|type:\s*ignore)).*$")


@dataclass(frozen=True)
class Module:
    """One file of the source."""

    path: Path

    @property
    def name(self) -> str:
        parts = ("sallyport", *self.path.relative_to(SOURCE).with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text())

    def nodes(self) -> Iterator[tuple[str, ast.AST]]:
        """Walk all nodes, each with the name of the innermost named function that it stands in."""
        yield from _walk(self.tree, self.name, inside_function=False)

    def functions(self) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for node in ast.walk(self.tree):
            if isinstance(node, _FUNCTIONS):
                yield f"{self.name}:{node.lineno} {node.name}", node

    def at(self, node: ast.AST) -> str:
        return f"{self.name}:{getattr(node, 'lineno', 0)}"


def _walk(node: ast.AST, name: str, *, inside_function: bool) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        yield name, child
        named = isinstance(child, (*_FUNCTIONS, ast.ClassDef)) and not inside_function
        inner = f"{name}.{child.name}" if named and isinstance(child, (*_FUNCTIONS, ast.ClassDef)) else name
        is_function = inside_function or isinstance(child, _FUNCTIONS)
        yield from _walk(child, inner, inside_function=is_function)


def modules() -> list[Module]:
    """Return every file of the source."""
    return [Module(path) for path in sorted(SOURCE.rglob("*.py"))]


def long_files() -> list[str]:
    """Name files of more than 300 lines."""
    return [f"{one.name}: {len(one.lines)} lines" for one in modules() if len(one.lines) > LONGEST_FILE]


def long_functions() -> list[str]:
    """Name functions of more than 40 lines. What only returns one expression is a table and may be long."""
    faults = []
    for module in modules():
        if ".migrations.versions" in module.name:
            continue  # a migration is a list of tables
        for place, function in module.functions():
            length = (function.end_lineno or 0) - function.lineno + 1
            if length > LONGEST_FUNCTION and not _is_table(function):
                faults.append(f"{place}: {length} lines")
    return faults


def deep_functions() -> list[str]:
    """Name functions whose blocks are nested deeper than three."""
    return [
        f"{place}: {_depth(function)} deep"
        for module in modules()
        for place, function in module.functions()
        if _depth(function) > DEEPEST
    ]


def poor_names() -> list[str]:
    """Name modules that say nothing about what is in them."""
    return [one.name for one in modules() if one.path.stem in NO_NAMES or one.path.parent.name in NO_NAMES]


def endless_loops() -> list[str]:
    """Name loops without an end of their own."""
    return [
        module.at(node)
        for module in modules()
        for name, node in module.nodes()
        if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and name not in ENDLESS
    ]


def open_records() -> list[str]:
    """Name dataclasses and msgspec structs that are not frozen, slotted, and by keyword from two fields on."""
    faults = []
    for module in modules():
        for name, node in module.nodes():
            if isinstance(node, ast.ClassDef) and (options := _record_options(node)) is not None:
                wanted = {"frozen", "slots"} if _fields(node) else set[str]()
                if _fields(node) > 1 and f"{name}.{node.name}" not in POSITIONAL:
                    wanted.add("kw_only")
                faults += [f"{module.at(node)} {node.name}: not {option}" for option in sorted(wanted - options)]
    return faults


def prints() -> list[str]:
    """Name what prints outside the command line."""
    return [
        module.at(node)
        for module in modules()
        for _, node in module.nodes()
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"print", "sys.stdout.write", "sys.stderr.write", "typer.echo"}
        and not module.name.startswith("sallyport.cli")
    ]


def loose_ends() -> list[str]:
    """Name marks of unfinished work."""
    marks = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
    return [
        f"{module.name}:{number}"
        for module in modules()
        for number, line in enumerate(module.lines, 1)
        if marks.search(line)
    ]


def unreasoned_exceptions() -> list[str]:
    """Name exceptions from lint and types that give no reason behind them."""
    faults = []
    for module in modules():
        for number, line in enumerate(module.lines, 1):
            found = _UNREASONED.search(line)
            if found and "#" not in found[0][1:]:
                faults.append(f"{module.name}:{number} {found[0]}")
    return faults


def reveals() -> set[str]:
    """Return the functions that open a hidden value."""
    return {
        name
        for module in modules()
        for name, node in module.nodes()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reveal"
    }


def reaches_of_the_mint() -> list[str]:
    """Return where access tokens are made."""
    return [
        name
        for module in modules()
        for name, node in module.nodes()
        if isinstance(node, ast.Attribute) and node.attr == "access" and "mint" in ast.unparse(node.value).lower()
    ]


def givers_of_tokens() -> dict[str, set[str]]:
    """Return the functions that ask the keeper for tokens, and how."""
    found: dict[str, set[str]] = {}
    for module in modules():
        if module.name.startswith("sallyport.kernel."):
            continue  # the vault opens values, not sessions
        for name, node in module.nodes():
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in {"open", "renew", "tokens"} and (ast.unparse(node.func.value) in _KEEPERS):
                found.setdefault(name, set()).add(node.func.attr)
    return found


def makers_of_the_operator() -> set[str]:
    """Return the modules that name the operator, or the desk, or say of a client that it is the host."""
    names = {"OPERATOR", "ON_HOST", "OperatorDesk", "operator_desk"}
    found = set()
    for module in modules():
        for _, node in module.nodes():
            named = isinstance(node, ast.Name) and node.id in names
            imported = isinstance(node, ast.ImportFrom) and names & {one.name for one in node.names}
            said = isinstance(node, ast.Call) and _makes_a_host(node)
            if named or imported or said:
                found.add(module.name)
    return found


def _makes_a_host(call: ast.Call) -> bool:
    return ast.unparse(call.func).endswith("Client") and any(given.arg == "host" for given in call.keywords)


def _is_table(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    has_docstring = ast.get_docstring(function) is not None
    body = function.body[1:] if has_docstring else function.body
    *before, last = body
    return isinstance(last, ast.Return) and all(isinstance(step, ast.Assign) for step in before)


def _depth(node: ast.AST, so_far: int = 0) -> int:
    deepest = so_far
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
            is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
            deeper = isinstance(child, _BLOCKS) and not is_elif
            deepest = max(deepest, _depth(child, so_far + deeper))
    return deepest


def _record_options(node: ast.ClassDef) -> set[str] | None:
    """Return the options of a dataclass or a struct that say yes; None for any other class."""
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(called) in {"dataclass", "dataclasses.dataclass"}:
            return _said_yes(decorator.keywords if isinstance(decorator, ast.Call) else [])
    if any(ast.unparse(base) in {"msgspec.Struct", "Struct"} for base in node.bases):
        return _said_yes(node.keywords) | {"slots"}  # a struct has no other way
    return None


def _said_yes(options: list[ast.keyword]) -> set[str]:
    return {option.arg or "" for option in options if ast.unparse(option.value) == "True"}


def _fields(node: ast.ClassDef) -> int:
    return sum(isinstance(statement, ast.AnnAssign) for statement in node.body)
