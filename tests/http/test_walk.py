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


async def test_a_walk_over_sessions_goes_on_where_its_last_one_has_ended(world: World) -> None:
    alice = await world.register("alice")
    for _ in range(3):
        world.clock.advance(1)
        await alice.login()
    base = "/users/me/sessions"
    whole = [one["uid"] for one in (await alice.call("GET", base)).json()]
    assert (await alice.call("DELETE", f"{base}/{whole[1]}")).status_code == 204
    for sort, rest in (("", whole[2:]), ("&sort=-dateCreated", whole[:1])):
        behind = await alice.call("GET", f"{base}?after={whole[1]}{sort}")
        assert [one["uid"] for one in behind.json()] == rest


async def test_a_walk_over_secrets_goes_on_where_its_last_one_is_removed_or_says_so(world: World) -> None:
    alice = await world.register("alice")
    for number in range(3):
        world.clock.advance(1)
        assert (await alice.call("POST", "/users/me/secrets", {"type": "device", "secret": f"{number}" * 32})).json()
    base = "/users/me/secrets"
    whole = [one["uid"] for one in (await alice.call("GET", base)).json()]
    assert (await alice.call("DELETE", f"{base}/{whole[2]}")).status_code == 204
    behind = await alice.call("GET", f"{base}?after={whole[2]}")
    assert [one["uid"] for one in behind.json()] == whole[3:]
    by_name = await alice.call("GET", f"{base}?after={whole[2]}&sort=name")
    assert (by_name.status_code, by_name.json()["errors"][0]["pointer"]) == (400, "/after")
