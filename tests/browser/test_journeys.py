"""What people do with the pages, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ADMIN_PASSWORD, Human, MakeHuman, MakeService, Running

PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}


def test_register_enroll_sign_out_and_in_by_code_and_by_backup_code(human: Human) -> None:
    human.register()
    human.enroll()
    assert len(set(human.codes)) == 10
    human.follow("I have kept them")
    human.at("/ui/account")
    assert human.name in human.heading()
    expect(human.page.get_by_text("10 codes left")).to_be_visible()

    human.sign_out()
    human.give_password()
    human.at("/ui/code")
    human.type_code(human.code("30 seconds"))
    human.at("/ui/account")

    human.sign_out()
    human.give_password()
    human.follow("Phone not at hand? Use a backup code")
    human.page.fill("#code", human.codes[0].lower().replace("-", " "))
    human.press("Sign in")
    human.at("/ui/account")
    expect(human.page.get_by_text("9 codes left")).to_be_visible()


@pytest.mark.parametrize(
    "options",
    [{"java_script_enabled": False}, {"color_scheme": "dark"}, PHONE, {"locale": "de-DE"}],
    ids=["without JavaScript", "in the dark", "on a phone", "in German"],
)
def test_everything_works_for_everybody(make_human: MakeHuman, options: dict[str, object]) -> None:
    human = make_human(**options)
    human.register()
    human.submit()
    human.at("/ui/authenticators/new")
    human.scan()
    human.page.fill("#code", human.code())
    if options.get("java_script_enabled") is False:  # else the sixth digit sends it
        human.submit()
    expect(human.page.locator("#codes code")).to_have_count(10)
    human.codes = tuple(human.page.locator("#codes code").all_inner_texts())
    human.page.locator(".card > a.main").click()
    human.at("/ui/account")
    human.page.locator(".top form button").click()
    human.at("/ui/sign-in")
    human.page.fill("#name", human.name)
    human.page.fill("#password", human.password)
    human.submit()
    human.at("/ui/code")
    human.page.fill("#code", human.codes[0])
    human.submit()
    human.at("/ui/account")
    human.page.locator('a[href="/ui/events"]').click()
    human.at("/ui/events")
    assert human.page.locator(".things li").count() > 3


def test_what_was_seen_before_signing_out_is_not_seen_by_going_back(human: Human) -> None:
    human.register()
    human.open("/ui/account")
    human.open("/ui/profile")
    human.sign_out()
    for _ in range(2):
        human.page.go_back()
        human.page.wait_for_load_state()
        assert human.name not in human.page.content()
    human.at("/ui/sign-in")


def test_a_step_up_comes_in_between_and_leads_back(make_human: MakeHuman, make_service: MakeService) -> None:
    """The proof of the only session of its own is made old in the database: ten minutes are long in a test."""
    service = make_service()
    human = make_human(service=service)
    human.register()
    human.enroll()
    human.follow("I have kept them")
    service.make_proofs_old()
    human.open("/ui/account")
    human.follow("Make new codes")
    human.at("/ui/confirm")
    human.page.fill("#password", human.password)
    human.page.fill("#code", human.codes[0])
    human.press("Confirm")
    human.at("/ui/codes/new")
    human.press("Make new codes")
    expect(human.page.locator("#codes code")).to_have_count(10)
    assert human.codes[1] not in human.page.content()


def test_two_tabs_share_a_session_until_one_of_them_ends_it(human: Human) -> None:
    human.register()
    human.open("/ui/account")
    other = human.page.context.new_page()
    other.goto(human.url + "/ui/profile")
    other.fill("#email", "mira@example.org")
    other.get_by_role("button", name="Save").click()
    other.wait_for_url(human.url + "/ui/account")
    human.page.reload()
    expect(human.page.get_by_text("mira@example.org")).to_be_visible()
    other.locator(".top").get_by_role("button", name="Sign out").click()
    other.wait_for_url(human.url + "/ui/sign-in")
    human.follow("Change details")
    human.at("/ui/sign-in")


def test_the_sixth_digit_sends_the_code_and_the_focus_stays(human: Human) -> None:
    human.register()
    human.press("Continue")
    human.scan()
    code, digits = human.page.locator("#code"), human.code()  # asked once: the next half minute has another one
    code.press_sequentially(digits[:5])
    human.page.wait_for_timeout(500)
    assert human.page.locator("#code").evaluate("one => one === document.activeElement")
    assert human.page.locator("#codes").count() == 0
    code.press_sequentially(digits[5:])
    human.page.wait_for_selector("#codes")


def test_a_code_is_pasted_with_its_spaces(human: Human) -> None:
    human.register()
    human.press("Continue")
    human.scan()
    code = human.code()
    human.page.locator("#code").focus()
    human.page.evaluate("text => document.execCommand('insertText', false, text)", f"{code[:3]} {code[3:]}")
    human.page.wait_for_selector("#codes")


def test_whoever_types_a_backup_code_that_begins_with_six_digits_is_not_interrupted(human: Human) -> None:
    human.register()
    human.enroll()
    human.follow("I have kept them")
    human.sign_out()
    human.give_password()
    human.at("/ui/code")
    human.page.locator("#code").press_sequentially("123456-7890", delay=20)
    human.page.wait_for_timeout(600)
    human.at("/ui/code")
    assert human.page.locator(".alert").count() == 0


def test_the_key_and_the_codes_are_copied_and_downloaded(make_human: MakeHuman) -> None:
    human = make_human(permissions=["clipboard-read", "clipboard-write"])
    human.register()
    human.press("Continue")
    human.scan()
    human.page.get_by_text("Enter the key by hand").click()
    human.press("Copy the key")
    # WCAG 2.2, 4.1.3: whoever hears the page is told.
    expect(human.page.get_by_role("button", name="Copied")).to_have_attribute("aria-live", "polite")
    assert human.page.evaluate("navigator.clipboard.readText()") == human.seed
    assert human.page.get_by_role("link", name="Open in the app on this device").get_attribute("href") == human.scanned
    human.type_code(human.code())
    human.page.wait_for_selector("#codes")
    codes = human.page.locator("#codes code").all_inner_texts()
    human.press("Copy")
    expect(human.page.get_by_role("button", name="Copied")).to_be_visible()
    assert human.page.evaluate("navigator.clipboard.readText()").split() == codes
    # Paper is white whatever the screen is, and has the codes and what they are for.
    human.page.emulate_media(media="print", color_scheme="dark")
    expect(human.page.get_by_role("button", name="Print")).to_be_hidden()
    expect(human.page.locator("#codes")).to_be_visible()
    expect(human.page.get_by_text(f"For the account {human.name}.")).to_be_visible()
    assert human.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    human.page.emulate_media(media="screen")
    with human.page.expect_download() as saved:
        human.press("Download")
    assert saved.value.suggested_filename == "sallyport-backup-codes.txt"
    assert saved.value.path().read_text().split() == codes


def test_everything_is_reached_by_the_keyboard(human: Human) -> None:
    human.open("/ui/register")
    human.name = "keyboard" + re.sub(r"\D", "", str(id(human)))
    human.page.keyboard.type(human.name)  # the first field has the focus
    human.page.keyboard.press("Tab")
    human.page.keyboard.press("Tab")
    human.page.keyboard.type(human.password)
    human.page.keyboard.press("Tab")
    human.page.keyboard.press("Enter")
    expect(human.page.locator("#password")).to_have_attribute("type", "text")
    outline = human.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    look = "() => { sessionStorage.sent = document.querySelector('#password').type }"
    human.page.evaluate(f"document.forms[0].addEventListener('submit', {look})")
    human.page.keyboard.press("Tab")
    human.page.keyboard.press("Enter")
    human.at("/ui/authenticators/new")
    assert human.page.evaluate("sessionStorage.sent") == "password"
    human.page.keyboard.press("Tab")
    assert human.page.evaluate("document.activeElement.textContent") == "Skip to the content"


def test_mailed_links_verify_an_address_and_bring_a_password_back(human: Human, service: Running) -> None:
    human.register(mail=True)
    human.open("/ui/account")
    human.press("Send a link to verify it")
    expect(human.page.get_by_text("A link is on its way")).to_be_visible()
    human.page.goto(service.mailed(human.email))
    assert "#" not in human.page.url
    expect(human.page.locator("#link")).to_be_hidden()
    human.press("Verify the address")
    expect(human.page.get_by_text("Your address is verified")).to_be_visible()
    human.open("/ui/account")
    human.sign_out()
    human.follow("Forgot your password?")
    human.page.fill("#name", human.email)
    human.press("Send the link")
    human.page.goto(service.mailed(human.email))
    human.password = "another battery staple horse"
    human.page.fill("#password", human.password)
    human.press("Set the password")
    human.page.locator(".card").get_by_role("link", name="Sign in").click()
    human.name = human.email
    human.give_password()
    human.at("/ui/account")


def test_who_has_lost_the_phone_comes_back_by_mail_and_a_backup_code(human: Human, service: Running) -> None:
    human.register(mail=True)
    human.enroll()
    human.verify(service)
    human.open("/ui/account")
    human.sign_out()
    human.say_that_all_is_lost()
    human.page.goto(service.mailed(human.email))
    assert "#" not in human.page.url
    human.page.fill("#password", human.password)
    human.page.fill("#code", human.codes[0])
    human.press("Reset")
    human.at("/ui/authenticators/new")
    before = human.seed
    human.enroll()
    human.follow("I have kept them")
    human.at("/ui/account")
    assert human.seed != before


def test_who_has_lost_phone_and_codes_is_let_in_by_the_help_desk(
    make_human: MakeHuman, make_service: MakeService
) -> None:
    service = make_service(SALLYPORT_DESK_CALLER_CODE="required")
    human = make_human(service=service)
    human.register()
    human.enroll()
    human.follow("I have kept them")
    human.sign_out()
    human.give_password()
    human.at("/ui/code")
    human.follow("Lost your phone and your codes?")
    human.say_that_all_is_lost()
    spoken = human.page.locator(".spoken").inner_text()
    desk = make_human(service=service)
    desk.name, desk.password = "admin", ADMIN_PASSWORD
    desk.give_password()
    desk.follow("Desk")
    desk.follow("Users")
    desk.page.fill("#q", human.name[:8])
    desk.press("Search")
    desk.follow(human.name)
    desk.page.fill("#code-mfa", spoken)
    desk.press("Remove all second factors")
    expect(desk.page.get_by_text("All second factors are removed.")).to_be_visible()
    human.follow("Back to sign-in")
    human.give_password()
    human.at("/ui/account")
    human.follow("Protect your account")
    human.enroll()
