"""A browser without JavaScript in front of the service in this process: keeps cookies, follows nothing by itself."""

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx2

from tests.world import PASSWORD, Person, Phone, World

SAME_ORIGIN = {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8080"}
_FORM = re.compile(r'name="form" value="([^"]*)"')


@dataclass
class Guest:
    """Somebody with a browser."""

    world: World
    name: str = ""
    password: str = PASSWORD
    cookies: dict[str, str] = field(default_factory=dict)
    phone: Phone | None = None
    codes: list[str] = field(default_factory=list)
    page: str = ""
    """What the browser shows."""

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """Open a page."""
        return self._seen(await self.world.call("GET", path, headers=self._shown(headers)))

    async def post(self, path: str, *, headers: Any = SAME_ORIGIN, **fields: str) -> httpx2.Response:
        """Send a form, with what proves that the page it stood on is ours."""
        given = {"form": self.form(path), **fields}
        return self._seen(await self.world.client.request("POST", path, data=given, headers=self._shown(dict(headers))))

    def form(self, path: str = "") -> str:
        """Return the proof in the form of the page that is shown which goes to a path, or else in the first one."""
        _, action, rest = self.page.partition(f'action="{path}"')
        found = _FORM.search(rest if action else self.page)
        return unescape(found[1]) if found else ""

    def hidden(self, name: str) -> str:
        """Return what the page that is shown would send along in a field that nobody sees."""
        (value,) = re.findall(rf'<input type="hidden" name="{name}" value="([^"]*)"', self.page)
        return unescape(value)

    def _shown(self, headers: dict[str, str]) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return ({"cookie": cookies} if cookies else {}) | headers

    def _seen(self, answer: httpx2.Response) -> httpx2.Response:
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in line:
                del self.cookies[name]
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.page = answer.text
        return answer

    @property
    def session(self) -> str:
        return self.cookies.get("sallyport-session", "")

    async def give_password(self) -> httpx2.Response:
        await self.get("/ui/sign-in")
        return await self.post("/ui/sign-in", name=self.name, password=self.password)

    async def sign_in(self) -> None:
        """Go through both doors."""
        answer = await self.give_password()
        if self.phone:
            assert answer.headers["location"] == "/ui/code"
            await self.get("/ui/code")
            self.world.clock.advance(30)
            answer = await self.post("/ui/code", code=self.phone.code())
        assert answer.status_code == 303, answer.text
        assert self.session

    async def register(self) -> None:
        await self.get("/ui/register")
        answer = await self.post("/ui/register", name=self.name, password=self.password)
        assert answer.headers.get("location") == "/ui/authenticators/new", answer.text

    async def enroll(self) -> None:
        """Set up an app by hand, from the text of the key."""
        await self.get("/ui/authenticators/new")
        scanned = await self.post("/ui/authenticators/new", device="Phone")
        key = "".join(re.findall(r"<span>([A-Z2-7]{1,4})</span>", scanned.text))
        (path,) = re.findall(r'action="(/ui/authenticators/[^"]+/enroll)"', scanned.text)
        self.phone = Phone(key, self.world.clock)
        kept = await self.post(path, code=self.phone.code())
        assert kept.status_code == 200, kept.text
        self.codes = re.findall(r"<li><code>([^<]+)</code></li>", kept.text)


async def signed_in(world: World, person: Person) -> Guest:
    """Let a person of the JSON routes sign in with a browser."""
    guest = Guest(world, person.name, person.password, phone=person.phone)
    await guest.sign_in()
    return guest
