"""Reading the text of each setting into what it means. What does not fit says what would."""

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final
from urllib.parse import urlsplit

from sallyport.kernel.clock import DAY, HOUR, MINUTE, SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.mailroute import MailRoute, parse_route

_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number within bounds. Raises `ValueError`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            message = f"a whole number from {least} to {most} is wanted"
            raise ValueError(message)
        return int(text)

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """Return what takes one of these words. Raises `ValueError`."""

    def parse(text: str) -> str:
        if text not in words:
            message = "one of " + ", ".join(words) + " is wanted"
            raise ValueError(message)
        return text

    return parse


def switch(text: str) -> bool:
    """Read a switch. Raises `ValueError`."""
    return one_of("true", "false", "on", "off")(text.lower()) in {"true", "on"}


def words(text: str) -> tuple[str, ...]:
    """Read words with commas between them."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def duration(text: str) -> int:
    """Read a duration; returns microseconds. Raises `ValueError`."""
    found = _DURATION.fullmatch(text)
    if not found or not int(found[1]):
        message = "a duration like 30m, 12h or 7d is wanted"
        raise ValueError(message)
    return int(found[1]) * _UNITS[found[2]]


def url(text: str) -> str:
    """Read the URL of a service. Raises `ValueError`."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        message = "a URL like https://accounts.example.org is wanted"
        raise ValueError(message)
    return f"{parts.scheme}{text[len(parts.scheme) :]}".rstrip("/")  # RFC 3986 3.1: the same in any case


def url_or_none(text: str) -> str:
    """Read a URL that may be left out. Raises `ValueError`."""
    return url(text) if text else ""


def database(text: str) -> Hidden[str]:
    """Read the URL of a database, which may have a password in it. Raises `ValueError`, which never tells it."""
    is_server = text.startswith(("postgresql://", "postgres://")) and len(text.partition("://")[2]) > 1
    is_file = text.startswith("sqlite:///") and text.removeprefix("sqlite:///") not in {"", ":memory:"}
    if not is_server and not is_file:
        message = (
            "a URL like sqlite:///./data/sallyport.db (four slashes for an absolute path) "
            "or postgresql://user:password@host/name is wanted"
        )
        raise ValueError(message)
    return Hidden(text)


def mail(text: str) -> MailRoute:
    """Read where mail goes. Raises `ValueError`, which never tells the password."""
    return parse_route(text)


def address(text: str) -> str:
    """Read a mail address that may be left out. Raises `ValueError`."""
    if not text:
        return ""
    from sallyport.kernel.mailaddress import normalized  # noqa: PLC0415  # slow to import

    return normalized(text)


def origins(text: str) -> tuple[str, ...]:
    """Read exact origins. Raises `ValueError`."""
    origins = words(text)
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
            message = f"{origin!r} is not an exact origin like https://app.example.org"
            raise ValueError(message)
    return origins


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Read addresses and networks. Raises `ValueError`."""
    return tuple(ip_network(word) for word in words(text))


def require_mfa(text: str) -> str:
    """Read who must have a second factor. Raises `ValueError`."""
    rule = text.removeprefix("report:")
    is_named = rule.startswith("roles:") and bool(words(rule.removeprefix("roles:")))
    if text != "none" and rule != "all" and not is_named:
        message = "none, all, or roles:a,b is wanted; report: before it only writes down whom it would ask"
        raise ValueError(message)
    return text


def mfa_reset(text: str) -> str:
    """Read whose second factors are reset by waiting. Raises `ValueError`."""
    is_named = text.startswith("not-roles:") and bool(words(text.removeprefix("not-roles:")))
    if text not in {"all", "none"} and not is_named:
        message = "all, none, or not-roles:a,b is wanted"
        raise ValueError(message)
    return text


def between(shortest: str, longest: str) -> Callable[[str], int]:
    """Return what reads a duration within bounds. Raises `ValueError`."""

    def parse(text: str) -> int:
        found = duration(text)
        if not duration(shortest) <= found <= duration(longest):
            message = f"a duration from {shortest} to {longest} is wanted"
            raise ValueError(message)
        return found

    return parse


def duration_or_none(text: str) -> int:
    """Read a duration that may be 0; returns microseconds. Raises `ValueError`."""
    return 0 if text == "0" else duration(text)


def text(text: str) -> str:
    """Read a name that people see. Raises `ValueError`."""
    if not text or ":" in text or not text.isprintable():
        message = "a printable name without a colon is wanted"
        raise ValueError(message)
    return text
