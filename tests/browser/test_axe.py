"""What a screen reader would stumble over, and what a narrow or a dark screen would not show: nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has none
from playwright.sync_api import Page

import sallyport.pages
from tests.browser.conftest import ADMIN_PASSWORD, Human, MakeHuman, MakeService, Running

AXE = Axe()
TEMPLATES = Path(sallyport.pages.__file__).parent / "templates"
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


_SCREENS: Final[tuple[tuple[Literal["light", "dark"], int], ...]] = (("light", 1280), ("dark", 320))
# WCAG 2.2, 1.4.12: who reads better with wider text loses nothing by it.
_SPACED: Final = """* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
p { margin-bottom: 2em !important }"""
LONG: Final = "w" * 47
"""A name has 64 letters at most, and nowhere to break."""


def faults_of(page: Page) -> Iterator[str]:
    """Look at a page in the light on a wide screen, and in the dark on a narrow one."""
    for scheme, width in _SCREENS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        for one in AXE.run(page, options=RULES).response["violations"]:
            yield from (f"{scheme}: {one['id']}: {node['html']}" for node in one["nodes"])
        yield from _too_wide(page, f"{width}")
    spaced = page.add_style_tag(content=_SPACED)
    yield from _too_wide(page, "320, with its text spaced out")
    spaced.evaluate("style => style.remove()")
    page.set_viewport_size({"width": 1280, "height": 800})


def _too_wide(page: Page, where: str) -> Iterator[str]:
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        yield f"{wide} pixels wider than {where}"


def walk(human: Human, service: Running) -> Iterator[str]:
    """Go to every page there is; named by their templates, so that none is forgotten."""
    human.open("/ui/sign-in")
    yield "sign_in"
    human.page.fill("#name", "nobody")
    human.page.fill("#password", "x")
    human.submit()
    human.page.wait_for_selector(".alert")
    yield "sign_in, refused"
    for name in ("forgot", "recover", "verify", "not_me", "undo", "lost", "cancel", "lost_phone", "register"):
        human.open("/ui/" + name.replace("_", "-"))
        yield name
    human.open("/ui/forgot")
    human.page.fill("#name", "nobody")
    human.submit()
    human.page.wait_for_selector(".card > a.main")
    yield "told"
    human.open("/ui/nowhere")
    yield "refused"
    yield from _with_an_account(human)
    human.verify(service)
    yield from _at_the_second_door(human)
    human.page.goto(service.mailed(human.email))
    human.page.fill("#password", human.password)
    human.submit()
    human.page.wait_for_selector(".card > a.main")
    yield "waits"
    human.open("/ui/code?letters=1")
    yield "code, of letters"
    human.page.fill("#code", human.codes[0])
    human.submit()
    human.at("/ui/account")
    human.open("/ui/events")
    human.page.locator('a[href*="/ui/events/0"]').first.click()
    human.page.wait_for_url("**/ui/events/*")
    yield "why"
    service.make_proofs_old()
    human.open("/ui/password")
    human.at("/ui/confirm")
    yield "confirm"


def _with_an_account(human: Human) -> Iterator[str]:
    human.register(LONG + uuid4().hex[:12], mail=True)
    yield "name_device"
    human.open("/ui/account")
    yield "account, without MFA"
    human.open("/ui/authenticators/new")
    human.submit()
    human.scan()
    human.page.locator("summary").click()
    yield "scan"
    human.page.fill("#code", "letters")
    human.submit()
    human.page.wait_for_selector(".alert")
    yield "code_again"
    human.type_code(human.code())
    human.page.wait_for_selector("#codes")
    yield "codes"
    human.codes = tuple(human.page.locator("#codes code").all_inner_texts())
    for path in ("events", "profile", "password", "erase", "codes/new", "keys/new"):
        human.open(f"/ui/{path}")
        yield {"codes/new": "new_codes", "keys/new": "new_key"}.get(path, path)
    human.submit()
    human.page.wait_for_selector("#key")
    yield "key"
    human.open("/ui/sessions")
    yield "list, of sessions"
    human.open("/ui/keys")
    yield "list, of keys"
    human.open("/ui/account")
    yield "account"
    human.page.locator('a[href*="/ui/authenticators/0"]').first.click()
    yield "authenticator"


def _at_the_second_door(human: Human) -> Iterator[str]:
    human.page.locator(".top form button").click()
    human.at("/ui/sign-in")
    human.page.fill("#name", human.name)
    human.page.fill("#password", human.password)
    human.submit()
    human.at("/ui/code")
    yield "code"
    human.say_that_all_is_lost()
    yield "caller_code"


def test_axe_finds_nothing_on_any_page(make_human: MakeHuman, make_service: MakeService) -> None:
    """The proof of the only session of its own is made old in the database: ten minutes are long in a test."""
    service = make_service()
    human = make_human(service=service, bypass_csp=True, reduced_motion="reduce")
    found = {name: list(faults_of(human.page)) for name in walk(human, service)}
    no_pages = {"base", "parts"}
    assert {name.partition(",")[0] for name in found} == {path.stem for path in TEMPLATES.glob("*.html")} - no_pages
    assert {name: faults for name, faults in found.items() if faults} == {}


def walk_the_desk(desk: Human, other: str) -> Iterator[str]:
    """Go to the pages of the desk, as the first admin, who made another user."""
    desk.name, desk.password = "admin", ADMIN_PASSWORD
    desk.give_password()
    desk.at("/ui/account")
    desk.open("/ui/admin")
    for summary in desk.page.locator("main summary").all():
        summary.click()
    yield "dashboard"
    for name in ("users", "approvals", "roles", "roles/new", "audit", "policy", "policy?rule=all"):
        desk.open(f"/ui/admin/{name}")
        yield {"roles/new": "new_role", "policy?rule=all": "policy, tried"}.get(name, name)
    desk.open("/ui/admin/users?q=" + other)
    desk.follow(other)
    for summary in desk.page.locator("main summary").all():
        summary.click()
    yield "user"
    desk.open("/ui/admin/roles")
    desk.page.locator('main a[href*="/ui/admin/roles/0"]').first.click()
    desk.page.wait_for_selector("#who")
    yield "role"


def test_axe_finds_nothing_on_any_page_of_the_desk(make_human: MakeHuman, make_service: MakeService) -> None:
    service = make_service()
    human = make_human(service=service)
    human.register(LONG + uuid4().hex[:12])
    human.enroll()
    desk = make_human(service=service, bypass_csp=True, reduced_motion="reduce")
    found = {name: list(faults_of(desk.page)) for name in walk_the_desk(desk, human.name)}
    no_pages = {"base", "parts", "plots"}
    assert {name.partition(",")[0] for name in found} == {path.stem for path in TEMPLATES.glob("admin/*")} - no_pages
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_axe_looks(make_human: MakeHuman) -> None:
    human = make_human(bypass_csp=True, reduced_motion="reduce")
    human.open("/ui/sign-in")
    human.page.evaluate("document.querySelector('label').remove()")
    assert any("label" in fault for fault in faults_of(human.page))
