"""Class E, the other side: nobody locks an owner out. A client that has logged in before has tries of its own.

NIST SP 800-63B-4 3.2.2 allows it, ASVS 5.0 6.1.1 asks how malicious lockout is prevented.
"""

import re
from typing import Any

import httpx2
import pytest

from sallyport.kernel.clock import DAY, SECOND
from tests.attacks.test_e_throttle import FULL, WRONG, guess, throttled, use_up
from tests.conftest import MakeWorld
from tests.expect import granted, refused
from tests.surgery import count, fetch, verify_email
from tests.world import PASSWORD, Person, World, basic, bearer, client_of

TOKEN = re.compile(r"spd_[A-Za-z0-9_-]{54}")
HTTPS = {"SALLYPORT_PUBLIC_URL": "https://accounts.example.org"}


def shown(client: str) -> dict[str, str]:
    return {"x-sallyport-client": client}


async def known(person: Person) -> str:
    """Log somebody in, fully; returns what their client is known by from now on."""
    world = person.world
    if person.phone is None:
        answer = await world.password(person.name, PASSWORD)
    else:
        world.clock.advance(30)
        answer = await world.answer(await person.challenge(), person.phone.code())
    body = answer.json()
    person.hold(body)
    assert TOKEN.fullmatch(body["client"])
    return str(body["client"])


async def password(world: World, client: str, value: str = PASSWORD, name: str = "victim") -> httpx2.Response:
    return await world.call("GET", "/auth/password", headers=basic(name, value) | shown(client))


async def code(world: World, client: str, value: str) -> httpx2.Response:
    """Give the password and then a code, as a client that shows its token."""
    challenge = (await password(world, client)).json()["token"]
    return await world.call("POST", "/auth/totp", {"token": value}, headers=bearer(challenge) | shown(client))


async def demand_share(victim: Person, thief: str, owner: str) -> None:
    """Demand that a thief uses up what strangers have of the second factor's tries, and that the owner gets in."""
    world = victim.world
    assert victim.phone
    world.clock.advance(30)
    for _ in range(4):
        refused(await code(world, thief, victim.phone.wrong()), 401, "code_invalid")
    throttled(await code(world, thief, victim.phone.wrong()), 300)
    granted(await code(world, owner, victim.phone.code()), "aal2", FULL)


async def test_a_full_login_makes_a_client_known_and_nothing_else_does(world: World) -> None:
    victim = await world.register("victim")
    answer = await world.password("victim", PASSWORD)
    assert TOKEN.fullmatch(answer.json()["client"])
    victim.hold(answer.json())
    for again in (
        await world.call("POST", "/auth/refresh", {"refresh": victim.refresh}),
        await victim.call("POST", "/auth/elevate", {"password": PASSWORD}),
    ):
        assert "client" not in granted(again, "aal1", ["pwd"])
        assert "set-cookie" not in again.headers
    await victim.enroll()
    assert victim.phone
    first = await world.password("victim", PASSWORD)
    assert "client" not in first.json()
    assert "set-cookie" not in first.headers
    world.clock.advance(30)
    second = await world.answer(first.json()["token"], victim.phone.code())
    assert TOKEN.fullmatch(granted(second, "aal2", FULL)["client"])


@pytest.mark.parametrize(
    ("settings", "name", "tail"),
    [
        ({}, "sallyport-client", "; Path=/; Max-Age=15552000; HttpOnly; SameSite=Lax"),
        (HTTPS, "__Host-sallyport-client", "; Path=/; Max-Age=15552000; HttpOnly; SameSite=Lax; Secure"),
    ],
    ids=["http", "https"],
)
async def test_browsers_keep_the_client_in_a_cookie(make_world: MakeWorld, settings: Any, name: str, tail: str) -> None:
    world: World = await make_world(settings)
    await world.register("victim")
    answer = await world.password("victim", PASSWORD)
    client = answer.json()["client"]
    assert answer.headers["set-cookie"] == f"{name}={client}{tail}"
    await guess(world, "victim", 5)
    for cookie, status in ((f"a=b; {name}={client}; c=d", 200), (f"x{name}={client}", 429), (f"{name}=", 429)):
        seen = await world.call("GET", "/auth/password", headers=basic("victim", PASSWORD) | {"cookie": cookie})
        assert seen.status_code == status, cookie


