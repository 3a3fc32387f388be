"""Addresses that are verified: api.md sections 2 and 6."""

import pytest

from sallyport.edge.answers import Credential
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.outcomes import Why
from tests.conftest import MakeWorld
from tests.expect import refused
from tests.mail import Mail
from tests.surgery import everything, fetch
from tests.world import PASSWORD, Person, World


async def sent(person: Person) -> list[Mail]:
    """Have a link mailed; returns the mails that come of it."""
    answer = await person.call("POST", "/users/me/verify/send")
    assert (answer.status_code, answer.content) == (202, b"")
    return [mail for mail in await person.world.mails() if "your address?" in mail.subject]


async def verify(person: Person, token: str) -> int:
    """Show a token, signed in as nobody."""
    answer = await person.world.call("POST", f"/users/{person.uid}/verify", {"token": token})
    return answer.status_code


async def user(person: Person) -> dict[str, object]:
    found: dict[str, object] = (await person.call("GET", "/users/me")).json()
    return found


async def verified(world: World, name: str, email: str) -> Person:
    person = await world.register(name, email=email)
    (mail,) = await sent(person)
    assert await verify(person, mail.token) == 204
    return person


async def change_email(person: Person, email: str | None) -> None:
    version = (await user(person))["version"]
    answer = await person.call("PUT", "/users/me", {"version": version, "email": email})
    assert answer.status_code == 200, answer.text


async def test_whoever_opens_the_link_has_the_mailbox(world: World) -> None:
    alice = await world.register("alice", email="Alice@Example.org")
    (mail,) = await sent(alice)
    (link,) = mail.links
    assert (mail.to, link.page) == ("Alice@example.org", "http://127.0.0.1:8080/ui/verify")
    assert (link.id, link.token[:4]) == (alice.uid, "spv_")
    assert (await user(alice))["verified"] is False
    assert await verify(alice, link.token) == 204
    assert (await user(alice))["verified"] is True
    assert (await world.password("alice@example.org", PASSWORD)).status_code == 200


async def test_a_mail_to_an_address_that_nobody_verified_has_no_word_of_its_claimant(world: World) -> None:
    mallory = await world.register("win.example/money", email="victim@example.org", firstName="Click evil.example")
    (mail,) = await sent(mallory)
    assert b"win.example" not in mail.raw
    assert b"evil.example" not in mail.raw


async def test_a_token_is_good_once_for_a_day_and_for_its_user(world: World) -> None:
    alice, bob = [await world.register(name, email=f"{name}@example.org") for name in ("alice", "bob")]
    (first,) = await sent(alice)
    (second,) = await sent(alice)
    assert await verify(alice, first.token) == 400  # the newest voids older ones
    assert await verify(bob, second.token) == 400
    assert await verify(alice, second.token) == 204
    assert await verify(alice, second.token) == 400
    (late,) = await sent(bob)
    world.clock.advance(24 * 3600)
    assert await verify(bob, late.token) == 400


async def test_a_token_dies_with_the_address_it_was_made_for(world: World) -> None:
    alice = await world.register("alice", email="first@example.org")
    (mail,) = await sent(alice)
    await change_email(alice, "second@example.org")
    before = await everything(world)
    assert await verify(alice, mail.token) == 400
    assert {**await everything(world), "throttles": []} == {**before, "throttles": []}
    await change_email(alice, None)
    assert await verify(alice, mail.token) == 400
    assert await sent(alice) == []


async def test_an_address_is_the_one_accounts_that_verified_it(world: World) -> None:
    alice, bob = [await world.register(name, email="shared@example.org") for name in ("alice", "bob")]
    (of_alice,) = await sent(alice)
    (of_bob,) = await sent(bob)
    assert await verify(bob, of_bob.token) == 204
    answer = await world.call("POST", f"/users/{alice.uid}/verify", {"token": of_alice.token})
    refused(answer, 409, "email_taken")
    assert (await user(alice))["verified"] is False
    assert (await world.password("shared@example.org", PASSWORD)).json()["userUid"] == bob.uid


async def test_the_token_of_one_claimant_is_none_of_another_of_the_same_address(world: World) -> None:
    alice, bob = [await world.register(name, email="shared@example.org") for name in ("alice", "bob")]
    (of_alice,) = await sent(alice)
    assert await verify(bob, of_alice.token) == 400
    assert await verify(alice, of_alice.token) == 204


async def test_until_a_new_address_is_verified_the_old_one_stays_the_accounts(world: World) -> None:
    alice = await verified(world, "alice", "old@example.org")
    await change_email(alice, "new@example.org")
    assert (await user(alice))["verified"] is False
    assert (await world.password("old@example.org", PASSWORD)).status_code == 200
    refused(await world.password("new@example.org", PASSWORD), 401, "invalid_credentials")
    await world.mails()
    await world.call("POST", "/users/recover", {"identifier": "alice"})
    (mail,) = [one for one in await world.mails() if "new password" in one.subject]
    assert mail.to == "old@example.org"
    (mail,) = await sent(alice)
    assert mail.to == "new@example.org"
    assert await verify(alice, mail.token) == 204
    refused(await world.password("old@example.org", PASSWORD), 401, "invalid_credentials")
    assert (await world.password("new@example.org", PASSWORD)).status_code == 200


