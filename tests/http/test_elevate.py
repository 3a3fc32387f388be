"""api.md section 4: `POST /auth/elevate`."""

from typing import Any

import pytest

from sallyport.kernel.clock import SECOND
from tests.expect import claims, granted, refused, step_up
from tests.surgery import everything
from tests.world import PASSWORD, Person, World, bearer

FULL = ["pwd", "otp", "mfa"]


async def aged(person: Person) -> None:
    """Let the proof grow old; the session goes on by refresh."""
    person.world.clock.advance(601)
    person.hold((await person.world.call("POST", "/auth/refresh", {"refresh": person.refresh})).json())


async def test_a_password_renews_the_proof_of_the_same_session(world: World) -> None:
    alice = await world.register("alice")
    await aged(alice)
    step_up(await alice.call("POST", "/users/me/secrets", {"type": "mfa"}), "aal1")
    body = granted(await alice.call("POST", "/auth/elevate", {"password": PASSWORD}), "aal1", ["pwd"])
    assert claims(body["token"])["sid"] == claims(alice.token)["sid"]
    assert claims(body["token"])["auth_time"] == world.clock.now() // SECOND
    alice.hold(body)
    await alice.enroll()
    assert len((await alice.call("GET", "/users/me/sessions")).json()) == 1


async def test_with_mfa_the_code_is_wanted_too(world: World) -> None:
    alice = await world.enrolled("alice")
    await aged(alice)
    assert alice.phone
    step_up(await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"}), "aal2")
    before = await everything(world)
    refused(await alice.call("POST", "/auth/elevate", {"password": PASSWORD}), 400, "invalid_request")
    wrong = {"password": PASSWORD, "token": alice.phone.wrong()}
    refused(await alice.call("POST", "/auth/elevate", wrong), 401, "code_invalid")
    guess = {"password": "wrong", "token": alice.phone.code()}
    refused(await alice.call("POST", "/auth/elevate", guess), 401, "invalid_credentials")
    assert await everything(world) == before
    right = {"password": PASSWORD, "token": alice.phone.code()}
    alice.hold(granted(await alice.call("POST", "/auth/elevate", right), "aal2", FULL))
    assert (await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"})).status_code == 200


async def test_a_wrong_password_is_refused(world: World) -> None:
    alice = await world.register("alice")
    before = await everything(world)
    for wrong in ("wrong", "", PASSWORD.upper()):
        refused(await alice.call("POST", "/auth/elevate", {"password": wrong}), 401, "invalid_credentials")
    assert await everything(world) == before


@pytest.mark.parametrize(
    "body", [None, {}, {"token": "123456"}, {"password": 7}, {"password": None}, {"password": "x" * 1025}]
)
async def test_a_password_is_wanted(world: World, body: Any) -> None:
    alice = await world.register("alice")
    refused(await alice.call("POST", "/auth/elevate", body), 400, "invalid_request")


async def test_it_wants_an_access_token(world: World) -> None:
    alice = await world.enrolled("alice")
    body = {"password": PASSWORD, "token": alice.codes[0]}
    refused(await world.call("POST", "/auth/elevate", body), 401, "unauthenticated")
    for token in (await alice.challenge(), alice.refresh):
        refused(await world.call("POST", "/auth/elevate", body, headers=bearer(token)), 401, "invalid_token")


async def test_a_token_handed_out_before_never_rises(world: World) -> None:
    alice = await world.register("alice")
    await aged(alice)
    old = alice.token
    alice.hold((await alice.call("POST", "/auth/elevate", {"password": PASSWORD})).json())
    answer = await world.call("POST", "/users/me/secrets", {"type": "mfa"}, headers=bearer(old))
    step_up(answer, "aal1")
    assert (await world.call("GET", "/users/me", headers=bearer(old))).status_code == 200
    await alice.enroll()
    for earlier in (old,):
        answer = await world.call("POST", "/users/me/secrets", {"type": "mfa"}, headers=bearer(earlier))
        step_up(answer, "aal2")


async def test_a_code_that_elevated_is_spent(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    world.clock.advance(30)
    code = alice.phone.code()
    body = {"password": PASSWORD, "token": code}
    granted(await alice.call("POST", "/auth/elevate", body), "aal2", FULL)
    refused(await alice.call("POST", "/auth/elevate", body), 401, "code_invalid")
    refused(await world.answer(await alice.challenge(), code), 401, "code_invalid")


async def test_refresh_tokens_handed_out_before_are_dead_and_end_nothing(world: World) -> None:
    alice = await world.register("alice")
    old = alice.refresh
    alice.hold((await alice.call("POST", "/auth/elevate", {"password": PASSWORD})).json())
    for _ in range(2):
        refused(await world.call("POST", "/auth/refresh", {"refresh": old}), 401, "invalid_token")
    world.clock.advance(60)
    refused(await world.call("POST", "/auth/refresh", {"refresh": old}), 401, "invalid_token")
    granted(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), "aal1", ["pwd"])


async def test_one_without_a_password_has_nothing_to_prove(world: World) -> None:
    alice = await world.register("alice", password=None)
    refused(await alice.call("POST", "/auth/elevate", {"password": PASSWORD}), 401, "invalid_credentials")


async def test_a_newcomer_rises_with_the_first_password(world: World) -> None:
    alice = await world.register("alice", password=None)
    await alice.call("POST", "/users/me/secrets", {"type": "password", "secret": PASSWORD})
    step_up(await alice.call("POST", "/users/me/secrets", {"type": "mfa"}), "aal1")
    alice.hold(granted(await alice.call("POST", "/auth/elevate", {"password": PASSWORD}), "aal1", ["pwd"]))
    await alice.enroll()
