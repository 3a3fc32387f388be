"""Class K: sessions that outlive their cause.

CVE-2025-53826 File Browser; CVE-2026-27575 Vikunja; CVE-2024-21635 Memos; GHSA-7hgr-xvrr-xpw3 nhost: tokens worked
after logout or a new password. CVE-2020-10594 drf-jwt; CVE-2026-56750 Gitea: a dead token was refreshed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.expect import claims, granted, refused
from tests.surgery import count, give_roles
from tests.world import PASSWORD, Person, World, bearer

NEW = "an entirely different sentence"


@dataclass
class Scene:
    """A victim with MFA, an admin, and what a thief has copied: the tokens of a session, and a challenge."""

    world: World
    victim: Person
    admin: Person
    stolen: dict[str, Any]
    challenge: str

    @property
    def session(self) -> str:
        return str(claims(self.stolen["token"])["sid"])


async def scene(world: World) -> Scene:
    victim, admin = await world.enrolled("victim"), await world.admin()
    stolen = (await world.answer(await victim.challenge(), victim.codes[9])).json()
    return Scene(world, victim, admin, stolen, await victim.challenge())


async def logout(s: Scene) -> None:
    answer = await s.world.call("POST", "/auth/logout", headers=bearer(s.stolen["token"]))
    assert answer.status_code == 204


async def new_password(s: Scene) -> None:
    secret = (await s.victim.call("GET", "/users/me/secrets")).json()[0]
    body = {"version": secret["version"], "secret": NEW, "current": PASSWORD}
    answer = await s.victim.call("PUT", f"/users/me/secrets/{secret['uid']}", body)
    assert answer.status_code == 200
    s.victim.password = NEW
    s.victim.hold(answer.json()["session"])


async def another_phone(s: Scene) -> None:
    await s.victim.enroll()


async def mfa_off(s: Scene) -> None:
    assert (await s.victim.call("DELETE", f"/users/me/secrets/{s.victim.totp}")).status_code == 204


async def mfa_off_by_desk(s: Scene) -> None:
    path = f"/users/{s.victim.uid}/secrets/{s.victim.totp}"
    assert (await s.admin.call("DELETE", path)).status_code == 204


async def disabled(s: Scene) -> None:
    user = (await s.admin.call("GET", f"/users/{s.victim.uid}")).json()
    answer = await s.admin.call("PUT", f"/users/{s.victim.uid}", {"version": user["version"], "disabled": True})
    assert answer.status_code == 200


async def disabled_and_enabled(s: Scene) -> None:
    await disabled(s)
    user = (await s.admin.call("GET", f"/users/{s.victim.uid}")).json()
    answer = await s.admin.call("PUT", f"/users/{s.victim.uid}", {"version": user["version"], "disabled": False})
    assert answer.status_code == 200


async def deleted(s: Scene) -> None:
    assert (await s.victim.call("DELETE", "/users/me")).status_code == 204


async def deleted_by_desk(s: Scene) -> None:
    assert (await s.admin.call("DELETE", f"/users/{s.victim.uid}")).status_code == 204


async def ended_by_self(s: Scene) -> None:
    assert (await s.victim.call("DELETE", f"/users/me/sessions/{s.session}")).status_code == 204


async def all_ended_by_self(s: Scene) -> None:
    assert (await s.victim.call("DELETE", "/users/me/sessions")).status_code == 204


async def ended_by_desk(s: Scene) -> None:
    path = f"/users/{s.victim.uid}/sessions/{s.session}"
    assert (await s.admin.call("DELETE", path)).status_code == 204


async def all_ended_by_desk(s: Scene) -> None:
    assert (await s.admin.call("DELETE", f"/users/{s.victim.uid}/sessions")).status_code == 204


async def theft_noticed(s: Scene) -> None:
    answer = await s.world.call("POST", "/auth/refresh", {"refresh": s.stolen["refresh"]})
    s.world.clock.advance(11)
    refused(await s.world.call("POST", "/auth/refresh", {"refresh": s.stolen["refresh"]}), 401, "invalid_token")
    s.stolen = answer.json()


Cause = Callable[[Scene], Awaitable[None]]
CAUSES: list[Cause] = [
    logout,
    new_password,
    another_phone,
    mfa_off,
    mfa_off_by_desk,
    disabled,
    disabled_and_enabled,
    deleted,
    deleted_by_desk,
    ended_by_self,
    all_ended_by_self,
    ended_by_desk,
    all_ended_by_desk,
    theft_noticed,
]
ENDING_CHALLENGES: list[Cause] = [
    new_password,
    another_phone,
    mfa_off,
    mfa_off_by_desk,
    disabled,
    disabled_and_enabled,
    deleted,
    deleted_by_desk,
]


@pytest.mark.parametrize("cause", CAUSES)
async def test_an_access_token_dies_with_its_session_on_every_node(make_world: MakeWorld, cause: Cause) -> None:
    world: World = await make_world()
    other: World = await make_world(clock=world.clock)
    s = await scene(world)
    assert (await world.call("GET", "/users/me", headers=bearer(s.stolen["token"]))).status_code == 200
    await cause(s)
    for node in (world, other):
        for method, path in (("GET", "/users/me"), ("GET", "/users/me/sessions"), ("POST", "/auth/logout")):
            answer = await node.call(method, path, headers=bearer(s.stolen["token"]))
            refused(answer, 401, "invalid_token")


@pytest.mark.parametrize("cause", CAUSES)
async def test_a_refresh_token_dies_with_its_session_on_every_node(make_world: MakeWorld, cause: Cause) -> None:
    world: World = await make_world()
    other: World = await make_world(clock=world.clock)
    s = await scene(world)
    await cause(s)
    sessions = await count(world, "sessions")
    for node in (world, other, world):
        refused(await node.call("POST", "/auth/refresh", {"refresh": s.stolen["refresh"]}), 401, "invalid_token")
    world.clock.advance(3600)
    refused(await world.call("POST", "/auth/refresh", {"refresh": s.stolen["refresh"]}), 401, "invalid_token")
    assert await count(world, "sessions") == sessions


@pytest.mark.parametrize("cause", CAUSES)
async def test_a_token_that_was_rotated_away_just_before_dies_too(world: World, cause: Cause) -> None:
    """The grace of ten seconds is for a lost answer, and not for a session that has ended."""
    s = await scene(world)
    if cause is theft_noticed:
        return
    spent = s.stolen["refresh"]
    rotated = (await world.call("POST", "/auth/refresh", {"refresh": spent})).json()
    s.stolen = rotated
    await cause(s)
    for dead in (spent, rotated["refresh"]):
        refused(await world.call("POST", "/auth/refresh", {"refresh": dead}), 401, "invalid_token")


@pytest.mark.parametrize("cause", ENDING_CHALLENGES)
async def test_a_challenge_dies_with_what_it_was_made_of(make_world: MakeWorld, cause: Cause) -> None:
    world: World = await make_world()
    other: World = await make_world(clock=world.clock)
    s = await scene(world)
    old = list(s.victim.codes)
    await cause(s)
    sessions = await count(world, "sessions")
    for node in (world, other):
        for code in (old[0], s.victim.codes[0]):
            refused(await node.answer(s.challenge, code), 401, "challenge_invalid")
    assert await count(world, "sessions") == sessions


@pytest.mark.parametrize("cause", [new_password, another_phone, mfa_off])
async def test_the_owners_own_session_goes_on(world: World, cause: Cause) -> None:
    s = await scene(world)
    await cause(s)
    assert (await s.victim.call("GET", "/users/me")).status_code == 200
    answer = await world.call("POST", "/auth/refresh", {"refresh": s.victim.refresh})
    level = ("aal1", ["pwd"]) if cause is mfa_off else ("aal2", ["pwd", "otp", "mfa"])
    granted(answer, *level)
    assert len((await s.victim.call("GET", "/users/me/sessions")).json()) == 1


async def test_mfa_switched_on_ends_what_the_password_alone_had_opened(world: World) -> None:
    victim = await world.register("victim")
    thief = (await world.password("victim", PASSWORD)).json()
    await victim.enroll()
    refused(await world.call("GET", "/users/me", headers=bearer(thief["token"])), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": thief["refresh"]}), 401, "invalid_token")


@pytest.mark.parametrize("cause", [new_password, another_phone])
async def test_the_owners_refresh_token_of_before_is_dead_without_grace(world: World, cause: Cause) -> None:
    s = await scene(world)
    old = s.victim.refresh
    await cause(s)
    for _ in range(2):
        refused(await world.call("POST", "/auth/refresh", {"refresh": old}), 401, "invalid_token")
    assert (await s.victim.call("GET", "/users/me")).status_code == 200
    granted(await world.call("POST", "/auth/refresh", {"refresh": s.victim.refresh}), "aal2", ["pwd", "otp", "mfa"])


async def test_a_role_taken_away_is_gone_from_the_old_token_too(world: World) -> None:
    clerk, victim = await world.register("clerk"), await world.register("victim")
    await give_roles(clerk, "admin")
    clerk.hold((await world.call("POST", "/auth/refresh", {"refresh": clerk.refresh})).json())
    assert claims(clerk.token)["profile"]["roles"] == ["admin"]
    await give_roles(clerk)
    refused(await clerk.call("GET", f"/users/{victim.uid}/secrets"), 404, "not_found")
    refused(await clerk.call("DELETE", f"/users/{victim.uid}"), 403, "forbidden")


async def test_a_user_of_the_same_name_inherits_nothing(world: World) -> None:
    s = await scene(world)
    await deleted(s)
    heir = await world.register("victim")
    for token in (s.stolen["token"], s.victim.token):
        refused(await world.call("GET", f"/users/{heir.uid}/secrets", headers=bearer(token)), 401, "invalid_token")
    refused(await world.answer(s.challenge, s.victim.codes[0]), 401, "challenge_invalid")
