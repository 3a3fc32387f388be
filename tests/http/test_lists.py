"""api.md section 1: lists are filtered by exact fields, and who may ask for what."""

from typing import Any

import pytest

from tests.expect import refused
from tests.http.test_paging import LINK
from tests.surgery import give_roles, operate, verify_email
from tests.world import PASSWORD, Person, World, bearer

NOBODY = "ffffffff-ffff-4fff-8fff-ffffffffffff"
INSERT_AUDIT = """INSERT INTO audit_log (id, created_at, event, outcome, user_id, request_id, row_digest)
    VALUES (:uid, :created_at, :event, 'success', :user, '', :digest)"""
SORTS = ("", "name", "-dateCreated")


class Town:
    """An admin, and people who differ in every field that can be asked for."""

    def __init__(self, world: World, admin: Person, people: dict[str, Person]) -> None:
        self.world = world
        self.admin = admin
        self.people = people

    async def names(self, query: str, by: Person | None = None) -> list[str]:
        answer = await (by or self.admin).call("GET", f"/users?{query}")
        assert answer.status_code == 200, answer.text
        return [user["name"] for user in answer.json()]

    async def count(self, query: str, by: Person | None = None) -> int:
        answer = await (by or self.admin).call("GET", f"/users/count?{query}")
        assert answer.status_code == 200, answer.text
        count: int = answer.json()["count"]
        return count


@pytest.fixture
async def town(world: World) -> Town:
    people = {}
    for name in ("dora", "Carl", "bea", "abe"):
        world.clock.advance(1)
        people[name] = await world.register(name, email="shared@example.org" if name in {"Carl", "abe"} else None)
    await people["dora"].enroll()
    await verify_email(people["abe"])
    admin = await world.admin()
    off = await admin.call("PUT", f"/users/{people['bea'].uid}", {"version": 0, "disabled": True})
    assert off.status_code == 200
    for name in ("dora", "abe"):
        await give_roles(people[name], "staff")
    return Town(world, admin, people)


ASKED: dict[str, set[str]] = {
    "name=CARL": {"Carl"},
    "name=nobody": set(),
    "name=two%20words": set(),
    "email=SHARED@example.org": {"Carl", "abe"},
    "email=": set(),
    "verified=true": {"abe"},
    "verified=false": {"admin", "dora", "Carl", "bea"},
    "disabled=true": {"bea"},
    "disabled=false": {"admin", "dora", "Carl", "abe"},
    "mfaEnabled=true": {"dora"},
    "mfaEnabled=false": {"admin", "Carl", "bea", "abe"},
    "role=STAFF": {"dora", "abe"},
    "role=admin": {"admin"},
    "role=nobody": set(),
    "role=two%20words": set(),
    "email=shared@example.org&verified=false": {"Carl"},
    "email=shared@example.org&role=staff": {"abe"},
    "role=staff&mfaEnabled=true&disabled=false": {"dora"},
    "name=carl&email=other@example.org": set(),
    "name=carl&verified=false": {"Carl"},
    "disabled=true&mfaEnabled=true": set(),
}
ORDER = {"": "admin dora Carl bea abe", "name": "abe admin bea Carl dora", "-dateCreated": "abe bea Carl dora admin"}


@pytest.mark.parametrize("sort", SORTS)
async def test_a_list_has_exactly_those_who_fit_in_the_order_that_is_asked_for(town: Town, sort: str) -> None:
    sorted_ = f"&sort={sort}" if sort else ""
    for query, fitting in ASKED.items():
        wanted = [name for name in ORDER[sort].split() if name in fitting]
        assert await town.names(query + sorted_) == wanted, query
        assert await town.names(f"{query}{sorted_}&skip=1&limit=2") == wanted[1:3]
        assert await town.count(query) == len(wanted)
        assert await walked(town, f"/users?limit=1&{query}{sorted_}") == wanted


async def walked(town: Town, path: str) -> list[str]:
    """Walk along the links, and return whom one meets."""
    met: list[str] = []
    while path:
        answer = await town.admin.call("GET", path)
        met += [user["name"] for user in answer.json()]
        link = LINK.fullmatch(answer.headers.get("link", ""))
        path = link[1] if link else ""
    return met


async def test_a_list_of_one_uid_has_that_user(town: Town) -> None:
    uid = town.people["bea"].uid
    assert await town.names(f"uid={uid}") == ["bea"]
    assert await town.names(f"uid={uid}&disabled=false") == await town.names(f"uid={NOBODY}") == []
    assert await town.count(f"uid={uid}&name=bea", by=town.people["dora"]) == 1


