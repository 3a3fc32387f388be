"""The help desk: reasons, the code of a caller, and the second person who has to confirm."""

from typing import Any

import httpx2
import pytest

from tests.conftest import MakeWorld
from tests.expect import granted, refused
from tests.surgery import count, everything, fetch, give_roles, operate, verify_email
from tests.world import PASSWORD, Person, World

NOBODY = "01912345-0000-7000-8000-000000000000"
REASON = {"SALLYPORT_DESK_REASON": "required"}
CODE = {"SALLYPORT_DESK_CALLER_CODE": "required"}
TWO = {"SALLYPORT_DESK_APPROVAL": "two", "SALLYPORT_THROTTLE": "off"}
LOST = {"reason": "lost the phone, called back at the number on file"}


async def mfa(reader: Person, uid: str) -> bool:
    return bool((await reader.call("GET", f"/users/{uid}")).json()["mfaEnabled"])


async def caller_code(world: World, person: Person) -> str:
    answer = await world.call("POST", f"/users/{person.uid}/recover/mfa", {"password": person.password})
    assert answer.status_code == 202, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["expiresIn"] == 600
    code = str(answer.json()["callerCode"])
    assert len(code) == 6
    assert code.isdigit()
    return code


async def written(world: World, event: str) -> list[tuple[Any, ...]]:
    asked = "SELECT user_id, actor_id, detail FROM audit_log WHERE event = :event ORDER BY id"
    return await fetch(world, asked, event=event)


async def test_one_call_takes_every_second_factor_away(world: World) -> None:
    alice, admin = await world.enrolled("alice"), await world.admin()
    first = alice.totp
    world.clock.advance(30)
    await alice.enroll()
    challenge = await alice.challenge()
    answer = await admin.call("DELETE", f"/users/{alice.uid}/mfa", LOST)
    assert (answer.status_code, answer.content) == (204, b"")
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    refused(await world.answer(challenge, alice.codes[0]), 401, "challenge_invalid")
    granted(await world.password("alice", PASSWORD), "aal1", ["pwd"])
    assert await count(world, "totp") == await count(world, "backup_codes") == 0
    told = {detail for user, actor, detail in await written(world, "secret.removed") if actor == admin.uid}
    assert told == {f"{uid} {LOST['reason']}" for uid in (first, alice.totp)}
    refused(await admin.call("DELETE", f"/users/{alice.uid}/mfa", LOST), 409, "mfa_not_enabled")


async def test_it_is_not_for_oneself_nor_about_an_equal(world: World) -> None:
    alice, admin, peer = await world.enrolled("alice"), await world.admin(), await world.enrolled("peer")
    await give_roles(peer, "admin")
    before = await everything(world)
    refused(await alice.call("DELETE", "/users/me/mfa"), 403, "forbidden")
    refused(await alice.call("DELETE", f"/users/{peer.uid}/mfa"), 404, "not_found")
    refused(await admin.call("DELETE", "/users/me/mfa"), 403, "forbidden")
    refused(await admin.call("DELETE", f"/users/{peer.uid}/mfa"), 403, "forbidden")
    refused(await admin.call("DELETE", f"/users/{NOBODY}/mfa"), 404, "not_found")
    assert await everything(world) == before


async def test_a_desk_without_fresh_proof_takes_nothing(world: World) -> None:
    alice, admin = await world.enrolled("alice"), await world.admin()
    world.clock.advance(500)
    admin.hold((await world.call("POST", "/auth/refresh", {"refresh": admin.refresh})).json())
    world.clock.advance(101)
    refused(await admin.call("DELETE", f"/users/{alice.uid}/mfa", LOST), 401, "step_up_required")
    refused(await admin.call("POST", f"/approvals/{NOBODY}"), 401, "step_up_required")


