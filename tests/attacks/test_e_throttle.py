"""Class E: guessing, against the throttle: counted before it is judged, for each user and never for each spelling.

CVE-2026-128332 listmonk: a new password login reset the counter. GHSA-c55g-q6f4-5qxr RubyGems.org: only an address was
counted. CVE-2021-22915, CVE-2023-49792, CVE-2023-35172 Nextcloud: IPv6 subnets, proxies, routes left out.
CVE-2026-9798, CVE-2026-16103 Keycloak: the locked got in by another way. NIST SP 800-63B-4 3.2.2.
"""

import asyncio
import random
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sallyport.kernel.caller import Client
from sallyport.throttle.rules import BUCKETS
from tests.attacks.surface import running
from tests.conftest import MakeWorld
from tests.expect import granted, refused
from tests.surgery import count, fetch, operate
from tests.world import ADMIN_PASSWORD, PASSWORD, Person, TurnedClock, World, bearer, client_of

FULL = ["pwd", "otp", "mfa"]
WRONG = "not the password of anybody"


def throttled(answer: httpx2.Response, seconds: int | None = None) -> int:
    """Assert that a request was refused as too much; returns how long to wait."""
    refused(answer, 429, "throttled")
    wait = int(answer.headers["retry-after"])
    assert wait > 0
    if seconds is not None:
        assert wait == seconds
    return wait


async def guess(world: World, identifier: str, times: int = 1) -> None:
    """Guess a password, wrong, so often, and be judged each time."""
    for _ in range(times):
        refused(await world.password(identifier, WRONG), 401, "invalid_credentials")


async def use_up(victim: Person, times: int) -> None:
    """Guess so many codes, each at a challenge of its own, and be judged each time."""
    assert victim.phone
    for _ in range(times):
        refused(await victim.world.answer(await victim.challenge(), victim.phone.wrong()), 401, "code_invalid")


# --- passwords -------------------------------------------------------------------------------------------------------


async def test_five_guesses_are_free_and_the_sixth_is_not_judged(world: World) -> None:
    await world.register("victim")
    await guess(world, "victim", 5)
    throttled(await world.password("victim", WRONG), 30)
    throttled(await world.password("victim", PASSWORD), 30)


async def test_waits_grow_to_an_hour_and_the_right_password_ends_them(world: World) -> None:
    await world.register("victim")
    await guess(world, "victim", 5)
    for seconds in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600):
        world.clock.advance(seconds - 1)
        throttled(await world.password("victim", PASSWORD), 1)
        world.clock.advance(1)
        await guess(world, "victim")
    world.clock.advance(3600)
    granted(await world.password("victim", PASSWORD), "aal1", ["pwd"])
    await guess(world, "victim", 5)
    throttled(await world.password("victim", WRONG), 30)


async def test_who_waits_as_long_as_was_said_is_judged(world: World) -> None:
    """RFC 9110 10.2.3: Retry-After has whole seconds, so a part of one counts as one."""
    await world.register("victim")
    await guess(world, "victim", 5)
    for passed, left in ((0.001, 30), (28.6, 2), (0.9, 1)):
        world.clock.advance(passed)
        throttled(await world.password("victim", PASSWORD), left)
    world.clock.advance(1)
    granted(await world.password("victim", PASSWORD), "aal1", ["pwd"])


async def test_a_right_password_before_the_sixth_try_clears_the_count(world: World) -> None:
    await world.register("victim")
    for _ in range(3):
        await guess(world, "victim", 4)
        granted(await world.password("victim", PASSWORD), "aal1", ["pwd"])
    assert await fetch(world, "SELECT subject FROM throttles WHERE lane = 'password'") == []


async def test_a_success_clears_the_count_of_that_user_alone(world: World) -> None:
    victim = await world.register("victim")
    await world.register("attacker")
    await guess(world, "victim", 5)
    granted(await world.password("attacker", PASSWORD), "aal1", ["pwd"])
    throttled(await world.password("victim", PASSWORD), 30)
    assert await fetch(world, "SELECT subject FROM throttles WHERE lane = 'password'") == [(victim.uid,)]