async def test_one_asks_for_what_one_sees_of_others(town: Town) -> None:
    """Or a list would tell, user by user, what the users themselves hide."""
    dora = town.people["dora"]
    for query in ("email=x@example.org", "verified=true", "disabled=true", "mfaEnabled=true", "role=x"):
        for path in ("/users", "/users/count"):
            refused(await dora.call("GET", f"{path}?{query}"), 400, "invalid_request")
            assert (await town.admin.call("GET", f"{path}?{query}")).status_code == 200
    assert await town.names("name=ABE", by=dora) == ["abe"]


async def test_a_trusted_role_below_its_level_asks_like_anybody(town: Town) -> None:
    early = town.admin.token
    await town.admin.enroll()
    answer = await town.world.call("GET", "/users?disabled=true", headers=bearer(early))
    refused(answer, 400, "invalid_request")


async def test_a_filter_that_makes_no_sense_is_refused(town: Town) -> None:
    for query in (
        *("verified=1", "verified=", "disabled=TRUE", "mfaEnabled=yes", "uid=me", "uid=", "phone=1", "firstName=x"),
        "role=a&role=b",
    ):
        for path in ("/users", "/users/count"):
            refused(await town.admin.call("GET", f"{path}?{query}"), 400, "invalid_request")


async def test_a_count_takes_filters_alone(town: Town) -> None:
    for query in ("limit=1", "sort=name", "after=" + NOBODY):
        refused(await town.admin.call("GET", f"/users/count?{query}"), 400, "invalid_request")


async def test_a_walk_over_those_who_fit_goes_on_where_its_last_one_is_gone(town: Town) -> None:
    gone = town.people["Carl"]
    assert (await gone.call("DELETE", "/users/me")).status_code == 204
    assert await town.names(f"mfaEnabled=false&after={gone.uid}") == ["bea", "abe"]
    assert await town.names(f"mfaEnabled=false&sort=-dateCreated&after={gone.uid}") == ["admin"]
    query = f"/users?mfaEnabled=false&sort=name&after={gone.uid}"
    refused(await town.admin.call("GET", query), 400, "invalid_request")


@pytest.mark.parametrize("sort", SORTS)
async def test_a_walk_finds_one_among_many(world: World, sort: str) -> None:
    for number in range(600):
        world.clock.advance(1)
        await world.register(f"n{number:04d}x", password=None)
    admin = await world.admin()
    await operate(world, "UPDATE users SET mfa_since = 1 WHERE name = :name", name="n0555x")
    query = "mfaEnabled=true" + (f"&sort={sort}" if sort else "")
    assert [one["name"] for one in (await admin.call("GET", f"/users?{query}")).json()] == ["n0555x"]
    assert (await admin.call("GET", "/users/count?mfaEnabled=true")).json() == {"count": 1}
    assert (await admin.call("GET", "/users/count?mfaEnabled=false")).json() == {"count": 600}
    answer = await admin.call("GET", "/users?mfaEnabled=false&limit=300&skip=299&sort=name")
    assert [one["name"] for one in answer.json()][:1] == ["n0298x"]
    assert len(answer.json()) == 300


async def test_secrets_are_listed_and_counted_by_type(world: World) -> None:
    alice = await world.enrolled("alice")
    base = "/users/me/secrets"

    async def types(query: str) -> list[str]:
        return [one["type"] for one in (await alice.call("GET", f"{base}?{query}")).json()]

    assert await types("type=mfa") == ["mfa"]
    assert await types("type=apikey") == []
    assert sorted(await types("")) == ["mfa", "mfabackup", "password"]
    assert (await alice.call("GET", f"{base}/count?type=password")).json() == {"count": 1}
    for query in ("type=x", "type=", "enrolled=true"):
        refused(await alice.call("GET", f"{base}?{query}"), 400, "invalid_request")
        refused(await alice.call("GET", f"{base}/count?{query}"), 400, "invalid_request")
    answer = await alice.call("GET", f"{base}?type=mfa&limit=1")
    assert "type=mfa" in answer.headers["link"]


async def test_secrets_are_sorted_by_what_their_owner_calls_them(world: World) -> None:
    alice = await world.enrolled("alice")
    secrets = (await alice.call("GET", "/users/me/secrets")).json()
    names = {"password": "zebra", "mfa": "Apple", "mfabackup": "mango"}
    for one in secrets:
        body = {"version": one["version"], "description": names[one["type"]]}
        assert (await alice.call("PUT", f"/users/me/secrets/{one['uid']}", body)).status_code == 200
    listed = (await alice.call("GET", "/users/me/secrets?sort=name")).json()
    assert [one["description"] for one in listed] == ["Apple", "mango", "zebra"]


