"""The way over HTTP: with an API key, or logged in for the length of one command."""

import http.client
import json
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlencode, urlsplit

from sallyport import __version__
from sallyport.cli.accounts.asked import Where
from sallyport.cli.accounts.desk import FailedError, RefusedError
from sallyport.cli.accounts.person import Person, WrongUseError, first_line

_PATIENCE_SECONDS: Final = 30
_NO_CONTENT: Final = 204
_LAST_GOOD: Final = 299
_STDIN: Final = "--login-stdin"
_CODE: Final = "code of the authenticator app, or a backup code"


class Remote:
    """Asks a service anywhere. Tokens are in the memory of this process alone."""

    def __init__(self, where: Where, person: Person) -> None:
        """Raises `WrongUseError` for a URL, or a file, that is none."""
        if where.key_file and (where.login or where.login_stdin):
            raise WrongUseError("say --key-file or --login, not both")
        self._address = _address(where.url)
        self._where = where
        self._person = person
        self._token = first_line(where.key_file, "--key-file") if where.key_file else ""
        if where.key_file and not self._token:
            raise WrongUseError(f"--key-file {where.key_file}: its first line is empty, and no key")

    def ask(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:  # noqa: ANN401  # JSON of any shape
        """Return what is answered. Raises `RefusedError` or `FailedError`."""
        self._token = self._token or self._log_in()
        return self._call(method, path + (f"?{urlencode(query)}" if query else ""), body, self._token)

    def trusted_roles(self) -> tuple[str, ...]:
        """Return none: who is trusted is the service's to know, and to heed."""
        return ()

    def close(self) -> None:
        """End the session of this command; an API key has none."""
        if not self._token or self._where.key_file:
            return
        try:
            self._call("POST", "/auth/logout", {}, self._token)
        except RefusedError as no:
            if no.problem["code"] != "invalid_token":  # the command itself may have ended it
                raise

    def _log_in(self) -> str:
        """Log in, with a code where there is a second factor; returns the access token.

        The proof is a few seconds old then, so that no route has to ask for a fresh one.
        """
        name = self._where.login
        if not name and self._where.login_stdin:
            raise WrongUseError(f"{_STDIN} goes with --login NAME")
        name = name or self._person.answer("name", "say --login NAME, or --key-file", hidden=False)
        password = self._secret("password")
        answer = self._call("POST", "/auth/password", {"identifier": name, "password": password}, "")
        if answer["type"] == "CHALLENGE":
            answer = self._call("POST", "/auth/totp", {"token": self._secret(_CODE)}, answer["token"])
        return str(answer["token"])

    def _secret(self, what: str) -> str:
        if self._where.login_stdin:
            return self._person.line(what, _STDIN)
        return self._person.answer(what, f"say {_STDIN}, or --key-file")

    def _call(self, method: str, target: str, body: Any, token: str) -> Any:  # noqa: ANN401  # JSON of any shape
        headers = {"User-Agent": f"sallyport-cli/{__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = _connection(self._address)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, self._address.path.rstrip("/") + target, sent, headers)
            answer = connection.getresponse()
            return _read(answer.status, answer.read())
        except (OSError, http.client.HTTPException) as fault:
            raise FailedError(f"nobody answers at {self._where.url}: {str(fault) or type(fault).__name__}") from fault
        finally:
            connection.close()


def _address(url: str) -> SplitResult:
    """Read the URL; secrets travel to it, so that plain http is good for this machine alone."""
    address = urlsplit(url)
    if address.scheme not in {"http", "https"} or not address.hostname or address.query or address.username:
        raise WrongUseError(f"--url {url}: an address like https://accounts.example.org is wanted")
    if address.scheme == "http" and not _is_loopback(address.hostname):
        raise WrongUseError(f"--url {url}: https is wanted, or passwords and tokens travel in the clear")
    return address


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _connection(address: SplitResult) -> http.client.HTTPConnection:
    name = address.hostname or ""
    if address.scheme == "http":
        return http.client.HTTPConnection(name, address.port, timeout=_PATIENCE_SECONDS)
    trusted = ssl.create_default_context()
    return http.client.HTTPSConnection(name, address.port, timeout=_PATIENCE_SECONDS, context=trusted)


def _read(status: int, raw: bytes) -> Any:  # noqa: ANN401  # JSON of any shape
    """Return the body of an answer. Raises `RefusedError` for a problem document, `FailedError` for what is neither."""
    if status == _NO_CONTENT:
        return None
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if isinstance(body, dict) and "code" in body and status > _LAST_GOOD:
        raise RefusedError(body)
    if body is None or status > _LAST_GOOD:
        raise FailedError(f"the answer, of status {status}, is none of a Sallyport: is this its URL?")
    return body
