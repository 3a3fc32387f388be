"""Forms: how they are read, and how it is made sure that a page of ours has sent them."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.types import Receive, Scope

from sallyport.edge.client import Header
from sallyport.edge.resource import collect
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.vault import KEY_ID_BYTES, DoesNotOpenError, Vault

TOKEN: Final = "form"  # noqa: S105  # the name of a field
FOREIGN: Final = Refused(why=Why.FORBIDDEN, detail="This form is out of date, or was sent from somewhere else.")
_TYPE: Final = b"application/x-www-form-urlencoded"
_PURPOSE: Final = "form"
_MOST_FIELDS: Final = 20
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_UNREADABLE: Final = Refused(why=Why.INVALID_REQUEST, detail="The form can't be read.")


class FormTokens:
    """Binds each form to the session or the browser that it was made for. NIST SP 800-63B-4 5.1, ASVS 5.0 3.5.1."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def make(self, bound_to: str) -> str:
        """Return what a form carries."""
        return self._made(self._vault.pepper_id, bound_to)

    def fits(self, given: str, bound_to: str) -> bool:
        """Tell whether a form was made for this session or browser. A rotated pepper keeps good what it made."""
        try:
            key_id = urlsafe_b64decode(given)[:KEY_ID_BYTES].hex()
            return hmac.compare_digest(given.encode(), self._made(key_id, bound_to).encode())
        except (ValueError, DoesNotOpenError):
            return False

    def _made(self, key_id: str, bound_to: str) -> str:
        mac = self._vault.peppered(key_id, _PURPOSE, bound_to.encode())
        return urlsafe_b64encode(bytes.fromhex(key_id) + mac).decode()


class Origins:
    """Knows which origin is ours."""

    def __init__(self, public_url: str) -> None:
        url = urlsplit(public_url)
        self._ours = f"{url.scheme}://{url.netloc}".lower()
        # While one develops, the port of the public URL is often not the one that is listened on.
        self._any_port = url.scheme == "http" and url.hostname in _LOOPBACK

    def own(self, headers: list[Header]) -> bool:
        """Tell whether a page of ours has sent a request, by what no page can make a browser say otherwise.

        ASVS 5.0 3.5.3: a browser that says neither where from is not believed.
        """
        given = {name: value.decode("latin-1").lower() for name, value in headers}
        site, origin = given.get(b"sec-fetch-site"), given.get(b"origin")
        if (site is None and origin is None) or site not in {None, "same-origin"}:
            return False
        return origin is None or self._is_ours(origin, given.get(b"host", ""))

    def _is_ours(self, origin: str, host: str) -> bool:
        if origin == self._ours:
            return True
        return self._any_port and origin == f"http://{host}" and urlsplit(origin).hostname in _LOOPBACK


async def read_form(scope: Scope, receive: Receive) -> Mapping[str, str] | Refused:
    """Return the fields of a form; one that stands twice is refused."""
    raw = await collect(scope, receive)
    if raw is None:
        return Refused(why=Why.PAYLOAD_TOO_LARGE)
    if not any(name == b"content-type" and value.split(b";")[0].strip() == _TYPE for name, value in scope["headers"]):
        return Refused(why=Why.UNSUPPORTED_MEDIA_TYPE, detail="The form can't be read.")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        return _UNREADABLE
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else _UNREADABLE
