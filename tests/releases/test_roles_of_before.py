"""Roles were words on users; a migration makes roles and members of them, on both engines."""

from typing import Any

import pytest

from sallyport.store import schema
from sallyport.store.work import Sql
from tests.releases.places import Place
from tests.surgery import fetch
from tests.world import TurnedClock, World, client_of, service_in

pytestmark = pytest.mark.usefixtures("hasty")
BEFORE = "0011_from_0001"
ARRIVE = """INSERT INTO users (id, name, name_key, roles, created_at, modified_at, version)
            VALUES (:uid, :name, :name, :roles, 0, 0, 0)"""
MEMBERS = """SELECT roles.name, user_id, is_member, is_owner FROM role_members
             JOIN roles ON roles.id = role_members.role_id ORDER BY roles.name, user_id"""


def arrive(place: Place, carried: dict[str, str]) -> None:
    with place.connected() as rows:
        for uid, roles in carried.items():
            place.run(rows, ARRIVE, {"uid": uid, "name": uid, "roles": roles})


async def told(place: Place, asked: str) -> list[tuple[Any, ...]]:
    work = place.database.work()
    try:
        return await work.read(lambda rows: rows.all(Sql(asked)))
    finally:
        work.close()


async def test_who_carries_a_name_is_a_member_of_its_role(place: Place) -> None:
    place.take_to(BEFORE)
    arrive(place, {"ann": '["admin"]', "bob": '["admin","help desk"]', "eve": "[]", "tim": '["Staff"]'})
    schema.migrate(place.database)
    assert await told(place, MEMBERS) == [
        ("Staff", "tim", True, False),
        ("admin", "ann", True, False),
        ("admin", "bob", True, False),
        ("help desk", "bob", True, False),
    ]
    keys = await told(place, "SELECT name, name_key, description, version FROM roles ORDER BY name")
    assert keys == [("Staff", "staff", None, 0), ("admin", "admin", None, 0), ("help desk", "help desk", None, 0)]
    assert await told(place, "SELECT roles FROM users WHERE id = 'bob'") == [('["admin","help desk"]',)]


async def test_a_spelling_that_nobody_trusted_is_trusted_by_nobody_now(place: Place) -> None:
    place.take_to(BEFORE)
    arrive(place, {"ann": '["admin"]', "eve": '["ADMIN"]', "tim": '["Crew"]', "tom": '["cREW"]'})
    schema.migrate(place.database)
    assert await told(place, MEMBERS) == [("Crew", "tim", True, False), ("admin", "ann", True, False)]


async def test_a_database_without_roles_gets_none(place: Place) -> None:
    place.take_to(BEFORE)
    arrive(place, {"ann": "[]"})
    schema.migrate(place.database)
    assert await told(place, "SELECT count(*) FROM roles") == [(0,)]


@pytest.mark.parametrize("release", ["0001"])
async def test_the_admin_of_an_old_release_is_in_the_role(place: Place, release: str) -> None:
    place.left_by(release)
    schema.migrate(place.database)
    (row,) = await told(place, MEMBERS)
    assert row[0] == "admin"
    assert await told(place, "SELECT id FROM users WHERE roles <> '[]'") == [(row[1],)]


async def test_a_start_makes_trusted_roles_that_are_missing_and_spells_them_as_the_settings_do(place: Place) -> None:
    place.take_to(BEFORE)
    arrive(place, {"01912345-0000-7000-8000-000000000000": '["desk","staff"]'})
    schema.migrate(place.database)
    given = {"SALLYPORT_DATABASE_URL": place.url, "SALLYPORT_TRUSTED_ROLES": "Desk,root"}
    for _ in range(2):
        service = service_in(place.folder, TurnedClock(), given)
        await service.first_start()
        async with client_of(service) as client:
            world = World(service, client, service.clock)  # type: ignore[arg-type]  # the clock given above
            names = await fetch(world, "SELECT name, version FROM roles ORDER BY name")
            assert names == [("Desk", 1), ("root", 0), ("staff", 0)]
            carried = await fetch(world, "SELECT roles FROM users WHERE name_key LIKE '0191%'")
            assert carried == [('["Desk","staff"]',)]
            admin = await world.admin()
            assert (await admin.call("GET", "/users/me")).json()["roles"] == ["Desk"]
        service.close()
