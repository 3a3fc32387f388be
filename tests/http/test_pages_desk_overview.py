"""The first page of the desk: its plots, and the tables that say the same."""

import re

import pytest

from sallyport.audit.flow.hours import CountLogins
from tests.guest import Guest, signed_in
from tests.surgery import operate
from tests.world import World


@pytest.fixture
async def desk(world: World) -> Guest:
    return await signed_in(world, await world.admin())


def cells(page: str, row: str) -> list[list[int]]:
    """Return the numbers of the rows of a table that begin so."""
    found = re.findall(rf'<th scope="row">{row}[^<]*</th>((?:<td>\d+</td>)+)', page)
    return [[int(number) for number in re.findall(r"\d+", cell)] for cell in found]


async def test_logins_are_drawn_by_hour_and_outcome(world: World, desk: Guest) -> None:
    mira = await world.enrolled("mira")
    for _ in range(3):
        await world.password("mira", "wrong")
    await mira.login()
    world.clock.advance(3_600)
    await mira.login()
    desk = await signed_in(world, await world.admin())
    page = (await desk.get("/ui/admin")).text
    # The admin's own: once over HTTP and once on a page, in either hour.
    assert cells(page, "2027-01-15 08:00") == [[3, 3, 0]]
    assert cells(page, "2027-01-15 09:00") == [[3, 0, 0]]
    assert len(cells(page, "2027-01-1")) == 24 + len(re.findall("Minute</th>", page))
    assert page.count('class="bar-0"') == 2 + 2, "two columns, the legend and the share"
    assert "estimates" not in page


async def test_an_hour_with_many_rows_is_an_estimate(
    world: World, desk: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sallyport.audit.flow.hours._AT_ONCE", 4)
    for _ in range(8):
        world.clock.advance(60)
        await world.password("mira", "wrong")
    world.clock.advance(120)
    count = CountLogins(work=world.service.work, clock=world.clock)
    # Two of the admin's and two of these in two minutes, where ten have passed.
    assert (await count())[-1].counts == (10, 10, 0)
    assert "estimates" in (await desk.get("/ui/admin")).text


async def test_the_share_of_second_factors_is_told_and_drawn(world: World, desk: Guest) -> None:
    await world.enrolled("mira")
    page = (await desk.get("/ui/admin")).text
    assert "2 users, 1 has a second factor (50 %)." in page
    assert '<rect class="bar-0" width="1" height="10"/>' in page
    assert "Share of users with a second factor: 50 percent" in page


async def test_this_machine_is_told_of_by_minute(world: World, desk: Guest) -> None:
    await world.service.pulse()
    world.service.meters.throttled.count("password")
    world.clock.advance(60)
    page = (await desk.get("/ui/admin")).text
    assert cells(page, "2027-01-15 08:0[01] UTC")[-1] == [1, 0]
    assert "Highest: 1 in a minute." in page


async def test_no_plot_costs_a_hash_or_much_of_a_page(world: World, desk: Guest) -> None:
    for _ in range(58):
        world.clock.advance(60)
        world.service.meters.throttled.count("password")
        await world.service.pulse()
    world.service.pool.run = None  # type: ignore[method-assign,assignment]  # whoever hashes falls over
    answer = await desk.get("/ui/admin?lang=")
    assert answer.status_code == 200
    assert answer.text.count('<rect class="bar-0"') > 57
    assert len(answer.content) < 60_000
    for label in re.findall(r'aria-labelledby="([^"]+)"', answer.text):
        assert all(f'id="{one}"' in answer.text for one in label.split())


async def test_an_hour_that_is_over_is_counted_once(world: World, desk: Guest) -> None:
    count = CountLogins(work=world.service.work, clock=world.clock)
    world.clock.advance(3_600)
    before = await count()
    assert before[-2].counts == (2, 0, 0)
    await operate(
        world,
        """UPDATE audit_log SET outcome = 'failure'
           WHERE id = (SELECT min(id) FROM audit_log WHERE session_id IS NOT NULL)""",
    )
    assert (await count())[-2].counts == (1, 1, 0), "it has only just ended"
    world.clock.advance(60)
    assert (await count())[-2].counts == (1, 1, 0)
    await operate(world, "UPDATE audit_log SET outcome = 'success' WHERE outcome = 'failure'")
    assert (await count())[-2].counts == (1, 1, 0)
