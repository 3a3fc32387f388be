"""Registering, alone or by a desk."""

import runpy
from importlib.metadata import distribution

import pytest

from tests.conftest import MakeWorld
from tests.flow.test_login import claims, refusal
from tests.world import PASSWORD, World


@pytest.mark.parametrize(("password", "acr", "amr"), [(None, "aal0", []), (PASSWORD, "aal1", ["pwd"])])
async def test_a_new_user_has_proven_what_they_gave(
    world: World, password: str | None, acr: str, amr: list[str]
) -> None:
    alice = await world.register("alice", password)
    assert (claims(alice.token)["acr"], claims(alice.token)["amr"]) == (acr, amr)


async def test_a_name_is_taken_in_every_case_of_letters(world: World) -> None:
    await world.register("Alice")
    answer = await world.call("POST", "/users", {"name": "aLICE"})
    assert refusal(answer) == (409, "name_taken")


@pytest.mark.parametrize("field", [{"verified": True}, {"roles": ["admin"]}, {"disabled": True}, {"mfaEnabled": True}])
async def test_nobody_gives_themselves_rights(world: World, field: dict[str, object]) -> None:
    answer = await world.call("POST", "/users", {"name": "alice", **field})
    assert refusal(answer) == (403, "field_forbidden")


async def test_a_poor_password_makes_no_account(world: World) -> None:
    answer = await world.call("POST", "/users", {"name": "alice", "password": "too short"})
    assert refusal(answer) == (400, "password_rejected")
    assert (await world.register("alice")).name == "alice"


async def test_a_desk_makes_accounts_without_tokens(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REGISTRATION": "closed"})
    desk = await world.admin()
    made = await desk.call("POST", "/users", {"name": "alice", "password": PASSWORD, "disabled": True})
    assert made.status_code == 201
    assert set(made.json()) == {"userUid", "user"}
    assert made.json()["user"]["disabled"] is True
    assert refusal(await world.password("alice", PASSWORD)) == (401, "invalid_credentials")
    bare = await desk.call("POST", "/users", {"name": "bob", "email": "bob@example.org", "firstName": "Bob"})
    assert (bare.json()["user"]["email"], bare.json()["user"]["firstName"]) == ("bob@example.org", "Bob")


async def test_where_registration_is_closed_nobody_registers_alone(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REGISTRATION": "closed"})
    assert refusal(await world.call("POST", "/users", {"name": "alice"})) == (401, "unauthenticated")


async def test_the_common_passwords_are_the_list_as_python_reads_it(world: World) -> None:
    path = distribution("zxcvbn").locate_file("zxcvbn/frequency_lists.py")
    common = runpy.run_path(str(path))["FREQUENCY_LISTS"]["passwords"]
    assert world.service.passwords.common == frozenset(common)
    assert len(common) == 30_000
