"""What is written down, and who may read it."""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.expect import refused
from tests.ledger import Pen, sealed, session_of
from tests.surgery import fetch, give_roles, operate
from tests.world import ADMIN_PASSWORD, PASSWORD, Person, World, bearer

FIELDS = {
    *("uid", "dateCreated", "event", "outcome", "factor", "userId", "actorId", "sessionId"),
    *("ip", "requestId", "detail"),
}
NOBODY = "0190b3c4-0000-7000-8000-000000000000"
Row = tuple[Any, ...]


async def secret_of(person: Person, kind: str) -> dict[str, Any]:
    listed: list[dict[str, Any]] = (await person.call("GET", "/users/me/secrets")).json()
    return next(one for one in listed if one["type"] == kind)


async def test_the_first_start_is_the_first_row(world: World) -> None:
    world.clock.advance(1)
    admin = await world.admin()
    rows = (await admin.call("GET", "/audit")).json()
    assert [row["event"] for row in rows] == ["login.password", "installation.first_start"]
    first = rows[1]
    assert set(first) == FIELDS
    assert (first["userId"], first["actorId"], first["ip"], first["requestId"]) == (admin.uid, None, None, "")


async def test_a_login_with_a_password_names_its_session(world: World) -> None:
    alice, pen = await world.register("alice"), Pen(world)
    await pen.lift()
    world.clock.advance(1)
    answer = await world.call(
        "POST", "/auth/password", {"identifier": "alice", "password": PASSWORD}, headers={"x-request-id": "seen-1"}
    )
    alice.hold(answer.json())
    session = await session_of(alice)
    assert await pen.written() == [
        ("login.password", "success", "password", alice.uid, alice.uid, session, "client=stranger")
    ]
    (newest,) = (await alice.call("GET", "/users/me/audit?limit=1")).json()
    assert (newest["requestId"], newest["ip"], newest["sessionId"]) == ("seen-1", "127.0.0.1", session)


async def test_registering_writes_user_and_password(world: World) -> None:
    pen = Pen(world)
    await pen.lift()
    alice = await world.register("alice")
    uid, session = (await secret_of(alice, "password"))["uid"], await session_of(alice)
    assert sorted(await pen.written(), key=lambda row: row[0]) == [
        ("secret.created", "success", "password", alice.uid, alice.uid, None, uid),
        ("user.created", "success", None, alice.uid, alice.uid, session, None),
    ]


async def test_a_trusted_role_that_registers_another_is_the_actor(world: World) -> None:
    desk, pen = await world.admin(), Pen(world)
    session = await session_of(desk)
    await pen.lift()
    made = await desk.call("POST", "/users", {"name": "alice", "password": PASSWORD})
    uid = made.json()["userUid"]
    assert [row[:1] + row[3:6] for row in sorted(await pen.written())] == [
        ("secret.created", uid, desk.uid, session),
        ("user.created", uid, desk.uid, session),
    ]


async def test_wrong_passwords_are_failures_of_whoever_was_named(world: World) -> None:
    alice, bare = await world.register("alice"), await world.register("bare", None)
    pen, desk = Pen(world), await world.admin()
    gone = await world.register("gone")
    await desk.call("PUT", f"/users/{gone.uid}", {"version": 0, "disabled": True})
    await pen.lift()
    for name in ("alice", "nobody", "bare", "gone"):
        refused(await world.password(name, "wrong"), 401, "invalid_credentials")
    assert set(await pen.written()) == {
        ("login.password", "failure", "password", alice.uid, None, None, "client=stranger"),
        ("login.password", "failure", "password", None, None, None, "no such user"),
        ("login.password", "failure", "password", bare.uid, None, None, "no password"),
        ("login.password", "failure", "password", gone.uid, None, None, "disabled"),
    }


async def test_what_was_typed_is_not_written(world: World) -> None:
    await world.register("alice")
    await world.password("typed-as-a-name", "typed-as-a-password")
    await world.password("mail@typed.example", "typed-as-a-password")
    everything = str(await fetch(world, "SELECT * FROM audit_log"))
    for word in ("typed", "alice", "httpx"):
        assert word not in everything


