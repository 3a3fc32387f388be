"""A removed authenticator app comes back for one who has the mail and gives the password, and for nobody else."""

import asyncio
from typing import Any

import httpx2
import pytest

from tests.conftest import MakeWorld
from tests.expect import refused
from tests.mail import Link, Mail
from tests.surgery import count, fetch, operate, verify_email
from tests.world import PASSWORD, UNTHROTTLED, Person, World

HOURS = 3600


async def known(world: World, name: str = "alice") -> Person:
    """Enroll one with a verified address, and throw away the mail of that."""
    person = await world.register(name, email=f"{name}@example.org")
    await verify_email(person)
    await person.enroll()
    await world.mails()
    return person


async def remove(person: Person, uid: str = "", body: Any = None) -> Mail:
    """Remove an app; returns the mail that tells of it."""
    answer = await person.call("DELETE", f"/users/me/secrets/{uid or person.totp}", body)
    assert answer.status_code == 204, answer.text
    (mail,) = [mail for mail in await person.world.mails() if "was removed" in mail.subject]
    return mail


def way_back(mail: Mail) -> Link:
    (link,) = [link for link in mail.links if link.page.endswith("/ui/undo")]
    return link


async def undo(person: Person, token: str, password: str = PASSWORD) -> httpx2.Response:
    return await person.world.call("POST", f"/users/{person.uid}/undo", {"token": token, "password": password})


async def enroll_another(person: Person) -> str:
    """Enroll one more app, with the code of a moment later; returns its uid."""
    uid = await person.begin_enrollment()
    assert person.phone
    answer = await person.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": person.phone.code()})
    assert answer.status_code == 200, answer.text
    person.hold(answer.json()["session"])
    return uid


async def test_it_comes_back_as_it_was_and_every_session_ends(world: World) -> None:
    alice = await known(world)
    phone, uid = alice.phone, alice.totp
    assert phone
    (before,) = await fetch(world, "SELECT id, seed_sealed, last_step, enrolled_at, created_at FROM totp")
    spent = phone.code()
    mail = await remove(alice)
    link = way_back(mail)
    assert (link.id, link.token[:4]) == (alice.uid, "spu_")
    assert (await world.password("alice", PASSWORD)).json()["type"] == "ACCESS"
    answer = await undo(alice, link.token)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await fetch(world, "SELECT id, seed_sealed, last_step, enrolled_at, created_at FROM totp") == [before]
    assert await count(world, "removed_totp") == 0
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    challenge = (await world.password("alice", PASSWORD)).json()["token"]
    refused(await world.answer(challenge, spent), 401, "code_invalid")
    world.clock.advance(30)
    assert (await world.answer(challenge, phone.code())).json()["type"] == "ACCESS"
    assert await count(world, "backup_codes") == 0
    subjects = [told.subject for told in await world.mails()]
    assert "Sallyport: the authenticator app is back" in subjects
    logged = await fetch(world, "SELECT event, outcome FROM audit_log WHERE event = 'secret.restored'")
    assert logged == [("secret.restored", "success")]
    assert uid == before[0]


async def test_without_the_password_it_stays_away_and_the_link_stays_good(world: World) -> None:
    alice = await known(world)
    token = way_back(await remove(alice)).token
    refused(await undo(alice, token, "wrong horse"), 401, "invalid_credentials")
    assert (await count(world, "totp"), await count(world, "removed_totp")) == (0, 1)
    assert (await alice.call("GET", "/users/me")).status_code == 200
    assert (await undo(alice, token)).status_code == 204


async def test_wrong_passwords_are_counted_as_those_of_a_login_are(world: World) -> None:
    alice = await known(world)
    token = way_back(await remove(alice)).token
    for _ in range(5):
        await undo(alice, token, "wrong horse")
    refused(await undo(alice, token), 429, "throttled")
    refused(await world.password("alice", PASSWORD), 429, "throttled")
    logged = await fetch(world, "SELECT outcome FROM audit_log WHERE event = 'secret.restored'")
    assert sorted(outcome for (outcome,) in logged) == ["failure"] * 5 + ["throttled"]
    assert await count(world, "totp") == 0


