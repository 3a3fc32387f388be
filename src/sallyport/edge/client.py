"""Where a request came from: the peer, or what a configured proxy says of it."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from sallyport.kernel.hidden import Hidden

Header = tuple[bytes, bytes]
Networks = tuple[IPv4Network | IPv6Network, ...]

_FOR = re.compile(r'for="?\[?([0-9a-fA-F.:]+)\]?', re.IGNORECASE)
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")
_LONGEST_USER_AGENT: Final = 256
_PASSED_ON: Final = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}
)
_CLIENT_TOKEN: Final = re.compile(rb"spd_[A-Za-z0-9_-]{54}")


def client_ip(peer: str, headers: list[Header], proxies: Networks) -> str:
    """Return the address of the client. Forwarded headers count only hop by hop from configured proxies."""
    address = peer
    for hop in _hops(headers) if _is_proxy(peer, proxies) else ():
        address = hop
        if not _is_proxy(hop, proxies):
            break
    return address


def is_local(peer: str, headers: list[Header]) -> bool:
    """Tell whether a request comes from this machine and is not passed on for anybody.

    Forwarding headers open nothing here, but each of them closes: behind a proxy on the same machine every peer is
    a loopback address.
    """
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback and not any(name in _PASSED_ON for name, _ in headers)


def user_agent(headers: list[Header]) -> str:
    """Return what the client calls itself, bounded and printable."""
    for name, value in headers:
        if name == b"user-agent":
            text = value.decode("latin-1")[:_LONGEST_USER_AGENT]
            return text if text.isprintable() else "".join(filter(str.isprintable, text))
    return ""


def client_cookie(*, https: bool) -> str:
    """Return the name of the cookie that makes a browser known again. RFC 6265bis 4.1.3.2 for the prefix."""
    return "__Host-sallyport-client" if https else "sallyport-client"


def client_cookie_header(name: str, token: Hidden[str], *, seconds: int) -> tuple[str, str]:
    """Return the header that lets a browser be known again. It opens nothing: it only has tries of its own."""
    secure = "; Secure" if name.startswith("__Host-") else ""
    return "set-cookie", f"{name}={token.reveal()}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


def client_token(headers: list[Header], cookie: str) -> Hidden[str] | None:
    """Return the client token that a request shows, in its header or else its cookie; nothing that can't be one."""
    prefix, in_cookie = cookie.encode() + b"=", None
    for name, value in headers:
        if name == b"x-sallyport-client":
            return _token(value.strip())
        if name == b"cookie" and in_cookie is None:
            pairs = map(bytes.strip, value.split(b";"))
            in_cookie = next((pair[len(prefix) :] for pair in pairs if pair.startswith(prefix)), None)
    return _token(in_cookie) if in_cookie else None


def _token(value: bytes) -> Hidden[str] | None:
    return Hidden(value.decode("ascii")) if _CLIENT_TOKEN.fullmatch(value) else None


def _hops(headers: list[Header]) -> Iterator[str]:
    """Yield the addresses of the forwarding chain, nearest first, up to the first that can't be read."""
    listed = [hop for name, value in headers if name == b"x-forwarded-for" for hop in _split(value)]
    described = [hop for name, value in headers if name == b"forwarded" for hop in _split(value)]
    if listed and described:
        return  # a proxy writes one of the two, and the client may have written the other
    # RFC 7239 4: the last hop is the nearest.
    for hop in reversed(listed or [found[1] if (found := _FOR.search(hop)) else "" for hop in described]):
        with_port = _WITH_PORT.fullmatch(hop)
        try:
            address = ip_address(with_port[1] or with_port[2] if with_port else hop)
        except ValueError:
            return
        yield str(getattr(address, "ipv4_mapped", None) or address)


def _split(value: bytes) -> list[str]:
    return [hop.strip() for hop in value.decode("latin-1").split(",")]


def _is_proxy(address: str, proxies: Networks) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in proxies)
