"""A request that is hashing while the account changes under it: no session, challenge or secret comes of it.

The hash threads of one node are kept busy, so that a request waits there in its middle; meanwhile a second node on the
same database makes the change; then the request goes on, with what it saw before.
"""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest

from sallyport.store.work import Sql
from tests.conftest import MakeWorld
from tests.world import PASSWORD, UNTHROTTLED, Person, TurnedClock, World, bearer

pytestmark = pytest.mark.on_disk("while a write waits for it, others come in between")
OTHER = "another set of plain words"
THIRD = "a third set of simple words"

SESSIONS = Sql("SELECT count(*) FROM sessions WHERE user_id = :user")
CHALLENGES = Sql("SELECT count(*) FROM challenges WHERE user_id = :user")
MFA = Sql("SELECT count(mfa_since) FROM users WHERE id = :user")
ENROLLED = Sql("SELECT count(*) FROM totp WHERE user_id = :user AND enrolled_at IS NOT NULL")
SETS = Sql("SELECT count(*) FROM backup_sets WHERE user_id = :user")

Send = Callable[[], Awaitable[httpx2.Response]]


@dataclass
class Stage:
    """Two nodes of one service, and a person signed in twice: one session asks, the other makes changes."""

    slow: World
    swift: World
    alice: Person
    other: Person

    async def count(self, sql: Sql) -> int:
        row = await self.swift.service.work.read(lambda rows: rows.one(sql, user=self.alice.uid))
        assert row
        return int(row[0])

    async def is_good(self, token: str) -> bool:
        return (await self.swift.call("GET", "/users/me", headers=bearer(token))).status_code == 200

    async def secret(self, kind: str) -> str:
        """Return the path of the first secret of a kind."""
        listed = (await self.other.call("GET", "/users/me/secrets")).json()
        return next(f"/users/{self.alice.uid}/secrets/{one['uid']}" for one in listed if one["type"] == kind)


@asynccontextmanager
async def busy(world: World) -> AsyncIterator[None]:
    """Keep all hash threads of a node busy inside this block."""
    pool, leave = world.service.pool, threading.Event()
    held = [asyncio.ensure_future(pool.run(leave.wait)) for _ in range(pool.threads)]
    try:
        await asyncio.sleep(0)
        await queued(world, 0)
        yield
    finally:
        leave.set()
        await asyncio.gather(*held)


async def queued(world: World, wanted: int) -> None:
    """Let the loop run until so many hashes wait for a thread."""
    waiting = world.service.pool._executor._work_queue
    while waiting.qsize() != wanted:  # noqa: ASYNC110  # a queue of threads has no event to wait for
        await asyncio.sleep(0)


@pytest.fixture
async def nodes(make_world: MakeWorld) -> tuple[World, World]:
    clock = TurnedClock()
    return await make_world(UNTHROTTLED, clock=clock), await make_world(UNTHROTTLED, clock=clock)


def twin(alice: Person, world: World) -> Person:
    """Return the same person at another node."""
    return Person(world, alice.name, alice.uid, alice.token, alice.refresh, alice.password, alice.phone, alice.totp)


async def staged(nodes: tuple[World, World], name: str, *, mfa: bool) -> Stage:
    slow, swift = nodes
    alice = await slow.enrolled(name) if mfa else await slow.register(name)
    other = twin(alice, swift)
    await other.login()
    return Stage(slow, swift, alice, other)


# What is slow: each prepares, and returns what sends the request that will wait for a hash.


async def login(stage: Stage) -> Send:
    return lambda: stage.slow.password(stage.alice.name, PASSWORD)


async def elevation(stage: Stage) -> Send:
    code = {"token": stage.alice.codes[0]} if stage.alice.phone else {}
    return lambda: stage.alice.call("POST", "/auth/elevate", {"password": PASSWORD} | code)


async def change_of_password(stage: Stage) -> Send:
    body = {"version": 0, "current": PASSWORD, "secret": THIRD}
    path = await stage.secret("password")
    return lambda: stage.alice.call("PUT", path, body)


async def enrollment(stage: Stage) -> Send:
    path = await stage.alice.begin_enrollment()
    assert stage.alice.phone
    body = {"token": stage.alice.phone.code()}
    return lambda: stage.alice.call("PUT", f"/users/me/secrets/{path}/enroll", body)


async def answer_with_backup_code(stage: Stage) -> Send:
    challenge = await stage.alice.challenge()
    return lambda: stage.slow.answer(challenge, stage.alice.codes[0])


async def new_backup_codes(stage: Stage) -> Send:
    return lambda: stage.alice.call("POST", "/users/me/secrets", {"type": "mfabackup"})


# What changes: each is done by the other session, or by a trusted role.


