"""api.md section 3: secrets of type `mfabackup`; section 4: a backup code as second factor."""

import re
from collections.abc import Callable

import pytest

from tests.expect import granted, refused
from tests.surgery import everything
from tests.world import World

SHAPE = re.compile(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}")
FULL = ["pwd", "otp", "mfa"]


async def test_ten_codes_of_eighty_bits_are_shown_in_groups_of_four(world: World) -> None:
    alice = await world.enrolled("alice")
    assert len(alice.codes) == len(set(alice.codes)) == 10
    assert all(SHAPE.fullmatch(code) for code in alice.codes)


async def test_they_are_listed_as_one_entry_that_counts_what_is_left(world: World) -> None:
    alice = await world.enrolled("alice")
    for used in range(3):
        sets = [one for one in (await alice.call("GET", "/users/me/secrets")).json() if one["type"] == "mfabackup"]
        assert [(one["total"], one["remaining"]) for one in sets] == [(10, 10 - used)]
        assert (sets[0]["lastUsed"] is None) == (used == 0)
        body = granted(await world.answer(await alice.challenge(), alice.codes[used]), "aal2", FULL)
        assert body["mfa"] == {"enabled": True, "backupCodesRemaining": 9 - used}


async def test_a_code_is_good_once_and_each_of_the_ten_is_good(world: World) -> None:
    alice = await world.enrolled("alice")
    for code in alice.codes:
        granted(await world.answer(await alice.challenge(), code), "aal2", FULL)
    for code in alice.codes:
        refused(await world.answer(await alice.challenge(), code), 401, "code_invalid")
    alice_set = [one for one in (await alice.call("GET", "/users/me/secrets")).json() if one["type"] == "mfabackup"]
    assert (alice_set[0]["total"], alice_set[0]["remaining"]) == (10, 0)
    world.clock.advance(30)
    await alice.login()


def spaced(code: str) -> str:
    return " ".join(code.replace("-", ""))


SPELLINGS: list[Callable[[str], str]] = [
    str.lower,
    lambda code: code.replace("-", ""),
    lambda code: code.replace("-", " "),
    spaced,
    lambda code: f"  {code.lower()} ",
    lambda code: code.replace("0", "o").replace("1", "I"),
    lambda code: code.replace("0", "O").replace("1", "l"),
]


@pytest.mark.parametrize("spell", SPELLINGS)
async def test_case_spaces_and_hyphens_do_not_matter(world: World, spell: Callable[[str], str]) -> None:
    alice = await world.enrolled("alice")
    granted(await world.answer(await alice.challenge(), spell(alice.codes[0])), "aal2", FULL)
    refused(await world.answer(await alice.challenge(), alice.codes[0]), 401, "code_invalid")


async def test_a_new_set_voids_the_old_one(world: World) -> None:
    alice = await world.enrolled("alice")
    made = await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"})
    assert made.status_code == 200
    body = made.json()
    assert body["type"] == "mfabackup"
    assert (body["total"], body["remaining"], body["userId"]) == (10, 10, alice.uid)
    assert len(set(body["codes"])) == 10
    assert not set(body["codes"]) & set(alice.codes)
    refused(await world.answer(await alice.challenge(), alice.codes[0]), 401, "code_invalid")
    granted(await world.answer(await alice.challenge(), body["codes"][0]), "aal2", FULL)
    assert (await alice.call("GET", "/users/me")).status_code == 200


@pytest.mark.parametrize("pending", [False, True])
async def test_without_mfa_there_are_no_codes(world: World, *, pending: bool) -> None:
    alice = await world.register("alice")
    if pending:
        await alice.begin_enrollment()
    before = await everything(world)
    refused(await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"}), 409, "mfa_not_enabled")
    assert await everything(world) == before


async def test_a_deleted_set_opens_no_door_and_mfa_stays(world: World) -> None:
    alice = await world.enrolled("alice")
    secrets = (await alice.call("GET", "/users/me/secrets")).json()
    uid = next(one["uid"] for one in secrets if one["type"] == "mfabackup")
    assert (await alice.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204
    refused(await world.answer(await alice.challenge(), alice.codes[0]), 401, "code_invalid")
    assert (await alice.call("GET", "/users/me")).json()["mfaEnabled"] is True
    alice.codes = (await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"})).json()["codes"]
    granted(await world.answer(await alice.challenge(), alice.codes[0]), "aal2", FULL)


async def test_the_code_of_another_user_is_wrong(world: World) -> None:
    alice, bob = await world.enrolled("alice"), await world.enrolled("bob")
    refused(await world.answer(await alice.challenge(), bob.codes[0]), 401, "code_invalid")
    granted(await world.answer(await bob.challenge(), bob.codes[0]), "aal2", FULL)


async def test_a_backup_code_is_no_password(world: World) -> None:
    alice = await world.enrolled("alice")
    before = await everything(world)
    refused(await world.password("alice", alice.codes[0]), 401, "invalid_credentials")
    assert await everything(world) == before


async def test_a_backup_code_renews_a_proof_once(world: World) -> None:
    alice = await world.enrolled("alice")
    body = {"password": alice.password, "token": alice.codes[0]}
    again = granted(await alice.call("POST", "/auth/elevate", body), "aal2", FULL)
    assert again["mfa"]["backupCodesRemaining"] == 9
    refused(await alice.call("POST", "/auth/elevate", body), 401, "code_invalid")
    refused(await world.answer(await alice.challenge(), alice.codes[0]), 401, "code_invalid")
