"""Settings: one frozen object, read once, all faults in one message.

Flags win over ``SALLYPORT_*`` environment variables, those over ``sallyport.toml``, that over defaults. A secret
can stand in a file of its own, named by the variable with ``_FILE`` behind it.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sallyport.kernel.clock import DAY, HOUR, MINUTE, SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.policy import Policy

PREFIX: Final = "SALLYPORT_"
FILE: Final = "sallyport.toml"
_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_MOST_WORKERS: Final = 64
_HIGHEST_PORT: Final = 65_535


class SettingsRefusedError(Exception):
    """The settings can't be used. The message names every fault and what would do."""


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            message = f"a whole number from {least} to {most} is wanted"
            raise ValueError(message)
        return int(text)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            message = "one of " + ", ".join(words) + " is wanted"
            raise ValueError(message)
        return text

    return parse


def _switch(text: str) -> bool:
    return _one_of("true", "false", "on", "off")(text.lower()) in {"true", "on"}


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _duration(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if not found or not int(found[1]):
        message = "a duration like 30m, 12h or 7d is wanted"
        raise ValueError(message)
    return int(found[1]) * _UNITS[found[2]]


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        message = "a URL like https://accounts.example.org is wanted"
        raise ValueError(message)
    return text.rstrip("/")


def _url_or_none(text: str) -> str:
    return _url(text) if text else ""


def _database(text: str) -> str:
    if text.startswith(("postgresql:", "postgres:")):
        message = "PostgreSQL is not built yet: use sqlite:///./data/sallyport.db"
        raise ValueError(message)
    if not text.startswith("sqlite:///") or text.removeprefix("sqlite:///") in {"", ":memory:"}:
        message = "a URL of a file like sqlite:///./data/sallyport.db is wanted (four slashes for an absolute path)"
        raise ValueError(message)
    return text


def _mail(text: str) -> str:
    if not text.startswith(("file:", "smtp:", "smtps:")):
        message = "a URL like smtp://mail.example.org or file:./data/outbox is wanted"
        raise ValueError(message)
    return text


def _origins(text: str) -> tuple[str, ...]:
    origins = _words(text)
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
            message = f"{origin!r} is not an exact origin like https://app.example.org"
            raise ValueError(message)
    return origins


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(word) for word in _words(text))


def _require_mfa(text: str) -> str:
    if text not in {"none", "all"} and not (text.startswith("roles:") and _words(text.removeprefix("roles:"))):
        message = "none, all, or roles:a,b is wanted"
        raise ValueError(message)
    return text


def _text(text: str) -> str:
    if not text or ":" in text or not text.isprintable():
        message = "a printable name without a colon is wanted"
        raise ValueError(message)
    return text


def _setting(default: str, parse: Callable[[str], Any], meaning: str, *, secret: bool = False) -> Any:  # noqa: ANN401  # fills a field of any type
    return field(metadata={"default": default, "parse": parse, "meaning": meaning, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting there is. `table` prints them for the README."""

    host: str = _setting("127.0.0.1", str, "address to listen on")
    port: int = _setting("8080", _whole(0, _HIGHEST_PORT), "port to listen on")
    workers: int = _setting("1", _whole(1, _MOST_WORKERS), "processes")
    database_url: str = _setting("sqlite:///./data/sallyport.db", _database, "the database")
    keys_dir: Path = _setting("./data/keys", Path, "key ring; made at first start, readable by its owner alone")
    public_url: str = _setting("http://127.0.0.1:8080", _url, "issuer of tokens, base of links")
    audience: str = _setting("", str, "`aud` of tokens; the public URL where it is empty")
    issuer_name: str = _setting("Sallyport", _text, "name shown in authenticator apps")
    signing_algorithm: str = _setting("ES256", _one_of("ES256", "EdDSA"), "how tokens are signed; fixed at first start")
    registration: str = _setting("open", _one_of("open", "closed"), "`open`: anyone registers; `closed`: trusted roles")
    admin_password: Hidden[str] | None = _setting(
        "",
        lambda text: Hidden(text) if text else None,
        "of the first admin; random and printed once",
        secret=True,
    )
    mail_url: str = _setting("file:./data/outbox", _mail, "where mail goes; nothing is mailed in this version yet")
    password_min_length: int = _setting(
        "15", _whole(8, 64), "where the password stands alone; 8 where the user has a second factor"
    )
    profile: str = _setting("standard", _one_of("standard", "nist"), "`nist`: sessions of 1 h idle, 24 h at most")
    session_idle: int = _setting("7d", _duration, "how long a session lives unused; 1h for trusted roles")
    session_absolute: int = _setting("30d", _duration, "how long a session lives at most; 1d for trusted roles")
    trusted_roles: tuple[str, ...] = _setting("admin", _words, "roles that may act on other users")
    require_mfa: str = _setting("none", _require_mfa, "`none`, `all`, or `roles:a,b`: who must have a second factor")
    backup_code_login: bool = _setting("false", _switch, "a backup code stands for password and code, as it once did")
    cors_origins: tuple[str, ...] = _setting("", _origins, "exact origins of browser clients, with commas")
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = _setting(
        "", _networks, "addresses or networks whose `Forwarded` and `X-Forwarded-For` count"
    )
    throttle: bool = _setting("on", _switch, "`off` only for load tests; in this version it bounds nothing yet")

    time_source: str = _setting(
        "", _url_or_none, "URL whose `Date` the doctor compares the clock with, like https://example.org"
    )

    @property
    def database_path(self) -> Path:
        """The file of the SQLite database."""
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def policy(self) -> Policy:
        """The decisions by role."""
        named = self.require_mfa.removeprefix("roles:") if self.require_mfa.startswith("roles:") else ""
        return Policy(
            trusted_roles=frozenset(self.trusted_roles),
            mfa_for_all=self.require_mfa == "all",
            mfa_for_roles=frozenset(_words(named)),
        )


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
        raise SettingsRefusedError("\n".join(faults))
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
    faults: list[str] = []
    password, shortest = values["admin_password"], values["password_min_length"]
    if password and not shortest <= len(password.reveal()) <= 1024:  # noqa: PLR2004  # the longest password there is
        faults.append(f"{PREFIX}ADMIN_PASSWORD: {shortest} to 1024 characters are wanted, or none: then one is drawn")
    if not values["trusted_roles"]:
        faults.append(f"{PREFIX}TRUSTED_ROLES: name one role at least, or nobody can help anybody")
    return faults