async def password_changed(stage: Stage) -> httpx2.Response:
    body = {"version": 0, "current": PASSWORD, "secret": OTHER}
    return await stage.other.call("PUT", await stage.secret("password"), body)


async def disabled(stage: Stage) -> httpx2.Response:
    admin = await stage.swift.admin()
    return await admin.call("PUT", f"/users/{stage.alice.uid}", {"version": 0, "disabled": True})


async def deleted_by_the_desk(stage: Stage) -> httpx2.Response:
    admin = await stage.swift.admin()
    return await admin.call("DELETE", f"/users/{stage.alice.uid}")


async def deleted_by_oneself(stage: Stage) -> httpx2.Response:
    return await stage.other.call("DELETE", "/users/me")


async def mfa_switched_on(stage: Stage) -> httpx2.Response:
    path = await stage.other.begin_enrollment()
    assert stage.other.phone
    return await stage.other.call("PUT", f"/users/me/secrets/{path}/enroll", {"token": stage.other.phone.code()})


async def mfa_switched_off(stage: Stage) -> httpx2.Response:
    return await stage.other.call("DELETE", await stage.secret("mfa"))


async def mfa_reset_by_the_desk(stage: Stage) -> httpx2.Response:
    admin = await stage.swift.admin()
    return await admin.call("DELETE", await stage.secret("mfa"))


async def password_reset_by_the_desk(stage: Stage) -> httpx2.Response:
    admin = await stage.swift.admin()
    return await admin.call("DELETE", await stage.secret("password"))


async def codes_replaced(stage: Stage) -> httpx2.Response:
    return await stage.other.call("POST", "/users/me/secrets", {"type": "mfabackup"})


async def logged_out(stage: Stage) -> httpx2.Response:
    return await twin(stage.alice, stage.swift).call("POST", "/auth/logout")


async def others_ended(stage: Stage) -> httpx2.Response:
    return await stage.other.call("DELETE", "/users/me/sessions")


async def others_ended_by_the_desk(stage: Stage) -> httpx2.Response:
    admin = await stage.swift.admin()
    return await admin.call("DELETE", f"/users/{stage.alice.uid}/sessions")


Slow = Callable[[Stage], Awaitable[Send]]
Change = Callable[[Stage], Awaitable[httpx2.Response]]

GONE: tuple[Change, ...] = (password_changed, disabled, deleted_by_the_desk, deleted_by_oneself)
SIGNED_OUT: tuple[Change, ...] = (logged_out, others_ended, others_ended_by_the_desk)
PLAIN: dict[Slow, tuple[Change, ...]] = {
    login: (*GONE, mfa_switched_on, password_reset_by_the_desk),
    elevation: (*GONE, *SIGNED_OUT, mfa_switched_on, password_reset_by_the_desk),
    change_of_password: (*GONE, *SIGNED_OUT, mfa_switched_on, password_reset_by_the_desk),
    enrollment: (*GONE, *SIGNED_OUT, mfa_switched_on, password_reset_by_the_desk),
}
MFA_GONE = (*GONE, mfa_switched_off, mfa_reset_by_the_desk)
WITH_MFA: dict[Slow, tuple[Change, ...]] = {
    login: MFA_GONE,
    elevation: (*MFA_GONE, *SIGNED_OUT, codes_replaced),
    change_of_password: (*MFA_GONE, *SIGNED_OUT),
    enrollment: (*MFA_GONE, *SIGNED_OUT),
    # Logging out ends a session, not the login that is on its way beside it.
    answer_with_backup_code: (*MFA_GONE, others_ended, others_ended_by_the_desk, codes_replaced),
    new_backup_codes: (*MFA_GONE, *SIGNED_OUT),
}


@pytest.mark.parametrize("slow", PLAIN)
async def test_nothing_comes_of_what_was_hashing_while_the_account_changed(
    nodes: tuple[World, World], slow: Slow
) -> None:
    for place, change in enumerate(PLAIN[slow]):
        await nothing_comes_of(slow, change, await staged(nodes, f"alice{place}", mfa=False))


@pytest.mark.parametrize("slow", WITH_MFA)
async def test_nothing_comes_of_what_was_hashing_while_an_account_with_mfa_changed(
    nodes: tuple[World, World], slow: Slow
) -> None:
    for place, change in enumerate(WITH_MFA[slow]):
        await nothing_comes_of(slow, change, await staged(nodes, f"alice{place}", mfa=True))


