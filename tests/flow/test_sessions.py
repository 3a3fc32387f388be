"""Sessions: refreshed, listed, ended, swept out."""

import asyncio

import pytest

from sallyport.audit.rules import Entry, Event
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import DAY, HOUR, SECOND
from sallyport.kernel.policy import Demand
from sallyport.sessions import store
from sallyport.sessions.flow.keeper import Opening
from sallyport.sessions.flow.manage import ManageSessions
from sallyport.sessions.rules import PASSWORD as BY_PASSWORD
from sallyport.sessions.rules import Session
from sallyport.store.work import Rows, Sql
from tests.flow.test_login import claims, refusal
from tests.world import PASSWORD, Person, World

NOWHERE = "0190b3c4-0000-7000-8000-000000000000"
LOGIN = Entry(event=Event.LOGIN_PASSWORD)
DEAD = (401, "invalid_token")


async def refresh(world: World, token: str) -> tuple[int, str]:
    """Return the status, and the successor or the code of the refusal."""
    answer = await world.call("POST", "/auth/refresh", {"refresh": token})
    return answer.status_code, answer.json().get("refresh") or answer.json()["code"]


async def test_refreshing_is_no_proof(world: World) -> None:
    alice = await world.enrolled("alice")
    before = claims(alice.token)
    world.clock.advance(400)
    answer = await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})
    after = claims(answer.json()["token"])
    assert {name: after[name] for name in ("auth_time", "acr", "amr", "sid")} == {
        name: before[name] for name in ("auth_time", "acr", "amr", "sid")
    }
    assert after["exp"] > before["exp"]


@pytest.mark.parametrize("token", ["", "spr_unknown", "spc_unknown", "x" * 4096])
async def test_an_unknown_refresh_token_is_refused(world: World, token: str) -> None:
    assert await refresh(world, token) == DEAD


async def test_a_lost_answer_is_given_again_within_ten_seconds(world: World) -> None:
    alice = await world.register("alice")
    status, successor = await refresh(world, alice.refresh)
    assert status == 200
    world.clock.advance(10)
    assert await refresh(world, alice.refresh) == (200, successor)
    assert (await refresh(world, successor))[0] == 200


async def test_a_spent_token_that_comes_back_after_ten_seconds_ends_the_session(world: World) -> None:
    alice = await world.register("alice")
    _, successor = await refresh(world, alice.refresh)
    world.clock.advance(10.000001)
    assert await refresh(world, alice.refresh) == DEAD
    assert await refresh(world, successor) == DEAD
    assert refusal(await alice.call("GET", "/users/me")) == DEAD


async def test_a_spent_token_that_comes_back_after_its_successor_was_used_ends_the_session(world: World) -> None:
    alice = await world.register("alice")
    _, successor = await refresh(world, alice.refresh)
    _, third = await refresh(world, successor)
    assert await refresh(world, alice.refresh) == DEAD
    assert await refresh(world, third) == DEAD


async def test_a_token_retired_by_a_new_proof_is_refused_and_ends_nothing(world: World) -> None:
    alice = await world.register("alice")
    granted = (await alice.call("POST", "/auth/elevate", {"password": PASSWORD})).json()
    assert await refresh(world, alice.refresh) == DEAD
    assert (await refresh(world, granted["refresh"]))[0] == 200