async def test_every_spelling_and_address_counts_as_the_same_user(world: World) -> None:
    victim = await world.register("victim", email="victim@example.org")
    key = "UPDATE users SET verified_email_key = email_key WHERE id = :user"
    await operate(world, key, user=victim.uid)
    spellings = ("victim", "VICTIM", "Victim@Example.org", victim.uid, "\uff36ictim")  # a full-width V
    for number, spelling in enumerate(spellings):
        async with client_of(world.service, f"203.0.113.{number}") as elsewhere:
            body = {"identifier": spelling, "password": WRONG}
            headers = {"x-forwarded-for": f"198.51.100.{number}", "user-agent": f"bot {number}"}
            refused(await elsewhere.post("/auth/password", json=body, headers=headers), 401, "invalid_credentials")
    for spelling in spellings:
        throttled(await world.password(spelling, PASSWORD), 30)


async def test_a_stranger_at_a_thousand_addresses_has_no_more_tries_than_one(world: World) -> None:
    await world.register("victim")
    statuses = []
    for number in range(1000):
        async with client_of(world.service, f"10.{number >> 8}.{number & 255}.1") as elsewhere:
            body = {"identifier": "victim", "password": WRONG}
            statuses.append((await elsewhere.post("/auth/password", json=body)).status_code)
    assert statuses == [401] * 5 + [429] * 995


async def test_known_and_unknown_are_throttled_alike(world: World) -> None:
    await world.register("victim")
    desk, disabled = await world.admin(), await world.register("disabled")
    await desk.call("PUT", f"/users/{disabled.uid}", {"version": 0, "disabled": True})
    await world.register("bare", password=None)
    answers = []
    for identifier in ("victim", "disabled", "bare", "nobody", "nobody@example.org", "x" * 300):
        await guess(world, identifier, 5)
        answer = await world.call(
            "POST",
            "/auth/password",
            {"identifier": identifier, "password": PASSWORD},
            headers={"x-request-id": "the-same"},
        )
        throttled(answer, 30)
        answers.append((answer.content, sorted(answer.headers.raw)))
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.sqlite_only("five thousand names in one unit, whose order is no order of keys")
async def test_a_flood_of_invented_names_pushes_nobody_out_and_fills_no_table(make_world: MakeWorld) -> None:
    world: World = await make_world()
    victim = await world.register("victim")
    await guess(world, "victim", 5)

    def flood(rows: Any) -> None:
        for number in range(5_000):
            throttle.password(rows, f"name:invented{number}", None, client)

    throttle, client = world.service.throttle, Client(ip="", user_agent="")
    await world.service.work(flood)
    throttled(await world.password("victim", PASSWORD), 30)
    (rows,) = await fetch(world, "SELECT count(*) FROM throttles WHERE lane = 'password'")
    assert 4_900 < rows[0] <= 5_001 < BUCKETS
    # However many more there were: five digits of the bucket, and nothing of the name.
    assert BUCKETS == 16**5
    statement = "SELECT subject FROM throttles WHERE lane = 'password' AND subject <> :user"
    names = await fetch(world, statement, user=victim.uid)
    assert all(re.fullmatch(r"\?[0-9a-f]{5}", subject) for (subject,) in names)
    world.clock.advance(86_400)
    for sweep in world.service.sweeps:
        await sweep()
    assert await count(world, "throttles") == 0


async def test_no_more_of_five_hundred_guesses_at_once_are_judged_than_there_are_tries(make_world: MakeWorld) -> None:
    nodes: list[World] = [await make_world()]
    nodes.append(await make_world(clock=nodes[0].clock))
    await nodes[0].register("victim")
    guesses = [f"{WRONG} {number}" for number in range(500)] + [PASSWORD]
    random.shuffle(guesses)
    judged: list[int] = []
    at_once = len(guesses)
    while guesses:
        # Whoever finds no room asks again, in smaller crowds.
        crowd, guesses = guesses[:at_once], guesses[at_once:]
        answers = await asyncio.gather(*(nodes[at % 2].password("victim", value) for at, value in enumerate(crowd)))
        judged += [answer.status_code for answer in answers if answer.status_code not in {429, 503}]
        guesses += [value for value, answer in zip(crowd, answers, strict=True) if answer.status_code == 503]
        at_once = 25
    assert 0 < len(judged) <= 5


async def test_a_lucky_guess_in_a_burst_makes_no_room_for_more(world: World) -> None:
    await world.register("victim")
    lucky = [PASSWORD] + [f"{WRONG} {number}" for number in range(60)]
    answers = await asyncio.gather(*(world.password("victim", value) for value in lucky))
    assert sum(answer.status_code == 200 for answer in answers) == 1
    # Five were counted; that one of them was right is believed when the burst is over.
    throttled(await world.password("victim", PASSWORD), 5)
    world.clock.advance(5)
    await guess(world, "victim", 5)
    throttled(await world.password("victim", WRONG), 30)


