"""Whether a host is this machine itself."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Tell whether an address or a host name is this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