async def test_the_address_before_is_told_that_it_is_left_and_gets_what_was_meant_for_it(world: World) -> None:
    alice = await verified(world, "alice", "old@example.org")
    await change_email(alice, "new@example.org")
    (mail,) = await sent(alice)
    await world.call("POST", "/users/recover", {"identifier": "alice"})
    assert await verify(alice, mail.token) == 204
    assert {(one.to, "new address" in one.subject) for one in await world.mails()} >= {("old@example.org", True)}
    assert [one.to for one in await world.mails()] == []


async def test_who_has_verified_already_or_has_no_address_gets_no_mail(world: World) -> None:
    alice, bare = await verified(world, "alice", "alice@example.org"), await world.register("bare")
    assert await sent(alice) == []
    assert await sent(bare) == []


async def test_five_mails_an_hour_and_then_none(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org")
    tokens = [(await sent(alice))[0].token for _ in range(5)]
    assert await sent(alice) == []
    assert await verify(alice, tokens[-1]) == 204


async def test_many_accounts_do_not_fill_one_mailbox(world: World) -> None:
    mails = 0
    for number in range(6):
        person = await world.register(f"mallory{number}", email="victim@example.org")
        for _ in range(5):
            mails += len(await sent(person))
    assert mails == 20


async def test_nobody_sends_for_another(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org")
    bob, admin = await world.register("bob"), await world.admin()
    refused(await bob.call("POST", f"/users/{alice.uid}/verify/send"), 404, "not_found")
    refused(await admin.call("POST", f"/users/{alice.uid}/verify/send"), 403, "forbidden")
    refused(await world.call("POST", f"/users/{alice.uid}/verify/send"), 401, "unauthenticated")
    assert await world.mails() == []


async def test_a_disabled_user_verifies_nothing(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org")
    (mail,) = await sent(alice)
    admin = await world.admin()
    answer = await admin.call("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})
    assert answer.status_code == 200
    assert await verify(alice, mail.token) == 400
    assert await fetch(world, "SELECT verified_email FROM users WHERE id = :u", u=alice.uid) == [(None,)]


@pytest.mark.parametrize("kind", ["recovery", "verification"])
async def test_a_token_of_one_kind_is_none_of_another(world: World, kind: str) -> None:
    alice = await verified(world, "alice", "alice@example.org")
    await change_email(alice, "new@example.org")
    await world.mails()
    if kind == "recovery":
        await world.call("POST", "/users/recover", {"identifier": "alice"})
        (mail,) = [one for one in await world.mails() if "new password" in one.subject]
        assert await verify(alice, mail.token) == 400
    else:
        (mail,) = await sent(alice)
        body = {"token": mail.token, "password": "a horse that nobody has seen"}
        refused(await world.call("POST", f"/users/{alice.uid}/recover", body), 400, "token_invalid")
    disowned = await world.call("POST", f"/users/{alice.uid}/not-me", {"token": mail.token})
    refused(disowned, 400, "token_invalid")
    assert (await user(alice))["uid"] == alice.uid


async def test_a_notice_that_waits_for_the_verified_address_goes_to_the_one_of_its_moment(world: World) -> None:
    alice = await verified(world, "alice", "old@example.org")
    await change_email(alice, "new@example.org")
    (mail,) = await sent(alice)
    await alice.call("POST", "/users/me/secrets", {"type": "apikey"})
    assert await verify(alice, mail.token) == 204
    told = {one.subject.removeprefix("Sallyport: "): one.to for one in await world.mails()}
    assert told == {
        "a new API key": "old@example.org",
        "your account has a new address": "old@example.org",
        "mail about your account comes here now": "new@example.org",
    }


async def test_a_session_that_ended_in_between_sends_nothing(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org")
    client = Client(ip="127.0.0.1", user_agent="")
    caller = await world.service.gate.caller(Credential("bearer", alice.token), client)
    assert isinstance(caller, Caller)
    await alice.call("POST", "/auth/logout")
    outcome = await world.service.flows.recovery.send(caller)
    assert outcome
    assert outcome.why is Why.INVALID_TOKEN
    assert await world.mails() == []


async def test_guesses_at_any_mailed_token_are_counted_by_address(make_world: MakeWorld) -> None:
    world = await make_world()
    alice = await world.register("alice", email="alice@example.org")
    for _ in range(100):
        assert await verify(alice, "spv_" + "B" * 43) == 400
    for path in ("verify", "not-me"):
        answer = await world.call("POST", f"/users/{alice.uid}/{path}", {"token": "spu_" + "B" * 43})
        refused(answer, 429, "throttled")
