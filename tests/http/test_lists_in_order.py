"""api.md section 1: what `sort` and `after` mean, on every list."""

from tests.world import World


async def test_the_newest_secret_comes_first_where_that_is_asked_for(world: World) -> None:
    alice = await world.enrolled("alice")
    world.clock.advance(60)
    newest = await alice.begin_enrollment()
    listed = (await alice.call("GET", "/users/me/secrets?sort=-dateCreated")).json()
    created = [secret["dateCreated"] for secret in listed]
    assert created == sorted(created, reverse=True)
    assert listed[0]["uid"] == newest


async def test_a_page_behind_a_user_who_is_gone_does_not_begin_anew(world: World) -> None:
    """A walk sorted by name whose last user is erased meanwhile starts over, and a client walks in a circle."""
    alice, bob = await world.register("alice"), await world.register("bob")
    await world.register("carol")
    assert (await bob.call("DELETE", "/users/me")).status_code == 204
    behind = await alice.call("GET", f"/users?sort=name&after={bob.uid}")
    assert (behind.status_code, behind.json()["code"]) == (400, "invalid_request")