@pytest.mark.parametrize("name", ["alice", "nobody"])
async def test_of_a_flood_that_is_held_off_one_refusal_is_written(make_world: MakeWorld, name: str) -> None:
    world = await make_world({"SALLYPORT_THROTTLE": "on"})
    alice, pen = await world.register("alice"), Pen(world)
    for _ in range(5):
        world.clock.advance(1)
        await world.password(name, "wrong")
    await pen.lift()
    for _ in range(20):
        world.clock.advance(0.1)
        refused(await world.password(name, "wrong"), 429, "throttled")
    (row,) = await pen.written()
    assert row[:4] == ("login.password", "throttled", "password", alice.uid if name == "alice" else None)
    world.clock.advance(60)
    await world.password(name, "wrong")
    for _ in range(5):
        world.clock.advance(0.1)
        refused(await world.password(name, "wrong"), 429, "throttled")
    assert [row[1] for row in await pen.written()] == ["failure", "throttled"]


async def test_the_second_door_is_written_with_its_factor(world: World) -> None:
    alice, pen = await world.enrolled("alice"), Pen(world)
    assert alice.phone
    await pen.lift()
    challenge = await alice.challenge()
    refused(await world.answer(challenge, alice.phone.wrong()), 401, "code_invalid")
    refused(await world.answer(challenge, "ABCD-EFGH-JKMN-PQRS"), 401, "code_invalid")
    refused(await world.answer(challenge, "no code at all"), 401, "code_invalid")
    world.clock.advance(30)
    alice.hold((await world.answer(challenge, alice.phone.code())).json())
    session = await session_of(alice)
    again = await alice.challenge()
    world.clock.advance(0.001)
    refused(await world.answer(again, alice.phone.code()), 401, "code_invalid")
    world.clock.advance(0.001)
    assert (await world.answer(again, alice.codes[0])).status_code == 200
    assert sorted(row[:3] for row in await pen.written()) == sorted(
        [
            ("login.password", "success", "password"),
            ("login.code", "failure", "totp"),
            ("login.code", "failure", "backup_code"),
            ("login.code", "failure", "totp"),
            ("login.code", "success", "totp"),
            ("login.password", "success", "password"),
            ("login.code", "failure", "totp"),
            ("login.code", "success", "backup_code"),
        ]
    )
    rows = await fetch(world, "SELECT session_id FROM audit_log WHERE event = 'login.code' AND outcome = 'success'")
    assert (session,) in rows


async def test_a_challenge_that_nobody_has_writes_nothing(world: World) -> None:
    pen = Pen(world)
    await pen.lift()
    refused(await world.answer("spc_" + "A" * 43, "123456"), 401, "challenge_invalid")
    assert await pen.written() == []


async def test_proving_oneself_again_is_written(world: World) -> None:
    alice, pen = await world.enrolled("alice"), Pen(world)
    assert alice.phone
    session = await session_of(alice)
    await pen.lift()
    wrong = [
        ({"password": "wrong", "token": alice.phone.code()}, "password"),
        ({"password": PASSWORD, "token": alice.phone.wrong()}, "totp"),
        ({"password": PASSWORD, "token": "ABCD-EFGH-JKMN-PQRS"}, "backup_code"),
    ]
    for body, factor in wrong:
        await alice.call("POST", "/auth/elevate", body)
        assert await pen.written() == [("login.elevate", "failure", factor, alice.uid, alice.uid, session, None)]
    world.clock.advance(30)
    right = await alice.call("POST", "/auth/elevate", {"password": PASSWORD, "token": alice.phone.code()})
    assert right.status_code == 200
    assert await pen.written() == [("login.elevate", "success", "totp", alice.uid, alice.uid, session, "use=first")]
    alice.hold(right.json())
    refused(
        await alice.call("POST", "/auth/elevate", {"password": PASSWORD, "token": alice.phone.code()}),
        401,
        "code_invalid",
    )
    assert [row[:3] for row in await pen.written()] == [("login.elevate", "failure", "totp")]
    bob = await world.register("bob")
    await pen.lift()
    await bob.call("POST", "/auth/elevate", {"password": PASSWORD})
    assert [row[:3] for row in await pen.written()] == [("login.elevate", "success", "password")]


async def test_enrolling_is_written(world: World) -> None:
    alice = await world.register("alice")
    other = Person(world, "alice", alice.uid, "", "")
    await other.login()
    session, pen = await session_of(alice), Pen(world)
    await pen.lift()
    uid = await alice.begin_enrollment()
    assert alice.phone
    path = f"/users/me/secrets/{uid}/enroll"
    assert await pen.written() == [("secret.created", "success", "totp", alice.uid, alice.uid, session, uid)]
    for wrong in (alice.phone.wrong(), "no code"):
        refused(await alice.call("PUT", path, {"token": wrong}), 400, "code_invalid")
        assert await pen.written() == [("enroll.code", "failure", "totp", alice.uid, alice.uid, session, None)]
    assert (await alice.call("PUT", path, {"token": alice.phone.code()})).status_code == 200
    assert sorted(await pen.written()) == [
        ("secret.enrolled", "success", "totp", alice.uid, alice.uid, session, uid),
        ("sessions.ended", "success", None, alice.uid, alice.uid, session, "1"),
    ]