async def test_blanks_around_a_header_are_none_of_it(world: World) -> None:
    """RFC 9110 5.5. The parser of the server leaves those behind it."""
    client = await known(await world.register("victim"))
    await guess(world, "victim", 5)
    granted(await password(world, f"{client} \t"), "aal1", ["pwd"])


async def test_a_cookie_without_the_prefix_counts_nothing_over_https(make_world: MakeWorld) -> None:
    """A subdomain, or anybody on http, can set a cookie; the prefix can't be forged. RFC 6265bis 4.1.3.2."""
    world: World = await make_world(HTTPS)
    client = await known(await world.register("victim"))
    await guess(world, "victim", 5)
    headers = basic("victim", PASSWORD) | {"cookie": f"sallyport-client={client}"}
    throttled(await world.call("GET", "/auth/password", headers=headers))


async def test_the_owner_gets_in_at_the_first_try_while_a_stranger_tries_from_everywhere(world: World) -> None:
    victim = await world.register("victim")
    client = await known(victim)
    for number in range(300):
        async with client_of(world.service, f"198.51.{number >> 8}.{number & 255}") as elsewhere:
            await elsewhere.post("/auth/password", json={"identifier": "victim", "password": WRONG})
    throttled(await world.password("victim", PASSWORD), 30)
    granted(await password(world, client), "aal1", ["pwd"])
    # And that did not give the stranger anything.
    throttled(await world.password("victim", PASSWORD), 30)


async def test_the_owner_gets_in_from_an_address_that_is_used_up(world: World) -> None:
    victim = await world.register("victim")
    client = await known(victim)
    for number in range(100):
        await guess(world, f"nobody{number}")
    throttled(await world.password("victim", PASSWORD), 300)
    granted(await password(world, client), "aal1", ["pwd"])


async def test_a_known_client_has_five_tries_and_its_own_waits(world: World) -> None:
    victim = await world.register("victim")
    client = await known(victim)
    for _ in range(5):
        refused(await password(world, client, WRONG), 401, "invalid_credentials")
    throttled(await password(world, client), 30)
    # They are not the strangers' tries, either.
    await guess(world, "victim", 5)
    world.clock.advance(30)
    granted(await password(world, client), "aal1", ["pwd"])
    for _ in range(5):
        refused(await password(world, client, WRONG), 401, "invalid_credentials")
    throttled(await password(world, client), 30)


async def test_a_session_is_known_by_the_login_that_opened_it(world: World) -> None:
    victim = await world.register("victim")
    await known(victim)
    await guess(world, "victim", 5)
    granted(await victim.call("POST", "/auth/elevate", {"password": PASSWORD}), "aal1", ["pwd"])
    (secret,) = (await victim.call("GET", "/users/me/secrets")).json()
    change = {"version": 0, "secret": "quite another set of words", "current": PASSWORD}
    answer = await victim.call("PUT", f"/users/me/secrets/{secret['uid']}", change)
    assert answer.status_code == 200, answer.text


async def test_a_new_password_leaves_the_client_that_chose_it_known_and_no_other(world: World) -> None:
    """Who once knew the password has no lane of tries to guess the next one."""
    victim = await world.register("victim")
    thief = await known(victim)
    owner = await known(victim)
    (secret,) = (await victim.call("GET", "/users/me/secrets")).json()
    change = {"version": 0, "secret": "quite another set of words", "current": PASSWORD}
    answer = await victim.call("PUT", f"/users/me/secrets/{secret['uid']}", change, headers=victim.auth)
    assert answer.status_code == 200, answer.text
    await guess(world, "victim", 5)
    throttled(await password(world, thief), 30)
    granted(await password(world, owner, "quite another set of words"), "aal1", ["pwd"])


