"""What the gate saw may be false when a flow runs: flows that judge it again, called with a caller of a moment ago."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
from msgspec.structs import replace

from sallyport.authenticators.rules import Plea
from sallyport.authenticators.totp import store as totp
from sallyport.authenticators.totp.rules import PENDING_LIFETIME
from sallyport.desk import store
from sallyport.edge.answers import Credential
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.ids import is_uid
from sallyport.kernel.outcomes import Refused, Why
from sallyport.login import store as login
from sallyport.login.rules import By, Identifier
from sallyport.rescue.flow import _Seen
from sallyport.sessions import store as sessions
from sallyport.store.sweep import Sweep
from sallyport.store.work import Rows, Sql
from tests.flow.stage import Stage
from tests.surgery import give_roles, verify_email
from tests.world import PASSWORD, Person, World

HERE = Client(ip="127.0.0.1", user_agent="")


async def seen_by_the_gate(person: Person) -> Caller:
    caller = await person.world.service.gate.caller(Credential("bearer", person.token), HERE)
    assert isinstance(caller, Caller)
    return caller


def why(outcome: object) -> Why:
    assert isinstance(outcome, Refused)
    return outcome.why


async def test_a_desk_that_was_signed_out_removes_nothing_and_an_equal_of_a_moment_ago_is_let_alone(
    world: World,
) -> None:
    admin, alice, bob = await world.admin(), await world.enrolled("alice"), await world.enrolled("bob")
    caller, every = await seen_by_the_gate(admin), world.service.flows.remove.every
    await give_roles(bob, "admin")
    assert why(await every(caller, bob.uid, Plea())) is Why.FORBIDDEN
    assert (await admin.call("POST", "/auth/logout")).status_code == 204
    assert why(await every(caller, alice.uid, Plea())) is Why.INVALID_TOKEN
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is True


async def test_a_second_person_who_was_signed_out_confirms_nothing(make_world: Any) -> None:
    world: World = await make_world({"SALLYPORT_DESK_APPROVAL": "two"})
    admin, alice, second = await world.admin(), await world.enrolled("alice"), await world.register("second")
    await give_roles(second, "admin")
    asked = await admin.call("DELETE", f"/users/{alice.uid}/mfa", {"reason": "lost"})
    assert asked.status_code == 202
    caller = await seen_by_the_gate(second)
    assert (await second.call("POST", "/auth/logout")).status_code == 204
    assert why(await world.service.desk.approve(caller, asked.json()["uid"])) is Why.INVALID_TOKEN
    # Two at least are swept where one is swept at a time.
    world.clock.advance(7_200)
    await Sweep(world.service.work, world.clock, store.sweep, most=1)()
    assert (await world.service.work.read(lambda rows: store.find(rows, asked.json()["uid"], 0))) is None


async def test_of_two_second_persons_the_later_one_finds_nothing_to_confirm(make_world: Any, monkeypatch: Any) -> None:
    world: World = await make_world({"SALLYPORT_DESK_APPROVAL": "two"})
    admin, alice, second = await world.admin(), await world.enrolled("alice"), await world.register("second")
    await give_roles(second, "admin")
    asked = await admin.call("DELETE", f"/users/{alice.uid}/mfa", {"reason": "lost"})
    claim = store.claim

    def after_another(rows: Rows, uid: str, now: int) -> bool:
        assert claim(rows, uid, now)
        return claim(rows, uid, now)

    monkeypatch.setattr(store, "claim", after_another)
    caller = await seen_by_the_gate(second)
    assert why(await world.service.desk.approve(caller, asked.json()["uid"])) is Why.NOT_FOUND
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is True


async def test_a_password_that_was_changed_while_it_was_judged_gives_no_code_for_the_desk(world: World) -> None:
    alice, service = await world.enrolled("alice"), world.service

    def gather(rows: Rows) -> _Seen:
        candidate = login.candidate(rows, Identifier(By.UID, alice.uid))
        tried = service.throttle.password(rows, f"uid:{alice.uid}", alice.uid, HERE)
        assert not isinstance(tried, Refused)
        return _Seen(candidate=candidate, tried=tried)

    seen = await service.work(gather)
    secrets = (await alice.call("GET", "/users/me/secrets")).json()
    (uid, version) = next((one["uid"], one["version"]) for one in secrets if one["type"] == "password")
    body = {"version": version, "current": PASSWORD, "secret": "another set of plain words"}
    assert (await alice.call("PUT", f"/users/me/secrets/{uid}", body)).status_code == 200
    late = await service.work(lambda rows: service.desk.lost_device._record(rows, seen, None, HERE, right=True))
    assert why(late) is Why.INVALID_CREDENTIALS


async def test_a_rule_meets_a_user_once_and_nobody_who_is_gone(make_world: Any) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "all", "SALLYPORT_MFA_GRACE": "1d"})
    admin, service = await world.admin(), world.service

    def unit(rows: Rows) -> None:
        owner = sessions.owner_in(sessions.owner(rows, admin.uid))
        assert owner
        for _ in range(2):
            service.keeper.meet(rows, admin.uid, replace(owner, met_at=None), None)

    await service.work(unit)
    nobody = service.ids.new()
    assert is_uid(nobody)
    await service.sessions.meet(nobody, HERE)


async def test_a_password_that_was_changed_while_it_was_judged_resets_nothing(world: World, monkeypatch: Any) -> None:
    alice = await world.register("alice", email="alice@example.org")
    await verify_email(alice)
    await alice.enroll()
    path, body = f"/users/{alice.uid}/recover/mfa", {"password": PASSWORD}
    await world.call("POST", path, body)
    (token,) = [mail.token for mail in await world.mails() if "are lost?" in mail.subject]
    recover = world.service.desk.recover
    record = recover._record

    def after_a_change(rows: Rows, *given: Any) -> Any:
        rows.change(Sql("UPDATE passwords SET generation = generation + 1 WHERE user_id = :user"), user=alice.uid)
        return record(rows, *given)

    monkeypatch.setattr(recover, "_record", after_a_change)
    for codes in ({}, {"code": alice.codes[0]}):
        answer = await world.call("POST", path, body | {"token": token} | codes)
        assert (answer.status_code, answer.json()["code"]) == (400, "token_invalid")
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is True


async def test_one_who_was_signed_out_cancels_nothing(world: World) -> None:
    admin, alice = await world.admin(), await world.enrolled("alice")
    caller = await seen_by_the_gate(admin)
    assert (await admin.call("POST", "/auth/logout")).status_code == 204
    assert why(await world.service.desk.resets.cancel(caller, alice.uid, None)) is Why.INVALID_TOKEN


async def test_a_pending_app_that_dies_between_two_looks_at_the_clock_is_not_enrolled(
    world: World, monkeypatch: Any
) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert alice.phone
    spend_try = totp.spend_try

    def a_moment_later(rows: Rows, user: str, pending: str, now: int) -> Any:
        return spend_try(rows, user, pending, now + PENDING_LIFETIME)

    monkeypatch.setattr(totp, "spend_try", a_moment_later)
    answer = await alice.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": alice.phone.code()})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is False


async def removed(stage: Stage, *, apps: int) -> tuple[Person, Callable[[], Awaitable[httpx2.Response]]]:
    """Let one of the apps of a person be removed; returns who it was, and what asks for it back."""
    world = stage.world
    alice = await world.register("alice", email="alice@example.org")
    await verify_email(alice)
    for _ in range(apps):
        world.clock.advance(30)
        await alice.enroll()
    await world.mails()
    assert (await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")).status_code == 204
    (mail,) = [mail for mail in await world.mails() if "was removed" in mail.subject]
    (token,) = [link.token for link in mail.links if link.page.endswith("/ui/undo")]
    return alice, lambda: world.call("POST", f"/users/{alice.uid}/undo", {"token": token, "password": PASSWORD})


async def test_no_app_comes_back_to_one_who_was_erased_while_the_link_was_judged(stage: Stage) -> None:
    alice, undo = await removed(stage, apps=1)

    async def erased() -> None:
        assert (await alice.call("DELETE", "/users/me")).status_code == 204

    answer = await stage.in_vain(undo(), erased, before=2)
    assert (answer.status_code, answer.json()["code"]) == (400, "token_invalid")


async def test_an_app_that_came_back_while_the_password_was_judged_comes_back_no_second_time(stage: Stage) -> None:
    _, undo = await removed(stage, apps=2)

    async def came_back() -> None:
        assert (await undo()).status_code == 204

    answer = await stage.in_vain(undo(), came_back, before=3)
    assert (answer.status_code, answer.json()["code"]) == (400, "token_invalid")
