"""Settings: one frozen object, read once, all faults in one message.

Flags win over ``SALLYPORT_*`` environment variables, those over ``sallyport.toml``, that over defaults. A secret
can stand in a file of its own, named by the variable with ``_FILE`` behind it.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Final

from sallyport.kernel.clock import DAY, HOUR
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.mailroute import MailRoute, MailServer
from sallyport.kernel.policy import DeskRules, Policy
from sallyport.pages.brand import Brand, read_brand
from sallyport.settings import parsers
from sallyport.settings.decisions import policy_of

PREFIX: Final = "SALLYPORT_"
FILE: Final = "sallyport.toml"
_MOST_WORKERS: Final = 64
_HIGHEST_PORT: Final = 65_535


class SettingsRefusedError(Exception):
    """The settings can't be used. The message names every fault and what would do."""

    def __init__(self, message: str, understood: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.understood = understood
        """Those settings that are no fault by themselves, by name."""


class NoFileError(Exception):
    """What works on files was asked of a database that is a server."""


def _setting(default: str, parse: Callable[[str], Any], meaning: str, *, secret: bool = False) -> Any:  # noqa: ANN401  # fills a field of any type
    return field(metadata={"default": default, "parse": parse, "meaning": meaning, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting there is. `table` prints them for the README."""

    env: str = _setting(
        "development", parsers.one_of("development", "production"), "`production` refuses a public URL without https"
    )
    host: str = _setting("127.0.0.1", str, "address to listen on")
    port: int = _setting("8080", parsers.whole(0, _HIGHEST_PORT), "port to listen on")
    workers: int = _setting("1", parsers.whole(1, _MOST_WORKERS), "processes")
    database_url: Hidden[str] = _setting(
        "sqlite:///./data/sallyport.db",
        parsers.database,
        "the database: a file of SQLite, or `postgresql://user:password@host/name` as libpq reads it",
        secret=True,
    )
    keys_dir: Path = _setting("./data/keys", Path, "key ring; made at first start, readable by its owner alone")
    public_url: str = _setting("http://127.0.0.1:8080", parsers.url, "issuer of tokens, base of links")
    audience: str = _setting("", str, "`aud` of tokens; the public URL where it is empty")
    issuer_name: str = _setting("Sallyport", parsers.text, "name shown in authenticator apps")
    brand_dir: Brand = _setting("", read_brand, "folder with `brand.toml` and a logo: how the pages look")
    signing_algorithm: str = _setting(
        "ES256", parsers.one_of("ES256", "EdDSA"), "how tokens are signed; fixed at first start"
    )
    registration: str = _setting(
        "open", parsers.one_of("open", "closed"), "`open`: anyone registers; `closed`: trusted roles"
    )
    admin_password: Hidden[str] | None = _setting(
        "",
        lambda text: Hidden(text) if text else None,
        "of the first admin; random and printed once",
        secret=True,
    )
    mail_url: MailRoute = _setting(
        "file:./data/outbox",
        parsers.mail,
        "where mail goes: a file for each, `smtps://user:password@host`, or `smtp://`, which demands STARTTLS",
        secret=True,
    )
    mail_from: str = _setting("", parsers.address, "address that mail comes from; needed beside a mail server")
    password_min_length: int = _setting(
        "15", parsers.whole(8, 64), "where the password stands alone; 8 where the user has a second factor"
    )
    profile: str = _setting(
        "standard",
        parsers.one_of("standard", "nist"),
        "`nist`: sessions of 1 h idle, 24 h at most; 100 wrong passwords in a row stop the password",
    )
    session_idle: int = _setting("7d", parsers.duration, "how long a session lives unused; 1h for trusted roles")
    session_absolute: int = _setting("30d", parsers.duration, "how long a session lives at most; 1d for trusted roles")
    trusted_roles: tuple[str, ...] = _setting("admin", parsers.words, "roles that may act on other users")
    require_mfa: str = _setting(
        "none",
        parsers.require_mfa,
        "`none`, `all`, or `roles:a,b`: who must have a second factor; `report:` before it only writes down whom it "
        "would ask",
    )
    mfa_grace: int = _setting(
        "0",
        parsers.duration_or_none,
        "how long who must have one may do without, from the moment that the rule first meets them: `14d`",
    )
    mfa_reset: str = _setting(
        "all",
        parsers.mfa_reset,
        "`all`, `none`, or `not-roles:a,b`: who without a backup code gets lost second factors reset by waiting; who "
        "holds a trusted role never does",
    )
    mfa_reset_delay: int = _setting(
        "72h", parsers.between("24h", "30d"), "how long that waits: a day at least, thirty at most"
    )
    desk_reason: str = _setting(
        "optional",
        parsers.one_of("optional", "required"),
        "whether a trusted role that acts on another user has to say why",
    )
    desk_approval: str = _setting(
        "one",
        parsers.one_of("one", "two"),
        "`two`: a second trusted person confirms before the desk takes a second factor away",
    )
    desk_caller_code: str = _setting(
        "optional",
        parsers.one_of("optional", "required"),
        "whether the desk needs the code that a user who lost their device reads out, to take a second factor away",
    )
    backup_code_login: bool = _setting(
        "false", parsers.switch, "a backup code stands for password and code, as it once did"
    )
    cors_origins: tuple[str, ...] = _setting("", parsers.origins, "exact origins of browser clients, with commas")
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = _setting(
        "", parsers.networks, "addresses or networks whose `Forwarded` and `X-Forwarded-For` count"
    )
    metrics: str = _setting(
        "loopback",
        parsers.one_of("loopback", "open", "off"),
        "who reads `/metrics`: this machine itself, everybody, nobody",
    )
    log_level: str = _setting(
        "info",
        parsers.one_of("debug", "info", "warning"),
        "`info`: refused authentication and authorization, and faults; `debug`: every request",
    )
    throttle: bool = _setting(
        "on",
        parsers.switch,
        "`off` only for load tests: then nothing but the five tries of a challenge slows down a guesser",
    )

    time_source: str = _setting(
        "", parsers.url_or_none, "URL whose `Date` the doctor compares the clock with, like https://example.org"
    )

    @property
    def database_path(self) -> Path:
        """The file of the SQLite database. Raises `NoFileError` where the database is a server."""
        return path_of(self.database_url)

    @property
    def policy(self) -> Policy:
        """The decisions by role."""
        return policy_of(self.require_mfa, self.trusted_roles, self.mfa_grace, self.mfa_reset)

    @property
    def desk(self) -> DeskRules:
        """What a trusted role needs to act on others."""
        return DeskRules(
            reason_required=self.desk_reason == "required",
            two_persons=self.desk_approval == "two",
            caller_code_required=self.desk_caller_code == "required",
        )


def path_of(database_url: Hidden[str]) -> Path:
    """Return the file that the URL of a SQLite database names. Raises `NoFileError` for another one."""
    kind, found, path = database_url.reveal().partition("sqlite:///")
    if kind or not found:
        raise NoFileError("this works on a database file of SQLite, and the database is a PostgreSQL server")
    return Path(path)


def is_server(database_url: Hidden[str]) -> bool:
    """Tell whether the URL of a database names a server, and no file."""
    return not database_url.reveal().startswith("sqlite:")


def load(flags: Mapping[str, str], environ: Mapping[str, str], directory: Path) -> Settings:
    """Read the settings. Raises `SettingsRefusedError` with every fault in one message."""
    faults: list[str] = []
    written = _from_file(directory / FILE, faults)
    faults += _unknown(environ, written)
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        name, variable = setting.name, PREFIX + setting.name.upper()
        try:
            text = flags.get(name) or _from_environment(environ, variable, secret=setting.metadata["secret"])
            given = text if text is not None else written.get(name)
            values[name] = setting.metadata["parse"](setting.metadata["default"] if given is None else given)
        except (ValueError, OSError) as fault:
            faults.append(f"{variable}: {fault}")
    if not faults:
        values |= _profile(values, flags, environ, written)
    faults += _together(values)
    if faults:
        raise SettingsRefusedError("\n".join(faults), values)
    return Settings(**values)


def table() -> str:
    """Return all settings as a Markdown table."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in fields(Settings):
        default = f"`{setting.metadata['default']}`" if setting.metadata["default"] else "none"
        variable = f"`{PREFIX}{setting.name.upper()}`" + (" / `_FILE`" if setting.metadata["secret"] else "")
        rows.append(f"| {variable} | {default} | {setting.metadata['meaning']} |")
    return "\n".join(rows)


def _from_environment(environ: Mapping[str, str], variable: str, *, secret: bool) -> str | None:
    if secret and (path := environ.get(f"{variable}_FILE")):
        if variable in environ:
            message = f"set either {variable} or {variable}_FILE, not both"
            raise ValueError(message)
        return Path(path).read_text().rstrip("\r\n")
    return environ.get(variable)


def _from_file(path: Path, faults: list[str]) -> dict[str, str]:
    try:
        found = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as fault:
        faults.append(f"{path}: {fault}")
        return {}
    faults += [f"{PREFIX}{name.upper()}: a list of texts is wanted" for name in found if _is_mixed(found[name])]
    return {
        name: ",".join(map(str, value)) if isinstance(value, list) else _plain(value) for name, value in found.items()
    }


def _is_mixed(value: object) -> bool:
    return isinstance(value, list) and not all(isinstance(one, str) for one in value)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unknown(environ: Mapping[str, str], written: Mapping[str, str]) -> list[str]:
    """Name what looks like a setting and is none: a misspelled one must not be silently left out."""
    known = {setting.name for setting in fields(Settings)}
    secret = {f"{setting.name}_file" for setting in fields(Settings) if setting.metadata["secret"]}
    in_environment = {name.removeprefix(PREFIX).lower() for name in environ if name.startswith(PREFIX)}
    # Variables for the project's own tests and benchmarks are no settings of the service.
    ours = {name for name in in_environment if name.startswith(("test_", "bench_"))}
    wrong = (in_environment - ours - known - secret) | (set(written) - known)
    return [f"{PREFIX}{name.upper()}: there is no such setting" for name in sorted(wrong)]


def _profile(
    values: Mapping[str, Any],
    flags: Mapping[str, str],
    environ: Mapping[str, str],
    written: Mapping[str, str],
) -> dict[str, int]:
    """Return what the profile decides where nothing more exact is said. NIST SP 800-63B-4 2.2.3."""
    if values["profile"] != "nist":
        return {}
    nist = {"session_idle": HOUR, "session_absolute": DAY}
    said = {*flags, *written, *(name.removeprefix(PREFIX).lower() for name in environ)}
    return {name: value for name, value in nist.items() if name not in said}


def _together(values: Mapping[str, Any]) -> list[str]:
    """Judge settings beside each other, as far as each of them could be read."""
    faults: list[str] = []
    password, shortest = values.get("admin_password"), values.get("password_min_length", 0)
    if password and not shortest <= len(password.reveal()) <= 1024:  # noqa: PLR2004  # the longest password there is
        faults.append(f"{PREFIX}ADMIN_PASSWORD: {shortest} to 1024 characters are wanted, or none: then one is drawn")
    if not values.get("trusted_roles", True):
        faults.append(f"{PREFIX}TRUSTED_ROLES: name one role at least, or nobody can help anybody")
    if isinstance(values.get("mail_url"), MailServer) and values.get("mail_from") == "":
        faults.append(f"{PREFIX}MAIL_FROM: name the address that mail comes from, as there is a mail server")
    if values.get("env") == "production" and not values.get("public_url", "https:").lower().startswith("https:"):
        faults.append(f"{PREFIX}PUBLIC_URL: https is wanted where {PREFIX}ENV is production: tokens travel there")
    return faults
