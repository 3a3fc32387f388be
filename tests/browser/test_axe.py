"""What a screen reader would stumble over, and what a narrow or a dark screen would not show: nothing."""

from collections.abc import Iterator
from typing import Final, Literal

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has none
from playwright.sync_api import Page

from tests.browser.conftest import Human, MakeHuman, MakeService

AXE = Axe()
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


_SCREENS: Final[tuple[tuple[Literal["light", "dark"], int], ...]] = (("light", 1280), ("dark", 320))


def faults_of(page: Page) -> Iterator[str]:
    """Look at a page in the light on a wide screen, and in the dark on a narrow one."""
    for scheme, width in _SCREENS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        for one in AXE.run(page, options=RULES).response["violations"]:
            yield from (f"{scheme}: {one['id']}: {node['html']}" for node in one["nodes"])
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            yield f"{wide} pixels wider than {width}"
    page.set_viewport_size({"width": 1280, "height": 800})


def walk(human: Human) -> Iterator[str]:
    """Go to every page there is."""
    human.open("/ui/sign-in")
    yield "sign in"
    human.page.fill("#name", "nobody")
    human.page.fill("#password", "x")
    human.submit()
    human.page.wait_for_selector(".alert")
    yield "wrong"
    for path in ("/ui/forgot", "/ui/recover", "/ui/verify", "/ui/not-me", "/ui/undo", "/ui/lost-phone"):
        human.open(path)
        yield path
    human.open("/ui/nowhere")
    yield "refused"
    human.open("/ui/register")
    yield "register"
    human.register()
    yield "name the device"
    human.open("/ui/account")
    yield "account without MFA"
    human.open("/ui/authenticators/new")
    human.submit()
    human.scan()
    human.page.locator("summary").click()
    yield "scan"
    human.page.fill("#code", "letters")
    human.submit()
    human.page.wait_for_selector(".alert")
    yield "code again"
    human.type_code(human.code())
    human.page.wait_for_selector("#codes")
    yield "codes"
    human.codes = tuple(human.page.locator("#codes code").all_inner_texts())
    for path in ("/ui/account", "/ui/events", "/ui/profile", "/ui/password", "/ui/codes/new", "/ui/keys/new"):
        human.open(path)
        yield path
    human.open("/ui/account")
    human.page.locator('a[href*="/ui/authenticators/0"]').click()
    yield "one authenticator"
    human.page.locator(".top form button").click()
    human.at("/ui/sign-in")
    human.page.fill("#name", human.name)
    human.page.fill("#password", human.password)
    human.submit()
    human.at("/ui/code")
    yield "code"
    human.open("/ui/code?letters=1")
    yield "backup code"
    human.open("/ui/lost-phone")
    human.page.fill("#name", human.name)
    human.page.fill("#password", human.password)
    human.submit()
    human.page.wait_for_selector(".spoken")
    yield "caller code"


def test_axe_finds_nothing_on_any_page(make_human: MakeHuman) -> None:
    human = make_human(bypass_csp=True, reduced_motion="reduce")
    found = {name: list(faults_of(human.page)) for name in walk(human)}
    assert len(found) > 12
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_axe_finds_nothing_where_a_proof_is_wanted(make_human: MakeHuman, make_service: MakeService) -> None:
    service = make_service()
    human = make_human(service=service, bypass_csp=True, reduced_motion="reduce")
    human.register()
    human.enroll()
    service.make_proofs_old()
    human.open("/ui/password")
    human.at("/ui/confirm")
    assert list(faults_of(human.page)) == []


def test_axe_looks(make_human: MakeHuman) -> None:
    human = make_human(bypass_csp=True, reduced_motion="reduce")
    human.open("/ui/sign-in")
    human.page.evaluate("document.querySelector('label').remove()")
    assert any("label" in fault for fault in faults_of(human.page))
