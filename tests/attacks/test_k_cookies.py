"""Class K for cookies: none outlives what it stands for, and each proof has a cookie of its own."""

from collections.abc import Awaitable, Callable

import pytest

from sallyport.kernel.caller import Client
from sallyport.kernel.hidden import Hidden
from tests.conftest import MakeWorld
from tests.dump import dump
from tests.guest import Guest, signed_in
from tests.world import PASSWORD, Person, World

Act = Callable[[World, Person], Awaitable[None]]


async def logged_out(world: World, person: Person) -> None:
    found = (await person.call("GET", "/users/me/sessions")).json()
    for session in found:
        if not session["current"]:
            assert (await person.call("DELETE", f"/users/me/sessions/{session['uid']}")).status_code == 204


async def all_ended(world: World, person: Person) -> None:
    assert (await person.call("DELETE", "/users/me/sessions")).status_code == 204


async def password_changed(world: World, person: Person) -> None:
    (secret,) = [one for one in (await person.call("GET", "/users/me/secrets")).json() if one["type"] == "password"]
    change = {"version": secret["version"], "secret": "another battery staple horse", "current": PASSWORD}
    assert (await person.call("PUT", f"/users/me/secrets/{secret['uid']}", change)).status_code == 200


async def mfa_switched(world: World, person: Person) -> None:
    await person.enroll()


async def disabled(world: World, person: Person) -> None:
    admin = await world.admin()
    change = {"version": 0, "disabled": True}
    assert (await admin.call("PUT", f"/users/{person.uid}", change)).status_code == 200


async def deleted(world: World, person: Person) -> None:
    assert (await person.call("DELETE", "/users/me")).status_code == 204


async def aged(world: World, person: Person) -> None:
    world.clock.advance(8 * 86_400)


@pytest.mark.parametrize(
    "act",
    [logged_out, all_ended, password_changed, mfa_switched, disabled, deleted, aged],
    ids=lambda act: act.__name__,
)
async def test_a_cookie_dies_with_its_session_on_every_node(make_world: MakeWorld, act: Act) -> None:
    world = await make_world()
    node = await make_world(clock=world.clock)
    person = await world.register("mira")
    guest = await signed_in(world, person)
    other = Guest(node, cookies=dict(guest.cookies))
    assert (await other.get("/ui/account")).status_code == 200
    await act(world, person)
    for browser in (Guest(world, cookies=dict(guest.cookies)), other):
        assert (await browser.get("/ui/account")).headers["location"] == "/ui/sign-in"
        assert browser.session == ""


async def test_a_cookie_in_use_lives_on_and_ends_at_its_age(make_world: MakeWorld) -> None:
    world = await make_world()
    guest = await signed_in(world, await world.register("mira"))
    for _ in range(29):
        world.clock.advance(86_400)
        assert (await guest.get("/ui/account")).status_code == 200
    world.clock.advance(86_401)
    assert (await guest.get("/ui/account")).status_code == 303


async def test_each_proof_has_a_cookie_of_its_own(world: World) -> None:
    """Session fixation: whatever a browser held before a proof is no good after it, or never was."""
    person = await world.enrolled("mira")
    guest = Guest(world, "mira", phone=person.phone, cookies={"sallyport-session": "spw_" + "A" * 43})
    await guest.give_password()
    held = dict(guest.cookies)
    await guest.sign_in()
    seen = [held, dict(guest.cookies)]
    for path, fields in (
        ("/ui/confirm", {"password": PASSWORD}),
        ("/ui/password", {"current": PASSWORD, "password": "another battery staple horse"}),
    ):
        if path == "/ui/confirm":
            world.clock.advance(601)
            assert guest.phone
            fields["code"] = guest.phone.code()
        await guest.get(path)
        assert (await guest.post(path, **fields)).status_code == 303
        seen.append(dict(guest.cookies))
    await guest.get("/ui/account")
    assert (await guest.get("/ui/account")).status_code == 200
    assert len({one.get("sallyport-session") for one in seen}) == 4
    for before in seen[:-1]:
        assert (await Guest(world, cookies=before).get("/ui/account")).status_code == 303


async def test_a_cookie_of_before_a_proof_is_dead_before_the_new_one_is_there(world: World) -> None:
    """Between the proof and the new cookie the old one would rise with the session, for whoever else has it."""
    person = await world.register("mira")
    guest = await signed_in(world, person)
    world.clock.advance(1)
    caller = await world.service.gate.browser(Hidden(guest.session), Client(ip="127.0.0.1", user_agent=""))
    await world.service.flows.login.elevate(caller, Hidden(PASSWORD), None)  # type: ignore[arg-type]  # a caller it is
    assert (await guest.get("/ui/account")).status_code == 303


async def test_enrollment_has_a_cookie_of_its_own_too(world: World) -> None:
    guest = Guest(world, "mira")
    await guest.register()
    before = dict(guest.cookies)
    await guest.enroll()
    assert (await guest.get("/ui/account")).status_code == 200
    assert (await Guest(world, cookies=before).get("/ui/account")).status_code == 303


async def test_of_a_cookie_the_database_has_a_digest_alone(world: World) -> None:
    guest = await signed_in(world, await world.register("mira"))
    assert guest.session.startswith("spw_")
    assert guest.session not in str(dump(world))
    assert guest.session[4:].encode() not in str(dump(world)).encode()