async def test_a_thief_of_the_password_leaves_the_owner_a_fifth_of_the_tries(world: World) -> None:
    victim = await world.enrolled("victim")
    client = await known(victim)
    assert victim.phone
    world.clock.advance(30)
    await use_up(victim, 4)
    throttled(await world.answer(await victim.challenge(), victim.phone.wrong()), 300)
    # Strangers have used up their four, the fifth is the owner's.
    granted(await code(world, client, victim.phone.code()), "aal2", FULL)
    # In the middle of their burst the owner's success makes no room for them, until it is over.
    throttled(await world.answer(await victim.challenge(), victim.phone.wrong()), 5)


async def test_the_owner_has_that_fifth_on_the_worst_of_days(world: World) -> None:
    victim = await world.enrolled("victim")
    client = await known(victim)
    assert victim.phone
    for _ in range(24):
        for _ in range(20):
            await world.answer(await victim.challenge(), victim.phone.wrong())
        world.clock.advance(3600)
        granted(await code(world, client, victim.phone.code()), "aal2", FULL)


@pytest.mark.parametrize("way", ["of the session", "shown"])
async def test_a_client_that_has_enrolled_has_its_share_in_the_second_factor(world: World, way: str) -> None:
    """Or a thief of the password could shut the owner out, from the moment that MFA was on until their next login."""
    victim = await world.register("victim")
    registered = {"token": victim.token, "refresh": victim.refresh}
    thief, owner = await known(victim), await known(victim)
    if way == "shown":
        victim.hold(registered)
        world.client.headers.update(shown(owner))
    await victim.enroll()
    world.client.headers.pop("x-sallyport-client", None)
    await demand_share(victim, thief, owner)


async def test_one_known_by_the_password_alone_has_no_share_in_the_second_factor(world: World) -> None:
    """A thief who logged in before MFA was switched on is known, but not behind the second door."""
    victim = await world.register("victim")
    registered = {"token": victim.token, "refresh": victim.refresh}
    thief = await known(victim)
    victim.hold(registered)
    await victim.enroll()
    owner = await known(victim)
    await demand_share(victim, thief, owner)


async def test_one_known_by_the_password_is_known_by_the_code_after_a_full_login(world: World) -> None:
    victim = await world.register("victim")
    registered = {"token": victim.token, "refresh": victim.refresh}
    client = await known(victim)
    victim.hold(registered)
    await victim.enroll()
    assert await fetch(world, "SELECT proven FROM known_clients") == [("pwd",)]
    assert victim.phone
    world.clock.advance(30)
    assert (await code(world, client, victim.phone.code())).json()["client"] == client
    assert await fetch(world, "SELECT proven FROM known_clients") == [("pwd otp",)]


async def test_an_owner_who_waits_becomes_known_by_a_mailed_link(world: World) -> None:
    victim = await world.register("victim", email="victim@example.org")
    await verify_email(victim)
    await victim.enroll()
    assert victim.phone
    world.clock.advance(30)
    await use_up(victim, 5)
    await guess(world, "victim", 5)
    throttled(await world.password("victim", PASSWORD))
    await world.mails()
    await world.call("POST", "/users/recover", {"identifier": "victim"})
    (mail,) = await world.mails()
    new = "a horse that nobody has seen"
    answer = await world.call("POST", f"/users/{victim.uid}/recover", {"token": mail.token, "password": new})
    assert (answer.status_code, answer.content) == (204, b"")
    client = answer.headers["x-sallyport-client"]
    assert TOKEN.fullmatch(client)
    refused(await world.call("GET", "/users/me", headers=bearer(client)), 401, "invalid_token")
    await guess(world, "victim", 5)
    throttled(await world.password("victim", new))
    challenge = (await password(world, client, new)).json()["token"]
    throttled(await world.answer(challenge, victim.phone.wrong()))
    answer = await world.call(
        "POST", "/auth/totp", {"token": victim.phone.code()}, headers=bearer(challenge) | shown(client)
    )
    assert granted(answer, "aal2", FULL)["client"] == client