def acts(alice: Person, session: str, version: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Return everything that the desk does to somebody, in an order in which all of it works."""
    user = f"/users/{alice.uid}"
    return [
        ("DELETE", f"{user}/sessions/{session}", {}),
        ("DELETE", f"{user}/sessions", {}),
        ("DELETE", f"{user}/secrets/{alice.totp}", {}),
        ("PUT", user, {"version": version, "disabled": True}),
        ("DELETE", user, {}),
    ]


async def test_where_a_reason_is_required_nothing_is_done_without(make_world: MakeWorld) -> None:
    world: World = await make_world(REASON)
    alice, admin = await world.enrolled("alice"), await world.admin()
    (session,) = (await alice.call("GET", "/users/me/sessions")).json()
    before = await everything(world)
    for method, path, body in [*acts(alice, session["uid"], 0), ("DELETE", f"/users/{alice.uid}/mfa", {})]:
        for blank in ({}, {"reason": ""}, {"reason": " \u00a0 "}):
            problem = refused(await admin.call(method, path, body | blank), 400, "invalid_request")
            assert problem["errors"][0]["pointer"] == "/reason"
    assert await everything(world) == before
    for method, path, body in acts(alice, session["uid"], 0):
        assert (await admin.call(method, path, body | LOST)).status_code in {200, 204}
    told = await fetch(
        world, "SELECT event, detail FROM audit_log WHERE actor_id = :a AND user_id = :u", a=admin.uid, u=alice.uid
    )
    assert {event for event, detail in told if (detail or "").endswith(LOST["reason"])} == {
        *("session.ended", "secret.removed", "user.disabled", "user.deleted"),
    }


async def test_nobody_gives_a_reason_for_what_is_their_own(make_world: MakeWorld) -> None:
    world: World = await make_world(REASON)
    alice = await world.enrolled("alice")
    assert (await alice.call("PUT", "/users/me", {"version": 0, "firstName": "Alice"})).status_code == 200
    assert (await alice.call("DELETE", "/users/me/sessions")).status_code == 204
    assert (await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")).status_code == 204
    assert (await alice.call("DELETE", "/users/me", {"reason": "of my own"})).status_code == 204
    assert [detail for _, _, detail in await written(world, "user.deleted")] == [None]


@pytest.mark.parametrize("reason", ["a\nb", "\x1b[31m", "x" * 4097, 7, None])
async def test_a_reason_is_a_line_of_text_everywhere(world: World, reason: Any) -> None:
    alice, admin = await world.enrolled("alice"), await world.admin()
    (session,) = (await alice.call("GET", "/users/me/sessions")).json()
    before = await everything(world)
    for method, path, body in acts(alice, session["uid"], 0):
        refused(await admin.call(method, path, body | {"reason": reason}), 400, "invalid_request")
    assert await everything(world) == before


async def test_the_caller_reads_out_a_code_that_opens_nothing_else(make_world: MakeWorld) -> None:
    world: World = await make_world(CODE)
    alice, admin = await world.enrolled("alice"), await world.admin()
    path = f"/users/{alice.uid}/mfa"
    problem = refused(await admin.call("DELETE", path), 400, "invalid_request")
    assert problem["errors"][0]["pointer"] == "/callerCode"
    refused(await admin.call("DELETE", f"/users/{alice.uid}/secrets/{alice.totp}"), 400, "invalid_request")
    code = await caller_code(world, alice)
    for header in (f"Bearer {code}", f"jwt {code}"):
        refused(await world.call("GET", "/users/me", headers={"authorization": header}), 401, "invalid_token")
    refused(await world.answer(await alice.challenge(), code), 401, "code_invalid")
    assert (await admin.call("DELETE", path, {"callerCode": f"{code[:3]} {code[3:]}"})).status_code == 204
    assert not await mfa(admin, alice.uid)


async def test_a_caller_code_is_good_once_for_one_person_and_for_ten_minutes(make_world: MakeWorld) -> None:
    world: World = await make_world(CODE)
    alice, bob, admin = await world.enrolled("alice"), await world.enrolled("bob"), await world.admin()
    path = f"/users/{alice.uid}/mfa"
    of_bob, old = await caller_code(world, bob), await caller_code(world, alice)
    code = await caller_code(world, alice)
    for wrong in {of_bob, old} - {code}:
        refused(await admin.call("DELETE", path, {"callerCode": wrong}), 400, "code_invalid")
    world.clock.advance(600)
    await admin.login()
    refused(await admin.call("DELETE", path, {"callerCode": code}), 400, "code_invalid")
    code = await caller_code(world, alice)
    assert (await admin.call("DELETE", path, {"callerCode": code})).status_code == 204
    alice.hold((await world.password("alice", PASSWORD)).json())
    world.clock.advance(30)
    await alice.enroll()
    refused(await admin.call("DELETE", path, {"callerCode": code}), 400, "code_invalid")
    assert [user for user, actor, _ in await written(world, "desk.caller_code") if actor == admin.uid] == (
        [alice.uid] * len(await written(world, "desk.caller_code"))
    )


async def test_five_wrong_codes_void_the_right_one(make_world: MakeWorld) -> None:
    world: World = await make_world(CODE)
    alice, admin = await world.enrolled("alice"), await world.admin()
    code = await caller_code(world, alice)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(5):
        refused(await admin.call("DELETE", f"/users/{alice.uid}/mfa", {"callerCode": wrong}), 400, "code_invalid")
    refused(await admin.call("DELETE", f"/users/{alice.uid}/mfa", {"callerCode": code}), 400, "code_invalid")
    assert await mfa(admin, alice.uid)


@pytest.mark.parametrize("code", ["12345", "1234567", "12345a", "", 123456, None, "١٢٣٤٥٦"])
async def test_a_caller_code_has_six_digits(world: World, code: Any) -> None:
    alice, admin = await world.enrolled("alice"), await world.admin()
    answer = await admin.call("DELETE", f"/users/{alice.uid}/mfa", {"callerCode": code})
    refused(answer, 400, "invalid_request")
    assert await mfa(admin, alice.uid)


async def test_only_the_password_gets_a_caller_code_and_a_wrong_one_is_a_try_like_any(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_THROTTLE": "on"})
    alice, bare = await world.enrolled("alice"), await world.register("bare", None)
    answers = [
        await world.call("POST", f"/users/{uid}/recover/mfa", {"password": "wrong horse"})
        for uid in (alice.uid, bare.uid, NOBODY)
    ]
    told = [refused(answer, 401, "invalid_credentials") | {"requestId": ""} for answer in answers]
    assert told[0] == told[1] == told[2]
    assert await count(world, "caller_codes") == 0
    for _ in range(4):
        await world.password("alice", "wrong horse")
    refused(await world.call("POST", f"/users/{alice.uid}/recover/mfa", {"password": PASSWORD}), 429, "throttled")
    refused(await world.password("alice", PASSWORD), 429, "throttled")


async def test_the_answer_does_not_tell_whether_there_is_a_second_factor(world: World) -> None:
    alice, bob = await world.enrolled("alice"), await world.register("bob")
    for person in (alice, bob):
        await caller_code(world, person)
    await operate(world, "UPDATE users SET disabled_at = 1 WHERE id = :uid", uid=bob.uid)
    answer = await world.call("POST", f"/users/{bob.uid}/recover/mfa", {"password": PASSWORD})
    refused(answer, 401, "invalid_credentials")
    refused(await world.call("POST", "/users/me/recover/mfa", {"password": PASSWORD}), 401, "invalid_credentials")


class Office:
    """Two trusted persons, a user with MFA, and an equal with MFA."""

    def __init__(self, world: World, people: list[Person]) -> None:
        self.world = world
        self.first, self.second, self.alice, self.peer = people

    async def ask(self, about: Person, *, by: Person | None = None, **body: Any) -> str:
        answer = await (by or self.first).call("DELETE", f"/users/{about.uid}/mfa", LOST | body)
        assert answer.status_code == 202, answer.text
        assert set(answer.json()) == {"uid", "expires"}
        return str(answer.json()["uid"])

    async def confirm(self, uid: str, by: Person) -> httpx2.Response:
        return await by.call("POST", f"/approvals/{uid}")


async def office(make_world: MakeWorld, environ: dict[str, str] | None = None) -> Office:
    world: World = await make_world(TWO | (environ or {}))
    first, second = await world.admin(), await world.register("second")
    alice, peer = await world.enrolled("alice"), await world.enrolled("peer")
    await give_roles(second, "admin")
    await give_roles(peer, "admin")
    return Office(world, [first, second, alice, peer])


async def test_two_persons_take_a_second_factor_away(make_world: MakeWorld) -> None:
    desk = await office(make_world)
    uid = await desk.ask(desk.alice)
    assert await mfa(desk.first, desk.alice.uid)
    assert (await desk.alice.call("GET", "/users/me")).status_code == 200
    (listed,) = (await desk.second.call("GET", "/approvals")).json()
    assert listed | {"dateCreated": "", "expires": ""} == {
        "uid": uid,
        "userId": desk.alice.uid,
        "secretId": None,
        "reason": LOST["reason"],
        "askedBy": desk.first.uid,
        "dateCreated": "",
        "expires": "",
    }
    assert (await desk.confirm(uid, desk.second)).status_code == 204
    assert not await mfa(desk.first, desk.alice.uid)
    assert (await desk.second.call("GET", "/approvals")).json() == []
    refused(await desk.confirm(uid, desk.second), 404, "not_found")
    asked, given = await written(desk.world, "approval.asked"), await written(desk.world, "approval.given")
    assert asked == [(desk.alice.uid, desk.first.uid, f"{uid} {LOST['reason']}")]
    assert given == [(desk.alice.uid, desk.second.uid, f"{uid} asked by {desk.first.uid}")]
    assert [row[1] for row in await written(desk.world, "secret.removed")] == [desk.second.uid]


async def test_one_secret_takes_two_persons_as_well_and_what_weakens_nothing_one(make_world: MakeWorld) -> None:
    desk = await office(make_world)
    listed = (await desk.first.call("GET", f"/users/{desk.alice.uid}/secrets")).json()
    codes = next(one["uid"] for one in listed if one["type"] == "mfabackup")
    answer = await desk.first.call("DELETE", f"/users/{desk.alice.uid}/secrets/{desk.alice.totp}", LOST)
    assert answer.status_code == 202
    assert (await desk.first.call("DELETE", f"/users/{desk.alice.uid}/secrets/{codes}", LOST)).status_code == 204
    assert (await desk.first.call("DELETE", f"/users/{desk.alice.uid}/sessions", LOST)).status_code == 204
    assert await mfa(desk.first, desk.alice.uid)
    assert (await desk.confirm(answer.json()["uid"], desk.second)).status_code == 204
    assert not await mfa(desk.first, desk.alice.uid)


async def test_the_second_person_is_neither_the_first_nor_the_user(make_world: MakeWorld) -> None:
    desk = await office(make_world)
    about_peer, about_alice = await desk.ask(desk.peer), await desk.ask(desk.alice)
    before = await everything(desk.world)
    refused(await desk.confirm(about_alice, desk.first), 403, "forbidden")
    refused(await desk.confirm(about_peer, desk.peer), 403, "forbidden")
    refused(await desk.confirm(about_alice, desk.alice), 403, "forbidden")
    refused(await desk.world.call("POST", f"/approvals/{about_alice}"), 401, "unauthenticated")
    assert await everything(desk.world) == before


async def test_an_equal_is_reset_by_two_who_are_trusted_both(make_world: MakeWorld) -> None:
    desk = await office(make_world)
    refused(await desk.alice.call("DELETE", f"/users/{desk.peer.uid}/mfa", LOST), 404, "not_found")
    path = f"/users/{desk.peer.uid}/secrets/{desk.peer.totp}"
    refused(await desk.first.call("DELETE", path, LOST), 403, "forbidden")
    uid = await desk.ask(desk.peer)
    assert (await desk.confirm(uid, desk.second)).status_code == 204
    assert not await mfa(desk.first, desk.peer.uid)


@pytest.mark.parametrize("lost", ["role", "disabled", "gone"])
async def test_what_somebody_asked_for_who_may_not_ask_any_more_is_not_done(make_world: MakeWorld, lost: str) -> None:
    desk = await office(make_world)
    uid = await desk.ask(desk.alice, by=desk.second)
    if lost == "role":
        await give_roles(desk.second)
    elif lost == "disabled":
        await operate(desk.world, "UPDATE users SET disabled_at = 1 WHERE id = :uid", uid=desk.second.uid)
    else:
        await operate(desk.world, "DELETE FROM users WHERE id = :uid", uid=desk.second.uid)
    refused(await desk.confirm(uid, desk.first), 403, "forbidden")
    assert await mfa(desk.first, desk.alice.uid)


async def test_an_approval_is_over_after_an_hour(make_world: MakeWorld) -> None:
    desk = await office(make_world)
    uid = await desk.ask(desk.alice)
    desk.world.clock.advance(3_600)
    await desk.second.login()
    refused(await desk.confirm(uid, desk.second), 404, "not_found")
    assert (await desk.second.call("GET", "/approvals")).json() == []
    assert await mfa(desk.second, desk.alice.uid)
    for sweep in desk.world.service.sweeps:
        await sweep()
    assert await count(desk.world, "approvals") == 0


async def test_it_is_judged_again_when_it_is_confirmed(make_world: MakeWorld) -> None:
    desk = await office(make_world)
    all_of_it, one = await desk.ask(desk.alice), None
    answer = await desk.first.call("DELETE", f"/users/{desk.alice.uid}/secrets/{desk.alice.totp}", LOST)
    one = answer.json()["uid"]
    assert (await desk.alice.call("DELETE", f"/users/me/secrets/{desk.alice.totp}")).status_code == 204
    refused(await desk.confirm(all_of_it, desk.second), 409, "mfa_not_enabled")
    refused(await desk.confirm(one, desk.second), 404, "not_found")


async def test_what_waits_goes_with_its_user_and_is_listed_page_by_page(make_world: MakeWorld) -> None:
    desk = await office(make_world)
    uids = sorted([await desk.ask(desk.alice), await desk.ask(desk.peer), await desk.ask(desk.alice, by=desk.second)])
    first = await desk.second.call("GET", "/approvals?limit=2")
    assert [one["uid"] for one in first.json()] == uids[:2]
    assert first.headers["link"].startswith(f"</approvals?limit=2&after={uids[1]}>")
    rest = await desk.second.call("GET", f"/approvals?after={uids[1]}")
    assert [one["uid"] for one in rest.json()] == uids[2:]
    refused(await desk.second.call("GET", "/approvals?sort=name"), 400, "invalid_request")
    refused(await desk.alice.call("GET", "/approvals"), 403, "forbidden")
    assert (await desk.alice.call("DELETE", "/users/me")).status_code == 204
    assert [one["userId"] for one in (await desk.second.call("GET", "/approvals")).json()] == [desk.peer.uid]


async def test_the_first_person_types_the_code_of_the_caller(make_world: MakeWorld) -> None:
    desk = await office(make_world, CODE)
    refused(await desk.first.call("DELETE", f"/users/{desk.alice.uid}/mfa", LOST), 400, "invalid_request")
    uid = await desk.ask(desk.alice, callerCode=await caller_code(desk.world, desk.alice))
    assert (await desk.confirm(uid, desk.second)).status_code == 204


async def test_what_waits_and_the_code_of_a_caller_are_void_once_the_user_says_that_it_was_not_them(
    make_world: MakeWorld,
) -> None:
    world: World = await make_world(TWO)
    alice, admin, peer = (
        await world.register("alice", email="a@example.org"),
        await world.admin(),
        await world.enrolled("second"),
    )
    await verify_email(alice)
    await alice.enroll()
    await give_roles(peer, "admin")
    await peer.login()
    await world.mails()
    code = await caller_code(world, alice)
    asked = await admin.call("DELETE", f"/users/{alice.uid}/mfa", LOST)
    assert asked.status_code == 202
    (mail,) = [mail for mail in await world.mails() if "about to be taken away" in mail.subject]
    assert (await world.call("POST", f"/users/{alice.uid}/not-me", {"token": mail.token})).status_code == 204
    refused(await peer.call("POST", f"/approvals/{asked.json()['uid']}"), 404, "not_found")
    wrong = await admin.call("DELETE", f"/users/{alice.uid}/mfa", LOST | {"callerCode": code})
    refused(wrong, 400, "code_invalid")
    assert await mfa(admin, alice.uid)
