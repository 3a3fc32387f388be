"""Forgotten passwords: api.md section 6."""

from typing import Any

import pytest

from sallyport.kernel.clock import MINUTE
from sallyport.kernel.outcomes import Overloaded
from tests.conftest import MakeWorld
from tests.expect import refused
from tests.mail import Mail
from tests.surgery import count, everything, fetch, operate, verify_email
from tests.world import PASSWORD, Person, World, basic

NEW = "a horse that nobody has seen"


async def known(world: World, name: str = "alice", *, enroll: bool = False) -> Person:
    """Register one with a verified address."""
    person = await world.register(name, email=f"{name}@example.org")
    await verify_email(person)
    if enroll:
        await person.enroll()
        await world.mails()
    return person


async def asked(world: World, identifier: str) -> list[Mail]:
    """Ask for a new password; returns the mails that come of it."""
    answer = await world.call("POST", "/users/recover", {"identifier": identifier})
    assert (answer.status_code, answer.content) == (202, b"")
    return [mail for mail in await world.mails() if "new password" in mail.subject]


async def token_for(world: World, person: Person) -> str:
    (mail,) = await asked(world, person.name)
    return mail.token


async def reset(world: World, person: Person, token: str, password: str = NEW) -> int:
    answer = await world.call("POST", f"/users/{person.uid}/recover", {"token": token, "password": password})
    if answer.status_code == 400:
        assert answer.json()["code"] in {"token_invalid", "password_rejected"}
    return answer.status_code


@pytest.mark.parametrize("spelling", ["alice", "ALICE", "alice@example.org", "Alice@Example.org", "uid"])
async def test_a_link_goes_to_the_verified_address_by_whatever_identifier(world: World, spelling: str) -> None:
    alice = await known(world)
    (mail,) = await asked(world, alice.uid if spelling == "uid" else spelling)
    link, not_me = mail.links
    assert mail.to == "alice@example.org"
    assert (not_me.page[-10:], not_me.token[:4]) == ("/ui/not-me", "spu_")
    assert (link.page, link.id, link.token[:4]) == ("http://127.0.0.1:8080/ui/recover", alice.uid, "spx_")


async def test_the_path_of_a_user_asks_too_and_a_look_does_not(world: World) -> None:
    alice = await known(world)
    assert (await world.call("HEAD", f"/users/{alice.uid}/recover")).status_code == 405
    assert await world.mails() == []
    assert (await world.call("GET", f"/users/{alice.uid}/recover")).status_code == 202
    assert len(await world.mails()) == 1
    refused(await world.call("GET", "/users/me/recover"), 404, "not_found")


async def test_a_reset_sets_the_password_ends_every_session_and_makes_none(world: World) -> None:
    alice = await known(world)
    other = await alice.call("GET", "/users/me")
    assert other.status_code == 200
    answer = await world.call(
        "POST", f"/users/{alice.uid}/recover", {"token": await token_for(world, alice), "password": NEW}
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert "set-cookie" not in answer.headers
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), 401, "invalid_token")
    refused(await world.password("alice", PASSWORD), 401, "invalid_credentials")
    assert (await world.password("alice", NEW)).json()["type"] == "ACCESS"


async def test_a_reset_leaves_the_second_factor_and_ends_open_challenges(world: World) -> None:
    alice = await known(world, enroll=True)
    challenge = await alice.challenge()
    assert await reset(world, alice, await token_for(world, alice)) == 204
    world.clock.advance(30)
    assert alice.phone
    refused(await world.answer(challenge, alice.phone.code()), 401, "challenge_invalid")
    answer = await world.password("alice", NEW)
    assert answer.json()["type"] == "CHALLENGE"
    assert (await world.answer(answer.json()["token"], alice.phone.code())).json()["type"] == "ACCESS"
    assert await count(world, "backup_codes") == 10


