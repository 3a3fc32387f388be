"""api.md section 5: sessions."""

from tests.expect import granted, refused
from tests.surgery import count, everything
from tests.world import PASSWORD, World, bearer, client_of

SESSION = {"uid", "dateCreated", "lastUsed", "ip", "userAgent", "amr", "acr", "current"}


async def test_sessions_are_listed_with_what_was_proven_and_from_where(world: World) -> None:
    alice = await world.register("alice")
    world.clock.advance(10)
    async with client_of(world.service, "198.51.100.7") as elsewhere:
        body = {"identifier": "alice", "password": PASSWORD}
        answer = await elsewhere.post("/auth/password", json=body, headers={"user-agent": "a phone"})
        assert answer.status_code == 200
    listed = (await alice.call("GET", "/users/me/sessions")).json()
    assert [set(session) for session in listed] == [SESSION, SESSION]
    mine, other = listed
    assert (mine["current"], other["current"]) == (True, False)
    assert (other["ip"], other["userAgent"]) == ("198.51.100.7", "a phone")
    assert (other["acr"], other["amr"]) == ("aal1", ["pwd"])
    assert mine["ip"] == "127.0.0.1"
    assert other["dateCreated"] == other["lastUsed"] == "2027-01-15T08:00:10.000000Z"


async def test_a_user_agent_is_bounded_and_printable(world: World) -> None:
    alice = await world.register("alice")
    sent = [(b"user-agent", b"a\x85\xad\tb" + b"x" * 5000)]
    answer = await world.client.post("/auth/password", json={"identifier": "alice", "password": PASSWORD}, headers=sent)
    assert answer.status_code == 200
    listed = (await alice.call("GET", "/users/me/sessions")).json()
    assert listed[1]["userAgent"].isprintable()
    assert 0 < len(listed[1]["userAgent"]) <= 256


async def test_a_session_is_used_when_it_is_refreshed(world: World) -> None:
    alice = await world.register("alice")
    world.clock.advance(120)
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json())
    session = (await alice.call("GET", "/users/me/sessions")).json()[0]
    assert session["lastUsed"] == "2027-01-15T08:02:00.000000Z"
    assert session["dateCreated"] == "2027-01-15T08:00:00.000000Z"


async def test_logging_out_ends_the_session_at_once_and_no_other(world: World) -> None:
    alice = await world.register("alice")
    other = (await world.password("alice", PASSWORD)).json()
    answer = await alice.call("POST", "/auth/logout")
    assert (answer.status_code, answer.content) == (204, b"")
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    refused(await alice.call("POST", "/auth/logout"), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), 401, "invalid_token")
    assert (await world.call("GET", "/users/me", headers=bearer(other["token"]))).status_code == 200


async def test_logging_out_wants_an_access_token(world: World) -> None:
    alice = await world.register("alice")
    refused(await world.call("POST", "/auth/logout"), 401, "unauthenticated")
    refused(await world.call("POST", "/auth/logout", headers=bearer(alice.refresh)), 401, "invalid_token")
    assert (await alice.call("GET", "/users/me")).status_code == 200


async def test_one_session_is_ended(world: World) -> None:
    alice = await world.register("alice")
    other = (await world.password("alice", PASSWORD)).json()
    third = (await world.password("alice", PASSWORD)).json()
    listed = (await world.call("GET", "/users/me/sessions", headers=bearer(other["token"]))).json()
    uid = next(session["uid"] for session in listed if session["current"])
    assert (await alice.call("DELETE", f"/users/me/sessions/{uid}")).status_code == 204
    refused(await world.call("GET", "/users/me", headers=bearer(other["token"])), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": other["refresh"]}), 401, "invalid_token")
    assert (await world.call("GET", "/users/me", headers=bearer(third["token"]))).status_code == 200
    refused(await alice.call("DELETE", f"/users/me/sessions/{uid}"), 404, "not_found")


async def test_ones_own_session_can_be_ended_by_its_uid(world: World) -> None:
    alice = await world.register("alice")
    uid = (await alice.call("GET", "/users/me/sessions")).json()[0]["uid"]
    assert (await alice.call("DELETE", f"/users/me/sessions/{uid}")).status_code == 204
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")


async def test_all_sessions_but_the_current_are_ended(world: World) -> None:
    alice = await world.register("alice")
    others = [(await world.password("alice", PASSWORD)).json() for _ in range(3)]
    answer = await alice.call("DELETE", "/users/me/sessions")
    assert (answer.status_code, answer.content) == (204, b"")
    for other in others:
        refused(await world.call("GET", "/users/me", headers=bearer(other["token"])), 401, "invalid_token")
    listed = (await alice.call("GET", "/users/me/sessions")).json()
    assert [session["current"] for session in listed] == [True]
    granted(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), "aal1", ["pwd"])


async def test_sessions_of_others_are_hidden(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    uid = (await alice.call("GET", "/users/me/sessions")).json()[0]["uid"]
    before = await everything(world)
    for method, path in (
        ("GET", f"/users/{alice.uid}/sessions"),
        ("DELETE", f"/users/{alice.uid}/sessions"),
        ("DELETE", f"/users/{alice.uid}/sessions/{uid}"),
        ("DELETE", f"/users/{bob.uid}/sessions/{uid}"),
        ("DELETE", f"/users/me/sessions/{uid}"),
    ):
        refused(await bob.call(method, path), 404, "not_found")
    assert await everything(world) == before


async def test_a_session_that_ended_by_itself_is_not_listed(world: World) -> None:
    alice = await world.register("alice")
    world.clock.advance(7 * 86_400)
    await alice.login()
    assert [session["current"] for session in (await alice.call("GET", "/users/me/sessions")).json()] == [True]
    assert await count(world, "sessions") == 2