@pytest.mark.parametrize("others", ["bad", "the notice's other one", "another user's", "used"])
async def test_no_other_token_brings_it_back(world: World, others: str) -> None:
    alice, bob = await known(world), await known(world, "bob")
    mail = await remove(alice)
    token = way_back(mail).token
    if others == "bad":
        token = "spu_" + "A" * 43
    elif others == "the notice's other one":
        (token,) = [link.token for link in mail.links if link.page.endswith("/ui/not-me")]
    elif others == "another user's":
        token = way_back(await remove(bob)).token
    else:
        assert (await undo(alice, token)).status_code == 204
        await operate(world, "DELETE FROM totp WHERE user_id = :u", u=alice.uid)
    refused(await undo(alice, token), 400, "token_invalid")
    assert await fetch(world, "SELECT 1 FROM totp WHERE user_id = :u", u=alice.uid) == []


async def test_the_way_back_says_nothing_of_somebody_else(world: World) -> None:
    alice = await known(world)
    token = way_back(await remove(alice)).token
    refused(await world.call("POST", f"/users/{alice.uid}/not-me", {"token": token}), 400, "token_invalid")
    refused(await world.call("POST", "/users/me/undo", {"token": token, "password": PASSWORD}), 400, "token_invalid")
    recover = {"token": token, "password": "a horse that nobody has seen"}
    refused(await world.call("POST", f"/users/{alice.uid}/recover", recover), 400, "token_invalid")
    assert (await undo(alice, token)).status_code == 204


async def test_it_waits_for_three_days_and_is_then_erased(world: World) -> None:
    alice = await known(world)
    token = way_back(await remove(alice)).token
    world.clock.advance(72 * HOURS)
    refused(await undo(alice, token), 400, "token_invalid")
    assert await count(world, "removed_totp") == 1
    for sweep in world.service.sweeps:
        await sweep()
    assert await count(world, "removed_totp") == 0


@pytest.mark.parametrize("sent_late", [0, 71])
async def test_a_link_that_was_mailed_late_is_good_no_longer(world: World, sent_late: int) -> None:
    alice = await known(world)
    await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")
    world.clock.advance(sent_late * HOURS)
    (mail,) = await world.mails()
    world.clock.advance((72 - sent_late) * HOURS)
    refused(await undo(alice, way_back(mail).token), 400, "token_invalid")


async def lost(world: World, alice: Person) -> Mail:
    del world
    return await remove(alice, body={"lost": True})


async def by_the_desk(world: World, alice: Person) -> Mail:
    admin = await world.admin()
    await world.mails()
    path = f"/users/{alice.uid}/secrets/{alice.totp}"
    assert (await admin.call("DELETE", path, {"reason": "phone stolen"})).status_code == 204
    (mail,) = await world.mails()
    return mail


async def everything_by_the_desk(world: World, alice: Person) -> Mail:
    admin = await world.admin()
    await world.mails()
    assert (await admin.call("DELETE", f"/users/{alice.uid}/mfa")).status_code == 204
    (mail,) = await world.mails()
    return mail


async def switched_off(world: World, alice: Person) -> Mail:
    await operate(world, "UPDATE totp SET switched_off_at = 1 WHERE user_id = :u", u=alice.uid)
    return await remove(alice)


@pytest.mark.parametrize("way", [lost, by_the_desk, everything_by_the_desk, switched_off])
async def test_what_is_lost_or_taken_by_the_desk_is_gone_at_once(world: World, way: Any) -> None:
    alice = await known(world)
    mail = await way(world, alice)
    assert [link.page.rpartition("/")[2] for link in mail.links] == ["not-me"]
    assert (await count(world, "totp"), await count(world, "removed_totp")) == (0, 0)
    by_owner = way in {lost, switched_off}
    logged = await fetch(world, "SELECT 1 FROM audit_log WHERE event = 'secret.discarded'")
    assert bool(logged) == by_owner


async def test_whoever_says_that_it_was_not_them_has_nothing_waiting(world: World) -> None:
    alice = await known(world)
    mail = await remove(alice)
    (not_me,) = [link.token for link in mail.links if link.page.endswith("/ui/not-me")]
    assert (await world.call("POST", f"/users/{alice.uid}/not-me", {"token": not_me})).status_code == 204
    assert await count(world, "removed_totp") == 0
    refused(await undo(alice, way_back(mail).token), 400, "token_invalid")


