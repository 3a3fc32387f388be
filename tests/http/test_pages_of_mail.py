"""The pages that mailed links open, with the mails that the service really writes."""

import re

import httpx2
import pytest

from tests.conftest import MakeWorld
from tests.dump import dump
from tests.guest import Guest
from tests.surgery import verify_email
from tests.world import PASSWORD, World, basic

NEW = "another battery staple horse"


async def link_in(world: World, word: str) -> str:
    """Return the link of the one mail that has come since, as it stands there."""
    (mail,) = [mail for mail in await world.mails() if word in mail.subject]
    link = mail.links[0]
    return f"{link.page}#id={link.id}&token={link.token}"


async def test_an_address_is_verified_and_a_forgotten_password_comes_back(world: World) -> None:
    await world.register("mira", email="mira@example.org")
    guest = Guest(world, "mira")
    await guest.sign_in()
    page = (await guest.get("/ui/account")).text
    assert "not verified" in page
    await world.mails()
    told = await guest.post("/ui/verify/send")
    assert "A link is on its way to your address." in told.text
    link = await link_in(world, "address")
    await guest.get("/ui/verify")
    assert (await guest.post("/ui/verify", link=link)).status_code == 200
    assert "not verified" not in (await guest.get("/ui/account")).text
    await guest.get("/ui/verify")
    again = await guest.post("/ui/verify", link=link)
    assert (again.status_code, "This link is used up" in again.text) == (400, True)

    await world.mails()
    other = Guest(world, "mira")
    await other.get("/ui/forgot")
    told = await other.post("/ui/forgot", name=" Mira@Example.org ")
    link = await link_in(world, "password")
    await other.get("/ui/recover")
    short = await other.post("/ui/recover", link=link, password="short")
    assert (short.status_code, "too short" in short.text) == (400, True)
    # Whatever else was copied along does no harm.
    done = await other.post("/ui/recover", link=f"Here: <{link}>", password=NEW)
    assert "Your new password is set" in done.text
    assert other.session == ""
    known = basic("mira", NEW) | {"x-sallyport-client": other.cookies["sallyport-client"]}
    assert (await world.call("GET", "/auth/password", headers=known)).json()["client"] == other.cookies[
        "sallyport-client"
    ]
    assert (await guest.get("/ui/account")).headers["location"] == "/ui/sign-in"
    await guest.get("/ui/sign-in")
    assert (await guest.post("/ui/sign-in", name="mira@example.org", password=NEW)).status_code == 303


@pytest.mark.parametrize("path", ["/ui/forgot", "/ui/verify", "/ui/not-me", "/ui/lost-phone"])
async def test_a_page_for_everybody_signs_out_as_well(world: World, path: str) -> None:
    await world.register("mira")
    guest = Guest(world, "mira")
    await guest.sign_in()
    await guest.get(path)
    assert (await guest.post("/ui/sign-out")).headers["location"] == "/ui/sign-in"
    assert guest.session == ""


async def test_nobody_learns_who_has_an_account(world: World) -> None:
    await world.register("mira", email="mira@example.org")
    told = []
    for name in ("mira", "nobody", "nobody@example.org", ""):
        guest = Guest(world)
        await guest.get("/ui/forgot")
        answer = await guest.post("/ui/forgot", name=name)
        told.append((answer.status_code, re.sub(r"nonce[=-]\S+", "", answer.text)))
    assert len(set(told)) == 1


@pytest.mark.parametrize(
    "link",
    [
        "",
        "spx_" + "A" * 43,
        "id=me&token=spx_" + "A" * 43,
        "id=01890000-0000-7000-8000-000000000000&token=spx_" + "A" * 43,
        "id=01890000-0000-7000-8000-000000000000&token=" + "x" * 100,
        "x" * 5000,
    ],
)
async def test_what_is_no_link_of_a_mail_sets_and_verifies_nothing(world: World, link: str) -> None:
    guest = Guest(world)
    for path in ("/ui/recover", "/ui/verify", "/ui/not-me", "/ui/undo", "/ui/lost", "/ui/cancel"):
        await guest.get(path)
        before = dump(world)
        answer = await guest.post(path, link=link, password=NEW)
        assert answer.status_code == 400
        tried = [row for row in dump(world) if not row.startswith("throttles")]
        assert tried == [row for row in before if not row.startswith("throttles")]


async def test_opening_a_link_does_nothing(world: World) -> None:
    await world.register("mira", email="mira@example.org")
    guest = Guest(world, "mira")
    await guest.sign_in()
    await guest.get("/ui/account")
    await world.mails()
    await guest.post("/ui/verify/send")
    link = await link_in(world, "address")
    before = dump(world)
    await Guest(world).get(link.partition("#")[0].removeprefix("http://127.0.0.1:8080"))
    assert dump(world) == before


