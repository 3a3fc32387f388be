"""The service in this process: the real wiring on a real database, with a clock to turn and cheap hashes."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx2
import pyotp

from sallyport.app import Application
from sallyport.authenticators.password.hashing import Cost
from sallyport.kernel.clock import SECOND
from sallyport.kernel.ids import system_randomness
from sallyport.settings import load
from sallyport.wiring import Machine, Service, build
from tests.engines import url_in
from tests.mail import Mail, new_mails

NOON = 1_800_000_000 * SECOND
PASSWORD = "correct horse battery staple"
ADMIN_PASSWORD = "an operator chose these words"
UNTHROTTLED = {"SALLYPORT_THROTTLE": "off"}
"""For tests of what stands without the throttle: five tries a challenge, single use, races with many tries."""
CHEAP = Cost(memory_kib=8, passes=1)


class TurnedClock:
    """A clock that stands still until a test turns it."""

    def __init__(self) -> None:
        self.micros = NOON

    def now(self) -> int:
        return self.micros

    def advance(self, seconds: float) -> None:
        self.micros += round(seconds * SECOND)


@dataclass
class Phone:
    """An authenticator app of another make: pyotp."""

    secret: str
    clock: TurnedClock

    def code(self, steps: int = 0) -> str:
        """Return the code now, or so many steps of 30 seconds later."""
        return pyotp.TOTP(self.secret).at(self.clock.now() // SECOND, counter_offset=steps)

    def wrong(self) -> str:
        """Return a code that is right nowhere near now."""
        near = {self.code(steps) for steps in range(-21, 22)}
        return next(code for code in (f"{number:06d}" for number in range(100)) if code not in near)


@dataclass
class Person:
    """A user of the service, with what they hold."""

    world: "World"
    name: str
    uid: str
    token: str
    refresh: str
    password: str = PASSWORD
    phone: Phone | None = None
    totp: str = ""
    codes: list[str] = field(default_factory=list)

    @property
    def auth(self) -> dict[str, str]:
        return bearer(self.token)

    def hold(self, auth_token: Mapping[str, Any]) -> None:
        """Keep the tokens of an answer."""
        self.token, self.refresh = auth_token["token"], auth_token["refresh"]

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        """Send a request as this person."""
        return await self.world.call(method, path, body, headers=self.auth | more.pop("headers", {}), **more)

    async def challenge(self) -> str:
        """Give the password; returns the challenge."""
        answer = await self.world.password(self.name, self.password)
        assert answer.json()["type"] == "CHALLENGE", answer.text
        return str(answer.json()["token"])

    async def login(self, steps: int | None = None) -> None:
        """Log in anew, with a code where MFA is on."""
        if self.phone is None:
            answer = await self.world.password(self.name, self.password)
        else:
            if steps is None:
                self.world.clock.advance(30)
            answer = await self.world.answer(await self.challenge(), self.phone.code(steps or 0))
        assert answer.status_code == 200, answer.text
        self.hold(answer.json())

    async def begin_enrollment(self) -> str:
        """Create a pending authenticator; returns its uid."""
        made = await self.call("POST", "/users/me/secrets", {"type": "mfa"})
        assert made.status_code == 200, made.text
        self.phone = Phone(made.json()["secret"]["secret"], self.world.clock)
        return str(made.json()["uid"])

    async def enroll(self) -> None:
        """Switch MFA on."""
        self.totp = await self.begin_enrollment()
        assert self.phone
        answer = await self.call("PUT", f"/users/me/secrets/{self.totp}/enroll", {"token": self.phone.code()})
        assert answer.status_code == 200, answer.text
        self.codes = answer.json()["codes"]
        self.hold(answer.json()["session"])


@dataclass
class World:
    """A service, a clock, and a client that speaks HTTP to it."""

    service: Service
    client: httpx2.AsyncClient
    clock: TurnedClock
    read: set[str] = field(default_factory=set)
    """Names of the mails that were looked at."""

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        """Send a request; a body of bytes goes out as it is, anything else as JSON."""
        headers = dict(more.pop("headers", {}))
        if isinstance(body, bytes):
            headers = {"content-type": "application/json"} | headers
            return await self.client.request(method, path, content=body, headers=headers, **more)
        if body is not None:
            more["json"] = body
        return await self.client.request(method, path, headers=headers, **more)

    async def password(self, identifier: str, password: str) -> httpx2.Response:
        """Log in with a Basic header."""
        return await self.call("GET", "/auth/password", headers=basic(identifier, password))

    async def answer(self, challenge: str, code: str | int) -> httpx2.Response:
        """Answer a challenge."""
        return await self.call("POST", "/auth/totp", {"token": code}, headers={"authorization": f"jwt {challenge}"})

    async def register(self, name: str, password: str | None = PASSWORD, **fields: Any) -> Person:
        """Register a person, with a password at once unless it is None."""
        given = {"name": name, **fields} | ({"password": password} if password is not None else {})
        answer = await self.call("POST", "/users", given)
        assert answer.status_code == 201, answer.text
        body = answer.json()
        return Person(self, name, body["userUid"], body["token"], body["refresh"], password or PASSWORD)

    async def enrolled(self, name: str) -> Person:
        """Register a person and switch MFA on."""
        person = await self.register(name)
        await person.enroll()
        return person

    async def mails(self) -> list[Mail]:
        """Have the mail of this service carried into its folder; returns what is new there, the oldest first."""
        await self.service.postman()
        return new_mails(self.service.settings.mail_url, self.read)

    async def admin(self) -> Person:
        """Log in as the admin of the first start."""
        answer = await self.password("admin", ADMIN_PASSWORD)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return Person(self, "admin", body["userUid"], body["token"], body["refresh"], ADMIN_PASSWORD)


def basic(identifier: str, password: str) -> dict[str, str]:
    """Return a Basic header."""
    return {"authorization": "Basic " + base64.b64encode(f"{identifier}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"authorization": f"Bearer {token}"}


def service_in(directory: Path, clock: TurnedClock, environ: Mapping[str, str] | None = None) -> Service:
    """Build a service whose files live in a folder."""
    given = {
        "SALLYPORT_DATABASE_URL": url_in(directory),
        "SALLYPORT_KEYS_DIR": f"{directory}/keys",
        "SALLYPORT_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "SALLYPORT_MAIL_URL": f"file:{directory}/outbox",
    } | dict(environ or {})
    return build(load({}, given, directory), Machine(clock=clock, randomness=system_randomness, cost=CHEAP))


def client_of(service: Service, address: str = "127.0.0.1") -> httpx2.AsyncClient:
    """Return an HTTP client that calls the service without a socket."""
    transport = httpx2.ASGITransport(Application(service), client=(address, 50_000))
    client = httpx2.AsyncClient(transport=transport, base_url="http://sallyport.test")
    # A cookie would make the client known; a test that wants that shows it by itself.
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client
