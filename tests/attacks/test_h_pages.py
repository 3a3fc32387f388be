"""Class H on the pages: a session that was left open changes no factor, and the way back is where one was."""

import re

import pytest

from sallyport.edge.endpoint import Who
from tests.attacks.test_m_pages import pages
from tests.dump import dump
from tests.guest import Guest, signed_in
from tests.world import PASSWORD, World

FRESH = {
    "/ui/authenticators/new",
    "/ui/authenticators/{sid}",
    "/ui/authenticators/{sid}/enroll",
    "/ui/authenticators/{sid}/remove",
    "/ui/authenticators/{sid}/resume",
    "/ui/codes/new",
    "/ui/erase",
    "/ui/keys/new",
    "/ui/password",
    "/ui/profile",
}


async def test_what_changes_a_factor_wants_a_fresh_proof(world: World) -> None:
    guest = await signed_in(world, await world.enrolled("mira"))
    await guest.get("/ui/account")
    app = _app(guest)
    form = guest.form()
    world.clock.advance(601)
    assert {page.path for page in pages(world) if page.fresh and page.who is Who.OWNER} == FRESH
    before = dump(world)
    for path in FRESH:
        real = path.replace("/ui/authenticators/{sid}", app)
        for answer in (await guest.get(real), await guest.post(real, form=form, device="x", version="1")):
            assert answer.status_code == 303
            assert answer.headers["location"] == f"/ui/confirm?next={real}"
    assert _without_last_use(dump(world)) == _without_last_use(before)


async def test_a_step_up_wants_every_factor_and_leads_back(world: World) -> None:
    guest = await signed_in(world, await world.enrolled("mira"))
    world.clock.advance(601)
    led = await guest.get("/ui/codes/new")
    await guest.get(led.headers["location"])
    assert 'name="next" value="/ui/codes/new"' in guest.page
    assert (await guest.post("/ui/confirm", password=PASSWORD, next="/ui/codes/new")).status_code == 400
    assert guest.phone
    wrong = await guest.post("/ui/confirm", password=PASSWORD, code=guest.phone.wrong(), next="/ui/codes/new")
    assert wrong.status_code == 401
    assert 'name="next" value="/ui/codes/new"' in guest.page
    assert (await guest.post("/ui/confirm", password="wrong", code=guest.phone.code())).status_code == 401
    assert (await guest.get("/ui/codes/new")).status_code == 303
    await guest.get("/ui/confirm?next=/ui/codes/new")
    led = await guest.post("/ui/confirm", password=PASSWORD, code=guest.phone.code(), next="/ui/codes/new")
    assert led.headers["location"] == "/ui/codes/new"
    assert (await guest.get("/ui/codes/new")).status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
async def test_an_authenticator_of_another_is_not_there(world: World, method: str) -> None:
    victim = await world.enrolled("victim")
    stranger = await signed_in(world, await world.enrolled("stranger"))
    await stranger.get("/ui/account")
    before = dump(world)
    for path in (f"/ui/authenticators/{victim.totp}", f"/ui/authenticators/{victim.totp}/remove"):
        await stranger.get("/ui/account")
        answer = await (stranger.get(path) if method == "get" else stranger.post(path, device="x", version="1"))
        assert answer.status_code == 404
    (session,) = (await victim.call("GET", "/users/me/sessions")).json()
    await stranger.get("/ui/account")
    await stranger.post(f"/ui/sessions/{session['uid']}/end")
    enrolling = await stranger.post(f"/ui/authenticators/{victim.totp}/enroll", code="123456")
    assert "This set-up took too long" in enrolling.text
    assert dump(world) == before


async def test_two_tabs_share_one_proof(world: World) -> None:
    guest = await signed_in(world, await world.enrolled("mira"))
    await guest.get("/ui/codes/new")
    first_tab, codes = guest.form("/ui/codes/new"), guest.hidden("instead_of")
    world.clock.advance(601)
    await guest.get("/ui/confirm?next=/ui/codes/new")
    assert guest.phone
    await guest.post("/ui/confirm", password=PASSWORD, code=guest.phone.code(), next="/ui/codes/new")
    # The form of the tab that was there before is still good: it is bound to the session, not to its cookie.
    assert (await guest.post("/ui/codes/new", form=first_tab, instead_of=codes)).status_code == 200


def _app(guest: Guest) -> str:
    return str(re.findall(r'href="(/ui/authenticators/[0-9a-f-]{36})"', guest.page)[0])


def _without_last_use(rows: object) -> str:
    return re.sub(r"1[78]\d{14}", "", str(rows))