async def test_a_reset_suspends_api_keys(world: World) -> None:
    alice = await known(world)
    key = (await alice.call("POST", "/users/me/secrets", {"type": "apikey"})).json()["secret"]
    headers = {"authorization": f"Bearer {key}"}
    assert (await world.call("GET", "/users/me", headers=headers)).status_code == 200
    assert await reset(world, alice, await token_for(world, alice)) == 204
    refused(await world.call("GET", "/users/me", headers=headers), 401, "invalid_token")


async def test_a_reset_forgets_devices(world: World) -> None:
    alice = await known(world)
    value = "what the thief's program has made up"
    made = await alice.call("POST", "/users/me/secrets", {"type": "device", "secret": value})
    assert made.status_code == 200
    assert await reset(world, alice, await token_for(world, alice)) == 204
    refused(await world.password("alice", value), 401, "invalid_credentials")
    assert await count(world, "devices") == 0


async def test_a_reset_makes_the_first_password_of_who_has_none(world: World) -> None:
    alice = await world.register("alice", None, email="alice@example.org")
    await verify_email(alice)
    assert await reset(world, alice, await token_for(world, alice)) == 204
    assert (await world.password("alice", NEW)).status_code == 200


async def test_a_token_is_good_once(world: World) -> None:
    alice = await known(world)
    token = await token_for(world, alice)
    assert await reset(world, alice, token) == 204
    assert await reset(world, alice, token, "another horse again, please") == 400
    assert (await world.password("alice", NEW)).status_code == 200


async def test_a_token_lives_for_thirty_minutes(world: World) -> None:
    alice = await known(world)
    early, late = await token_for(world, alice), ""
    world.clock.advance(30 * 60 - 1)
    assert await reset(world, alice, early) == 204
    late = await token_for(world, alice)
    world.clock.advance(30 * 60)
    assert await reset(world, alice, late, "another horse again, please") == 400


async def test_the_newest_token_voids_older_ones(world: World) -> None:
    alice = await known(world)
    first, second = await token_for(world, alice), await token_for(world, alice)
    assert await reset(world, alice, first) == 400
    assert await reset(world, alice, second) == 204


async def test_a_token_is_its_users_alone(world: World) -> None:
    alice, bob = await known(world), await known(world, "bob")
    token = await token_for(world, alice)
    assert await reset(world, bob, token) == 400
    assert await reset(world, alice, token) == 204
    assert (await world.password("bob", PASSWORD)).status_code == 200


async def test_a_token_dies_with_the_password_and_the_address_it_was_made_for(world: World) -> None:
    alice = await known(world)
    token = await token_for(world, alice)
    (held,) = (await alice.call("GET", "/users/me/secrets")).json()
    change = {"version": held["version"], "current": PASSWORD, "secret": PASSWORD + "!"}
    answer = await alice.call("PUT", f"/users/me/secrets/{held['uid']}", change)
    alice.hold(answer.json()["session"])
    assert await reset(world, alice, token) == 400
    token = await token_for(world, alice)
    assert (await alice.call("PUT", "/users/me", {"version": 0, "email": "new@example.org"})).status_code == 200
    await verify_email(alice)
    assert await reset(world, alice, token) == 400


async def test_a_rejected_password_spends_nothing(world: World) -> None:
    alice = await known(world)
    token = await token_for(world, alice)
    before = await everything(world)
    for bad in ("short", "passwordpassword", "alice and her horse"):
        assert await reset(world, alice, token, bad) == 400
    assert await everything(world) == before
    assert await reset(world, alice, token) == 204


async def test_eight_characters_do_beside_a_second_factor_and_fifteen_without(world: World) -> None:
    alice, bob = await known(world, enroll=True), await known(world, "bob")
    assert await reset(world, alice, await token_for(world, alice), "8 words.") == 204
    assert await reset(world, bob, await token_for(world, bob), "8 words.") == 400