async def test_counters_survive_a_restart(home: Path) -> None:
    clock = TurnedClock()
    async with running(home, clock) as world:
        victim = await world.enrolled("victim")
        await guess(world, "nobody", 5)
        await use_up(victim, 5)
        await guess(world, "victim", 5)
    async with running(home, clock) as world:
        throttled(await world.password("victim", PASSWORD), 30)
        throttled(await world.password("nobody", PASSWORD), 30)
        clock.advance(30)
        victim.world = world
        assert victim.phone
        throttled(await world.answer(await victim.challenge(), victim.phone.code()), 270)


async def test_two_nodes_count_together(make_world: MakeWorld) -> None:
    nodes: list[World] = [await make_world()]
    nodes.append(await make_world(clock=nodes[0].clock))
    await nodes[0].register("victim")
    for number in range(5):
        await guess(nodes[number % 2], "victim")
    for node in nodes:
        throttled(await node.password("victim", PASSWORD), 30)


async def test_a_guess_at_elevation_and_at_a_change_of_the_password_is_one_of_the_same_five(world: World) -> None:
    victim = await world.register("victim")
    (secret,) = (await victim.call("GET", "/users/me/secrets")).json()
    path = f"/users/me/secrets/{secret['uid']}"
    change = {"version": 0, "secret": "quite another set of words", "current": WRONG}
    refused(await victim.call("POST", "/auth/elevate", {"password": WRONG}), 401, "invalid_credentials")
    refused(await victim.call("PUT", path, change), 400, "current_wrong")
    refused(await victim.call("POST", "/auth/elevate", {"password": WRONG}), 401, "invalid_credentials")
    refused(await victim.call("PUT", path, change), 400, "current_wrong")
    await guess(world, "victim")
    throttled(await victim.call("POST", "/auth/elevate", {"password": PASSWORD}), 30)
    throttled(await victim.call("PUT", path, change | {"current": PASSWORD}), 30)
    throttled(await world.password("victim", PASSWORD), 30)


async def test_right_passwords_and_codes_count_nothing_wherever_they_are_given(world: World) -> None:
    victim = await world.enrolled("victim")
    assert victim.phone
    for _ in range(7):
        world.clock.advance(30)
        body = {"password": PASSWORD, "token": victim.phone.code()}
        victim.hold((await victim.call("POST", "/auth/elevate", body)).json())
    # The right password beside a wrong code is no failure, either.
    body = {"password": PASSWORD, "token": victim.phone.wrong()}
    refused(await victim.call("POST", "/auth/elevate", body), 401, "code_invalid")
    assert await fetch(world, "SELECT lane FROM throttles WHERE lane <> 'address'") == [("second_factor",)]
    (secret,) = [one for one in (await victim.call("GET", "/users/me/secrets")).json() if one["type"] == "password"]
    current = PASSWORD
    for version in range(7):
        new = f"quite another set of words {version}"
        change = {"version": version, "secret": new, "current": current}
        answer = await victim.call("PUT", f"/users/me/secrets/{secret['uid']}", change)
        assert answer.status_code == 200, answer.text
        victim.hold(answer.json()["session"])
        current = new
    assert await fetch(world, "SELECT lane FROM throttles WHERE lane <> 'address'") == [("second_factor",)]


async def test_what_can_not_be_a_try_counts_nothing(world: World) -> None:
    victim = await world.register("victim")
    (secret,) = (await victim.call("GET", "/users/me/secrets")).json()
    path = f"/users/me/secrets/{secret['uid']}"
    for _ in range(10):
        refused(await world.call("POST", "/auth/password", {"identifier": "victim"}), 400, "invalid_request")
        refused(await world.call("GET", "/auth/password"), 401, "unauthenticated")
        refused(
            await victim.call("PUT", path, {"version": 7, "secret": "x" * 20, "current": WRONG}),
            409,
            "version_conflict",
        )
        refused(
            await victim.call("PUT", path, {"version": 0, "secret": "short", "current": WRONG}),
            400,
            "password_rejected",
        )
        assert (await victim.call("POST", "/auth/refresh", {"refresh": WRONG})).status_code == 401
    assert await count(world, "throttles") == 0


