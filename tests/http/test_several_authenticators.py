"""Several authenticators: oathtool plays the phones; each is known by its name, and none is better than another."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sallyport.kernel.clock import SECOND
from tests.conftest import MakeWorld
from tests.expect import granted, refused
from tests.http.test_real_authenticators import run
from tests.world import PASSWORD, Person, World

Tool = Callable[[str], str]
ALL = ["pwd", "otp", "mfa"]


class Phone:
    """A phone that only knows the seed, with the clock of the test."""

    def __init__(self, world: World, oathtool: str, secret: str) -> None:
        self._world, self._oathtool, self._secret = world, oathtool, secret

    def code(self) -> str:
        now = datetime.fromtimestamp(self._world.clock.now() // SECOND, UTC)
        shown = f"{now:%Y-%m-%d %H:%M:%S} UTC"
        return run(self._oathtool, "--totp", "-b", self._secret, "--now", shown).strip()


async def begin(person: Person, oathtool: str, **fields: Any) -> tuple[str, Phone]:
    made = await person.call("POST", "/users/me/secrets", {"type": "mfa"} | fields)
    assert made.status_code == 200, made.text
    return made.json()["uid"], Phone(person.world, oathtool, made.json()["secret"]["secret"])


async def enroll(person: Person, oathtool: str, **fields: Any) -> tuple[str, Phone]:
    uid, phone = await begin(person, oathtool, **fields)
    answer = await person.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": phone.code()})
    assert answer.status_code == 200, answer.text
    person.hold(answer.json()["session"])
    person.codes = answer.json()["codes"]
    return uid, phone


async def listed(person: Person) -> dict[str, Any]:
    found = (await person.call("GET", "/users/me/secrets")).json()
    return {one["uid"]: one for one in found if one["type"] == "mfa"}


async def log_in(person: Person, phone: Phone) -> dict[str, Any]:
    person.world.clock.advance(60)
    body = granted(await person.world.answer(await challenge(person), phone.code()), "aal2", ALL)
    person.hold(body)
    return body


async def challenge(person: Person) -> str:
    return str((await person.world.password(person.name, PASSWORD)).json()["token"])


async def test_five_phones_each_log_in_and_each_tells_its_own_last_use(world: World, tool: Tool) -> None:
    alice, oathtool = await world.register("alice"), tool("oathtool")
    phones = {}
    for number in range(5):
        uid, phones[number] = await enroll(alice, oathtool, description=f"phone {number}")
        assert (await listed(alice))[uid]["description"] == f"phone {number}"
        world.clock.advance(30)
    uids = list(await listed(alice))
    assert len(uids) == 5
    refused(await alice.call("POST", "/users/me/secrets", {"type": "mfa"}), 409, "limit_reached")
    before = await listed(alice)
    for number in (3, 0, 4):
        await log_in(alice, phones[number])
        now = await listed(alice)
        assert [uid for uid in uids if now[uid]["lastUsed"] != before[uid]["lastUsed"]] == [uids[number]]
        before = now


async def test_a_phone_is_renamed_and_stays_what_it_is(world: World, tool: Tool) -> None:
    alice, oathtool = await world.register("alice"), tool("oathtool")
    uid, phone = await enroll(alice, oathtool)
    path = f"/users/me/secrets/{uid}"
    version = (await listed(alice))[uid]["version"]
    named = await alice.call("PUT", path, {"version": version, "description": "the old phone"})
    assert (named.json()["description"], named.json()["version"]) == ("the old phone", version + 1)
    refused(await alice.call("PUT", path, {"version": version, "description": "x"}), 409, "version_conflict")
    await log_in(alice, phone)
    assert (await listed(alice))[uid]["description"] == "the old phone"


async def test_the_old_phone_stays_until_the_new_one_is_proved(world: World, tool: Tool) -> None:
    alice, oathtool = await world.register("alice"), tool("oathtool")
    old, first = await enroll(alice, oathtool)
    abandoned, never = await begin(alice, oathtool)
    await log_in(alice, first)
    uid, second = await begin(alice, oathtool)
    assert set(await listed(alice)) == {old, uid}, "one is pending at a time"
    refused(await alice.call("GET", f"/users/me/secrets/{abandoned}"), 404, "not_found")
    for phone in (never, second):
        refused(await world.answer(await challenge(alice), phone.code()), 401, "code_invalid")
    world.clock.advance(30)
    enrolled = await alice.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": second.code()})
    alice.hold(enrolled.json()["session"])
    for phone in (first, second):
        await log_in(alice, phone)
    assert (await alice.call("DELETE", f"/users/me/secrets/{old}")).status_code == 204
    world.clock.advance(60)
    refused(await world.answer(await challenge(alice), first.code()), 401, "code_invalid")
    granted(await world.answer(await challenge(alice), second.code()), "aal2", ALL)
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is True


async def test_a_code_of_one_phone_is_no_code_of_another_and_is_spent_for_its_own_alone(
    world: World, tool: Tool
) -> None:
    alice, oathtool = await world.register("alice"), tool("oathtool")
    _, first = await enroll(alice, oathtool)
    _, second = await enroll(alice, oathtool)
    world.clock.advance(60)
    codes = first.code(), second.code()
    for code in codes:
        granted(await world.answer(await challenge(alice), code), "aal2", ALL)
    for code in codes:
        refused(await world.answer(await challenge(alice), code), 401, "code_invalid")


async def test_what_is_left_of_the_codes_is_told_with_each_token_and_with_oneself(world: World, tool: Tool) -> None:
    alice, oathtool = await world.register("alice"), tool("oathtool")
    assert (await alice.call("GET", "/users/me")).json()["mfa"] == {"enabled": False, "backupCodesRemaining": 0}
    _, phone = await enroll(alice, oathtool)

    async def told() -> Any:
        own = (await alice.call("GET", "/users/me")).json()
        assert own["mfaEnabled"] is True
        return own["mfa"]

    assert await told() == {"enabled": True, "backupCodesRemaining": 10}
    spent = granted(await world.answer(await challenge(alice), alice.codes[0]), "aal2", ALL)
    assert spent["mfa"] == {"enabled": True, "backupCodesRemaining": 9} == await told()
    alice.hold(spent)
    world.clock.advance(60)
    body = {"password": PASSWORD, "token": alice.codes[1]}
    alice.hold(granted(await alice.call("POST", "/auth/elevate", body), "aal2", ALL))
    renewed = granted(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), "aal2", ALL)
    assert renewed["mfa"] == {"enabled": True, "backupCodesRemaining": 8} == await told()
    alice.hold(renewed)
    await enroll(alice, oathtool)
    assert await told() == {"enabled": True, "backupCodesRemaining": 10}
    assert (await log_in(alice, phone))["mfa"]["backupCodesRemaining"] == 10


async def test_the_state_of_the_second_factor_is_told_to_oneself_alone_and_may_be_repeated(world: World) -> None:
    alice, bob, admin = await world.enrolled("alice"), await world.register("bob"), await world.admin()
    for person in (bob, admin):
        assert "mfa" not in (await person.call("GET", f"/users/{alice.uid}")).json()
    own = (await alice.call("GET", f"/users/{alice.uid}")).json()
    assert own["mfa"] == {"enabled": True, "backupCodesRemaining": 10}
    assert all("mfa" not in one for one in (await alice.call("GET", "/users")).json())
    changed = await alice.call("PUT", "/users/me", own | {"firstName": "Alice"})
    assert changed.json()["mfa"] == own["mfa"]
    for wrong in ({"enabled": False, "backupCodesRemaining": 10}, {"enabled": True, "backupCodesRemaining": 99}):
        refused(await alice.call("PUT", "/users/me", {"version": 1, "mfa": wrong}), 403, "field_forbidden")
    unknown = {"version": 1, "mfa": own["mfa"] | {"factors": 2}}
    refused(await alice.call("PUT", "/users/me", unknown), 400, "unknown_field")
    created = await world.call("POST", "/users", {"name": "carol", "mfa": {"enabled": True, "backupCodesRemaining": 1}})
    refused(created, 403, "field_forbidden")


@pytest.mark.parametrize("left", [1, 4])
async def test_a_phone_that_is_taken_away_makes_room_for_another(make_world: MakeWorld, tool: Tool, left: int) -> None:
    world: World = await make_world()
    alice, oathtool = await world.register("alice"), tool("oathtool")
    uids = []
    for _ in range(5):
        uids.append((await enroll(alice, oathtool))[0])
        world.clock.advance(30)
    for uid in uids[left:]:
        assert (await alice.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204
    await enroll(alice, oathtool)
    assert len(await listed(alice)) == left + 1
