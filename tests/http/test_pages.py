"""The pages without a browser: what they answer, to whom, and with which headers."""

import re
from typing import Any

import pytest

from sallyport.pages.words import LANGUAGES
from tests.conftest import MakeWorld
from tests.guest import SAME_ORIGIN, Guest, signed_in
from tests.world import PASSWORD, Phone, World, basic


@pytest.fixture
def guest(world: World) -> Guest:
    return Guest(world, "mira")


async def test_the_whole_journey_without_javascript(guest: Guest) -> None:
    await guest.register()
    await guest.enroll()
    assert len(set(guest.codes)) == 10
    assert "10 codes left" in (await guest.get("/ui/account")).text
    assert (await guest.post("/ui/sign-out")).headers["location"] == "/ui/sign-in"
    await guest.sign_in()
    await guest.get("/ui/account")
    await guest.post("/ui/sign-out")
    await guest.give_password()
    await guest.get("/ui/code?letters=1")
    answer = await guest.post("/ui/code", code=guest.codes[0].lower().replace("-", " "))
    assert answer.headers["location"] == "/ui/account"
    assert "9 codes left" in (await guest.get("/ui/account")).text


async def test_a_password_alone_leads_to_the_second_door_and_no_further(guest: Guest) -> None:
    await guest.register()
    await guest.enroll()
    other = Guest(guest.world, "mira")
    answer = await other.give_password()
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/code")
    assert other.session == ""
    assert (await other.get("/ui/account")).headers["location"] == "/ui/sign-in"


async def test_the_challenge_stands_in_a_cookie_alone(guest: Guest) -> None:
    await guest.register()
    await guest.enroll()
    other = Guest(guest.world, "mira")
    answer = await other.give_password()
    challenge = other.cookies["sallyport-challenge"]
    assert challenge.startswith("spc_")
    (line,) = [line for line in answer.headers.get_list("set-cookie") if "spc_" in line]
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=300"} <= set(line.split("; "))
    page = await other.get("/ui/code")
    assert challenge not in page.text + str(answer.headers["location"])


@pytest.mark.parametrize("path", ["/ui/sign-in", "/ui/register", "/ui/account", "/ui/nowhere", "/ui/events"])
async def test_every_page_carries_its_guards(guest: Guest, path: str) -> None:
    await guest.register()
    if path in {"/ui/sign-in", "/ui/register"}:
        guest.cookies.clear()
    headers = (await guest.get(path)).headers
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", headers["content-security-policy"]))
    assert headers["content-security-policy"] == (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert "camera=()" in headers["permissions-policy"]
    assert nonce not in (await guest.get(path)).text, "a nonce is good once"


async def test_nothing_is_fetched_from_elsewhere(guest: Guest) -> None:
    await guest.register()
    for path in ("/ui/sign-in", "/ui/account", "/ui/authenticators/new"):
        page = (await guest.get(path)).text
        assert not re.findall(r'(?:src|href|action)="(?!/ui)[^"]*"', page.replace('href="#main"', ""))
        assert " style=" not in page
        assert not re.search(r"\son[a-z]+=", page)


async def test_style_and_script_are_fetched_once(guest: Guest) -> None:
    page = (await guest.get("/ui/sign-in")).text
    for path in set(re.findall(r'(?:src|href)="(/ui/static/[^"]+)"', page)):
        answer = await guest.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await guest.get(path.replace("/static/", "/static/0"))).status_code == 404
    assert (await guest.post("/ui/static/x")).status_code == 405


async def test_a_browser_at_the_bare_address_is_led_to_the_pages(world: World) -> None:
    led = await world.call("GET", "/", headers={"accept": "text/html,*/*"})
    assert (led.status_code, led.headers["location"]) == (303, "/ui")
    for path, headers in (("/", {}), ("/", {"accept": "application/json"}), ("/v1/ui", {"accept": "text/html"})):
        answer = await world.call("GET", path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await world.call("POST", "/", headers={"accept": "text/html"})).status_code == 404


