"""The cookies of the pages: which there are, how they are written, how they are read."""

from dataclasses import dataclass
from typing import Final

from sallyport.edge.answers import Headers
from sallyport.edge.client import Header, client_cookie, client_cookie_header
from sallyport.kernel.clock import DAY, MINUTE, SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.login.rules import CHALLENGE_LIFETIME
from sallyport.throttle.flow.known_clients import LIFETIME

_LANGUAGE: Final = "sallyport-language"
_YEAR: Final = 365 * DAY // SECOND
_SAID_FOR: Final = MINUTE // SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the cookies of a request say, not judged yet."""

    session: Hidden[str] | None = None
    challenge: Hidden[str] | None = None
    visitor: str = ""
    """Binds the forms of one who is not signed in. It opens nothing."""
    language: str = ""
    said: str = ""
    """The name of what was just done, to be told once."""


class Cookies:
    """Writes and reads cookies. RFC 6265bis 4.1.3.2: a name with `__Host-` can't be set from another host."""

    def __init__(self, *, https: bool) -> None:
        prefix, self._secure = ("__Host-", "; Secure") if https else ("", "")
        self._session = f"{prefix}sallyport-session"
        self._challenge = f"{prefix}sallyport-challenge"
        self._visitor = f"{prefix}sallyport-visitor"
        self._said = f"{prefix}sallyport-said"
        self._known = client_cookie(https=https)

    def read(self, headers: list[Header]) -> Shown:
        """Return what a request shows; of a name that stands twice the first."""
        found: dict[str, str] = {}
        for name, value in headers:
            if name == b"cookie":
                for pair in value.decode("latin-1").split(";"):
                    key, _, content = pair.strip().partition("=")
                    found.setdefault(key, content)
        session, challenge = found.get(self._session), found.get(self._challenge)
        return Shown(
            session=Hidden(session) if session else None,
            challenge=Hidden(challenge) if challenge else None,
            visitor=found.get(self._visitor, ""),
            language=found.get(_LANGUAGE, ""),
            said=found.get(self._said, ""),
        )

    def session(self, token: Hidden[str]) -> Headers:
        """Keep a session, until the browser is closed or the session ends; what led there is erased."""
        return (self._set(self._session, token.reveal()), self._erased(self._challenge))

    def challenge(self, token: Hidden[str]) -> Headers:
        """Keep a challenge for as long as it lives: it stands in no URL and in no page."""
        return (self._set(self._challenge, token.reveal(), f"; Max-Age={CHALLENGE_LIFETIME // SECOND}"),)

    def visitor(self, value: str) -> Headers:
        """Bind the forms of one who is not signed in."""
        return (self._set(self._visitor, value),)

    def language(self, language: str) -> Headers:
        """Keep the choice of a language."""
        return (self._set(_LANGUAGE, language, f"; Max-Age={_YEAR}"),)

    def say(self, name: str) -> Headers:
        """Have the next page tell what was done: in a cookie, because a link could say it of what never was."""
        return (self._set(self._said, name, f"; Max-Age={_SAID_FOR}"),)

    def hush(self) -> Headers:
        """Erase what the page has told."""
        return (self._erased(self._said),)

    def known(self, client: Hidden[str]) -> Headers:
        """Let a browser be known again, by this and by the JSON routes alike."""
        return (client_cookie_header(self._known, client, seconds=LIFETIME // SECOND),)

    def forget(self) -> Headers:
        """Erase session and challenge."""
        return (self._erased(self._session), self._erased(self._challenge))

    def _set(self, name: str, value: str, more: str = "") -> tuple[str, str]:
        return "set-cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{more}{self._secure}"

    def _erased(self, name: str) -> tuple[str, str]:
        return self._set(name, "", "; Max-Age=0")