async def test_sessions_are_filtered_and_sorted(world: World) -> None:
    alice = await world.register("alice")
    for _ in range(2):
        world.clock.advance(1)
        await alice.login()
    await alice.enroll()
    base = "/users/me/sessions"
    world.clock.advance(30)
    await alice.login()
    whole: list[Any] = (await alice.call("GET", base)).json()
    assert [one["acr"] for one in whole] == ["aal2", "aal2"]
    assert (await alice.call("GET", f"{base}?acr=aal2&sort=-dateCreated")).json() == whole[::-1]
    assert (await alice.call("GET", f"{base}?acr=aal1")).json() == []
    assert (await alice.call("GET", f"{base}?ip=127.0.0.1&limit=1")).json() == whole[:1]
    assert (await alice.call("GET", f"{base}?ip=10.0.0.1")).json() == []
    for query in ("sort=name", "amr=pwd", "current=true"):
        refused(await alice.call("GET", f"{base}?{query}"), 400, "invalid_request")
    for query, count in (("", 2), ("acr=aal2", 2), ("acr=aal1", 0), ("ip=127.0.0.1&acr=aal2", 2), ("ip=10.0.0.1", 0)):
        assert (await alice.call("GET", f"{base}/count?{query}")).json() == {"count": count}
    for query in ("limit=1", "sort=-dateCreated", "amr=pwd", "acr=aal1&acr=aal2"):
        refused(await alice.call("GET", f"{base}/count?{query}"), 400, "invalid_request")


async def test_the_audit_log_is_walked_with_its_filters(world: World) -> None:
    admin = await world.admin()
    for number in range(5):
        world.clock.advance(1)
        await world.register(f"n{number}x", password=PASSWORD)
    whole = (await admin.call("GET", "/audit?event=user.created")).json()
    assert len(whole) == 5
    path, walked = "/audit?event=user.created&limit=2&since=2001-01-01T00:00:00Z", []
    while path:
        answer = await admin.call("GET", path)
        walked += answer.json()
        link = LINK.fullmatch(answer.headers.get("link", ""))
        path = link[1] if link else ""
    assert walked == whole
    behind = await admin.call("GET", f"/audit?event=user.created&after={whole[1]['uid']}")
    assert behind.json() == whole[2:]
    for query in ("sort=name", "actor=x", "outcome=success"):
        refused(await admin.call("GET", f"/audit?{query}"), 400, "invalid_request")


async def test_the_audit_log_is_counted_with_its_filters(world: World) -> None:
    """Across the parts in which it is walked, too: what one has is found at each of their ends."""
    admin = await world.admin()
    alice = await world.register("alice")
    whole = (await admin.call("GET", "/audit?limit=1000")).json()
    oldest: dict[str, Any] = {"created_at": 1, "event": "user.changed", "user": alice.uid, "digest": b""}
    for number in range(1_001):
        await operate(world, INSERT_AUDIT, uid=f"00000000-0000-7000-8000-{number:012d}", **oldest)

    async def count(path: str) -> int:
        answer = await admin.call("GET", path)
        assert answer.status_code == 200, answer.text
        found: int = answer.json()["count"]
        return found

    assert await count("/audit/count") == len(whole) + 1_001
    assert await count("/audit/count?event=user.changed") == 1_001
    assert await count(f"/audit/count?user={alice.uid}&event=user.changed") == 1_001
    assert await count("/audit/count?since=2001-01-01T00:00:00Z") == len(whole)
    assert await count(f"/audit/count?user={NOBODY}") == 0
    of_alice = [row for row in whole if row["userId"] == alice.uid]
    assert await count(f"/users/{alice.uid}/audit/count") == len(of_alice) + 1_001
    assert (await alice.call("GET", "/users/me/audit/count?event=user.created")).json() == {"count": 1}
    for path in ("/audit/count", "/users/me/audit/count"):
        for query in ("limit=1", "sort=-dateCreated", f"after={NOBODY}", "event=x", "since=x", "actor=x"):
            refused(await admin.call("GET", f"{path}?{query}"), 400, "invalid_request")
    refused(await admin.call("GET", "/audit/count?user=me"), 400, "invalid_request")
    refused(await admin.call("GET", f"/users/me/audit/count?user={alice.uid}"), 400, "invalid_request")
    refused(await alice.call("GET", "/audit/count"), 403, "forbidden")
    refused(await alice.call("GET", f"/users/{admin.uid}/audit/count"), 404, "not_found")