async def test_where_there_is_no_page_a_page_says_so(guest: Guest) -> None:
    answer = await guest.get("/ui/nowhere")
    assert answer.status_code == 404
    assert "<h1>That did not work</h1>" in answer.text
    refused = await guest.world.call("PUT", "/ui/sign-in")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_a_fault_is_a_page_too(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> Any:
        message = "a secret of the inside"
        raise RuntimeError(message)

    await guest.register()
    monkeypatch.setattr(guest.world.service.flows.read_users, "one", broken)
    answer = await guest.get("/ui/account")
    assert answer.status_code == 500
    assert "Something went wrong on our side." in answer.text
    assert "inside" not in answer.text


async def test_pages_are_served_where_a_cookie_may_travel_only(make_world: MakeWorld) -> None:
    plain = await make_world({"SALLYPORT_PUBLIC_URL": "http://accounts.test"}, folder="plain")
    assert (await plain.call("GET", "/ui/sign-in")).status_code == 404
    sealed = await make_world({"SALLYPORT_PUBLIC_URL": "https://accounts.test"}, folder="sealed")
    guest = Guest(sealed, "mira")
    await guest.get("/ui/register")
    answer = await guest.post(
        "/ui/register", headers={"origin": "https://accounts.test"}, name="mira", password=PASSWORD
    )
    (line,) = [line for line in answer.headers.get_list("set-cookie") if "spw_" in line]
    assert line.startswith("__Host-sallyport-session=spw_")
    assert set(line.split("; ")[1:]) == {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"}


async def test_what_was_typed_comes_back_escaped(guest: Guest) -> None:
    await guest.get("/ui/sign-in")
    answer = await guest.post("/ui/sign-in", name='"><script>alert(1)</script>', password="x")
    assert answer.status_code == 401
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text
    await guest.register()
    await guest.enroll()
    (app,) = re.findall(r'href="(/ui/authenticators/[0-9a-f-]{36})"', (await guest.get("/ui/account")).text)
    version = re.findall(r'name="version" value="(\d+)"', (await guest.get(app)).text)[0]
    assert (await guest.post(app, device="<img src=x onerror=alert(1)>", version=version)).status_code == 303
    assert "<img src=x" not in (await guest.get("/ui/account")).text


async def test_an_authenticator_is_renamed_and_removed(guest: Guest) -> None:
    await guest.register()
    await guest.enroll()
    (app,) = re.findall(r'href="(/ui/authenticators/[0-9a-f-]{36})"', (await guest.get("/ui/account")).text)
    page = (await guest.get(app)).text
    assert "last authenticator app" in page
    version = re.findall(r'name="version" value="(\d+)"', page)[0]
    await guest.post(app, device="Tablet", version=version)
    assert "Tablet" in (await guest.get("/ui/account")).text
    await guest.get(app)
    stale = await guest.post(app, device="Other", version=version)
    assert stale.status_code == 409
    await guest.post(f"{app}/remove")
    assert "Your password stands alone" in (await guest.get("/ui/account")).text


async def test_one_field_takes_both_kinds_of_codes(guest: Guest) -> None:
    await guest.register()
    await guest.enroll()
    await guest.post("/ui/sign-out")
    await guest.give_password()
    (field,) = re.findall(r'<input id="code"[^>]*>', (await guest.get("/ui/code")).text)
    assert {'type="text"', 'inputmode="numeric"', 'autocomplete="one-time-code"'} <= set(field.split())
    assert "pattern" not in field  # letters are welcome, whatever keyboard a phone begins with
    guest.world.clock.advance(30)
    assert guest.phone
    code = guest.phone.code()
    assert (await guest.post("/ui/code", code=f" {code[:3]} {code[3:]} ")).headers["location"] == "/ui/account"
    await guest.get("/ui/account")
    await guest.post("/ui/sign-out")
    await guest.give_password()
    await guest.get("/ui/code")
    assert (await guest.post("/ui/code", code=guest.codes[0])).headers["location"] == "/ui/account"


async def test_a_device_is_listed_renamed_and_removed(world: World) -> None:
    mira = await world.register("mira")
    body = {"type": "device", "secret": "a value that a program has made up, long enough"}
    made = (await mira.call("POST", "/users/me/secrets", body)).json()["uid"]
    guest = await signed_in(world, mira)
    path = f"/ui/authenticators/{made}"
    assert f'href="{path}"' in (await guest.get("/ui/account")).text
    page = (await guest.get(path)).text
    assert "Whatever uses it is refused from then on." in page
    version = re.findall(r'name="version" value="(\d+)"', page)[0]
    await guest.post(path, device="Backup job", version=version)
    assert "<strong>Backup job</strong>" in (await guest.get("/ui/account")).text
    await guest.get(path)
    assert (await guest.post(f"{path}/remove")).status_code == 303
    assert path not in (await guest.get("/ui/account")).text


async def test_a_sign_in_that_took_too_long_begins_again_in_ones_own_language(guest: Guest) -> None:
    await guest.register()
    await guest.enroll()
    await guest.post("/ui/sign-out")
    await guest.get("/ui/sign-in?lang=de")
    await guest.give_password()
    await guest.get("/ui/code")
    guest.world.clock.advance(301)
    answer = await guest.post("/ui/code", code=guest.codes[0])
    assert (answer.status_code, "<h1>Anmelden</h1>" in answer.text) == (401, True)
    assert "Diese Anmeldung hat zu lange gedauert" in answer.text


async def test_new_codes_void_the_old_ones(guest: Guest) -> None:
    await guest.register()
    await guest.enroll()
    old = guest.codes[0]
    await guest.get("/ui/codes/new")
    shown = await guest.post("/ui/codes/new", instead_of=guest.hidden("instead_of"))
    assert old not in shown.text
    await guest.get("/ui/account")
    await guest.post("/ui/sign-out")
    await guest.give_password()
    await guest.get("/ui/code")
    assert (await guest.post("/ui/code", code=old)).status_code == 401


async def test_codes_that_are_shown_are_not_void_by_a_reload(guest: Guest) -> None:
    await guest.register()
    await guest.enroll()
    await guest.get("/ui/codes/new")
    form, before = guest.form("/ui/codes/new"), guest.hidden("instead_of")
    shown = await guest.post("/ui/codes/new", instead_of=before)
    codes = re.findall(r"<li><code>([^<]+)</code></li>", shown.text)
    again = await guest.post("/ui/codes/new", form=form, instead_of=before)
    assert (again.status_code, "Your new codes are made." in again.text) == (409, True)
    assert guest.hidden("instead_of") not in {"", before}
    await guest.get("/ui/account")
    await guest.post("/ui/sign-out")
    await guest.give_password()
    await guest.get("/ui/code")
    assert (await guest.post("/ui/code", code=codes[0])).headers["location"] == "/ui/account"


async def test_a_password_is_changed_and_the_browser_stays_signed_in(guest: Guest) -> None:
    await guest.register()
    other = Guest(guest.world, "mira")
    await other.sign_in()
    await guest.get("/ui/password")
    wrong = await guest.post("/ui/password", current="not this one", password="another battery staple horse")
    assert (wrong.status_code, "current password is not right" in wrong.text) == (400, True)
    short = await guest.post("/ui/password", current=PASSWORD, password="short")
    assert "needs at least 15 characters" in short.text
    before = guest.session
    await guest.post("/ui/password", current=PASSWORD, password="another battery staple horse")
    assert guest.session not in {"", before}
    assert (await guest.get("/ui/account")).status_code == 200
    assert (await other.get("/ui/account")).headers["location"] == "/ui/sign-in"


async def test_name_and_address_are_changed(guest: Guest) -> None:
    await guest.register()
    page = (await guest.get("/ui/profile")).text
    version = re.findall(r'name="version" value="(\d+)"', page)[0]
    assert (await guest.post("/ui/profile", name="a b", email="", version=version)).status_code == 400
    assert (await guest.post("/ui/profile", name="admin", email="", version=version)).status_code == 409
    await guest.post("/ui/profile", name="Mira", email="mira@example.org", version=version)
    page = (await guest.get("/ui/account")).text
    assert "mira@example.org" in page
    assert "not verified" in page
    await guest.get("/ui/profile")
    assert (await guest.post("/ui/profile", name="Mira", email="", version="x")).status_code == 409


async def test_what_was_done_to_ones_account_is_said(guest: Guest) -> None:
    await guest.register()
    await guest.enroll()
    page = (await guest.get("/ui/account")).text
    assert 'role="status"' not in page
    (app,) = re.findall(r'href="(/ui/authenticators/[0-9a-f-]{36})"', page)
    new = "another battery staple horse"
    for path, fields, said in (
        ("/ui/profile", {"name": "Mira", "email": ""}, "It is saved."),
        (app, {"device": "Tablet"}, "It is saved."),
        ("/ui/password", {"current": PASSWORD, "password": new}, "Your new password is set."),
        ("/ui/sessions/end-others", {}, "All other browsers and apps are signed out."),
        (f"{app}/remove", {}, "It is removed."),
        ("/ui/sign-out", {}, "You are signed out."),
    ):
        await guest.get("/ui/account" if path.startswith(("/ui/sessions", "/ui/sign-out")) else path)
        version = re.findall(r'name="version" value="(\d+)"', guest.page)
        answer = await guest.post(path, **fields, **({"version": version[0]} if version else {}))
        shown = await guest.get(answer.headers["location"])
        assert re.findall(r'role="status">([^<.]*\.)', shown.text) == [said], path
        assert 'role="status"' not in (await guest.get(answer.headers["location"])).text


async def test_an_account_is_erased_by_its_owner(guest: Guest) -> None:
    await guest.register()
    other = Guest(guest.world, "mira")
    await other.sign_in()
    assert 'href="/ui/erase"' in (await guest.get("/ui/account")).text
    assert 'href="/ui/account"' in (await guest.get("/ui/erase")).text
    answer = await guest.post("/ui/erase")
    assert (answer.headers["location"], guest.session) == ("/ui/sign-in", "")
    assert answer.headers["clear-site-data"] == '"cache"'
    assert "The account is erased." in (await guest.get("/ui/sign-in")).text
    assert (await other.get("/ui/account")).headers["location"] == "/ui/sign-in"
    assert (await guest.world.password("mira", PASSWORD)).status_code == 401
    await guest.register()  # the name is free


async def test_erasing_ones_account_wants_a_fresh_proof_and_somebody_left_who_is_trusted(world: World) -> None:
    admin = await signed_in(world, await world.admin())
    await admin.get("/ui/erase")
    answer = await admin.post("/ui/erase")
    assert (answer.status_code, "Nobody would be left who may act on others" in answer.text) == (409, True)
    world.clock.advance(601)
    answer = await admin.post("/ui/erase")
    assert answer.headers["location"] == "/ui/confirm?next=/ui/erase"


async def test_sessions_are_told_in_words_and_ended(guest: Guest) -> None:
    await guest.register()
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    person = await guest.world.password("mira", PASSWORD)
    assert person.status_code == 200
    await guest.world.call("GET", "/auth/password", headers={"user-agent": firefox} | basic("mira", PASSWORD))
    page = (await guest.get("/ui/account")).text
    assert "Firefox on Linux" in page
    assert set(re.findall(r'<time datetime="([^"]*)"', page)) == {"2027-01-15T08:00:00.000000Z"}
    ends = re.findall(r'action="(/ui/sessions/[^"]+/end)"', page)
    assert len(ends) == 2
    await guest.post(ends[0])
    assert len(re.findall(r'action="(/ui/sessions/[^"]+/end)"', (await guest.get("/ui/account")).text)) == 1
    assert (await guest.post(ends[0])).headers["location"] == "/ui/account"
    await guest.post("/ui/sessions/end-others")
    assert "/ui/sessions/" not in (await guest.get("/ui/account")).text


async def test_an_account_of_many_keys_devices_and_sessions_is_a_small_page_and_lists_behind_it(world: World) -> None:
    mira = await world.register("mira")
    many = 26
    for number in range(many):
        device = {"type": "device", "secret": f"a value that a program has made up, {number}"}
        for body in ({"type": "apikey"}, device):
            made = await mira.call("POST", "/users/me/secrets", body | {"description": f"no {number} " + "x" * 3000})
            assert made.status_code == 200, made.text
        world.clock.advance(1)
        await mira.login()
    guest = await signed_in(world, mira)
    page = await guest.get("/ui/account")
    assert len(page.content) < 30_000
    assert page.text.count('href="/ui/authenticators/0') == 20
    assert page.text.count('/end"') == 9  # and this browser
    for path, said, row in (
        ("/ui/keys", "All 26 API keys", 'href="/ui/authenticators/0'),
        ("/ui/devices", "All 26 known devices", 'href="/ui/authenticators/0'),
        ("/ui/sessions", "All 28 sessions", '<time datetime="'),
    ):
        assert f'href="{path}">{said}</a>' in page.text
        first = await guest.get(path)
        assert first.text.count(row) == 25
        assert len(first.content) < 30_000
        (onward,) = re.findall(rf'href="({path}\?from=25)"', first.text)
        rest = (await guest.get(onward)).text
        assert rest.count(row) == int(said.split()[1]) - 25
        assert "?from=" not in rest
    assert (await guest.get("/ui/sessions?from=x")).text.count('<time datetime="') == 25
    few = await signed_in(world, await world.register("few"))
    assert "All " not in (await few.get("/ui/account")).text


async def test_what_happened_is_told_in_pages(guest: Guest) -> None:
    await guest.register()
    for _ in range(13):
        guest.world.clock.advance(1)
        await guest.world.password("mira", "wrong")
        guest.world.clock.advance(1)
        await guest.world.password("mira", PASSWORD)
    page = (await guest.get("/ui/events")).text
    assert page.count("<strong>Sign-in with password</strong>") == 25
    assert page.count("Failed") == 12
    (older,) = re.findall(r'href="(/ui/events\?after=[^"]+)"', page)
    assert "Account created" in (await guest.get(older)).text
    assert (await guest.get("/ui/events?after=nonsense")).text.count("<strong>Sign-in with password</strong>") == 25


async def test_why_a_sign_in_went_as_it_did_is_told_in_words(guest: Guest) -> None:
    await guest.register()
    await guest.enroll()
    await guest.post("/ui/sign-out")
    await guest.give_password()
    for code in ("000000", guest.codes[0]):
        guest.world.clock.advance(1)
        await guest.get("/ui/code")
        await guest.post("/ui/code", code=code)
    page = (await guest.get("/ui/events")).text
    assert page.count("Why?</a>") == 3
    right, wrong, asked = re.findall(r'href="(/ui/events/[0-9a-f-]{36})"', page)
    assert "It was given as the second factor that the account has." in (await guest.get(right)).text
    assert "The code of the app was wrong, or had been used before." in (await guest.get(wrong)).text
    assert "The account has a second factor, so that was asked for" in (await guest.get(asked)).text
    german = (await guest.get(wrong, **{"accept-language": "de"})).text
    assert "Der Code der App war falsch oder schon benutzt." in german
    other = Guest(guest.world, "other")
    await other.register()
    assert (await other.get(right)).status_code == 404
    assert (await guest.get("/ui/events/01912345-0000-7000-8000-000000000000")).status_code == 404


async def test_why_a_rule_held_a_session_back_is_told_with_its_end(make_world: MakeWorld) -> None:
    world = await make_world({"SALLYPORT_REQUIRE_MFA": "all", "SALLYPORT_MFA_GRACE": "14d"})
    guest = await signed_in(world, await world.register("mira"))
    page = (await guest.get("/ui/events")).text
    why = (await guest.get(re.findall(r'href="(/ui/events/[0-9a-f-]{36})"', page)[0])).text
    assert "until 2027-01-29 08:00 UTC it may do without." in why


async def test_a_wrong_clock_is_explained_in_words(guest: Guest) -> None:
    await guest.register()
    await guest.get("/ui/authenticators/new")
    scanned = await guest.post("/ui/authenticators/new", device="")
    key = "".join(re.findall(r"<span>([A-Z2-7]{1,4})</span>", scanned.text))
    (path,) = re.findall(r'action="(/ui/authenticators/[^"]+/enroll)"', scanned.text)
    phone = Phone(key, guest.world.clock)
    slow = await guest.post(path, code=phone.code(-8))
    assert "about 4 minutes slow" in slow.text
    assert "about 4 minutes fast" in (await guest.post(path, code=phone.code(8))).text
    assert "This code is not right." in (await guest.post(path, code=phone.wrong())).text
    assert key not in slow.text
    again = (await guest.get(path)).text
    assert ("Enter your code" in again, key in again) == (True, False)
    assert (await guest.post(path, code=phone.code())).status_code == 200
    assert (await guest.post(path, code=phone.code())).headers["location"] == "/ui/account"


async def test_a_step_up_in_the_middle_of_a_set_up_leads_back_to_its_code(guest: Guest) -> None:
    await guest.register()
    guest.world.clock.advance(590)
    await guest.get("/ui/authenticators/new")
    scanned = await guest.post("/ui/authenticators/new", device="")
    (path,) = re.findall(r'action="(/ui/authenticators/[^"]+/enroll)"', scanned.text)
    phone = Phone("".join(re.findall(r"<span>([A-Z2-7]{1,4})</span>", scanned.text)), guest.world.clock)
    guest.world.clock.advance(20)
    led = await guest.post(path, code=phone.code())
    assert led.headers["location"] == f"/ui/confirm?next={path}"
    await guest.get(led.headers["location"])
    led = await guest.post("/ui/confirm", password=PASSWORD, next=path)
    await guest.get(led.headers["location"])
    assert (await guest.post(path, code=phone.code())).status_code == 200


async def test_a_set_up_that_took_too_long_says_so_and_begins_again(guest: Guest) -> None:
    await guest.register()
    await guest.get("/ui/authenticators/new")
    await guest.post("/ui/authenticators/new", device="")
    (path,) = re.findall(r'action="(/ui/authenticators/[^"]+/enroll)"', guest.page)
    guest.world.clock.advance(601)
    await guest.get("/ui/confirm")
    await guest.post("/ui/confirm", password=PASSWORD)
    await guest.get("/ui/account")
    late = await guest.post(path, code="123456")
    assert late.status_code == 404
    assert "This set-up took too long, or too many codes were wrong. Begin again." in late.text
    assert 'action="/ui/authenticators/new"' in late.text


async def test_who_must_enroll_is_led_there(make_world: MakeWorld) -> None:
    world = await make_world({"SALLYPORT_REQUIRE_MFA": "all"})
    guest = Guest(world, "mira")
    await guest.register()
    assert (await guest.get("/ui/events")).headers["location"] == "/ui/authenticators/new"
    assert "Not now" not in (await guest.get("/ui/authenticators/new")).text
    await guest.enroll()
    assert (await guest.get("/ui/events")).status_code == 200


async def test_where_registration_is_closed_nobody_registers(make_world: MakeWorld) -> None:
    world = await make_world({"SALLYPORT_REGISTRATION": "closed"})
    guest = Guest(world, "mira")
    assert "/ui/register" not in (await guest.get("/ui/sign-in")).text
    closed = await guest.get("/ui/register", **{"accept-language": "de"})
    assert (closed.status_code, "Die Registrierung ist geschlossen." in closed.text) == (401, True)
    await guest.get("/ui/sign-in")
    assert (await guest.post("/ui/register", name="mira", password=PASSWORD)).status_code == 401
    assert (await world.password("mira", PASSWORD)).status_code == 401


async def test_an_address_that_is_none_is_refused_in_words_of_ours(guest: Guest) -> None:
    for typed in ("mira", "mira@", "mira@.org", "a..b@example.org", "a b@example.org"):
        await guest.get("/ui/register?lang=de")
        await guest.get("/ui/register")
        answer = await guest.post("/ui/register", name="mira", email=typed, password=PASSWORD)
        assert answer.status_code == 400
        assert "An diese E-Mail-Adresse lässt sich keine Mail schicken." in answer.text, typed
    assert (
        "Ein Textfeld fasst höchstens"
        in (await guest.post("/ui/register", name="mira", email="x" * 5000, password=PASSWORD)).text
    )


async def test_each_page_speaks_german_where_that_is_asked_for(guest: Guest) -> None:
    asked = await guest.get("/ui/sign-in", **{"accept-language": "fr, de-CH;q=0.9, en;q=0.5"})
    assert '<html lang="de">' in asked.text
    assert "<h1>Anmelden</h1>" in asked.text
    chosen = await guest.get("/ui/sign-in?lang=de")
    assert chosen.headers["location"] == "/ui/sign-in"
    assert "<h1>Anmelden</h1>" in (await guest.get("/ui/sign-in", **{"accept-language": "en"})).text
    assert (await guest.get("/ui/sign-in?lang=xx")).status_code == 200
    assert set(LANGUAGES) == {"en", "de"}
    await guest.register()
    await guest.get("/ui/password")
    answer = await guest.post("/ui/password", current=PASSWORD, password="kurz")
    assert "Das Passwort ist zu kurz: Es braucht mindestens 15 Zeichen." in answer.text


async def test_another_language_is_chosen_where_a_form_was_refused_too(guest: Guest) -> None:
    """The page of a form that stands on another one is that other one: its own address takes a `POST` alone."""
    await guest.register()
    await guest.get("/ui/account")
    shown = await guest.post("/ui/verify/send")
    (chosen,) = re.findall(r'href="([^"]+)" lang="de"', shown.text)
    assert (await guest.get(chosen)).headers["location"] == "/ui/account"


async def test_no_language_leads_away_from_what_is_shown_once(guest: Guest) -> None:
    await guest.register()
    await guest.get("/ui/authenticators/new")
    assert 'lang="de"' in guest.page
    await guest.enroll()
    assert guest.codes
    assert 'lang="de"' not in guest.page
    await guest.get("/ui/codes/new")
    await guest.post("/ui/codes/new", instead_of=guest.hidden("instead_of"))
    assert "The codes of before are void." in guest.page
    assert 'lang="de"' not in guest.page
    await guest.get("/ui/keys/new")
    await guest.post("/ui/keys/new", **{"scope self:read": "on"})
    assert "spk_" in guest.page
    assert 'lang="de"' not in guest.page


async def test_a_page_is_small_and_costs_no_hash(guest: Guest) -> None:
    await guest.register()
    await guest.enroll()
    hashed = guest.world.service.pool.run
    for path in ("/ui/sign-in", "/ui/account", "/ui/events", "/ui/password", "/ui/codes/new", "/ui/profile"):
        guest.world.service.pool.run = None  # type: ignore[method-assign,assignment]  # whoever hashes falls over
        answer = await guest.get(path)
        parts = [
            (await guest.get(part)).content for part in re.findall(r'(?:src|href)="(/ui/static/[^"]+)"', answer.text)
        ]
        assert len(answer.content) + sum(map(len, parts)) < 60_000
    guest.world.service.pool.run = hashed  # type: ignore[method-assign]  # as above


async def test_forms_that_can_not_be_read_are_refused(guest: Guest) -> None:
    await guest.get("/ui/sign-in")
    for body, kind, status in (
        (b'{"name": "mira"}', "application/json", 415),
        (b"form=%ff", "application/x-www-form-urlencoded", 400),
        (b"a=1&a=2", "application/x-www-form-urlencoded", 400),
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"a=" + "ä".encode(), "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % number for number in range(50)), "application/x-www-form-urlencoded", 400),
    ):
        headers = SAME_ORIGIN | {"content-type": kind}
        answer = await guest.world.client.request("POST", "/ui/sign-in", content=body, headers=headers)
        assert answer.status_code == status, body[:20]
        assert "<h1>That did not work</h1>" in answer.text


async def test_who_is_signed_in_is_not_asked_again(world: World) -> None:
    person = await world.register("mira")
    guest = await signed_in(world, person)
    assert (await guest.get("/ui/sign-in")).headers["location"] == "/ui/account"
    assert (await guest.get("/ui/register")).headers["location"] == "/ui/account"
    assert (await guest.get("/ui/code")).headers["location"] == "/ui/sign-in"
    assert (await guest.get("/ui")).headers["location"] == "/ui/account"
    assert (await guest.get("/ui/confirm?next=/ui/events")).headers["location"] == "/ui/events"
