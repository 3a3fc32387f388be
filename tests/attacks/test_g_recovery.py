"""Class G: recovery is a login path, and every way around its proofs is walked.

CVE-2023-7028 GitLab: a reset for two addresses; CVE-2017-8295 WordPress, CVE-2021-26722: links from the Host header;
GHSA-8m5q-crqq-6pmf: a reset that logged in past the second factor; races on a token that is good once.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.attacks.surface import opens_nothing
from tests.canary import Secrets
from tests.conftest import MakeWorld
from tests.dump import dump
from tests.expect import refused
from tests.mail import Mail
from tests.surgery import count, everything, fetch, verify_email
from tests.world import PASSWORD, UNTHROTTLED, Person, World

NEW = "a horse that nobody has seen"
RACERS = 8


async def nodes(make_world: MakeWorld) -> tuple[World, World]:
    """Return two nodes of one service."""
    first = await make_world(UNTHROTTLED)
    return first, await make_world(UNTHROTTLED, clock=first.clock)


async def known(world: World, name: str = "alice", *, enroll: bool = False) -> Person:
    person = await world.register(name, email=f"{name}@example.org")
    await verify_email(person)
    if enroll:
        await person.enroll()
    await world.mails()
    return person


async def mailed(world: World, prefix: str) -> list[Mail]:
    """Return the new mails whose token is of one kind."""
    return [mail for mail in await world.mails() if any(link.token.startswith(prefix) for link in mail.links)]


async def token_for(world: World, person: Person) -> str:
    assert (await world.call("POST", "/users/recover", {"identifier": person.name})).status_code == 202
    (mail,) = await mailed(world, "spx_")
    return mail.token


async def reset(world: World, uid: str, token: Any, password: Any = NEW) -> httpx2.Response:
    return await world.call("POST", f"/users/{uid}/recover", {"token": token, "password": password})


async def test_of_many_who_hold_one_token_one_sets_the_password(make_world: MakeWorld) -> None:
    first, second = await nodes(make_world)
    alice = await known(first)
    token = await token_for(first, alice)
    words = [f"{NEW}, number {number}" for number in range(RACERS)]
    answers = await asyncio.gather(
        *(reset((first, second)[number % 2], alice.uid, token, word) for number, word in enumerate(words))
    )
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * (RACERS - 1)
    winner = words[[answer.status_code for answer in answers].index(204)]
    assert (await first.password("alice", winner)).status_code == 200


async def test_of_many_who_claim_one_address_one_gets_it(make_world: MakeWorld) -> None:
    first, second = await nodes(make_world)
    people, tokens = [], []
    for number in range(6):
        person = await first.register(f"claimant{number}", email="shared@example.org")
        await person.call("POST", "/users/me/verify/send")
        (mail,) = await mailed(first, "spv_")
        people.append(person)
        tokens.append(mail.token)
    answers = await asyncio.gather(
        *(
            (first, second)[number % 2].call("POST", f"/users/{person.uid}/verify", {"token": tokens[number]})
            for number, person in enumerate(people)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [204] + [409] * 5
    assert await fetch(first, "SELECT count(*) FROM users WHERE verified_email_key = 'shared@example.org'") == [(1,)]


async def test_one_token_verifies_once(make_world: MakeWorld) -> None:
    first, second = await nodes(make_world)
    alice = await first.register("alice", email="alice@example.org")
    await alice.call("POST", "/users/me/verify/send")
    (mail,) = await mailed(first, "spv_")
    path, body = f"/users/{alice.uid}/verify", {"token": mail.token}
    answers = await asyncio.gather(*((first, second)[n % 2].call("POST", path, body) for n in range(RACERS)))
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * (RACERS - 1)


async def test_many_who_ask_at_once_send_five_mails_and_one_link_is_good(make_world: MakeWorld) -> None:
    first, second = await nodes(make_world)
    alice = await known(first)
    asks = ((first, second)[n % 2].call("POST", "/users/recover", {"identifier": "alice"}) for n in range(RACERS))
    assert {answer.status_code for answer in await asyncio.gather(*asks)} == {202}
    mails = await mailed(first, "spx_")
    assert len(mails) == 5
    answers = [(await reset(first, alice.uid, mail.token)).status_code for mail in mails]
    assert sorted(answers) == [204, 400, 400, 400, 400]


async def test_one_carrier_takes_each_mail(make_world: MakeWorld) -> None:
    first, second = await nodes(make_world)
    people = [await known(first, f"person{number}") for number in range(4)]
    for person in people:
        await first.call("POST", "/users/recover", {"identifier": person.name})
    carried: list[str] = []
    for node in (first, second):
        postman: Any = node.service.postman
        carry = postman._carrier

        async def noted(mail: Any, uid: str, carry: Any = carry) -> None:
            carried.append(uid)
            await asyncio.sleep(0.01)
            await carry(mail, uid)

        postman._carrier = noted
    await asyncio.gather(*(node.service.postman.carry() for node in (first, second) * 3))
    assert len(carried) == len(set(carried)) == len(people)
    assert await count(first, "outbox") == 0


async def test_no_order_of_recovery_ends_the_second_factor_or_opens_a_session(world: World) -> None:
    alice = await known(world, enroll=True)
    before = await count(world, "sessions")
    for _ in range(3):
        token = await token_for(world, alice)
        answer = await reset(world, alice.uid, token)
        opens_nothing(answer)
        assert answer.status_code == 204
        opens_nothing(await reset(world, alice.uid, token))
        login = await world.password("alice", NEW)
        assert login.json()["type"] == "CHALLENGE"
        opens_nothing(login)
    assert await count(world, "sessions") == 0 < before
    assert await fetch(world, "SELECT count(*) FROM totp WHERE enrolled_at IS NOT NULL") == [(1,)]
    assert await count(world, "backup_codes") == 10
    # An enrolled second factor is still the way in, and nothing else is.
    challenge = (await world.password("alice", NEW)).json()["token"]
    assert (await world.answer(challenge, alice.codes[0])).json()["type"] == "ACCESS"


async def test_a_reset_token_and_a_challenge_do_not_stand_for_each_other(world: World) -> None:
    alice = await known(world, enroll=True)
    challenge, token = await alice.challenge(), await token_for(world, alice)
    refused(await reset(world, alice.uid, challenge), 400, "token_invalid")
    refused(await world.answer(token, alice.codes[0]), 401, "challenge_invalid")
    refused(await world.call("POST", "/auth/refresh", {"refresh": token}), 401, "invalid_token")
    for path in ("/users/me", "/users/me/secrets"):
        answer = await world.call("GET", path, headers={"authorization": f"Bearer {token}"})
        refused(answer, 401, "invalid_token")


BENT: dict[str, Callable[[str], Any]] = {
    "a list of tokens": lambda token: [token],
    "an object": lambda token: {"token": token},
    "a number": lambda _: 0,
    "true": lambda _: True,
    "null": lambda _: None,
    "nothing": lambda _: "",
    "cut off": lambda token: token[:-1],
    "longer": lambda token: token + "A",
    "without its prefix": lambda token: token[4:],
    "of another prefix": lambda token: "spv_" + token[4:],
    "in capitals": lambda token: token.upper(),
    "with a space": lambda token: f" {token}",
    "with a NUL": lambda token: token + "\0",
    "a wildcard": lambda _: "%",
    "a question of SQL": lambda _: "' OR 1=1 --",
}


@pytest.mark.parametrize("bend", BENT)
async def test_only_the_token_itself_is_the_token(world: World, bend: str) -> None:
    alice = await known(world)
    token = await token_for(world, alice)
    before = await everything(world)
    answer = await reset(world, alice.uid, BENT[bend](token))
    assert answer.status_code == 400
    after = await everything(world)
    assert {**after, "throttles": []} == {**before, "throttles": []}
    assert (await reset(world, alice.uid, token)).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {"identifier": ["alice", "mallory@example.org"]},
        {"identifier": "alice", "email": "mallory@example.org"},
        {"identifier": "alice,mallory@example.org"},
        {"identifier": "alice@example.org\nmallory@example.org"},
        {"identifier": "alice@example.org%0Acc:mallory@example.org"},
        {"identifier": "alice", "to": ["mallory@example.org"]},
    ],
)
async def test_no_second_address_gets_the_link(world: World, body: Any) -> None:
    await known(world)
    await known(world, "mallory")
    answer = await world.call("POST", "/users/recover", body)
    assert answer.status_code in {202, 400}
    assert await mailed(world, "spx_") == []


async def test_what_only_looks_like_the_verified_address_is_none(world: World) -> None:
    alice = await known(world, "mike")
    for lookalike in ("mıke@example.org", "mike@examp\u200ble.org", "ｍike@example.org", "mike@example.org."):
        assert (await world.call("POST", "/users/recover", {"identifier": lookalike})).status_code == 202
    assert await mailed(world, "spx_") == []
    (mail,) = [await token_for(world, alice)]
    assert mail


async def test_opening_the_link_changes_nothing(world: World) -> None:
    alice = await known(world)
    token = await token_for(world, alice)
    before = dump(world)
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        for path in (f"/users/{alice.uid}/verify", f"/users/{alice.uid}/verify?token={token}"):
            await world.call(method, path)
    for method in ("HEAD", "PUT", "DELETE"):
        await world.call(method, f"/users/{alice.uid}/recover?token={token}&password=x")
    assert dump(world) == before


async def test_a_token_in_a_query_or_a_header_is_not_looked_for(world: World) -> None:
    alice = await known(world)
    token = await token_for(world, alice)
    path = f"/users/{alice.uid}/recover?token={token}"
    headers = {"authorization": f"Bearer {token}", "x-token": token}
    answer = await world.call("POST", path, {"password": NEW}, headers=headers)
    assert answer.status_code == 400
    assert (await world.password("alice", PASSWORD)).status_code == 200


async def test_what_waits_to_be_mailed_is_found_nowhere_in_the_database(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org")
    await alice.call("POST", "/users/me/verify/send")
    waiting = await raw(world)
    (mail,) = await mailed(world, "spv_")
    secrets = Secrets()
    secrets.add(token=mail.token, random=mail.token[4:])
    assert secrets.leaks([("the database while it waited", waiting, set())]) == []
    assert secrets.leaks([("the database when it was sent", await raw(world), set())]) == []
    assert secrets.leaks([("the mail itself", mail.raw, set())]) != []


async def raw(world: World) -> bytes:
    """Return every value that is stored, one after the other, the bytes as they are."""
    values = [value for rows in (await everything(world)).values() for row in rows for value in row]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


async def test_strangers_who_claim_an_address_shut_its_owner_out_of_nothing(world: World) -> None:
    alice = await known(world)
    for number in range(5):
        stranger = await world.register(f"stranger{number}", email="alice@example.org")
        for _ in range(5):
            assert (await stranger.call("POST", "/users/me/verify/send")).status_code == 202
    # Her mailbox is not filled, and her own link arrives all the same.
    assert len(await mailed(world, "spv_")) == 20
    assert (await reset(world, alice.uid, await token_for(world, alice))).status_code == 204


@pytest.mark.parametrize(
    ("alike", "wanted"),
    [
        ("alice@stra\u00dfe.example", "alice@strasse.example"),
        ("ali\u017fter@example.org", "alister@example.org"),
    ],
)
async def test_a_mailbox_whose_address_only_folds_alike_verifies_nothing_else(
    world: World, alike: str, wanted: str
) -> None:
    mallory = await world.register("mallory", email=alike)
    await verify_email(mallory)
    refused(await world.password(wanted, PASSWORD), 401, "invalid_credentials")
    answer = await mallory.call("PUT", "/users/me", {"version": 0, "email": wanted})
    assert answer.json()["verified"] is False
    refused(await world.password(wanted, PASSWORD), 401, "invalid_credentials")
