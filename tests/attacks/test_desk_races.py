"""What the desk uses up is used up once, however many ask for it at the same moment."""

import asyncio

from tests.conftest import MakeWorld
from tests.surgery import fetch, give_roles
from tests.world import World

TWO = {"SALLYPORT_DESK_APPROVAL": "two", "SALLYPORT_THROTTLE": "off"}
CODE = {"SALLYPORT_DESK_CALLER_CODE": "required", "SALLYPORT_THROTTLE": "off"}


async def test_ten_second_persons_at_once_confirm_once(make_world: MakeWorld) -> None:
    world: World = await make_world(TWO)
    alice, first = await world.enrolled("alice"), await world.admin()
    others = [await world.register(f"other{number}") for number in range(10)]
    for other in others:
        await give_roles(other, "admin")
    asked = (await first.call("DELETE", f"/users/{alice.uid}/mfa")).json()["uid"]
    answers = await asyncio.gather(*(other.call("POST", f"/approvals/{asked}") for other in others))
    assert sorted(answer.status_code for answer in answers) == [204] + [404] * 9
    given = await fetch(world, "SELECT 1 FROM audit_log WHERE event = 'approval.given'")
    removed = await fetch(world, "SELECT 1 FROM audit_log WHERE event = 'secret.removed'")
    assert (len(given), len(removed)) == (1, 1)


async def test_a_caller_code_that_two_desks_type_at_once_is_good_for_one(make_world: MakeWorld) -> None:
    world: World = await make_world(CODE | TWO)
    alice, first, second = await world.enrolled("alice"), await world.admin(), await world.register("second")
    await give_roles(second, "admin")
    path = f"/users/{alice.uid}"
    code = (await world.call("POST", f"{path}/recover/mfa", {"password": alice.password})).json()["callerCode"]
    typed = [desk.call("DELETE", f"{path}/mfa", {"callerCode": code}) for desk in (first, second) * 3]
    answers = await asyncio.gather(*typed)
    assert sorted(answer.status_code for answer in answers) == [202] + [400] * 5
