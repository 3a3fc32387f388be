"""Walking through a list while it changes."""

from tests.world import World


async def test_a_walk_by_name_says_that_its_place_is_gone(world: World) -> None:
    people = []
    for number in range(3):
        world.clock.advance(1)
        people.append(await world.register(f"walker{number}"))
    assert (await people[1].call("DELETE", "/users/me")).status_code == 204
    for sort in ("name", "-dateCreated"):
        gone = await people[0].call("GET", f"/users?sort={sort}&after={people[1].uid}")
        assert (gone.status_code, gone.json()["errors"][0]["pointer"]) == (400, "/after")
    rest = await people[0].call("GET", f"/users?after={people[1].uid}")
    assert [user["uid"] for user in rest.json()] == [people[2].uid]
