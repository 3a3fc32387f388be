"""What is written of recovery, of mailed links, and of what too many tries bring about."""

from typing import Any

from tests.attacks.test_g_lost import known, recover, wait
from tests.attacks.test_g_undo import remove, undo, way_back
from tests.conftest import MakeWorld
from tests.expect import refused
from tests.ledger import Pen
from tests.surgery import operate
from tests.world import PASSWORD, Person, World

NO_ACTOR = (None, None)
DEVICE = "what a program of the owner has drawn"


async def told(pen: Pen, *events: str) -> list[tuple[Any, ...]]:
    """Return what was written of these events: all but the details."""
    return [row[:-1] for row in await pen.written() if row[0] in events]


async def with_device(world: World) -> tuple[Person, Pen]:
    alice = await known(world)
    world.clock.advance(30)
    await alice.login()
    made = await alice.call("POST", "/users/me/secrets", {"type": "device", "secret": DEVICE})
    assert made.status_code == 200, made.text
    pen = Pen(world)
    await pen.lift()
    return alice, pen


async def test_apps_that_wrong_codes_switch_off_are_written(make_world: MakeWorld) -> None:
    world: World = await make_world()
    alice, pen = await known(world), Pen(world)
    assert alice.phone
    for in_a_row in (99, 100):
        refused(await world.answer(await alice.challenge(), alice.phone.wrong()), 401, "code_invalid")
        await operate(world, "UPDATE throttles SET in_a_row = :n WHERE lane = 'second_factor'", n=in_a_row)
    assert await told(pen, "secret.switched_off") == []
    refused(await world.answer(await alice.challenge(), alice.phone.wrong()), 401, "code_invalid")
    assert await told(pen, "secret.switched_off") == [
        ("secret.switched_off", "success", "totp", alice.uid, *NO_ACTOR),
    ]


async def test_a_verified_address_is_written(world: World) -> None:
    alice, pen = await world.register("alice", email="alice@example.org"), Pen(world)
    assert (await alice.call("POST", "/users/me/verify/send")).status_code == 202
    (mail,) = await world.mails()
    for token, status in (("spv_" + "A" * 43, 400), (mail.token, 204)):
        answer = await world.call("POST", f"/users/{alice.uid}/verify", {"token": token})
        assert answer.status_code == status, answer.text
    asked, *verified = await told(pen, "verification.asked", "email.verified")
    assert asked[:5] == ("verification.asked", "success", None, alice.uid, alice.uid)
    assert verified == [
        ("email.verified", "failure", None, alice.uid, *NO_ACTOR),
        ("email.verified", "success", None, alice.uid, *NO_ACTOR),
    ]


async def test_a_password_by_mail_is_written_with_what_it_ends(world: World) -> None:
    alice, pen = await with_device(world)
    await recover(alice)
    assert sorted(await told(pen, "recovery.done", "sessions.ended", "secret.removed")) == [
        ("recovery.done", "success", "password", alice.uid, *NO_ACTOR),
        ("secret.removed", "success", "device", alice.uid, *NO_ACTOR),
        ("sessions.ended", "success", None, alice.uid, *NO_ACTOR),
    ]


async def test_this_was_not_me_is_written_with_what_it_ends(world: World) -> None:
    alice, pen = await with_device(world)
    *_, notice = await world.mails()
    token = notice.links[-1].token
    assert (await world.call("POST", f"/users/{alice.uid}/not-me", {"token": token})).status_code == 204
    refused(await world.call("POST", f"/users/{alice.uid}/not-me", {"token": token}), 400, "token_invalid")
    assert sorted(await told(pen, "notice.disowned", "sessions.ended", "secret.removed")) == [
        ("notice.disowned", "failure", None, alice.uid, *NO_ACTOR),
        ("notice.disowned", "success", None, alice.uid, *NO_ACTOR),
        ("secret.removed", "success", "device", alice.uid, *NO_ACTOR),
        ("sessions.ended", "success", None, alice.uid, *NO_ACTOR),
    ]


async def test_who_says_that_all_is_lost_and_waits_is_written(world: World) -> None:
    alice, pen = await known(world), Pen(world)
    body = {"password": "not the password of alice"}
    refused(await world.call("POST", f"/users/{alice.uid}/recover/mfa", body), 401, "invalid_credentials")
    await wait(alice)
    assert await told(pen, "lost.password", "mfa_reset.begun") == [
        ("lost.password", "failure", "password", alice.uid, *NO_ACTOR),
        ("lost.password", "success", "password", alice.uid, *NO_ACTOR),
        ("mfa_reset.begun", "success", None, alice.uid, *NO_ACTOR),
    ]


async def test_an_app_that_comes_back_is_written_and_takes_devices_along(world: World) -> None:
    alice = await known(world)
    token = way_back(await remove(alice)).token
    world.clock.advance(1)
    alice.hold((await world.password("alice", PASSWORD)).json())
    made = await alice.call("POST", "/users/me/secrets", {"type": "device", "secret": DEVICE})
    assert made.status_code == 200, made.text
    pen = Pen(world)
    await pen.lift()
    assert (await undo(alice, token)).status_code == 204
    assert sorted(await told(pen, "secret.restored", "secret.removed")) == [
        ("secret.removed", "success", "device", alice.uid, *NO_ACTOR),
        ("secret.restored", "success", "password", alice.uid, *NO_ACTOR),
    ]


async def test_the_sessions_of_a_revoked_device_are_written(world: World) -> None:
    alice, pen = await with_device(world)
    assert (await world.password("alice", DEVICE)).status_code == 200
    (device,) = [one for one in (await alice.call("GET", "/users/me/secrets")).json() if one["type"] == "device"]
    assert (await alice.call("DELETE", f"/users/me/secrets/{device['uid']}")).status_code == 204
    ended = [row[:5] for row in await told(pen, "sessions.ended")]
    assert ended == [("sessions.ended", "success", None, alice.uid, alice.uid)]
