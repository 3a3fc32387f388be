"""The rules of the house, looked after by machine."""

import tomllib
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from coverage.files import GlobMatcher

from sallyport.kernel.policy import DeskRules
from tests import house
from tests.surgery import give_roles, verify_email
from tests.world import PASSWORD, Person, World, basic, bearer

RULES = [
    house.long_files,
    house.long_functions,
    house.deep_functions,
    house.poor_names,
    house.endless_loops,
    house.open_records,
    house.prints,
    house.loose_ends,
    house.unreasoned_exceptions,
]

PROJECT = tomllib.loads((house.SOURCE.parents[1] / "pyproject.toml").read_text())["tool"]

TOKENS_COME_FROM = {
    ("POST", "/users"),
    ("GET", "/auth/password"),
    ("POST", "/auth/password"),
    ("POST", "/auth/totp"),
    ("POST", "/auth/elevate"),
    ("POST", "/auth/refresh"),
    ("PUT", "/users/{id}/secrets/{sid}"),
    ("PUT", "/users/{id}/secrets/{sid}/enroll"),
    ("POST", "/users/{id}/recover/mfa"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_is_in_order(rule: Callable[[], list[str]]) -> None:
    assert rule() == []


def test_there_is_a_source_to_look_at() -> None:
    assert len(house.modules()) > 50
    assert {"sallyport.wiring", "sallyport.kernel", "sallyport.kernel.vault"} <= {one.name for one in house.modules()}


def test_secrets_are_opened_in_known_places_only() -> None:
    assert house.reveals() == set(house.REVEALS)


def test_no_exception_stands_in_a_list_for_nothing() -> None:
    names = {f"{name}.{getattr(node, 'name', '')}" for module in house.modules() for name, node in module.nodes()}
    assert names >= set(house.POSITIONAL) | set(house.ENDLESS)


def test_every_room_is_either_demanded_to_be_covered_or_named_as_not_traced() -> None:
    rooms = [path for path in house.SOURCE.rglob("*.py") if path.name != "__init__.py"]
    demanded, untraced = demanded_and_untraced()
    assert [str(path) for path in rooms if demanded(str(path)) is untraced(str(path))] == []


def test_rules_and_flows_are_demanded_to_be_covered_however_deep_they_lie() -> None:
    demanded, untraced = demanded_and_untraced()
    contracts = PROJECT["importlinter"]["contracts"]
    (pure,) = [one["source_modules"] for one in contracts if one["name"].startswith("Rules are pure")]
    rooms = {house.SOURCE.parent.joinpath(*name.split(".")).with_suffix(".py") for name in pure}
    assert len(rooms) > 20
    for path in house.SOURCE.rglob("*.py"):
        below = path.relative_to(house.SOURCE)
        if {"rules", "flow"} & {path.stem, *below.parts} or below.parts[0] == "doctor":
            rooms.add(path)
    assert [str(path) for path in sorted(rooms) if not demanded(str(path)) or untraced(str(path))] == []


def demanded_and_untraced() -> tuple[Callable[[str], bool], Callable[[str], bool]]:
    """Return what tells of a file whether the report demands it, and whether the run leaves it out."""
    coverage = PROJECT["coverage"]
    return GlobMatcher(coverage["report"]["include"]).match, GlobMatcher(coverage["run"]["omit"]).match


def test_access_tokens_are_made_in_one_place() -> None:
    assert house.reaches_of_the_mint() == ["sallyport.sessions.flow.keeper.SessionKeeper.tokens"]


def test_the_keeper_is_asked_for_tokens_in_known_places_only() -> None:
    assert house.givers_of_tokens() == house.TOKENS_GIVEN_BY


class Walk:
    """A walk over all routes that notes which of them reached the mint."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.minted: set[tuple[str, str]] = set()
        self.walked: set[tuple[str, str]] = set()
        self._made = 0
        access = world.service.mint.access

        def noted(*given: Any) -> Any:
            self._made += 1
            return access(*given)

        vars(world.service.mint)["access"] = noted

    async def step(
        self, route: str, body: Any = None, by: Person | None = None, headers: Any = None, **params: str
    ) -> httpx2.Response:
        """Take one route, successfully, and look whether a token was made on the way."""
        method, path = route.split(" ")
        before = self._made
        given = headers or (by.auth if by else {})
        answer = await self.world.call(method, path.format(**{"id": "me"} | params), body, headers=given)
        assert answer.is_success, answer.text
        self.walked.add((method, path))
        if self._made > before:
            self.minted.add((method, path))
        return answer


async def test_only_these_routes_give_tokens(world: World) -> None:
    walk = Walk(world)
    made = (await walk.step("POST /users", {"name": "alice", "password": PASSWORD})).json()
    alice = Person(world, "alice", made["userUid"], made["token"], made["refresh"])
    await walk_of_reading(walk, alice)
    await walk_of_roles(walk, alice)
    await walk_of_secrets(walk, alice)
    await walk_of_doors(walk, alice)
    await walk_of_mail(walk)
    await walk_of_the_way_back(walk)
    await walk_of_who_lost_all(walk)
    assert walk.walked == {(one.method, one.path) for one in world.service.endpoints()}
    assert walk.minted == TOKENS_COME_FROM


async def walk_of_reading(walk: Walk, alice: Person) -> None:
    for path in ("/healthz", "/readyz", "/openapi.json", "/docs", "/metrics", "/.well-known/jwks.json"):
        await walk.step(f"GET {path}")
    for path in ("/users", "/users/count", "/users/{id}", "/users/{id}/sessions", "/users/{id}/sessions/count"):
        await walk.step(f"GET {path}", by=alice)
    await walk.step("PUT /users/{id}", {"version": 0, "firstName": "Alice"}, by=alice)
    await walk.step("GET /users/{id}/audit", by=alice)
    await walk.step("GET /users/{id}/audit/count", by=alice)
    await walk.world.password("alice", PASSWORD)
    (login,) = (await walk.step("GET /users/{id}/logins", by=alice)).json()
    await walk.step("GET /users/{id}/logins/{sid}/explain", by=alice, sid=login["uid"])
    admin = await walk.world.admin()
    await walk.step("GET /audit", by=admin)
    await walk.step("GET /audit/count", by=admin)
    await walk.step("POST /auth/introspect", {"token": alice.token}, by=admin)


async def walk_of_mail(walk: Walk) -> None:
    carol = await walk.world.register("carol", email="carol@example.org")
    await walk.step("POST /users/{id}/verify/send", by=carol)
    (mail,) = await walk.world.mails()
    await walk.step("POST /users/{id}/verify", {"token": mail.token}, id=carol.uid)
    await walk.step("GET /users/{id}/recover", id=carol.uid)
    await walk.step("POST /users/recover", {"identifier": "carol"})
    tokens = [mail.token for mail in await walk.world.mails() if mail.links[0].token.startswith("spx_")]
    for token in tokens:
        body = {"token": token, "password": PASSWORD + "?"}
        if (await walk.world.call("POST", f"/users/{carol.uid}/recover", body)).status_code == 204:
            walk.walked.add(("POST", "/users/{id}/recover"))
    (told,) = [mail for mail in await walk.world.mails() if "set anew" in mail.subject]
    await walk.step("POST /users/{id}/not-me", {"token": told.token}, id=carol.uid)
    assert walk.minted <= TOKENS_COME_FROM


async def walk_of_the_way_back(walk: Walk) -> None:
    dora = await walk.world.register("dora", email="dora@example.org")
    await verify_email(dora)
    await dora.enroll()
    await dora.call("DELETE", f"/users/me/secrets/{dora.totp}")
    links = [link for mail in await walk.world.mails() for link in mail.links if link.page.endswith("/ui/undo")]
    await walk.step("POST /users/{id}/undo", {"token": links[0].token, "password": PASSWORD}, id=dora.uid)


async def walk_of_who_lost_all(walk: Walk) -> None:
    gina, admin = await walk.world.register("gina", email="gina@example.org"), await walk.world.admin()
    await verify_email(gina)
    await gina.enroll()
    await walk.world.mails()
    for way in ("link", "hand", "code"):
        await walk.step("POST /users/{id}/recover/mfa", {"password": PASSWORD}, id=gina.uid)
        (token,) = [mail.token for mail in await walk.world.mails() if "are lost?" in mail.subject]
        codes = {"code": gina.codes[0]} if way == "code" else {}
        body = {"password": PASSWORD, "token": token} | codes
        answer = await walk.step("POST /users/{id}/recover/mfa", body, id=gina.uid)
        if way == "link":
            await walk.step("GET /users/{id}/recover/mfa", by=admin, id=gina.uid)
            await walk.step("GET /mfa-resets", by=admin)
            (mail,) = await walk.world.mails()
            await walk.step("POST /users/{id}/recover/mfa/cancel", {"token": mail.token}, id=gina.uid)
        elif way == "hand":
            await walk.step("DELETE /users/{id}/recover/mfa", by=admin, id=gina.uid)
        else:
            assert answer.json()["type"] == "ACCESS"


async def walk_of_roles(walk: Walk, alice: Person) -> None:
    admin = await walk.world.admin()
    role = (await walk.step("POST /roles", {"name": "staff", "owners": [alice.uid]}, by=admin)).json()
    for path in ("/roles", "/roles/count", "/roles/{id}"):
        await walk.step(f"GET {path}", by=alice, id=role["uid"])
    await walk.step("PUT /roles/{id}", {"version": 0, "members": [alice.uid]}, by=alice, id=role["uid"])
    await walk.step("DELETE /roles/{id}", by=alice, id=role["uid"])


async def walk_of_secrets(walk: Walk, alice: Person) -> None:
    uid = await alice.begin_enrollment()
    assert alice.phone
    code = {"token": alice.phone.code()}
    alice.hold((await walk.step("PUT /users/{id}/secrets/{sid}/enroll", code, by=alice, sid=uid)).json()["session"])
    await walk.step("POST /users/{id}/secrets", {"type": "mfabackup"}, by=alice)
    listed = (await walk.step("GET /users/{id}/secrets", by=alice)).json()
    await walk.step("GET /users/{id}/secrets/count", by=alice)
    held = listed[0]
    await walk.step("GET /users/{id}/secrets/{sid}", by=alice, sid=held["uid"])
    change = {"version": held["version"], "current": PASSWORD, "secret": PASSWORD + "!"}
    changed = await walk.step("PUT /users/{id}/secrets/{sid}", change, by=alice, sid=held["uid"])
    alice.hold(changed.json()["session"])
    alice.password += "!"


async def walk_of_doors(walk: Walk, alice: Person) -> None:
    bob, phone = await walk.world.register("bob"), alice.phone
    assert phone
    await walk.step("GET /auth/password", headers=basic("bob", PASSWORD))
    await walk.step("POST /auth/password", {"identifier": "bob", "password": PASSWORD})
    challenge = await alice.challenge()
    walk.world.clock.advance(30)
    answered = await walk.step("POST /auth/totp", {"token": phone.code()}, headers=bearer(challenge))
    alice.hold(answered.json())
    await walk.step("POST /auth/elevate", {"password": PASSWORD}, by=bob)
    refreshed = await walk.step("POST /auth/refresh", {"refresh": alice.refresh})
    alice.hold(refreshed.json())
    sessions = (await alice.call("GET", "/users/me/sessions")).json()
    other = next(one["uid"] for one in sessions if not one["current"])
    await walk.step("DELETE /users/{id}/sessions/{sid}", by=alice, sid=other)
    await walk.step("DELETE /users/{id}/sessions", by=alice)
    secrets = (await alice.call("GET", "/users/me/secrets")).json()
    await walk.step("DELETE /users/{id}/secrets/{sid}", by=alice, sid=secrets[-1]["uid"])
    await walk.step("POST /auth/logout", by=alice)
    await walk_of_the_desk(walk)
    await walk.step("DELETE /users/{id}", by=bob)


async def walk_of_the_desk(walk: Walk) -> None:
    world, admin = walk.world, await walk.world.admin()
    erin, frank = await world.enrolled("erin"), await world.enrolled("frank")
    await walk.step("POST /users/{id}/recover/mfa", {"password": PASSWORD}, id=erin.uid)
    await walk.step("DELETE /users/{id}/mfa", by=admin, id=erin.uid)
    second = await world.register("second")
    await give_roles(second, "admin")
    rules = vars(world.service.desk.judge)
    rules["_rules"] = DeskRules(two_persons=True)
    await walk.step("DELETE /users/{id}/mfa", by=admin, id=frank.uid)
    (asked,) = (await walk.step("GET /approvals", by=admin)).json()
    await walk.step("POST /approvals/{sid}", by=second, sid=asked["uid"])


async def test_a_password_where_mfa_is_on_reaches_no_mint(world: World) -> None:
    alice = await world.enrolled("alice")
    walk = Walk(world)
    await walk.step("GET /auth/password", headers=basic("alice", PASSWORD))
    await walk.step("POST /users/{id}/secrets", {"type": "mfa"}, by=alice)
    assert walk.minted == set()