async def test_five_mails_an_hour_and_then_none_and_no_token_is_voided(world: World) -> None:
    alice = await known(world)
    tokens = [await token_for(world, alice) for _ in range(5)]
    assert await asked(world, "alice") == []
    assert await asked(world, alice.uid) == []
    assert await reset(world, alice, tokens[-1]) == 204
    world.clock.advance(3601)
    assert len(await asked(world, "alice")) == 1


@pytest.mark.parametrize(
    "case", ["nobody", "nobody@example.org", "claimed@example.org", "disabled", "unverified", "gone"]
)
async def test_whoever_can_not_be_mailed_to_gets_the_same_answer_and_no_mail(world: World, case: str) -> None:
    await world.register("unverified", email="claimed@example.org")
    disabled = await known(world, "disabled")
    await operate(world, "UPDATE users SET disabled_at = 1 WHERE id = :uid", uid=disabled.uid)
    alice = await known(world)
    identifier = "00000000-0000-7000-8000-000000000000" if case == "gone" else case
    theirs = await world.call("POST", "/users/recover", {"identifier": identifier})
    ours = await world.call("POST", "/users/recover", {"identifier": alice.name})
    assert theirs.content == ours.content
    assert {k: v for k, v in theirs.headers.items() if k != "x-request-id"} == {
        k: v for k, v in ours.headers.items() if k != "x-request-id"
    }
    assert [mail.to for mail in await world.mails()] == ["alice@example.org"]


async def test_asking_for_nobody_writes_what_asking_for_somebody_writes(world: World) -> None:
    await known(world)
    statements: list[list[str]] = []
    for identifier in ("alice", "nobody", "alice", "nobody"):
        seen: list[str] = []
        statements.append(seen)
        listen(world, seen)
        await world.call("POST", "/users/recover", {"identifier": identifier})
    assert [sql for sql in statements[0] if sql.startswith("INSERT INTO outbox")]
    assert statements[0] == statements[1]
    assert statements[2] == statements[3]
    assert await count(world, "outbox") == await count(world, "mailed_tokens") == 4
    lengths = [length for (length,) in await fetch(world, "SELECT length(letter_sealed) FROM outbox")]
    assert max(lengths) - min(lengths) < 40


async def test_who_has_used_up_the_mails_of_a_name_learns_no_address_of_it(world: World) -> None:
    await known(world)
    for _ in range(5):
        assert len(await asked(world, "alice")) == 1
    statements: list[list[str]] = []
    for identifier in ("alice", "alice@example.org", "nobody@example.org"):
        seen: list[str] = []
        statements.append(seen)
        listen(world, seen)
        await world.call("POST", "/users/recover", {"identifier": identifier})
    assert [sql for sql in statements[0] if sql.startswith("INSERT INTO outbox")]
    assert statements[0] == statements[1] == statements[2]
    assert await world.mails() == []


def listen(world: World, seen: list[str]) -> None:
    """Note how each statement begins that the writer runs."""
    writer: Any = world.service.work
    writer._writer.set_trace_callback(lambda sql: seen.append(sql[:40]))


async def test_a_bad_token_costs_no_hash(world: World) -> None:
    alice = await known(world)
    pool, seats = world.service.pool, 0
    before = pool.seat

    def seat(*, reserve: bool = False) -> Any:
        nonlocal seats
        seats += 1
        return before(reserve=reserve)

    pool.seat = seat  # type: ignore[method-assign]
    for bad in ("spx_" + "A" * 43, "", "x" * 500, alice.token):
        assert await reset(world, alice, bad) == 400
    assert seats == 0
    assert await reset(world, alice, await token_for(world, alice)) == 204
    assert seats == 1


async def test_without_a_seat_the_token_stays_good(world: World) -> None:
    alice = await known(world)
    token = await token_for(world, alice)
    pool, before = world.service.pool, world.service.pool.seat

    def full(*, reserve: bool = False) -> Any:
        raise Overloaded

    pool.seat = full  # type: ignore[method-assign]
    answer = await world.call("POST", f"/users/{alice.uid}/recover", {"token": token, "password": NEW})
    refused(answer, 503, "overloaded")
    pool.seat = before  # type: ignore[method-assign]
    assert await reset(world, alice, token) == 204