@pytest.mark.parametrize(
    ("slow", "change", "mfa"),
    [
        (elevation, mfa_switched_on, False),
        (change_of_password, mfa_switched_on, False),
        (elevation, mfa_switched_off, True),
        (change_of_password, mfa_switched_off, True),
        (enrollment, mfa_switched_off, True),
        (new_backup_codes, mfa_switched_off, True),
    ],
)
async def test_a_proof_that_was_enough_before_mfa_changed_in_the_same_session_is_not_enough_after(
    nodes: tuple[World, World],
    slow: Slow,
    change: Change,
    mfa: bool,  # noqa: FBT001  # a case
) -> None:
    stage = await staged(nodes, "alice", mfa=mfa)
    stage.other = twin(stage.alice, stage.swift)
    send = await slow(stage)
    async with busy(stage.slow):
        waiting = asyncio.ensure_future(send())
        await queued(stage.slow, 1)
        assert (await change(stage)).status_code in {200, 204}
    answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (401, "step_up_required")
    assert await stage.count(MFA) == (0 if mfa else 1)
    assert await stage.count(ENROLLED) == (0 if mfa else 1)
    assert await stage.count(SETS) == (0 if mfa else 1)
    assert (await stage.swift.password("alice", PASSWORD)).status_code == 200


async def nothing_comes_of(slow: Slow, change: Change, stage: Stage) -> None:
    send = await slow(stage)
    async with busy(stage.slow):
        waiting = asyncio.ensure_future(send())
        await queued(stage.slow, 1)
        changed = await change(stage)
        assert changed.status_code in {200, 204}, (change, changed.text)
        sessions, challenges = await stage.count(SESSIONS), await stage.count(CHALLENGES)
        assert not waiting.done(), change
    answer = await waiting
    assert answer.status_code == 401, (change, answer.text)
    assert not {"session", "token", "codes"} & set(answer.json())
    assert await stage.count(SESSIONS) == sessions, change
    assert await stage.count(CHALLENGES) == challenges, change
    if change is not codes_replaced:
        assert not await stage.is_good(stage.alice.token), change
        refreshed = await stage.swift.call("POST", "/auth/refresh", {"refresh": stage.alice.refresh})
        assert refreshed.status_code == 401, change


async def test_no_first_password_comes_of_a_session_that_ended_meanwhile(nodes: tuple[World, World]) -> None:
    slow, swift = nodes
    # A newcomer has no fresh proof, and so deletes nothing: the desk does.
    for place, change in enumerate((disabled, deleted_by_the_desk, logged_out)):
        alice = await slow.register(f"alice{place}", password=None)
        body = {"type": "password", "secret": OTHER}
        async with busy(slow):
            waiting = asyncio.ensure_future(alice.call("POST", "/users/me/secrets", body))
            await queued(slow, 1)
            stage = Stage(slow, swift, alice, twin(alice, swift))
            assert (await change(stage)).status_code in {200, 204}
        assert (await waiting).status_code == 401, change
        assert (await swift.password(alice.name, OTHER)).status_code == 401


async def test_no_account_comes_of_a_desk_that_was_signed_out_meanwhile(nodes: tuple[World, World]) -> None:
    slow, swift = nodes
    admin = await slow.admin()
    async with busy(slow):
        waiting = asyncio.ensure_future(admin.call("POST", "/users", {"name": "bob", "password": OTHER}))
        await queued(slow, 1)
        assert (await twin(admin, swift).call("POST", "/auth/logout")).status_code == 204
    assert (await waiting).status_code == 401
    assert (await swift.password("bob", OTHER)).status_code == 401


async def test_a_name_taken_while_a_registration_was_hashing_stays_taken(nodes: tuple[World, World]) -> None:
    slow, swift = nodes
    async with busy(slow):
        waiting = asyncio.ensure_future(slow.call("POST", "/users", {"name": "Bob", "password": OTHER}))
        await queued(slow, 1)
        await swift.register("bob")
    answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert (await swift.password("bob", OTHER)).status_code == 401


async def test_logins_that_meet_a_change_of_password_in_any_order_leave_no_old_session(
    nodes: tuple[World, World],
) -> None:
    slow, swift = nodes
    words = [PASSWORD, OTHER]
    alice = await slow.register("alice")
    for version in range(20):
        old, new = words[version % 2], words[(version + 1) % 2]
        stage = Stage(slow, swift, alice, twin(alice, swift))
        body = {"version": version, "current": old, "secret": new}
        change = alice.call("PUT", await stage.secret("password"), body)
        calls = [change, *((slow, swift)[place % 2].password("alice", old) for place in range(12))]
        random.shuffle(calls)
        answers: list[httpx2.Response] = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} <= {200, 401}
        (changed,) = [answer.json() for answer in answers if "session" in answer.json()]
        for answer in answers:
            if answer.status_code == 200 and "refresh" in answer.json():
                assert not await stage.is_good(answer.json()["token"])
        assert await stage.count(SESSIONS) == 1
        alice.hold(changed["session"])
