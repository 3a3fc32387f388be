"""Where mail goes: into a folder, or to a server that delivers it."""

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.loopback import is_loopback

_SUBMISSION: Final = 587
_SUBMISSIONS: Final = 465
"""RFC 8314 3.3: TLS from the first byte."""


@enum.unique
class Tls(enum.Enum):
    """How the way to a mail server is kept from those who read along."""

    WHOLE = "smtps"
    STARTTLS = "smtp with STARTTLS"
    NONE = "smtp in the clear"


@dataclass(frozen=True, slots=True)
class MailFolder:
    """A folder that gets a file for each mail."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """A server that takes mail."""

    host: str
    port: int
    tls: Tls
    user: str | None
    password: Hidden[str] | None


MailRoute = MailFolder | MailServer


def parse_route(text: str) -> MailRoute:
    """Read where mail goes. Raises `ValueError`, which never tells the password."""
    kind, _, rest = text.partition(":")
    if kind == "file" and rest.removeprefix("//"):
        return MailFolder(Path(rest.removeprefix("//")))
    parts = urlsplit(text)
    if kind not in {"smtp", "smtps"} or not parts.hostname or parts.path not in {"", "/"} or parts.fragment:
        raise ValueError("a URL like smtp://mail.example.org or file:./data/outbox is wanted")
    default = _SUBMISSIONS if kind == "smtps" else _SUBMISSION
    password = None if parts.password is None else Hidden(unquote(parts.password))
    return MailServer(
        host=parts.hostname,
        port=parts.port or default,
        tls=_tls(parts),
        user=unquote(parts.username) if parts.username else None,
        password=password,
    )


def _tls(parts: SplitResult) -> Tls:
    """Return how a server is spoken to: in the clear only on this machine, or where the URL says so."""
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    said = asked.pop("starttls", None)
    if asked or said not in {None, "required", "off"} or (said and parts.scheme == "smtps"):
        raise ValueError("of options there is ?starttls=required or ?starttls=off behind smtp://, and no other")
    if parts.scheme == "smtps":
        return Tls.WHOLE
    if said == "off" or (said is None and is_loopback(parts.hostname or "")):
        return Tls.NONE
    return Tls.STARTTLS