async def test_guesses_at_tokens_are_counted_by_address(make_world: MakeWorld) -> None:
    world = await make_world()
    alice = await known(world)
    token = await token_for(world, alice)
    for _ in range(100):
        assert await reset(world, alice, "spx_" + "B" * 43) == 400
    answer = await world.call("POST", f"/users/{alice.uid}/recover", {"token": token, "password": NEW})
    refused(answer, 429, "throttled")
    world.clock.advance(301)
    assert await reset(world, alice, token) == 204


async def test_an_address_that_asks_all_day_hears_the_same_and_fills_no_table(make_world: MakeWorld) -> None:
    world = await make_world()
    for number in range(103):
        assert (await world.call("POST", "/users/recover", {"identifier": f"nobody{number}"})).status_code == 202
    assert await count(world, "mailed_tokens") == 100
    # Whoever logs in from there is not held up by it.
    await known(world)
    assert (await world.password("alice", PASSWORD)).status_code == 200


async def test_a_reset_forgets_known_clients_and_waits_of_the_password(make_world: MakeWorld) -> None:
    world = await make_world()
    alice = await known(world)
    client = (await world.password("alice", PASSWORD)).json()["client"]
    for _ in range(6):
        await world.password("alice", "wrong")
    refused(await world.password("alice", PASSWORD), 429, "throttled")
    assert await reset(world, alice, await token_for(world, alice)) == 204
    assert await fetch(world, "SELECT proven FROM known_clients") == [("mail",)]  # the one that has shown the link
    answer = await world.call("GET", "/auth/password", headers=basic("alice", NEW) | {"x-sallyport-client": client})
    assert answer.status_code == 200
    assert answer.json()["client"] != client


async def test_the_audit_log_tells_who_asked_and_that_it_was_done(world: World) -> None:
    alice = await known(world)
    await reset(world, alice, "spx_" + "A" * 43)
    assert await reset(world, alice, await token_for(world, alice)) == 204
    alice.password = NEW
    await alice.login()
    rows = (await alice.call("GET", "/users/me/audit")).json()
    told = [(row["event"], row["outcome"]) for row in rows]
    for event in (("recovery.asked", "success"), ("recovery.done", "failure"), ("recovery.done", "success")):
        assert event in told
    ended = next(row for row in rows if row["event"] == "sessions.ended")
    assert ended["actorId"] is None


async def test_links_lead_to_the_configured_url_whatever_a_request_says(make_world: MakeWorld) -> None:
    world = await make_world({"SALLYPORT_PUBLIC_URL": "https://accounts.example.org/sallyport"})
    await known(world)
    evil = {
        "host": "evil.example",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "http",
        "forwarded": "host=evil.example",
        "origin": "https://evil.example",
        "referer": "https://evil.example/",
    }
    await world.call("POST", "/users/recover", {"identifier": "alice"}, headers=evil)
    (mail,) = await world.mails()
    assert b"evil" not in mail.raw
    assert mail.links[0].page == "https://accounts.example.org/sallyport/ui/recover"


async def test_what_nobody_counts_any_more_is_swept(world: World) -> None:
    await known(world)
    await asked(world, "alice")
    # The link that says "this was not me" is good for a week.
    for days, left in ((91 / 1440, 1), (8, 0)):
        world.clock.advance(days * 24 * 60 * MINUTE / 1_000_000)
        for sweep in world.service.sweeps:
            await sweep()
        assert await count(world, "mailed_tokens") == left


async def test_a_user_who_was_disabled_since_sets_no_password(world: World) -> None:
    alice = await known(world)
    token = await token_for(world, alice)
    await operate(world, "UPDATE users SET disabled_at = 1 WHERE id = :uid", uid=alice.uid)
    assert await reset(world, alice, token) == 400
