"""Resets of second factors that wait, as the desk sees them on its pages."""

import re

from tests.attacks.test_g_lost import known, wait
from tests.guest import signed_in
from tests.surgery import count, everything, fetch, give_roles
from tests.world import World


async def test_a_reset_that_waits_is_seen_and_cancelled(world: World) -> None:
    alice = await known(world)
    told = await wait(alice)
    desk = await signed_in(world, await world.admin())
    page = (await desk.get("/ui/admin/approvals")).text
    assert f'href="/ui/admin/users/{alice.uid}">alice</a>' in page
    assert "Resets that their owners wait for" in page
    here = f"/ui/admin/users/{alice.uid}"
    page = (await desk.get(here)).text
    assert f"{told['ends'][:10]} {told['ends'][11:16]} UTC" in page
    answer = await desk.post(f"{here}/cancel-reset", reason="she did not ask for it")
    assert answer.headers["location"] == here
    assert "The reset is cancelled." in (await desk.get(answer.headers["location"])).text
    assert await count(world, "mfa_resets") == 0
    detail = await fetch(world, "SELECT detail FROM audit_log WHERE event = 'mfa_reset.cancelled'")
    assert detail == [("she did not ask for it",)]
    assert (await desk.post(f"{here}/cancel-reset")).status_code == 404
    assert "A reset waits" not in (await desk.get(here)).text


async def test_many_resets_are_paged_through(world: World) -> None:
    for number in range(26):
        await wait(await known(world, f"person{number:02}"))
    desk = await signed_in(world, await world.admin())
    page = await desk.get("/ui/admin/approvals")
    assert page.text.count("can be finished from") == 25
    (onward,) = re.findall(r'href="(/ui/admin/approvals\?resets=[^"]+)"', page.text)
    rest = (await desk.get(onward)).text
    assert rest.count("can be finished from") == 1
    assert "?resets=" not in rest
    assert (await desk.get("/ui/admin/approvals?resets=x")).text.count("can be finished from") == 25


async def test_nobody_cancels_a_reset_who_is_no_desk_or_of_an_equal(world: World) -> None:
    alice, mira = await known(world), await world.register("mira")
    await wait(alice)
    guest, desk = await signed_in(world, mira), await signed_in(world, await world.admin())
    before = await everything(world)
    await guest.get("/ui/account")
    assert (await guest.post(f"/ui/admin/users/{alice.uid}/cancel-reset")).status_code == 404
    assert await everything(world) == before
    await give_roles(alice, "admin")
    page = (await desk.get(f"/ui/admin/users/{alice.uid}")).text
    assert "A reset waits" in page
    assert "cancel-reset" not in page
    assert (await desk.post(f"/ui/admin/users/{alice.uid}/cancel-reset")).status_code == 403
    assert await count(world, "mfa_resets") == 1
