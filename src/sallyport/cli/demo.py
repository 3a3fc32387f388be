"""`sallyport demo`: the whole journey, over HTTP, on a service that exists for these few seconds."""

import json
import os
import sys
import time
from base64 import b32decode, b64encode
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

import segno

from sallyport.authenticators.totp.rules import PERIOD, code_at, step_at
from sallyport.cli.demo_page import Answer, Page, Request
from sallyport.cli.demo_service import HOST, DidNotStartError, RunningService, StoppedError, noted_signals, running
from sallyport.kernel.clock import SystemClock
from sallyport.kernel.hidden import Hidden

_NAME: Final = "alice"
_PASSWORD: Final = "correct horse battery staple"  # noqa: S105  # of a made-up person
_SIGNALED: Final = 128
"""What a shell adds to the number of the signal that ended a command."""
# As the reference documents print them: with a trailing comma, and a code that JSON takes for a malformed number.
_CREATE_BODY: Final = '{\n    "type": "mfa",\n}'
_ENROLL_BODY: Final = '{\n    "token": %s,\n}'
_SESSION: Final = ("token", "refresh", "type", "mfa")


class _UnexpectedError(Exception):
    """An answer was not the documented one."""


def run() -> int:
    """Walk the journey; returns the exit status."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    page, began, signals = Page(sys.stdout), time.monotonic(), noted_signals()
    try:
        page.title("Sallyport: a gate with two doors", "Starting a service to show how they open ...")
        with running(signals) as service:
            _Story(page, service).tell()
        seconds = f"{time.monotonic() - began:.1f}"
        page.chapter(9, "Nothing is left behind")
        page.say(f"The service has ended and its folder is gone, {seconds} seconds after the start.")
        page.say("Next: make\xa0serve runs it at http://127.0.0.1:8080, and /docs there describes it.")
        page.say("")
    except DidNotStartError as fault:
        return _failed(f"The service for the demo did not start. {fault}")
    except (_UnexpectedError, OSError, HTTPException) as fault:
        if isinstance(fault, BrokenPipeError):  # `sallyport demo | head`: nobody reads on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        return _failed(f"The demo broke off. {type(fault).__name__}: {fault}")
    except StoppedError as stopped:
        with suppress(OSError):  # the terminal may be what has gone
            page.say("Stopped. The service has ended and its folder is gone.")
        return _SIGNALED + stopped.number
    return 0


def _failed(why: str) -> int:
    sys.stderr.write(f"\n{why}\n")
    return 1


class _Phone:
    """An authenticator app: it knows the secret and the time, and nothing else. RFC 6238."""

    def __init__(self, secret: str) -> None:
        self._key = Hidden(b32decode(secret))
        self._now = SystemClock().now()
        self.step = step_at(self._now)
        self.moment = datetime.fromtimestamp(self._now / 1_000_000, UTC)

    def code(self, later: int = 0) -> str:
        """Return the code of now, or of so many steps later."""
        return code_at(self._key, self.step + later).decode()


class _Story:
    """The journey in chapters. What one chapter learns, the next ones use."""

    def __init__(self, page: Page, service: RunningService) -> None:
        self._page = page
        self._service = service
        self._host = f"{HOST}:{service.port}"
        self._connection = HTTPConnection(HOST, service.port, timeout=30)
        self._uid = ""
        self._token = ""

    def tell(self) -> None:
        """Tell all chapters."""
        self._page.say(f"It listens on http://{self._host}, with an empty database in {self._service.folder}.")
        try:
            self._register()
            secret = self._create()
            phone = self._scan(secret["secret"])
            codes = self._enroll(secret["uid"], phone)
            self._log_in(phone)
            self._lose_the_phone(codes[0])
        finally:
            self._connection.close()

    def _register(self) -> None:
        self._page.chapter(1, "Alice has a password")
        self._page.say("She registers with a name and a password.")
        body = json.dumps({"name": _NAME, "password": _PASSWORD}, indent=4)
        made = self._call(201, "POST", "/users", body=body, show=("userUid", "token", "type"))
        self._uid = made["userUid"]
        self._page.say("With one factor, the password alone opens the gate: ACCESS.")
        self._token = self._give_password(_SESSION)["token"]

    def _create(self) -> dict[str, Any]:
        self._page.chapter(2, "She asks for a second factor")
        self._page.say("The documented request, byte for byte: strict JSON would refuse its comma.")
        path = f"/users/{self._uid}/secrets"
        shown = ("uid", "type", "enrolled", "secret")
        return self._call(200, "POST", path, jwt=self._token, body=_CREATE_BODY, show=shown)

    def _scan(self, secret: dict[str, str]) -> _Phone:
        self._page.chapter(3, "The phone scans it")
        self._page.say("This is otpauth_url as a picture. Scan it too: your phone will show the same code.")
        self._page.qr(
            [[bool(module) for module in row] for row in segno.make(secret["otpauth_url"], micro=False).matrix]
        )
        phone = _Phone(secret["secret"])
        self._page.say(
            f"Here the demo is the phone. At {phone.moment:%H:%M:%S} UTC, {phone.step:,} steps of {PERIOD} seconds "
            "have passed since 1970. HMAC-SHA-1 of that number under the secret, cut to six digits (RFC 6238):"
        )
        self._page.code(phone.code())
        return phone

    def _enroll(self, uid: str, phone: _Phone) -> list[str]:
        self._page.chapter(4, "The code proves that she holds the phone")
        self._page.say("So far, her logins are as before. As documented, the code goes out without quotes.")
        path = f"/users/{self._uid}/secrets/{uid}/enroll"
        shown = ("type", "enrolled", "codes")
        body = _ENROLL_BODY % phone.code()
        enrolled = self._call(200, "PUT", path, jwt=self._token, body=body, show=shown)
        self._page.say("MFA is on. The codes are shown this once: the service keeps only their hashes.")
        codes: list[str] = enrolled["codes"]
        return codes

    def _log_in(self, phone: _Phone) -> None:
        self._page.chapter(5, "From now on the password opens the first door only")
        self._page.say("The same request as in chapter 1. The answer is no session, but a CHALLENGE.")
        challenge = self._give_password()["token"]
        self._page.chapter(6, "The phone opens the second door")
        self._page.say(
            f"Enrolling has spent {phone.code()}: a code is good once. So the demo takes the next one, early, instead "
            "of waiting for it: clocks differ, and the service accepts one step to either side."
        )
        self._page.code(phone.code(1))
        self._answer(200, challenge, phone.code(1), _SESSION)

    def _lose_the_phone(self, code: str) -> None:
        self._page.chapter(7, "The phone is lost, and a backup code opens it as well")
        self._page.say("A new login and a new challenge, answered with the first code of chapter 4.")
        challenge = self._give_password(("token", "type"))["token"]
        self._answer(200, challenge, code, _SESSION)
        self._page.chapter(8, "But only once")
        self._page.say("The same code again, at a challenge of its own, is now a wrong one like any other.")
        challenge = self._give_password(("token", "type"))["token"]
        self._answer(401, challenge, code, ("status", "code", "detail"))

    def _give_password(self, show: Iterable[str] = ()) -> dict[str, Any]:
        basic = b64encode(f"{_NAME}:{_PASSWORD}".encode()).decode()
        return self._call(200, "GET", "/auth/password", authorization=f"Basic {basic}", show=show)

    def _answer(self, status: int, challenge: str, code: str, show: Iterable[str]) -> None:
        body = json.dumps({"token": code}, indent=4)
        self._call(status, "POST", "/auth/totp", jwt=challenge, body=body, show=show)

    def _call(
        self,
        status: int,
        method: str,
        path: str,
        *,
        jwt: str = "",
        authorization: str = "",
        body: str = "",
        show: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Send a request, print it and its answer, and return the body of the answer."""
        self._service.go_on()
        headers = {"Host": self._host}
        if body:
            headers["Content-Type"] = "application/json"
        if jwt or authorization:
            headers["Authorization"] = authorization or f"jwt {jwt}"
        self._page.request(Request(method=method, path=path, headers=headers, body=body))
        answer = self._sent(method, path, headers, body)
        self._page.answer(answer, show)
        if answer.status != status:
            raise _UnexpectedError(f"{method} {path} answered {answer.status}, and {status} was expected")
        return answer.body

    def _sent(self, method: str, path: str, headers: dict[str, str], body: str) -> Answer:
        self._connection.request(method, path, body.encode() or None, headers)
        response = self._connection.getresponse()
        return Answer(
            status=response.status,
            reason=response.reason,
            media_type=response.getheader("Content-Type", ""),
            body=json.loads(response.read()),
        )