async def test_a_spent_token_whose_successor_was_retired_is_refused_and_ends_nothing(world: World) -> None:
    alice = await world.register("alice")
    rotated = (await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json()
    spent, alice.token = alice.refresh, rotated["token"]
    granted = (await alice.call("POST", "/auth/elevate", {"password": PASSWORD})).json()
    assert await refresh(world, spent) == DEAD
    assert (await refresh(world, granted["refresh"]))[0] == 200


async def test_a_session_ends_when_it_lies_idle_and_its_refresh_token_with_it(world: World) -> None:
    alice = await world.register("alice")
    world.clock.micros += 7 * DAY
    assert await refresh(world, alice.refresh) == DEAD
    # The token is spent now, and its session dead: nothing is derived for it either.
    assert await refresh(world, alice.refresh) == DEAD


async def test_a_stolen_token_of_a_session_that_ended_by_itself_is_refused(world: World) -> None:
    alice = await world.register("alice")
    await refresh(world, alice.refresh)
    world.clock.micros += 7 * DAY
    assert await refresh(world, alice.refresh) == DEAD


async def test_a_session_that_is_used_lives_thirty_days_at_most(world: World) -> None:
    alice = await world.register("alice")
    token = alice.refresh
    for _ in range(4):
        world.clock.micros += 7 * DAY - SECOND
        status, token = await refresh(world, token)
        assert status == 200
    world.clock.micros += 2 * DAY + 4 * SECOND
    assert await refresh(world, token) == DEAD


async def test_the_last_access_token_of_a_session_ends_with_it(world: World) -> None:
    desk = await world.admin()
    world.clock.micros += HOUR - 60 * SECOND
    answer = await world.call("POST", "/auth/refresh", {"refresh": desk.refresh})
    assert answer.json()["expiresIn"] == 600
    token = answer.json()["refresh"]
    for _ in range(30):
        world.clock.micros += 45 * 60 * SECOND
        answer = await world.call("POST", "/auth/refresh", {"refresh": token})
        token = answer.json()["refresh"]
    world.clock.micros = claims(desk.token)["iat"] * SECOND + DAY - 60 * SECOND
    answer = await world.call("POST", "/auth/refresh", {"refresh": token})
    assert answer.json()["expiresIn"] == 60


async def test_a_trusted_role_is_out_after_an_hour(world: World) -> None:
    desk = await world.admin()
    world.clock.micros += HOUR
    assert await refresh(world, desk.refresh) == DEAD


async def test_a_disabled_user_refreshes_nothing(world: World) -> None:
    alice, desk = await world.register("alice"), await world.admin()
    await desk.call("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})
    assert await refresh(world, alice.refresh) == DEAD


async def test_the_sessions_that_stand_are_listed_and_ended(world: World) -> None:
    alice = await world.register("alice")
    elsewhere = (await world.password("alice", PASSWORD)).json()
    world.clock.micros += 6 * DAY
    status, kept = await refresh(world, elsewhere["refresh"])
    assert status == 200
    world.clock.micros += DAY
    # The first session has ended by itself: it is not told any more.
    answer = await world.call("POST", "/auth/refresh", {"refresh": kept})
    alice.hold(answer.json())
    listed = (await alice.call("GET", "/users/me/sessions")).json()
    assert [(one["current"], one["acr"], one["amr"]) for one in listed] == [(True, "aal1", ["pwd"])]
    unknown = await alice.call("DELETE", f"/users/me/sessions/{NOWHERE}")
    assert refusal(unknown) == (404, "not_found")
    assert (await alice.call("POST", "/auth/logout")).status_code == 204
    assert refusal(await alice.call("GET", "/users/me")) == DEAD


async def test_all_other_sessions_are_ended_at_once(world: World) -> None:
    alice = await world.register("alice")
    others = [(await world.password("alice", PASSWORD)).json() for _ in range(3)]
    assert (await alice.call("DELETE", "/users/me/sessions")).status_code == 204
    for other in others:
        assert await refresh(world, other["refresh"]) == DEAD
    assert (await alice.call("GET", "/users/me")).status_code == 200


async def test_the_sessions_of_a_user_who_is_gone_are_none(world: World) -> None:
    sessions = ManageSessions(work=world.service.work, keeper=world.service.keeper, journal=world.service.journal)
    assert await sessions.all(NOWHERE) == []


async def test_what_ended_by_itself_is_swept_out_and_nothing_else(world: World) -> None:
    alice, bob = await world.enrolled("alice"), await world.register("bob")
    await fill(world, bob, 501)
    world.clock.micros += 7 * DAY + SECOND
    await alice.login()
    open_one = await alice.challenge()
    for sweep in world.service.sweeps:
        await sweep()
    counts = await asyncio.gather(*(left(world, table) for table in ("sessions", "challenges")))
    assert counts == [1, 1]
    world.clock.advance(30)
    assert alice.phone
    assert (await world.answer(open_one, alice.phone.code())).status_code == 200


async def fill(world: World, person: Person, count: int) -> None:
    """Write old sessions and old challenges, more than one sweep takes at once."""
    now = world.clock.now()
    challenge = Sql(
        """INSERT INTO challenges (token_digest, user_id, created_at, expires_at, tries_left)
           VALUES (:digest, :user, :now, :now, 1)"""
    )

    def unit(rows: Rows) -> None:
        for number in range(count):
            rows.change(challenge, digest=number.to_bytes(4), user=person.uid, now=now)
            session = Session(
                uid=f"{number:036d}",
                user=person.uid,
                proven=BY_PASSWORD,
                auth_time=now,
                created_at=now,
                last_used_at=now,
                ip="127.0.0.1",
                user_agent="",
            )
            store.insert(rows, session)

    await world.service.work(unit)


async def left(world: World, table: str) -> int:
    row = await world.service.work.read(lambda rows: rows.one(Sql(f"SELECT count(*) FROM {table}")))  # noqa: S608  # a name written here
    assert row
    return int(row[0])


async def test_the_keeper_renews_no_session_that_does_not_stand(world: World) -> None:
    alice = await world.register("alice")
    caller = Caller(
        uid=alice.uid,
        name="alice",
        session=NOWHERE,
        roles=(),
        mfa=False,
        fresh=True,
        newcomer=False,
        trusted=False,
        demand=Demand.NOTHING,
        client=Client(ip="127.0.0.1", user_agent=""),
        login_client=None,
    )
    with pytest.raises(LookupError, match="only where it stands"):
        await world.service.work(lambda rows: world.service.keeper.renew(rows, caller, None))


async def test_the_keeper_opens_no_session_for_a_disabled_user(world: World) -> None:
    alice, desk = await world.register("alice"), await world.admin()
    await desk.call("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})
    client, keeper = Client(ip="127.0.0.1", user_agent=""), world.service.keeper
    opening = Opening(user=alice.uid, proven=BY_PASSWORD, entry=LOGIN)
    with pytest.raises(LookupError, match="not disabled"):
        await world.service.work(lambda rows: keeper.open(rows, opening, client, keeper.owner(rows, alice.uid)))
    # What the unit had written before it failed is undone with it.
    assert await left(world, "sessions") == 1