async def test_every_change_of_a_secret_is_written(world: World) -> None:
    alice = await world.enrolled("alice")
    session, pen = await session_of(alice), Pen(world)
    await pen.lift()

    async def wrote(*rows: Row) -> None:
        assert sorted(await pen.written()) == sorted(
            (event, "success", factor, alice.uid, alice.uid, session, detail) for event, factor, detail in rows
        )

    made = await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"})
    await wrote(("secret.codes_made", "backup_code", made.json()["uid"]))
    password = await secret_of(alice, "password")
    path = f"/users/me/secrets/{password['uid']}"
    await alice.call("PUT", path, {"version": password["version"], "description": "of my own"})
    await wrote(("secret.changed", "password", f"{password['uid']} description"))
    change = {"version": password["version"] + 1, "current": "wrong", "secret": "another horse of another color"}
    refused(await alice.call("PUT", path, change), 400, "current_wrong")
    assert await pen.written() == [("password.current", "failure", "password", alice.uid, alice.uid, session, None)]
    changed = await alice.call("PUT", path, change | {"current": PASSWORD})
    assert changed.status_code == 200
    alice.hold(changed.json()["session"])
    await wrote(("secret.changed", "password", password["uid"]))
    codes = await secret_of(alice, "mfabackup")
    await alice.call("DELETE", f"/users/me/secrets/{codes['uid']}")
    await wrote(("secret.removed", "backup_code", codes["uid"]))
    await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")
    await wrote(("secret.removed", "totp", alice.totp))


async def test_a_first_password_is_written(world: World) -> None:
    alice, pen = await world.register("alice", None), Pen(world)
    session = await session_of(alice)
    await pen.lift()
    made = await alice.call("POST", "/users/me/secrets", {"type": "password", "secret": PASSWORD})
    row = ("secret.created", "success", "password", alice.uid, alice.uid, session, made.json()["uid"])
    assert await pen.written() == [row]


async def test_a_reset_by_the_desk_is_written_with_its_reason(world: World) -> None:
    alice, desk, pen = await world.enrolled("alice"), await world.admin(), Pen(world)
    session = await session_of(desk)
    await pen.lift()
    path = f"/users/{alice.uid}/secrets/{alice.totp}"
    assert (await desk.call("DELETE", path, {"reason": "phone lost"})).status_code == 204
    assert sorted(await pen.written()) == [
        ("secret.removed", "success", "totp", alice.uid, desk.uid, session, f"{alice.totp} phone lost"),
        ("sessions.ended", "success", None, alice.uid, desk.uid, session, "1"),
    ]


async def test_sessions_that_end_are_written(world: World) -> None:
    alice = await world.register("alice")
    other = Person(world, "alice", alice.uid, "", "")
    await other.login()
    mine, theirs, pen = await session_of(alice), await session_of(other), Pen(world)
    await pen.lift()
    await alice.call("DELETE", f"/users/me/sessions/{theirs}")
    assert await pen.written() == [("session.ended", "success", None, alice.uid, alice.uid, mine, theirs)]
    await other.login()
    await pen.lift()
    await alice.call("DELETE", "/users/me/sessions")
    assert await pen.written() == [("sessions.ended", "success", None, alice.uid, alice.uid, mine, "1")]
    await alice.call("DELETE", "/users/me/sessions")
    assert await pen.written() == []
    await alice.call("POST", "/auth/logout")
    assert await pen.written() == [("session.ended", "success", None, alice.uid, alice.uid, mine, mine)]


async def test_a_refresh_is_not_written_and_a_stolen_one_is(world: World) -> None:
    alice, pen = await world.register("alice"), Pen(world)
    session, spent = await session_of(alice), alice.refresh
    await pen.lift()
    assert (await world.call("POST", "/auth/refresh", {"refresh": spent})).status_code == 200
    assert await pen.written() == []
    world.clock.advance(11)
    refused(await world.call("POST", "/auth/refresh", {"refresh": spent}), 401, "invalid_token")
    assert await pen.written() == [("session.stolen", "success", None, alice.uid, None, session, None)]


