"""Devices and API keys that end while they are being used: whoever was faster decides, and nothing is left behind."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sallyport.authenticators.api_keys.flow import ReadApiKey
from sallyport.store.work import StorageUnavailableError
from tests.expect import granted, refused
from tests.flow.stage import Stage
from tests.world import Person, bearer, client_of

VALUE = "c0ffee00" * 4


async def known(stage: Stage, kind: str) -> tuple[Person, Person, str, str]:
    """Return a person at two browsers, and uid and value of a device or an API key."""
    alice = await stage.world.register("alice")
    body = {"type": kind} | ({"secret": VALUE} if kind == "device" else {})
    made = (await alice.call("POST", "/users/me/secrets", body)).json()
    return alice, await stage.second_session(alice), made["uid"], made.get("secret", VALUE)


@pytest.fixture
async def gated(stage: Stage) -> AsyncIterator[Stage]:
    """A stage on which the reads of the gate are counted too."""
    service = stage.world.service
    service.api_keys = ReadApiKey(work=service.work, vault=service.vault, clock=service.clock)
    del service.gate  # the next one who wants it makes it anew, with these keys
    async with client_of(service) as client:
        stage.world.client = client
        yield stage


# A device of somebody who has a password is hashed between the two units of its login; a key is not.
@pytest.mark.parametrize("kind", ["device", "apikey"])
async def test_what_is_deleted_while_it_logs_in_opens_nothing(stage: Stage, kind: str) -> None:
    alice, quick, uid, value = await known(stage, kind)

    async def deleted() -> None:
        assert (await quick.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204

    refused(await stage.in_vain(stage.world.password("alice", value), deleted, before=2), 401, "invalid_credentials")
    told = (await alice.call("GET", "/users/me/audit", params={"event": "login.password"})).json()
    (failure,) = [one for one in told if one["outcome"] == "failure"]
    assert failure["factor"] == ("device" if kind == "device" else "api_key")
    assert failure["detail"] == f"client=stranger why=changed secret={uid}"


@pytest.mark.parametrize("kind", ["device", "apikey"])
async def test_a_user_who_is_disabled_meanwhile_gets_nothing(stage: Stage, kind: str) -> None:
    alice, _, _, value = await known(stage, kind)
    admin = await stage.world.admin()

    async def disabled() -> None:
        await admin.call("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})

    refused(await stage.in_vain(stage.world.password("alice", value), disabled, before=2), 401, "invalid_credentials")


async def test_a_key_that_is_suspended_while_it_logs_in_opens_nothing(stage: Stage) -> None:
    alice, _, _, key = await known(stage, "apikey")
    service = stage.world.service

    async def suspended() -> None:
        await service.work(lambda rows: service.suspend_api_keys(rows, alice.uid, None))

    refused(await stage.in_vain(stage.world.password("alice", key), suspended, before=2), 401, "invalid_credentials")


@pytest.mark.parametrize("keep", [False, True])
async def test_a_device_that_logs_in_while_mfa_is_switched_on(stage: Stage, *, keep: bool) -> None:
    alice, quick, _, value = await known(stage, "device")
    uid = await quick.begin_enrollment()
    phone = quick.phone
    assert phone

    async def enrolled() -> None:
        body = {"token": phone.code(), "keepDevices": keep}
        answer = await quick.call("PUT", f"/users/me/secrets/{uid}/enroll", body)
        assert answer.status_code == 200, answer.text

    if keep:
        answer = await stage.interrupted(stage.world.password("alice", value), enrolled, before=2)
        body = granted(answer, "aal1", ["swk"])
        assert body["mfa"]["enabled"] is True
    else:
        refused(
            await stage.in_vain(stage.world.password("alice", value), enrolled, before=2), 401, "invalid_credentials"
        )
        assert await stage.count("devices", alice) == 0


async def test_a_key_that_ends_while_its_use_is_noted_serves_that_request_and_no_other(gated: Stage) -> None:
    _, quick, uid, key = await known(gated, "apikey")

    async def deleted() -> None:
        assert (await quick.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204

    request = gated.world.call("GET", "/users/me", headers=bearer(key))
    answer = await gated.interrupted(request, deleted, before=2)
    assert answer.status_code == 200
    refused(await gated.world.call("GET", "/users/me", headers=bearer(key)), 401, "invalid_token")


async def test_one_of_two_requests_notes_the_use_of_a_key(gated: Stage) -> None:
    _, _, _, key = await known(gated, "apikey")
    asked: list[Any] = []

    async def again() -> None:
        asked.append(await gated.world.call("GET", "/users/me", headers=bearer(key)))

    await gated.interrupted(gated.world.call("GET", "/users/me", headers=bearer(key)), again, before=2)
    assert asked[0].status_code == 200


async def test_a_key_reads_where_nothing_can_be_written(gated: Stage) -> None:
    _, _, _, key = await known(gated, "apikey")

    async def full() -> None:
        raise StorageUnavailableError("database or disk is full")

    request = gated.world.call("GET", "/users/me", headers=bearer(key))
    assert (await gated.interrupted(request, full, before=2)).status_code == 200


async def test_a_session_that_a_key_opened_ends_with_it_while_it_is_renewed(stage: Stage) -> None:
    _, quick, uid, key = await known(stage, "apikey")
    body = granted(await stage.world.password("alice", key), "aal1", ["swk"])

    async def deleted() -> None:
        assert (await quick.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204

    request = stage.world.call("POST", "/auth/refresh", {"refresh": body["refresh"]})
    refused(await stage.in_vain(request, deleted, before=1), 401, "invalid_token")


FIRST = {
    "device": {"type": "device", "secret": VALUE},
    "apikey": {"type": "apikey"},
    "password": {"type": "password", "secret": "another set of plain words"},
}


@pytest.mark.parametrize(
    ("kind", "other", "before"),
    [("device", "password", 1), ("password", "device", 2), ("apikey", "password", 1), ("apikey", "device", 1)],
)
async def test_of_two_that_are_first_at_once_one_is_made(stage: Stage, kind: str, other: str, before: int) -> None:
    bare = await stage.world.register("bare", password=None)

    async def faster() -> None:
        made = await bare.call("POST", "/users/me/secrets", FIRST[other])
        assert made.status_code == 200, made.text

    request = bare.call("POST", "/users/me/secrets", FIRST[kind])
    refused(await stage.in_vain(request, faster, before=before), 401, "step_up_required")


@pytest.mark.parametrize("kind", ["device", "apikey"])
async def test_whoever_is_signed_out_while_it_is_made_makes_nothing(stage: Stage, kind: str) -> None:
    alice = await stage.world.register("alice")

    async def signed_out() -> None:
        assert (await alice.call("POST", "/auth/logout")).status_code == 204

    request = alice.call("POST", "/users/me/secrets", FIRST[kind])
    refused(await stage.in_vain(request, signed_out, before=1), 401, "invalid_token")