async def test_what_waits_goes_with_its_user(world: World) -> None:
    alice = await known(world)
    await remove(alice)
    assert (await alice.call("DELETE", "/users/me")).status_code == 204
    assert await count(world, "removed_totp") == 0


async def test_devices_that_were_made_meanwhile_do_not_pass_by_it(world: World) -> None:
    alice = await known(world)
    token = way_back(await remove(alice)).token
    device = {"type": "device", "secret": "a device that a thief has made, quickly"}
    assert (await alice.call("POST", "/users/me/secrets", device)).status_code == 200
    assert (await undo(alice, token)).status_code == 204
    assert await count(world, "devices") == 0


async def test_one_beside_another_comes_back_and_leaves_codes_and_devices(world: World) -> None:
    alice = await known(world)
    first = alice.totp
    world.clock.advance(30)
    await enroll_another(alice)
    await world.mails()
    device = {"type": "device", "secret": "a device that its owner has made, slowly"}
    assert (await alice.call("POST", "/users/me/secrets", device)).status_code == 200
    token = way_back(await remove(alice, first)).token
    assert (await undo(alice, token)).status_code == 204
    assert (await count(world, "totp"), await count(world, "devices"), await count(world, "backup_codes")) == (2, 1, 10)


async def five(alice: Person) -> list[str]:
    uids = [alice.totp]
    for _ in range(4):
        alice.world.clock.advance(30)
        uids.append(await enroll_another(alice))
    await alice.world.mails()
    return uids


async def test_there_are_never_more_than_five(world: World) -> None:
    alice = await known(world)
    uids = await five(alice)
    token = way_back(await remove(alice, uids[1])).token
    world.clock.advance(30)
    await enroll_another(alice)
    refused(await undo(alice, token), 409, "limit_reached")
    await remove(alice, uids[2], {"lost": True})
    assert (await undo(alice, token)).status_code == 204
    assert await count(world, "totp") == 5


async def test_one_that_was_begun_before_is_not_the_sixth(world: World) -> None:
    alice = await known(world)
    phone = alice.phone
    uids = await five(alice)
    token = way_back(await remove(alice, uids[1])).token
    pending = await alice.begin_enrollment()
    begun, alice.phone = alice.phone, phone
    assert begun
    assert (await undo(alice, token)).status_code == 204
    await alice.login()
    answer = await alice.call("PUT", f"/users/me/secrets/{pending}/enroll", {"token": begun.code()})
    refused(answer, 409, "limit_reached")
    assert await fetch(world, "SELECT count(*) FROM totp WHERE enrolled_at IS NOT NULL") == [(5,)]


async def test_ten_at_once_bring_it_back_once(make_world: MakeWorld) -> None:
    world: World = await make_world(UNTHROTTLED)
    alice = await known(world)
    token = way_back(await remove(alice)).token
    answers = await asyncio.gather(*(undo(alice, token) for _ in range(10)))
    assert [answer.status_code for answer in answers].count(204) == 1
    # A slower one finds the token spent, or that the password was checked for an account that had no second factor.
    assert {answer.status_code for answer in answers} <= {204, 400, 401}
    assert (await count(world, "totp"), await count(world, "removed_totp")) == (1, 0)


async def test_a_way_back_and_a_new_app_at_once_are_five_at_most(make_world: MakeWorld) -> None:
    world: World = await make_world(UNTHROTTLED)
    alice = await known(world)
    uids = await five(alice)
    token = way_back(await remove(alice, uids[1])).token
    world.clock.advance(30)
    pending = await alice.begin_enrollment()
    assert alice.phone
    enroll = alice.call("PUT", f"/users/me/secrets/{pending}/enroll", {"token": alice.phone.code()})
    back, enrolled = await asyncio.gather(undo(alice, token), enroll)
    assert sorted([back.status_code == 204, enrolled.status_code == 200]) == [False, True]
    assert await fetch(world, "SELECT count(*) FROM totp WHERE enrolled_at IS NOT NULL") == [(5,)]
