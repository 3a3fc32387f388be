"""The time of somebody else's clock: the Date header of an HTTP answer."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

from sallyport.kernel.clock import SECOND

_PATIENCE_SECONDS: Final = 5


def seconds_ahead(url: str, now: Callable[[], int]) -> float | str:
    """Return by how many seconds our clock is ahead of that of `url`, or why that can't be told.

    One HEAD request; redirects are not followed, because their Date is as good. Exact to a second or so: the header has
    whole seconds (RFC 9110 5.6.7), and the answer takes its time.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_PATIENCE_SECONDS)
    try:
        asked = now()
        connection.request("HEAD", parts.path or "/", headers={"User-Agent": "sallyport-doctor"})
        date = connection.getresponse().getheader("Date")
        told = now()
    except (OSError, HTTPException) as fault:
        return f"{url} does not answer ({fault})"
    finally:
        connection.close()
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return f"{url} does not tell the time"
    return (asked + told) / 2 / SECOND - (theirs + 0.5)