async def test_whoever_says_that_it_was_not_them_is_signed_out_everywhere(world: World) -> None:
    mira = await world.register("mira", email="mira@example.org")
    await verify_email(mira)
    guest = Guest(world, "mira")
    await guest.sign_in()
    await world.mails()
    await guest.get("/ui/password")
    await guest.post("/ui/password", current=PASSWORD, password=NEW)
    link = await link_in(world, "password")
    assert "/ui/not-me#" in link
    other = Guest(world)
    await other.get("/ui/not-me")
    assert (await guest.get("/ui/account")).status_code == 200
    done = await other.post("/ui/not-me", link=link)
    assert "Everybody is signed out" in done.text
    assert (await guest.get("/ui/account")).status_code == 303
    await other.get("/ui/not-me")
    assert (await other.post("/ui/not-me", link=link)).status_code == 400


async def test_a_removed_app_is_brought_back_with_the_password(world: World) -> None:
    mira = await world.register("mira", email="mira@example.org")
    await verify_email(mira)
    await mira.enroll()
    await world.mails()
    await mira.call("DELETE", f"/users/me/secrets/{mira.totp}")
    (mail,) = await world.mails()
    (found,) = [link for link in mail.links if link.page.endswith("/ui/undo")]
    link = f"{found.page}#id={found.id}&token={found.token}"
    guest = Guest(world, "mira")
    await guest.sign_in()
    await guest.get("/ui/undo")
    wrong = await guest.post("/ui/undo", link=link, password=NEW)
    assert (wrong.status_code, "is not right" in wrong.text) == (401, True)
    done = await guest.post("/ui/undo", link=link, password=PASSWORD)
    assert "Your authenticator app is back" in done.text
    assert guest.session == ""
    await mira.login()


async def test_an_app_that_is_lost_is_removed_for_good(world: World) -> None:
    mira = await world.register("mira", email="mira@example.org")
    await verify_email(mira)
    await mira.enroll()
    guest = Guest(world, "mira", phone=mira.phone)
    await guest.sign_in()
    await guest.get(f"/ui/authenticators/{mira.totp}")
    await world.mails()
    done = await guest.post(f"/ui/authenticators/{mira.totp}/remove", lost="yes")
    assert done.status_code == 303
    (mail,) = await world.mails()
    assert [link.page.rpartition("/")[2] for link in mail.links] == ["not-me"]


async def test_who_has_lost_everything_gets_the_code_that_the_desk_asks_for(make_world: MakeWorld) -> None:
    world = await make_world({"SALLYPORT_DESK_CALLER_CODE": "required"})
    mira, admin = await world.enrolled("mira"), await world.admin()
    guest = Guest(world, "mira")
    await guest.give_password()
    (path,) = re.findall(r'href="([^"]+)">Lost your phone and your codes\?', (await guest.get("/ui/code")).text)
    await guest.get(path)
    wrong = await guest.post(path, name="mira", password=NEW)
    assert (wrong.status_code, "Name or password is not right." in wrong.text) == (401, True)
    assert 'value="mira"' in wrong.text
    assert (await guest.post(path, name="a b" * 2000, password=PASSWORD)).status_code == 400
    shown = await guest.post(path, name=" MIRA ", password=PASSWORD)
    (code,) = re.findall(r"<p[^>]*>(\d{3} \d{3})</p>", shown.text)
    assert guest.session == ""
    path = f"/users/{mira.uid}/mfa"
    assert (await admin.call("DELETE", path, {"callerCode": code.replace(" ", "")})).status_code == 204
    answer = await guest.give_password()
    assert (answer.headers["location"], guest.session != "") == ("/ui/account", True)


async def test_who_has_lost_everything_comes_back_by_the_mail_with_a_code_or_by_waiting(world: World) -> None:
    mira = await world.register("mira", email="mira@example.org")
    await verify_email(mira)
    await mira.enroll()
    await world.mails()
    guest = Guest(world, "mira")

    async def ask(**typed: str) -> httpx2.Response:
        await guest.get("/ui/lost-phone")
        await guest.post("/ui/lost-phone", name="mira", password=PASSWORD)
        link = await link_in(world, "are lost")
        await guest.get("/ui/lost")
        return await guest.post("/ui/lost", link=link, password=PASSWORD, **typed)

    wrong = await ask(code="no code of mine")
    assert (wrong.status_code, "This code is not right" in wrong.text) == (400, True)
    waits = await ask(code=" ")
    assert "Come back between 2027-01-18 08:00 UTC and 2027-01-21 08:00 UTC" in waits.text
    link = await link_in(world, "to be reset")
    await guest.get("/ui/cancel")
    done = await guest.post("/ui/cancel", link=link)
    assert "Your second factors stay as they are" in done.text
    await guest.get("/ui/cancel")
    again = await guest.post("/ui/cancel", link=link)
    assert (again.status_code, "This link is used up" in again.text) == (400, True)
    await world.mails()
    inside = await ask(code=mira.codes[0])
    assert (inside.status_code, inside.headers["location"]) == (303, "/ui/authenticators/new")
    assert (await guest.get("/ui/authenticators/new")).status_code == 200
    assert (await guest.get("/ui/events")).headers["location"] == "/ui/authenticators/new"