async def test_changes_of_a_user_name_the_fields_and_not_the_values(world: World) -> None:
    alice, desk, pen = await world.register("alice"), await world.admin(), Pen(world)
    mine, session = await session_of(alice), await session_of(desk)
    await pen.lift()
    await alice.call("PUT", "/users/me", {"version": 0, "phone": "+49 30 1234567", "email": "a@example.org"})
    assert await pen.written() == [("user.changed", "success", None, alice.uid, alice.uid, mine, "email phone")]
    await alice.call("PUT", "/users/me", {"version": 1, "phone": "+49 30 1234567"})
    assert await pen.written() == []
    await desk.call("PUT", f"/users/{alice.uid}", {"version": 2, "disabled": True})
    assert sorted(await pen.written()) == [
        ("sessions.ended", "success", None, alice.uid, desk.uid, session, "1"),
        ("user.disabled", "success", None, alice.uid, desk.uid, session, None),
    ]
    await desk.call("PUT", f"/users/{alice.uid}", {"version": 3, "disabled": False})
    assert await pen.written() == [("user.enabled", "success", None, alice.uid, desk.uid, session, None)]


async def test_an_erased_user_leaves_the_uid_alone(world: World) -> None:
    alice, desk = await world.register("alice"), await world.admin()
    assert (await alice.call("DELETE", "/users/me")).status_code == 204
    rows = (await desk.call("GET", f"/audit?user={alice.uid}")).json()
    assert {row["event"] for row in rows} == {"user.created", "secret.created", "user.deleted"}
    assert {row["ip"] for row in rows} == {None}
    refused(await desk.call("GET", f"/users/{alice.uid}/audit"), 404, "not_found")


