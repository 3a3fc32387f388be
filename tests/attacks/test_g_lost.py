"""One who lost every second factor comes back with what was kept, or by waiting, and nobody else does."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from sallyport.rescue import store
from tests.conftest import MakeWorld
from tests.expect import granted, refused
from tests.guest import Guest, signed_in
from tests.http.test_recovery import listen
from tests.mail import Link, Mail
from tests.surgery import count, everything, fetch, give_roles, operate, verify_email
from tests.world import PASSWORD, UNTHROTTLED, Person, World, bearer

NEW = "another battery staple horse"
HOUR = 3600
NOBODY = "01912345-0000-7000-8000-000000000000"
Deed = Callable[[Person], Awaitable[None]]
CODE = "0123-4567-89AB-CDEF"


async def known(world: World, name: str = "alice") -> Person:
    """Enroll one with a verified address, and throw away the mail of that."""
    person = await world.register(name, email=f"{name}@example.org")
    await verify_email(person)
    await person.enroll()
    await world.mails()
    return person


async def show(person: Person, **proofs: str) -> httpx2.Response:
    """Say that every second factor is lost, with whatever proves it beside the password."""
    return await person.world.call("POST", f"/users/{person.uid}/recover/mfa", {"password": person.password} | proofs)


async def mailed(person: Person) -> str:
    """Say so with the password alone; returns the token of the mail that comes."""
    answer = await show(person)
    assert answer.status_code == 202, answer.text
    (mail,) = [mail for mail in await person.world.mails() if "are lost?" in mail.subject]
    assert [link.page.rpartition("/")[2] for link in mail.links] == ["lost", "not-me"]
    assert mail.token[:4] == "spm_"
    return mail.token


async def recover(person: Person) -> None:
    """Set a new password by mail."""
    await person.world.mails()
    await person.world.call("POST", "/users/recover", {"identifier": person.name})
    (mail,) = await person.world.mails()
    body = {"token": mail.token, "password": NEW}
    assert (await person.world.call("POST", f"/users/{person.uid}/recover", body)).status_code == 204
    person.password = NEW


async def wait(person: Person) -> dict[str, Any]:
    """Begin to wait; returns what is told of it."""
    answer = await show(person, token=await mailed(person))
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def sweep(world: World) -> None:
    for one in world.service.sweeps:
        await one()


async def run_out(world: World) -> list[Mail]:
    """Let the delay run out as it does while the service runs; returns the mails of that time."""
    mails: list[Mail] = []
    for hours in (24, 47, 1):
        world.clock.advance(hours * HOUR)
        await sweep(world)
        mails += await world.mails()
    return mails


def cancel_link(mail: Mail) -> Link:
    (link,) = mail.links
    assert (link.page.rpartition("/")[2], link.token[:4]) == ("cancel", "spu_")
    return link


async def cancel(person: Person, token: str) -> httpx2.Response:
    return await person.world.call("POST", f"/users/{person.uid}/recover/mfa/cancel", {"token": token})


async def is_on(person: Person) -> bool:
    """Tell whether a login of a person is asked for a second factor."""
    return bool((await person.world.password(person.name, person.password)).json()["type"] == "CHALLENGE")


async def ask_the_gate(person: Person, token: str) -> set[int]:
    """Show a token where a second factor is not set up; returns what is answered."""
    paths = ("/users", "/users/count", "/roles", "/users/me/audit", "/users/me/logins", "/users/me/recover/mfa")
    answers = [await person.world.call("GET", path, headers=bearer(token)) for path in paths]
    for answer in answers:
        if answer.status_code == 403:
            refused(answer, 403, "mfa_enrollment_required")
    return {answer.status_code for answer in answers}


async def test_a_code_beside_password_and_mail_resets_everything_at_once(world: World) -> None:
    alice = await known(world)
    device = {"type": "device", "secret": "a device that its owner has made, slowly"}
    assert (await alice.call("POST", "/users/me/secrets", device)).status_code == 200
    key = (await alice.call("POST", "/users/me/secrets", {"type": "apikey"})).json()["secret"]
    await world.mails()
    challenge, token = await alice.challenge(), await mailed(alice)
    answer = await show(alice, token=token, code=alice.codes[3].lower())
    granted(answer, "aal1", ["pwd"])
    assert answer.json()["mfa"] == {"enabled": False, "backupCodesRemaining": 0}
    tables = ("totp", "backup_sets", "backup_codes", "devices", "challenges", "mfa_resets")
    assert [await count(world, table) for table in tables] == [0] * len(tables)
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    refused(await world.answer(challenge, alice.codes[4]), 401, "challenge_invalid")
    refused(await world.call("GET", "/users/me", headers=bearer(key)), 401, "invalid_token")
    subjects = sorted(mail.subject for mail in await world.mails())
    assert subjects == ["Sallyport: the device was removed", "Sallyport: your second factors were reset"]
    (row,) = await fetch(world, "SELECT outcome, factor, user_id FROM audit_log WHERE event = 'mfa_reset.done'")
    assert row == ("success", "backup_code", alice.uid)
    refused(await show(alice, token=token, code=alice.codes[4]), 400, "token_invalid")


async def test_until_a_new_app_is_there_every_session_is_good_for_nothing_else_and_lives_an_hour(world: World) -> None:
    alice = await known(world)
    answer = await show(alice, token=await mailed(alice), code=alice.codes[0])
    alice.hold(answer.json())
    by_password = (await world.password("alice", PASSWORD)).json()
    for token in (alice.token, by_password["token"]):
        assert await ask_the_gate(alice, token) == {403}
    for kind in ({"type": "apikey"}, {"type": "device", "secret": "a device that a thief has made, quickly"}):
        refused(await alice.call("POST", "/users/me/secrets", kind), 403, "mfa_enrollment_required")
    (held,) = (await alice.call("GET", "/users/me/secrets")).json()
    refused(await alice.call("DELETE", f"/users/me/secrets/{held['uid']}"), 409, "last_authenticator")
    (_, login) = (await alice.call("GET", "/users/me/sessions")).json()
    assert login["acr"] == "aal1"
    for minutes, left in ((50, 600), (9, 60)):
        world.clock.advance(minutes * 60)
        renewed = (await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json()
        alice.hold(renewed)
        assert renewed["expiresIn"] == left
        assert await ask_the_gate(alice, alice.token) == {403}
    world.clock.advance(60)
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), 401, "invalid_token")
    alice.hold((await world.password("alice", PASSWORD)).json())
    assert await ask_the_gate(alice, alice.token) == {403}
    admin, uid = await world.admin(), alice.uid
    why = [
        (await admin.call("GET", f"/users/{uid}/logins/{one['uid']}/explain")).json()["explanation"]
        for one in (await admin.call("GET", f"/users/{uid}/logins")).json()
    ]
    assert "Recovery took the second factors away: until one is set up, the session could do nothing else." in why[0]
    await alice.enroll()
    assert await ask_the_gate(alice, alice.token) == {200, 404}
    world.clock.advance(2 * HOUR)
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json())
    assert await ask_the_gate(alice, alice.token) == {200, 404}


async def test_until_a_new_app_is_there_pages_put_no_key_back_and_mail_no_link_to_another_address(world: World) -> None:
    alice = await known(world)
    key = (await alice.call("POST", "/users/me/secrets", {"type": "apikey"})).json()["uid"]
    await world.mails()
    assert (await show(alice, token=await mailed(alice), code=alice.codes[0])).status_code == 200
    alice.phone = None
    thief = await signed_in(world, alice)
    await thief.get("/ui/profile")
    (version,) = re.findall(r'name="version" value="(\d+)"', thief.page)
    await thief.post("/ui/profile", name="alice", email="thief@example.org", version=version)
    await thief.get("/ui/account")
    for path in ("/ui/verify/send", f"/ui/authenticators/{key}/resume"):
        assert (await thief.post(path, version="1")).headers["location"] == "/ui/authenticators/new"
    assert {mail.to for mail in await world.mails()} == {"alice@example.org"}


async def test_what_programs_hold_rests_until_a_new_app_is_there(world: World) -> None:
    alice = await known(world)
    made = (await alice.call("POST", "/users/me/secrets", {"type": "apikey", "scopes": ["users:read"]})).json()
    await world.mails()
    alice.hold((await show(alice, token=await mailed(alice), code=alice.codes[0])).json())
    path, body = f"/users/me/secrets/{made['uid']}", {"version": made["version"] + 1, "suspended": False}
    # It would go on when the app is there, put back by whoever had the password before.
    refused(await alice.call("PUT", path, body), 403, "mfa_enrollment_required")
    await operate(world, "UPDATE api_keys SET suspended_at = NULL WHERE id = :uid", uid=made["uid"])
    assert (await alice.call("PUT", path, body | {"description": "nightly"})).status_code == 200
    refused(await world.call("GET", "/users", headers=bearer(made["secret"])), 403, "mfa_enrollment_required")
    await alice.enroll()
    assert (await world.call("GET", "/users", headers=bearer(made["secret"]))).status_code == 200


async def test_without_a_code_nothing_changes_until_the_delay_is_over(world: World) -> None:
    alice = await known(world)
    before = await everything(world)
    told = await wait(alice)
    assert set(told) == {"uid", "userId", "dateCreated", "ends", "expires"}
    changed = {name for name, rows in (await everything(world)).items() if rows != before[name]}
    assert changed == {"mfa_resets", "caller_codes", "mailed_tokens", "passwords", "outbox"}
    assert (await alice.call("GET", "/users/me/recover/mfa")).json() == told
    assert await is_on(alice)
    (mail,) = await world.mails()
    assert mail.subject == "Sallyport: your second factors are to be reset"
    later = await run_out(world)
    assert [mail.subject for mail in later] == ["Sallyport: your second factors are still to be reset"] * 2
    assert len({cancel_link(mail).token for mail in (mail, *later)}) == 3
    assert await is_on(alice)
    answer = await show(alice, token=await mailed(alice))
    granted(answer, "aal1", ["pwd"])
    assert not await is_on(alice)
    (row,) = await fetch(world, "SELECT outcome, factor FROM audit_log WHERE event = 'mfa_reset.done'")
    assert row == ("success", "password")
    alice.hold(answer.json())
    assert await ask_the_gate(alice, alice.token) == {403}
    world.clock.advance(HOUR)
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")


async def test_the_delay_is_over_at_its_end_and_no_second_sooner(world: World) -> None:
    alice = await known(world)
    told = await wait(alice)
    await run_out(world)
    world.clock.advance(-1)
    assert (await show(alice, token=await mailed(alice))).json() == told
    world.clock.advance(1)
    assert (await show(alice, token=await mailed(alice))).status_code == 200


async def test_who_does_not_come_back_in_time_waits_anew(world: World) -> None:
    alice = await known(world)
    first = await wait(alice)
    await run_out(world)
    world.clock.advance(72 * HOUR)
    await world.mails()
    refused(await alice.call("GET", "/users/me/recover/mfa"), 401, "invalid_token")
    second = await wait(alice)
    assert second["uid"] != first["uid"]
    assert await count(world, "mfa_resets") == 1
    world.clock.advance(150 * HOUR)
    await sweep(world)  # the last mail goes out so late, and the end has to wait for it
    world.clock.advance(73 * HOUR)
    await sweep(world)
    await sweep(world)
    world.clock.advance(73 * HOUR)
    await sweep(world)
    assert await count(world, "mfa_resets") == 0


async def test_asking_again_neither_shortens_the_delay_nor_begins_it_anew(world: World) -> None:
    alice = await known(world)
    told = await wait(alice)
    world.clock.advance(30 * HOUR)
    await world.mails()
    assert await wait(alice) == told
    assert [mail for mail in await world.mails() if "reset" in mail.subject] == []


async def test_no_clock_that_is_set_forward_shortens_it(world: World) -> None:
    alice = await known(world)
    told = await wait(alice)
    await world.mails()
    world.clock.advance(100 * HOUR)
    # Nobody was told meanwhile, as it is where the service stood still, or its clock jumped.
    assert (await show(alice, token=await mailed(alice))).json() == told
    await sweep(world)
    await sweep(world)
    later = (await show(alice, token=await mailed(alice))).json()
    assert later["uid"] == told["uid"]
    assert later["ends"] > told["ends"]
    world.clock.advance(HOUR - 1)
    assert (await show(alice, token=await mailed(alice))).status_code == 202
    world.clock.advance(1)
    assert (await show(alice, token=await mailed(alice))).status_code == 200


async def test_a_clock_that_is_set_back_makes_it_longer(world: World) -> None:
    alice = await known(world)
    world.clock.advance(24 * HOUR)
    await wait(alice)
    world.clock.advance(-24 * HOUR)
    await run_out(world)
    assert (await show(alice, token=await mailed(alice))).status_code == 202


async def other_kinds(alice: Person, bob: Person) -> list[str]:
    """Return tokens that were mailed for anything else, or to anybody else."""
    world = alice.world
    theirs = await mailed(bob)
    await world.call("POST", "/users/recover", {"identifier": "alice"})
    (recovery,) = await world.mails()
    await wait(alice)
    (waits,) = await world.mails()
    await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"})
    (notice,) = await world.mails()
    return [theirs, recovery.token, waits.token, notice.token, "spm_" + "A" * 43, alice.token, alice.refresh]


async def test_no_other_token_stands_beside_the_password(world: World) -> None:
    alice, bob = await known(world), await known(world, "bob")
    others = await other_kinds(alice, bob)
    for token in others:
        refused(await show(alice, token=token), 400, "token_invalid")
        refused(await show(alice, token=token, code=alice.codes[0]), 400, "token_invalid")
    token = await mailed(alice)
    for path, body in (
        ("recover", {"token": token, "password": NEW}),
        ("verify", {"token": token}),
        ("not-me", {"token": token}),
        ("undo", {"token": token, "password": PASSWORD}),
        ("recover/mfa/cancel", {"token": token}),
    ):
        refused(await world.call("POST", f"/users/{alice.uid}/{path}", body), 400, "token_invalid")
    for path in (bob.uid, "me", NOBODY):
        body = {"password": PASSWORD, "token": token}
        refused(await world.call("POST", f"/users/{path}/recover/mfa", body), 400, "token_invalid")
    assert await is_on(alice)


async def expired(alice: Person) -> None:
    alice.world.clock.advance(1800)


async def voided_by_a_newer_one(alice: Person) -> None:
    await mailed(alice)


async def password_changed(alice: Person) -> None:
    held = next(one for one in (await alice.call("GET", "/users/me/secrets")).json() if one["type"] == "password")
    body = {"version": held["version"], "current": alice.password, "secret": f"new {NEW}"}
    assert (await alice.call("PUT", f"/users/me/secrets/{held['uid']}", body)).status_code == 200
    alice.password = f"new {NEW}"


async def address_changed(alice: Person) -> None:
    await operate(alice.world, "UPDATE users SET verified_email_key = 'b@c.de' WHERE id = :u", u=alice.uid)


async def disabled(alice: Person) -> None:
    admin = await alice.world.admin()
    assert (await admin.call("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})).status_code == 200


async def reset_by_the_desk(alice: Person) -> None:
    assert (await (await alice.world.admin()).call("DELETE", f"/users/{alice.uid}/mfa")).status_code == 204


async def enrolled_anew(alice: Person) -> None:
    await reset_by_the_desk(alice)
    alice.phone = None
    await alice.login()
    alice.world.clock.advance(1)
    await alice.enroll()


@pytest.mark.parametrize(
    "deed",
    [expired, voided_by_a_newer_one, password_changed, address_changed, disabled, reset_by_the_desk, enrolled_anew],
)
async def test_a_token_dies_with_what_it_was_mailed_for(world: World, deed: Deed) -> None:
    alice = await known(world)
    token = await mailed(alice)
    await deed(alice)
    for proofs in ({}, {"code": alice.codes[0]}):
        answer = await show(alice, password=alice.password, token=token, **proofs)
        refused(answer, 400, "token_invalid")


async def test_a_wrong_password_beside_a_good_token_is_the_one_refusal_and_counts(world: World) -> None:
    alice = await known(world)
    token = await mailed(alice)
    for _ in range(5):
        refused(await show(alice, password=NEW, token=token, code=alice.codes[0]), 401, "invalid_credentials")
    refused(await show(alice, token=token, code=alice.codes[0]), 429, "throttled")
    refused(await world.password("alice", PASSWORD), 429, "throttled")
    assert await count(world, "totp") == 1


async def test_wrong_codes_count_with_those_of_every_other_route(world: World) -> None:
    alice = await known(world)
    token = await mailed(alice)
    for code in (CODE, "123456", alice.phone.code(1) if alice.phone else "", "?", CODE):
        answer = refused(await show(alice, token=token, code=code), 400, "code_invalid")
        assert answer["errors"][0]["pointer"] == "/code"
    refused(await show(alice, token=token, code=alice.codes[0]), 429, "throttled")
    refused(await world.answer(await alice.challenge(), alice.codes[0]), 429, "throttled")
    world.clock.advance(301)
    # The link is as good as it was, and the five took nothing of the password's tries.
    assert (await show(alice, token=token, code=alice.codes[0])).status_code == 200


async def test_a_spent_code_resets_nothing_and_leaves_the_link_good(world: World) -> None:
    alice = await known(world)
    assert (await world.answer(await alice.challenge(), alice.codes[0])).status_code == 200
    await world.mails()
    token = await mailed(alice)
    refused(await show(alice, token=token, code=alice.codes[0]), 400, "code_invalid")
    assert (await show(alice, token=token, code=alice.codes[1])).status_code == 200


async def test_nobody_is_told_who_exists(world: World) -> None:
    alice, bob = await known(world), await world.register("bob")
    told = []
    for uid, password in ((alice.uid, NEW), (bob.uid, NEW), (NOBODY, NEW), (NOBODY, PASSWORD)):
        for proofs in ({}, {"token": "spm_" + "A" * 43}, {"token": "spm_" + "A" * 43, "code": CODE}):
            body = {"password": password} | proofs
            answer = await world.call("POST", f"/users/{uid}/recover/mfa", body)
            document = {name: told for name, told in answer.json().items() if name != "requestId"}
            told.append((len(proofs), answer.status_code, str(document)))
    assert len(set(told)) == 3
    assert await world.mails() == []


@pytest.mark.sqlite_only("counts the statements of SQLite's writer")
async def test_a_wrong_token_costs_for_nobody_what_it_costs_for_somebody(world: World) -> None:
    alice, bob = await known(world), await world.register("bob")
    statements: list[list[str]] = []
    for uid in (NOBODY, alice.uid, bob.uid, NOBODY):
        seen: list[str] = []
        statements.append(seen)
        listen(world, seen)
        body = {"password": PASSWORD, "token": "spm_" + "A" * 43}
        refused(await world.call("POST", f"/users/{uid}/recover/mfa", body), 400, "token_invalid")
    begun = [[sql.partition("=")[0] for sql in seen] for seen in statements]
    assert begun[1] == begun[2] == begun[3]


async def test_without_second_factor_or_address_nothing_is_mailed(world: World) -> None:
    bob = await world.register("bob", email="bob@example.org")
    await verify_email(bob)
    carl = await world.enrolled("carl")
    await world.mails()
    for person in (bob, carl):
        assert set((await show(person)).json()) == {"callerCode", "expiresIn"}
    assert await world.mails() == []


async def test_five_mails_an_hour_and_then_the_same_answer_and_no_token_is_voided(make_world: MakeWorld) -> None:
    world: World = await make_world(UNTHROTTLED)
    alice = await known(world)
    tokens = [await mailed(alice) for _ in range(5)]
    assert (await show(alice)).status_code == 202
    assert await world.mails() == []
    assert (await show(alice, token=tokens[-1], code=alice.codes[0])).status_code == 200


async def by_its_link(alice: Person) -> None:
    (mail,) = await alice.world.mails()
    assert (await cancel(alice, cancel_link(mail).token)).status_code == 204


async def by_a_login(alice: Person) -> None:
    await alice.login()


async def by_a_backup_code(alice: Person) -> None:
    assert (await alice.world.answer(await alice.challenge(), alice.codes[0])).status_code == 200


async def by_elevation(alice: Person) -> None:
    alice.world.clock.advance(30)
    assert alice.phone
    body = {"password": PASSWORD, "token": alice.phone.code()}
    assert (await alice.call("POST", "/auth/elevate", body)).status_code == 200


async def by_another_app(alice: Person) -> None:
    alice.world.clock.advance(30)
    await alice.enroll()


async def by_hand(alice: Person) -> None:
    assert (await alice.call("DELETE", "/users/me/recover/mfa")).status_code == 204


async def by_the_desk(alice: Person) -> None:
    admin = await alice.world.admin()
    path = f"/users/{alice.uid}/recover/mfa"
    assert (await admin.call("DELETE", path, {"reason": "called, and says no"})).status_code == 204
    (row,) = await fetch(alice.world, "SELECT detail, actor_id FROM audit_log WHERE event = 'mfa_reset.cancelled'")
    assert row == ("called, and says no", admin.uid)


async def by_a_new_password(alice: Person) -> None:
    await recover(alice)


async def by_saying_that_it_was_not_me(alice: Person) -> None:
    await alice.world.mails()
    await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"})
    (mail,) = await alice.world.mails()
    assert (await alice.world.call("POST", f"/users/{alice.uid}/not-me", {"token": mail.token})).status_code == 204


CANCELLING = [
    *(by_its_link, by_a_login, by_a_backup_code, by_elevation, by_another_app, by_hand, by_the_desk, by_a_new_password),
    *(by_saying_that_it_was_not_me, password_changed, disabled, reset_by_the_desk),
]


@pytest.mark.parametrize("deed", CANCELLING)
async def test_it_is_cancelled_by_whoever_shows_that_nothing_is_lost(world: World, deed: Deed) -> None:
    alice = await known(world)
    await wait(alice)
    links = [cancel_link(mail) for mail in await world.mails()] if deed is not by_its_link else []
    await deed(alice)
    assert await count(world, "mfa_resets") == 0
    subjects = [mail.subject for mail in await world.mails()]
    # No word of what is left: the desk may have taken all away by the same deed.
    assert subjects.count("Sallyport: the reset of your second factors is cancelled") == 1
    for link in links:
        refused(await cancel(alice, link.token), 400, "token_invalid")
    assert await run_out(world) == []
    assert await fetch(world, "SELECT 1 FROM audit_log WHERE event = 'mfa_reset.done' AND outcome = 'success'") == []


async def test_whoever_asks_again_after_a_cancellation_waits_as_long_as_ever(world: World) -> None:
    alice = await known(world)
    first = await wait(alice)
    (mail, *_) = [*await world.mails(), *await run_out(world)]
    await alice.login()
    await world.mails()
    second = await wait(alice)
    assert second["ends"][:16] == first["expires"][:16]
    # The link of the first, which nobody has used, says nothing about the second.
    refused(await cancel(alice, cancel_link(mail).token), 400, "token_invalid")
    assert await is_on(alice)
    links = [cancel_link(mail) for mail in await world.mails() if "to be reset" in mail.subject]
    assert (await cancel(alice, links[0].token)).status_code == 204
    refused(await cancel(alice, links[0].token), 400, "token_invalid")


async def test_what_proves_no_second_factor_cancels_nothing(world: World) -> None:
    alice, bob = await known(world), await world.register("bob")
    device = {"type": "device", "secret": "a device that its owner has made, slowly"}
    assert (await alice.call("POST", "/users/me/secrets", device)).status_code == 200
    await world.mails()
    await wait(alice)
    (mail,) = await world.mails()
    thief = (await world.password("alice", device["secret"])).json()["token"]
    path = f"/users/{alice.uid}/recover/mfa"
    refused(await world.call("DELETE", path, headers=bearer(thief)), 401, "step_up_required")
    refused(await bob.call("DELETE", path), 404, "not_found")
    refused(await bob.call("GET", path), 404, "not_found")
    refused(await cancel(bob, cancel_link(mail).token), 400, "token_invalid")
    refused(await cancel(alice, "spu_" + "A" * 43), 400, "token_invalid")
    assert (await world.password("alice", PASSWORD)).json()["type"] == "CHALLENGE"
    assert await count(world, "mfa_resets") == 1
    refused(await bob.call("DELETE", "/users/me/recover/mfa"), 404, "not_found")


async def test_what_waits_goes_with_its_user(world: World) -> None:
    alice = await known(world)
    await wait(alice)
    assert (await alice.call("DELETE", "/users/me")).status_code == 204
    assert await count(world, "mfa_resets") == 0


@pytest.mark.parametrize(
    ("setting", "roles", "may"),
    [
        ("all", ("clerk",), True),
        ("all", ("admin",), False),
        ("none", (), False),
        ("not-roles:clerk,cashier", ("Clerk",), False),
        ("not-roles:clerk", ("all", "none"), True),
        ("all", ("all", "none"), True),
    ],
)
async def test_policy_says_who_may_wait(make_world: MakeWorld, setting: str, roles: tuple[str, ...], may: bool) -> None:  # noqa: FBT001  # a column of a table
    world: World = await make_world({"SALLYPORT_MFA_RESET": setting})
    alice = await known(world)
    await give_roles(alice, *roles)
    token = await mailed(alice)
    answer = await show(alice, token=token)
    if may:
        assert answer.status_code == 202
        return
    refused(answer, 403, "forbidden")
    assert await count(world, "mfa_resets") == 0
    # With a code nobody waits, and the link is as good as it was.
    assert (await show(alice, token=token, code=alice.codes[0])).status_code == 200


async def test_whoever_is_trusted_meanwhile_waits_in_vain(world: World) -> None:
    alice = await known(world)
    await wait(alice)
    await run_out(world)
    await give_roles(alice, "admin")
    refused(await show(alice, token=await mailed(alice)), 403, "forbidden")
    assert await is_on(alice)


async def test_a_mailbox_alone_ends_no_mfa_however_long_it_waits(world: World) -> None:
    alice = await known(world)
    await recover(alice)
    assert len((await show(alice)).json()["callerCode"]) == 6  # for the desk, which hears who is calling
    (mail,) = [mail for mail in await world.mails() if "are lost?" in mail.subject]
    assert "your account is not reset by waiting" in mail.part("plain")
    answer = refused(await show(alice, token=mail.token), 403, "forbidden")
    assert "set by mail" in answer["detail"]
    refused(await show(alice, password=PASSWORD, token=mail.token), 401, "invalid_credentials")
    assert await count(world, "mfa_resets") == 0
    assert await run_out(world) == []
    refused(await show(alice, token=await mailed(alice)), 403, "forbidden")
    assert await is_on(alice)
    # Mail and code are two kinds: the link is as good as it was.
    assert (await show(alice, token=await mailed(alice), code=alice.codes[0])).status_code == 200


async def test_what_waits_is_not_taken_with_a_password_that_came_by_mail(world: World) -> None:
    alice = await known(world)
    await wait(alice)
    await run_out(world)
    # Recovery cancels it; should it ever not, the end is judged as the beginning was.
    (held,) = await fetch(world, "SELECT id, created_at, ends_at, expires_at FROM mfa_resets")
    await recover(alice)
    again = "INSERT INTO mfa_resets (user_id, id, created_at, ends_at, expires_at) VALUES (:u, :id, :c, :e, :x)"
    await operate(world, again, u=alice.uid, id=held[0], c=held[1], e=held[2], x=held[3])
    refused(await show(alice, token=await mailed(alice)), 403, "forbidden")
    assert await is_on(alice)


async def with_the_app(alice: Person) -> None:
    await alice.login()


async def by_changing_it(alice: Person) -> None:
    await alice.login()
    await password_changed(alice)
    # Nothing is left that was shown since: it is the owner's by itself.
    await operate(alice.world, "UPDATE totp SET last_used_at = enrolled_at")


@pytest.mark.parametrize("deed", [with_the_app, by_a_backup_code, by_changing_it])
async def test_a_password_that_came_by_mail_is_the_owners_once_they_show_a_second_factor(
    world: World, deed: Deed
) -> None:
    alice = await known(world)
    await recover(alice)
    world.clock.advance(60)
    await deed(alice)
    await world.mails()
    await wait(alice)
    await run_out(world)
    assert (await show(alice, token=await mailed(alice))).status_code == 200


@pytest.mark.parametrize("seconds", [1, -HOUR])
async def test_what_was_shown_before_the_mail_is_no_proof_after_it(world: World, seconds: int) -> None:
    alice = await known(world)
    world.clock.advance(60)
    await alice.login()
    world.clock.advance(seconds)  # of a clock that is set back, too
    await recover(alice)
    refused(await show(alice, token=await mailed(alice)), 403, "forbidden")


async def test_the_page_says_what_to_do_with_a_password_that_came_by_mail(world: World) -> None:
    alice = await known(world)
    await recover(alice)
    guest = Guest(world)
    await guest.get("/ui/lost")
    await guest.post("/ui/lost", link=f"id={alice.uid}&token={await mailed(alice)}", password=NEW, code="")
    assert "Your password was set by mail" in guest.page


async def test_the_desk_sees_what_waits(world: World) -> None:
    alice, bob, admin = await known(world), await known(world, "bob"), await world.admin()
    told = [await wait(alice)]
    world.clock.advance(0.001)  # of two of one millisecond nobody knows which is the older
    told.append(await wait(bob))
    assert (await admin.call("GET", "/mfa-resets")).json() == told
    page = await admin.call("GET", "/mfa-resets?limit=1")
    assert page.json() == told[:1]
    assert page.headers["link"].startswith(f"</mfa-resets?limit=1&after={told[0]['uid']}>")
    assert (await admin.call("GET", f"/mfa-resets?after={told[0]['uid']}")).json() == told[1:]
    assert (await admin.call("GET", f"/users/{bob.uid}/recover/mfa")).json() == told[1]
    refused(await admin.call("GET", "/mfa-resets?sort=name"), 400, "invalid_request")
    refused(await bob.call("GET", "/mfa-resets"), 403, "forbidden")


async def test_a_code_ends_what_waits_without_a_word_of_cancelling(world: World) -> None:
    alice = await known(world)
    await wait(alice)
    await world.mails()
    assert (await show(alice, token=await mailed(alice), code=alice.codes[0])).status_code == 200
    assert await count(world, "mfa_resets") == 0
    assert [mail.subject for mail in await world.mails()] == ["Sallyport: your second factors were reset"]


async def test_a_code_without_the_mail_is_no_proof(world: World) -> None:
    alice = await known(world)
    answer = refused(await show(alice, code=alice.codes[0]), 400, "invalid_request")
    assert answer["errors"][0]["pointer"] == "/token"
    for proofs in ({"token": 1}, {"token": "spm_x", "code": 123456}, {"token": None}, {"token": "spm_x", "code": []}):
        body = {"password": PASSWORD} | proofs
        refused(await world.call("POST", f"/users/{alice.uid}/recover/mfa", body), 400, "invalid_request")


async def test_of_ten_at_once_with_token_and_codes_one_comes_in(make_world: MakeWorld) -> None:
    world: World = await make_world(UNTHROTTLED)
    alice = await known(world)
    token = await mailed(alice)
    answers = await asyncio.gather(*(show(alice, token=token, code=code) for code in alice.codes))
    assert [answer.status_code for answer in answers].count(200) == 1
    assert {answer.status_code for answer in answers} == {200, 400}
    assert await count(world, "sessions") == 1


async def test_ten_at_once_begin_to_wait_once_and_are_let_in_once(make_world: MakeWorld) -> None:
    world: World = await make_world(UNTHROTTLED)
    alice = await known(world)
    token = await mailed(alice)
    answers = await asyncio.gather(*(show(alice, token=token) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [202] + [400] * 9
    assert len(await world.mails()) == 1
    await run_out(world)
    token = await mailed(alice)
    answers = await asyncio.gather(*(show(alice, token=token) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    assert await count(world, "sessions") == 1


async def test_taking_and_cancelling_at_once_is_one_of_the_two(make_world: MakeWorld) -> None:
    world: World = await make_world(UNTHROTTLED)
    alice = await known(world)
    await wait(alice)
    (mail,) = await world.mails()
    await run_out(world)
    token = await mailed(alice)
    taken, cancelled = await asyncio.gather(show(alice, token=token), cancel(alice, cancel_link(mail).token))
    assert (taken.status_code == 200) != (cancelled.status_code == 204)
    assert await is_on(alice) == (cancelled.status_code == 204)


async def test_ten_nodes_that_look_at_once_send_each_mail_once(world: World) -> None:
    alice = await known(world)
    await wait(alice)
    await world.mails()
    world.clock.advance(24 * HOUR)
    tell = world.service.desk.tell_of_resets
    (waits,) = (await (await world.admin()).call("GET", "/mfa-resets")).json()
    (due,) = await world.service.work.read(lambda rows: store.due(rows, world.clock.now(), 9))
    assert due.uid == waits["uid"]
    await asyncio.gather(*(tell() for _ in range(10)))
    assert len(await world.mails()) == 1
    await tell._remind(due, world.clock.now())  # one that had looked before
    assert await world.mails() == []


async def test_a_flood_of_tokens_from_one_address_is_not_judged(world: World) -> None:
    alice = await known(world)
    token = await mailed(alice)
    for _ in range(100):
        assert (await cancel(alice, "spu_" + "A" * 43)).status_code == 400
    refused(await cancel(alice, "spu_" + "A" * 43), 429, "throttled")
    refused(await show(alice, token=token, code=alice.codes[0]), 429, "throttled")
    undone = await world.call("POST", f"/users/{alice.uid}/undo", {"token": "spu_" + "A" * 43, "password": PASSWORD})
    refused(undone, 429, "throttled")
