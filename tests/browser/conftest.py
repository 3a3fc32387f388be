"""The pages in a real browser: Debian's Chromium, driven by Playwright, in front of the service as a process."""

import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.server import Server, serving
from tests.world import PASSWORD

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LINK = re.compile(r"/ui/(?:recover|verify|lost)#[^\s<>]+")
ADMIN_PASSWORD = "an operator chose these words"


@pytest.fixture(scope="module")
def browser(tool: Callable[[str], str]) -> Iterator[Browser]:
    """One browser for the tests of a file: each has a context of its own, which shares nothing.

    No longer than that: Playwright keeps an event loop running, beside which no other one runs.
    """
    path = tool("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield started
        started.close()


@dataclass(frozen=True)
class Running:
    """A running service, and where its files are."""

    server: Server
    folder: Path

    def make_proofs_old(self) -> None:
        """Let eleven minutes pass for every proof: nobody waits as long in a test."""
        with closing(sqlite3.connect(self.folder / "sallyport.db", timeout=10)) as database, database:
            for table in ("sessions", "browser_sessions"):
                database.execute(f"UPDATE {table} SET auth_time = auth_time - 660000000")  # noqa: S608  # named above

    def mailed(self, to: str) -> str:
        """Wait for a mail, take it out of its folder, and return the link of a page in it."""
        for _ in range(150):
            for path in sorted((self.folder / "data" / "outbox").glob("*.eml")):
                mail = message_from_bytes(path.read_bytes(), policy=policy.default)
                body = mail.get_body(("plain",))
                found = _LINK.search(body.get_content()) if body else None
                if mail["To"] == to and found:
                    path.unlink()
                    return self.server.url + found[0]
            time.sleep(0.1)
        message = f"no mail came to {to}"
        raise AssertionError(message)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running service that all tests share."""
    folder = tmp_path_factory.mktemp("service")
    given = {"SALLYPORT_ADMIN_PASSWORD": ADMIN_PASSWORD, "SALLYPORT_THROTTLE": "off"}
    with serving(folder, environ=given) as server:
        yield Running(server, folder)


MakeService = Callable[..., Running]


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[MakeService]:
    """Run services with settings of their own."""
    with ExitStack() as stack:

        def make(**environ: str) -> Running:
            given = {"SALLYPORT_ADMIN_PASSWORD": ADMIN_PASSWORD, "SALLYPORT_THROTTLE": "off"} | environ
            return Running(stack.enter_context(serving(tmp_path, environ=given)), tmp_path)

        yield make


@dataclass
class Human:
    """Somebody in front of a browser, with a phone."""

    page: Page
    url: str
    oathtool: str
    zbarimg: str
    folder: Path
    name: str = ""
    email: str = ""
    password: str = PASSWORD
    scanned: str = ""
    """What the camera has read."""
    seed: str = ""
    codes: tuple[str, ...] = ()

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()

    def submit(self) -> None:
        """Send the form of the page, whatever language its button speaks."""
        self.page.locator("main form button.main").click()

    def heading(self) -> str:
        return self.page.locator("h1").inner_text()

    def at(self, path: str) -> None:
        """Wait until the page of a path is there."""
        self.page.wait_for_url(re.compile(re.escape(self.url + path) + r"(\?.*)?$"))

    def register(self, name: str = "", *, mail: bool = False) -> None:
        """Make an account; leads to the set-up of an app."""
        self.name = name or f"human{uuid4().hex[:12]}"
        self.open("/ui/register")
        self.page.fill("#name", self.name)
        self.page.fill("#password", self.password)
        if mail:
            self.email = f"{self.name}@example.org"
            self.page.fill("#email", self.email)
        self.submit()
        self.at("/ui/authenticators/new")

    def scan(self) -> None:
        """Read the key off the screen, as a camera would."""
        picture = self.folder / "screen.png"
        try:
            self.page.screenshot(path=picture)
        except Error:  # Chromium has no frame to give where the machine is busy; a moment later it has
            self.page.wait_for_timeout(500)
            self.page.screenshot(path=picture)
        read = subprocess.run([self.zbarimg, "--raw", "-q", str(picture)], capture_output=True, text=True, check=True)
        self.scanned = read.stdout.strip()
        (self.seed,) = parse_qs(urlsplit(self.scanned).query)["secret"]

    def enroll(self) -> None:
        """Set up an app, from the page that asks for its name on, and keep the codes."""
        self.press("Continue")
        self.scan()
        self.type_code(self.code())
        self.page.wait_for_selector("#codes")
        self.codes = tuple(self.page.locator("#codes code").all_inner_texts())

    def code(self, later: str = "now") -> str:
        """Ask an authenticator of another make."""
        command = [self.oathtool, "--totp", "-b", self.seed, "--now", later]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def type_code(self, code: str) -> None:
        """Type a code digit by digit: the sixth sends it."""
        self.page.locator("#code").press_sequentially(code)

    def verify(self, service: Running) -> None:
        """Verify the address of the account, by the mail that the account's page sends."""
        self.open("/ui/account")
        self.page.locator('form[action="/ui/verify/send"] button').click()
        self.page.wait_for_selector(".card > a.main")
        self.page.goto(service.mailed(self.email))
        self.submit()
        self.page.wait_for_selector(".card > a.main")

    def say_that_all_is_lost(self) -> None:
        """Ask for the code of the help desk, and for the mail that goes out with it."""
        self.open("/ui/lost-phone")
        self.page.fill("#name", self.name)
        self.page.fill("#password", self.password)
        self.submit()
        self.page.wait_for_selector(".spoken")

    def give_password(self) -> None:
        """Go through the first door."""
        if "/ui/sign-in" not in self.page.url:
            self.open("/ui/sign-in")
        self.page.fill("#name", self.name)
        self.page.fill("#password", self.password)
        self.press("Continue")

    def sign_out(self) -> None:
        self.page.locator(".top").get_by_role("button", name="Sign out").click()
        self.at("/ui/sign-in")


MakeHuman = Callable[..., Human]


@pytest.fixture
def make_human(browser: Browser, service: Running, tool: Callable[[str], str], tmp_path: Path) -> Iterator[MakeHuman]:
    """Put people in front of browsers. A fault of the page's own fails the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def make(*, service: Running = service, **options: Any) -> Human:
        context = browser.new_context(**({"locale": "en-US"} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        return Human(page, service.server.url, tool("oathtool"), tool("zbarimg"), tmp_path)

    yield make
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def human(make_human: MakeHuman) -> Human:
    """Somebody in front of a browser."""
    return make_human()