async def test_a_known_client_stays_known_by_the_same_token(world: World) -> None:
    victim = await world.register("victim")
    client = await known(victim)
    for _ in range(3):
        assert (await password(world, client)).json()["client"] == client
    assert await count(world, "known_clients") == 1


async def test_a_client_is_known_to_one_user_alone(world: World) -> None:
    await world.register("victim")
    theirs = await known(await world.register("attacker"))
    await guess(world, "victim", 5)
    throttled(await password(world, theirs), 30)
    world.clock.advance(30)
    # What an attacker has planted in the owner's browser does not become the owner's.
    assert (await password(world, theirs)).json()["client"] != theirs
    await guess(world, "victim", 5)
    throttled(await password(world, theirs), 30)


@pytest.mark.parametrize("made_up", ["spd_" + "A" * 54, "spd_", "spr_" + "A" * 54, "A" * 58, ""])
async def test_a_made_up_client_is_a_stranger(world: World, made_up: str) -> None:
    await world.register("victim")
    await guess(world, "victim", 5)
    throttled(await password(world, made_up), 30)


async def test_the_header_wins_over_the_cookie(world: World) -> None:
    client = await known(await world.register("victim"))
    await guess(world, "victim", 5)
    headers = basic("victim", PASSWORD) | shown("spd_nonsense") | {"cookie": f"sallyport-client={client}"}
    throttled(await world.call("GET", "/auth/password", headers=headers))


async def test_twenty_clients_are_known_and_of_more_the_one_not_seen_for_longest_goes(world: World) -> None:
    victim = await world.register("victim")
    clients = []
    for _ in range(20):
        world.clock.advance(1)
        clients.append(await known(victim))
    world.clock.advance(1)
    await password(world, clients[0])
    world.clock.advance(1)
    clients.append(await known(victim))
    assert await count(world, "known_clients") == 20
    await guess(world, "victim", 5)
    statuses = [(await password(world, client)).status_code for client in clients]
    assert statuses == [200, 429] + [200] * 19


async def test_a_client_that_was_not_seen_for_half_a_year_is_a_stranger(world: World) -> None:
    client = await known(await world.register("victim"))
    world.clock.advance(180 * DAY // SECOND - 1)
    for sweep in world.service.sweeps:
        await sweep()
    assert await count(world, "known_clients") == 1
    world.clock.advance(1)
    for sweep in world.service.sweeps:
        await sweep()
    assert await count(world, "known_clients") == 0
    await guess(world, "victim", 5)
    throttled(await password(world, client), 30)


async def test_known_clients_go_with_their_user(world: World) -> None:
    victim = await world.register("victim")
    client = await known(victim)
    refused(await password(world, client, WRONG), 401, "invalid_credentials")
    assert (await victim.call("DELETE", "/users/me")).status_code == 204
    assert await count(world, "known_clients") == 0
    assert await fetch(world, "SELECT subject FROM throttles WHERE lane <> 'address'") == []


async def test_the_database_keeps_no_client_token(world: World) -> None:
    client = await known(await world.register("victim"))
    (row,) = await fetch(world, "SELECT * FROM known_clients")
    assert client not in str(row)
    assert client.removeprefix("spd_")[:20] not in str(row)


async def test_nist_counts_what_a_known_client_fails_to_the_hundred_of_the_account(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_PROFILE": "nist"})
    client = await known(await world.register("victim"))
    for _ in range(50):
        await guess(world, "victim")
        refused(await password(world, client, WRONG), 401, "invalid_credentials")
        world.clock.advance(3600)
    throttled(await password(world, client), 3600)
    throttled(await world.password("victim", PASSWORD), 3600)


async def test_a_client_token_opens_nothing(world: World) -> None:
    client = await known(await world.register("victim"))
    assert (await world.call("GET", "/users/me", headers=bearer(client))).status_code == 401
    assert (await world.call("GET", "/users/me", headers=shown(client))).status_code == 401
    refused(await world.call("POST", "/auth/refresh", {"refresh": client}), 401, "invalid_token")
    refused(await world.answer(client, "000000"), 401, "challenge_invalid")
    refused(await world.password("victim", client), 401, "invalid_credentials")