async def test_nist_stops_a_password_after_a_hundred_failures(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_PROFILE": "nist"})
    await world.register("victim")
    for identifier in ("victim", "nobody"):
        for _ in range(100):
            await guess(world, identifier)
            world.clock.advance(3600)
        world.clock.advance(86_400 * 30)
        throttled(await world.password(identifier, PASSWORD), 3600)


async def test_standard_never_stops_a_password_for_good(world: World) -> None:
    await world.register("victim")
    for _ in range(110):
        await guess(world, "victim")
        world.clock.advance(3600)
    granted(await world.password("victim", PASSWORD), "aal1", ["pwd"])


# --- addresses -------------------------------------------------------------------------------------------------------


async def test_an_address_fails_a_hundred_times_in_five_minutes_whoever_it_names(world: World) -> None:
    await world.register("victim")
    for number in range(100):
        await guess(world, f"nobody{number}")
    throttled(await world.password("victim", PASSWORD), 300)
    async with client_of(world.service, "127.0.0.2") as elsewhere:
        body = {"identifier": "victim", "password": PASSWORD}
        granted(await elsewhere.post("/auth/password", json=body), "aal1", ["pwd"])
    world.clock.advance(300)
    granted(await world.password("victim", PASSWORD), "aal1", ["pwd"])


@pytest.mark.parametrize(("other", "same"), [("2001:db8::ffff:1", True), ("2001:db8:0:1::1", False)])
async def test_a_64_of_ipv6_is_one_address(world: World, other: str, same: bool) -> None:  # noqa: FBT001  # a column
    async with client_of(world.service, "2001:db8::1") as first, client_of(world.service, other) as second:
        for number in range(100):
            body = {"identifier": f"nobody{number}", "password": WRONG}
            refused(await first.post("/auth/password", json=body), 401, "invalid_credentials")
        answer = await second.post("/auth/password", json={"identifier": "nobody", "password": WRONG})
        assert answer.status_code == (429 if same else 401)


async def test_forwarded_addresses_count_from_configured_proxies_alone(make_world: MakeWorld) -> None:
    for proxies, last in (("", 429), ("127.0.0.1", 401)):
        world: World = await make_world({"SALLYPORT_TRUSTED_PROXIES": proxies}, folder=f"proxies{proxies}")
        statuses = []
        for number in range(101):
            body = {"identifier": f"nobody{number}", "password": WRONG}
            headers = {"x-forwarded-for": f"198.51.100.{number}"}
            statuses.append((await world.call("POST", "/auth/password", body, headers=headers)).status_code)
        assert statuses == [401] * 100 + [last]


async def test_what_succeeds_is_no_failure_of_its_address(world: World) -> None:
    victim = await world.enrolled("victim")
    for _ in range(60):
        await victim.login()
    assert await count(world, "throttles") == 0


async def test_a_success_takes_back_no_failure_of_others_at_its_address(world: World) -> None:
    """A guesser with an account of his own logs in now and then."""
    victim = await world.enrolled("victim")
    for number in range(98):
        await guess(world, f"nobody{number}")
    await victim.login()
    for number in range(2):
        await guess(world, f"somebody{number}")
    throttled(await world.password("victim", PASSWORD))


# --- second factors --------------------------------------------------------------------------------------------------


async def test_codes_are_counted_over_all_challenges(world: World) -> None:
    """listmonk: each new password login gave five more."""
    victim = await world.enrolled("victim")
    assert victim.phone
    await use_up(victim, 5)
    world.clock.advance(30)
    for code in (victim.phone.code(), victim.codes[0], victim.phone.wrong()):
        throttled(await world.answer(await victim.challenge(), code), 270)
    world.clock.advance(270)
    granted(await world.answer(await victim.challenge(), victim.phone.code()), "aal2", FULL)


async def test_a_throttled_code_spends_neither_itself_nor_a_try_of_its_challenge(world: World) -> None:
    victim = await world.enrolled("victim")
    await use_up(victim, 5)
    challenge = await victim.challenge()
    for _ in range(10):
        throttled(await world.answer(challenge, victim.codes[0]))
    assert await fetch(world, "SELECT max(tries_left) FROM challenges") == [(5,)]
    world.clock.advance(299)
    challenge = await victim.challenge()
    throttled(await world.answer(challenge, victim.codes[0]), 1)
    world.clock.advance(1)
    granted(await world.answer(challenge, victim.codes[0]), "aal2", FULL)


async def test_a_code_for_a_dead_challenge_is_not_judged_and_not_counted(world: World) -> None:
    victim = await world.enrolled("victim")
    assert victim.phone
    challenge = await victim.challenge()
    world.clock.advance(300)
    for code in (victim.phone.code(), victim.phone.wrong(), victim.codes[0]):
        refused(await world.answer(challenge, code), 401, "challenge_invalid")
    assert await count(world, "throttles") == 0


async def test_twenty_codes_an_hour_and_fifty_a_day_are_tried(world: World) -> None:
    victim = await world.enrolled("victim")
    assert victim.phone
    judged = []
    for minute in range(0, 24 * 60, 5):
        for _ in range(6):
            answer = await world.answer(await victim.challenge(), victim.phone.wrong())
            if answer.status_code == 401:
                judged.append(minute)
        world.clock.advance(300)
    assert [judged.count(minute) for minute in (0, 5, 10, 15, 20, 55)] == [5, 5, 5, 5, 0, 0]
    assert sum(minute < 60 for minute in judged) == 20
    assert len(judged) == 50


async def test_login_elevation_and_enrollment_share_one_budget(world: World) -> None:
    victim = await world.enrolled("victim")
    enrolled = victim.phone
    assert enrolled
    uid = await victim.begin_enrollment()
    assert victim.phone
    path = f"/users/me/secrets/{uid}/enroll"
    elevate = {"password": PASSWORD, "token": enrolled.wrong()}
    await use_up(victim, 2)
    refused(await victim.call("POST", "/auth/elevate", elevate), 401, "code_invalid")
    refused(await victim.call("PUT", path, {"token": victim.phone.wrong()}), 400, "code_invalid")
    refused(await victim.call("PUT", path, {"token": victim.phone.code(9)}), 400, "code_out_of_step")
    throttled(await victim.call("PUT", path, {"token": victim.phone.code()}), 300)
    throttled(await victim.call("PUT", f"/users/me/secrets/{uid}", {"token": victim.phone.code()}), 300)
    throttled(await victim.call("POST", "/auth/elevate", elevate | {"token": victim.codes[0]}), 300)
    throttled(await world.answer(await victim.challenge(), victim.codes[0]), 300)
    # Nothing was spent: what was refused was not judged.
    assert await fetch(world, "SELECT tries_left FROM totp WHERE enrolled_at IS NULL") == [(3,)]
    world.clock.advance(300)
    answer = await victim.call("PUT", path, {"token": victim.phone.code()})
    assert answer.status_code == 200, answer.text


async def test_no_more_of_a_hundred_codes_at_once_are_judged_than_there_are_tries(make_world: MakeWorld) -> None:
    nodes: list[World] = [await make_world()]
    nodes.append(await make_world(clock=nodes[0].clock))
    victim = await nodes[0].enrolled("victim")
    assert victim.phone
    for _ in range(5):
        nodes[0].clock.advance(3600)
        challenges = [await victim.challenge() for _ in range(20)]
        guesses = [(one, victim.phone.wrong()) for one in challenges for _ in range(5)]
        guesses[0] = (challenges[0], victim.phone.code())
        random.shuffle(guesses)
        answers = await asyncio.gather(*(nodes[at % 2].answer(*pair) for at, pair in enumerate(guesses)))
        judged = [one for one in answers if one.status_code == 200 or one.json()["code"] == "code_invalid"]
        assert 0 < len(judged) <= 5


async def test_a_hundred_failures_in_a_row_switch_the_phones_off_and_leave_the_backup_codes(world: World) -> None:
    victim = await world.enrolled("victim")
    assert victim.phone
    for _ in range(100):
        await use_up(victim, 1)
        world.clock.advance(3600)
    answer = await world.answer(await victim.challenge(), victim.phone.code())
    refused(answer, 401, "code_invalid")
    world.clock.advance(3600)
    # MFA is still demanded, and the codes on paper are good.
    victim.hold(granted(await world.answer(await victim.challenge(), victim.codes[0]), "aal2", FULL))
    refused(await world.answer(await victim.challenge(), victim.phone.code()), 401, "code_invalid")
    body = {"password": PASSWORD, "token": victim.phone.code()}
    refused(await victim.call("POST", "/auth/elevate", body), 401, "code_invalid")
    assert (await victim.call("POST", "/auth/elevate", body | {"token": victim.codes[1]})).status_code == 200


async def test_a_new_phone_is_good_after_the_old_one_was_switched_off(world: World) -> None:
    victim = await world.enrolled("victim")
    for _ in range(100):
        await use_up(victim, 1)
        world.clock.advance(3600)
    await use_up(victim, 1)
    world.clock.advance(3600)
    victim.hold(granted(await world.answer(await victim.challenge(), victim.codes[0]), "aal2", FULL))
    await victim.enroll()
    await victim.login()


async def test_a_success_starts_the_hundred_anew(world: World) -> None:
    victim = await world.enrolled("victim")
    for _ in range(2):
        for _ in range(99):
            await use_up(victim, 1)
            world.clock.advance(3600)
        await victim.login()
    await victim.login()


async def test_the_desk_s_reset_forgets_the_failures(world: World) -> None:
    victim, desk = await world.enrolled("victim"), await world.admin()
    await use_up(victim, 5)
    for secret in (await desk.call("GET", f"/users/{victim.uid}/secrets")).json():
        if secret["type"] == "mfa":
            assert (await desk.call("DELETE", f"/users/{victim.uid}/secrets/{secret['uid']}")).status_code == 204
    assert await fetch(world, "SELECT 1 FROM throttles WHERE lane = 'second_factor'") == []
    victim.hold((await world.password("victim", PASSWORD)).json())
    await victim.enroll()


async def test_what_was_counted_goes_with_the_password_and_with_the_user(world: World) -> None:
    victim, desk = await world.register("victim"), await world.admin()
    await guess(world, "victim", 5)
    (secret,) = (await desk.call("GET", f"/users/{victim.uid}/secrets")).json()
    assert (await desk.call("DELETE", f"/users/{victim.uid}/secrets/{secret['uid']}")).status_code == 204
    assert await fetch(world, "SELECT 1 FROM throttles WHERE subject = :user", user=victim.uid) == []
    other = await world.enrolled("other")
    await other.login()
    await use_up(other, 1)
    await guess(world, "other", 1)
    assert (await desk.call("DELETE", f"/users/{other.uid}")).status_code == 204
    assert await fetch(world, "SELECT 1 FROM throttles WHERE subject = :user", user=other.uid) == []


async def test_a_challenge_from_before_the_failures_is_throttled_too(world: World) -> None:
    """Keycloak: flows begun before the lock went on after it."""
    victim = await world.enrolled("victim")
    saved = await victim.challenge()
    await use_up(victim, 5)
    throttled(await world.answer(saved, victim.codes[0]), 300)
    throttled(await world.call("POST", "/v1/auth/totp", {"token": victim.codes[0], "challenge": saved}), 300)


async def test_a_backup_code_in_place_of_a_password_is_counted_in_both_budgets(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": "true"})
    victim = await world.enrolled("victim")
    await use_up(victim, 5)
    # 401, not 429: else it would tell that there is such a user, with MFA.
    refused(await world.password("victim", victim.codes[0]), 401, "invalid_credentials")
    world.clock.advance(300)
    granted(await world.password("victim", victim.codes[0]), "aal1", ["otp"])
    assert await fetch(world, "SELECT 1 FROM throttles WHERE lane <> 'address'") == []


async def test_without_the_throttle_nothing_is_counted(unthrottled: World) -> None:
    await unthrottled.register("victim")
    await guess(unthrottled, "victim", 20)
    granted(await unthrottled.password("victim", PASSWORD), "aal1", ["pwd"])
    assert await count(unthrottled, "throttles") == 0


async def test_the_first_admin_is_throttled_as_everybody_is(world: World) -> None:
    await guess(world, "admin", 5)
    throttled(await world.password("admin", ADMIN_PASSWORD), 30)


async def test_a_throttled_answer_gives_nothing_to_hold(world: World) -> None:
    await world.register("victim")
    await guess(world, "victim", 5)
    answer = await world.password("victim", PASSWORD)
    throttled(answer)
    assert "set-cookie" not in answer.headers
    assert set(answer.json()) == {"type", "title", "status", "code", "detail", "message", "requestId"}
    assert (await world.call("GET", "/users/me", headers=bearer(answer.json()["requestId"]))).status_code == 401