async def test_an_erased_user_takes_the_address_from_rows_about_others(world: World) -> None:
    alice, boss, desk = await world.register("alice"), await world.register("boss"), await world.admin()
    await give_roles(boss, "admin")
    await boss.login()
    await boss.call("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})
    before = await fetch(world, "SELECT ip FROM audit_log WHERE actor_id = :boss", boss=boss.uid)
    assert before.count(("127.0.0.1",)) == len(before)
    assert (await boss.call("DELETE", "/users/me")).status_code == 204
    after = await fetch(world, "SELECT ip FROM audit_log WHERE actor_id = :boss", boss=boss.uid)
    assert after == [(None,)] * (len(before) + 1)
    kept = (await desk.call("GET", f"/audit?user={alice.uid}&event=user.created")).json()
    assert [row["ip"] for row in kept] == ["127.0.0.1"]


async def test_the_whole_log_is_for_trusted_roles_at_their_strongest_level(world: World) -> None:
    alice, desk = await world.register("alice"), await world.admin()
    refused(await world.call("GET", "/audit"), 401, "unauthenticated")
    refused(await alice.call("GET", "/audit"), 403, "forbidden")
    before_mfa = desk.token
    await desk.enroll()
    refused(await world.call("GET", "/audit", headers=bearer(before_mfa)), 403, "forbidden")
    assert (await desk.call("GET", "/audit")).status_code == 200
    assert (await desk.call("GET", "/v1/audit")).status_code == 200


async def test_a_trusted_role_that_must_enroll_reads_nothing(make_world: MakeWorld) -> None:
    world = await make_world({"SALLYPORT_REQUIRE_MFA": "roles:admin"})
    desk = await world.admin()
    refused(await desk.call("GET", "/audit"), 403, "mfa_enrollment_required")
    refused(await desk.call("GET", "/users/me/audit"), 403, "mfa_enrollment_required")


async def test_users_read_of_themselves_alone(world: World) -> None:
    alice, bob, desk = await world.register("alice"), await world.register("bob"), await world.admin()
    own = (await alice.call("GET", "/users/me/audit")).json()
    assert {row["userId"] for row in own} == {alice.uid}
    refused(await bob.call("GET", f"/users/{alice.uid}/audit"), 404, "not_found")
    assert (await desk.call("GET", f"/users/{alice.uid}/audit")).json() == own
    refused(await alice.call("GET", f"/users/me/audit?user={bob.uid}"), 400, "invalid_request")


async def test_users_are_not_told_where_the_desk_was(world: World) -> None:
    alice, desk = await world.enrolled("alice"), await world.admin()
    await desk.call("DELETE", f"/users/{alice.uid}/secrets/{alice.totp}")
    alice.phone = None
    await alice.login()
    await world.password("alice", "wrong")
    rows = (await alice.call("GET", "/users/me/audit")).json()
    removed = next(row for row in rows if row["event"] == "secret.removed")
    assert (removed["actorId"], removed["ip"], removed["sessionId"]) == (desk.uid, None, None)
    assert next(row for row in rows if row["outcome"] == "failure")["ip"] == "127.0.0.1"
    theirs = (await desk.call("GET", f"/users/{alice.uid}/audit?event=secret.removed")).json()
    assert theirs[0]["ip"] == "127.0.0.1"


async def test_filters_narrow_the_log(world: World) -> None:
    alice, desk = await world.register("alice"), await world.admin()
    world.clock.advance(300)
    await world.password("alice", "wrong")
    await world.password("nobody", "wrong")
    since = "2027-01-15T08:05:00Z"

    async def found(query: str) -> list[tuple[str, str, str | None]]:
        rows = (await desk.call("GET", f"/audit?{query}")).json()
        return [(row["event"], row["outcome"], row["userId"]) for row in rows]

    assert await found("event=user.created") == [("user.created", "success", alice.uid)]
    assert await found(f"user={alice.uid}&event=login.password") == [("login.password", "failure", alice.uid)]
    assert sorted(await found(f"since={since}"), key=str) == [
        ("login.password", "failure", alice.uid),
        ("login.password", "failure", None),
    ]
    assert await found(f"since={since}&user={alice.uid}") == [("login.password", "failure", alice.uid)]
    assert await found("since=2027-01-15T08:05:00.000001Z") == []
    assert await found(f"user={NOBODY}") == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("event=login", "/event"),
        ("event=", "/event"),
        ("user=alice", "/user"),
        ("since=yesterday", "/since"),
        ("sort=name", "/sort"),
        ("limit=0", "/limit"),
        ("after=x", "/after"),
        ("outcome=failure", "/outcome"),
    ],
)
async def test_a_filter_that_can_not_be_read_is_refused(world: World, query: str, pointer: str) -> None:
    desk = await world.admin()
    assert refused(await desk.call("GET", f"/audit?{query}"), 400, "invalid_request")["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("sort", ["", "&sort=-dateCreated"])
async def test_a_walk_meets_every_row_once_newest_first(world: World, sort: str) -> None:
    alice, desk = await world.register("alice"), await world.admin()
    for _ in range(7):
        world.clock.advance(1)
        await world.password("alice", PASSWORD)
    await sealed(world)
    path: str | None = f"/audit?limit=2&event=login.password&user={alice.uid}{sort}"
    seen: list[str] = []
    while path:
        answer = await desk.call("GET", path)
        seen += [row["dateCreated"] for row in answer.json()]
        assert {row["event"] for row in answer.json()} <= {"login.password"}
        path = answer.headers.get("link", "").partition(">")[0].lstrip("<") or None
    assert len(seen) == 7
    assert seen == sorted(seen, reverse=True)
    assert (await desk.call("GET", "/audit?skip=3&limit=2")).json() == (await desk.call("GET", "/audit")).json()[3:5]


async def test_a_backup_code_in_place_of_a_password_is_written(make_world: MakeWorld) -> None:
    world = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": "true"})
    alice, pen = await world.enrolled("alice"), Pen(world)
    await pen.lift()
    assert (await world.password("alice", alice.codes[0])).status_code == 200
    world.clock.advance(0.001)
    for wrong in (alice.codes[0], "ABCD-EFGH-JKMN-PQRS"):
        refused(await world.password("alice", wrong), 401, "invalid_credentials")
    rows = await pen.written()
    assert [row[:4] for row in rows] == [
        ("login.code", "success", "backup_code", alice.uid),
        ("login.code", "failure", "backup_code", alice.uid),
        ("login.code", "failure", "backup_code", alice.uid),
    ]
    await operate(world, "DELETE FROM backup_sets WHERE user_id = :user", user=alice.uid)
    refused(await world.password("alice", "ABCD-EFGH-JKMN-PQRS"), 401, "invalid_credentials")
    assert [row[:3] for row in await pen.written()] == [("login.code", "failure", "backup_code")]


async def test_attempts_are_counted_for_operators_as_well(world: World) -> None:
    await world.register("alice")
    await world.password("alice", PASSWORD)
    await world.password("alice", "wrong")
    rows = world.service.meters.attempts.tally.family().rows
    assert rows == {("password", "success"): [1.0], ("password", "failure"): [1.0]}


async def test_the_admin_of_the_first_start_is_written_once(make_world: MakeWorld) -> None:
    world = await make_world()
    again = await make_world(clock=world.clock)
    assert (await again.password("admin", ADMIN_PASSWORD)).status_code == 200
    rows = await fetch(again, "SELECT count(*) FROM audit_log WHERE event = 'installation.first_start'")
    assert rows == [(1,)]
