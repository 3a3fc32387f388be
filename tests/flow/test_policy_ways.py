"""No rule, in any order of events, leaves a user without a way to enroll: hypothesis draws the events."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.engines import Sqlite
from tests.surgery import give_roles
from tests.world import PASSWORD, UNTHROTTLED, Person, Phone, TurnedClock, World, client_of, service_in

T = TypeVar("T")

RULES = ("none", "all", "roles:clerk", "report:all", "report:roles:clerk")
GRACES = ("0", "7d")
EVENTS = st.one_of(
    st.tuples(st.just("rule"), st.sampled_from(RULES), st.sampled_from(GRACES)),
    st.tuples(st.just("take"), st.sampled_from([(), ("clerk",), ("cook", "clerk")])),
    st.tuples(st.just("wait"), st.sampled_from([30, 601, 8 * 86_400])),
    st.tuples(st.sampled_from(["set_password", "unset", "log_in", "begin", "enroll", "remove"])),
)


class House:
    """A service that is started anew under each rule, and alice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = TurnedClock()
        self.world: World
        self.alice: Person
        self.has_password = False
        self.now = "none"
        self.roles: tuple[str, ...] = ()

    @property
    def is_met(self) -> bool:
        """Whether the rule of now demands a second factor of alice."""
        return self.now == "all" or (self.now == "roles:clerk" and "clerk" in self.roles)

    async def rule(self, rule: str, grace: str) -> None:
        """Go on under another rule."""
        if hasattr(self, "world"):
            await self.close()
        environ = UNTHROTTLED | {"SALLYPORT_REQUIRE_MFA": rule, "SALLYPORT_MFA_GRACE": grace}
        service = service_in(Sqlite().settle(self.folder), self.clock, environ)
        await service.first_start()
        self.world = World(service, client_of(service), self.clock)
        if hasattr(self, "alice"):
            self.alice.world = self.world
        self.now = rule

    async def close(self) -> None:
        await self.world.client.aclose()
        self.world.service.close()

    async def register(self, password: str | None) -> None:
        self.alice = await self.world.register("alice", password)
        self.has_password = password is not None

    async def happen(self, event: str, *values: Any) -> None:
        """Let something happen; what the service refuses does not."""
        await getattr(self, event)(*values)

    async def take(self, roles: tuple[str, ...]) -> None:
        await give_roles(self.alice, *roles)
        self.roles = roles

    async def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    async def set_password(self) -> httpx2.Response:
        answer = await self.alice.call("POST", "/users/me/secrets", {"type": "password", "secret": PASSWORD})
        self.has_password |= answer.status_code == 200
        return answer

    async def secrets(self, kind: str) -> list[str]:
        answer = await self.alice.call("GET", "/users/me/secrets")
        return [one["uid"] for one in answer.json() if one["type"] == kind] if answer.status_code == 200 else []

    async def unset(self) -> None:
        for uid in await self.secrets("password"):
            answer = await self.alice.call("DELETE", f"/users/me/secrets/{uid}")
            # Nobody who has to enroll may lose the password that it takes, and be stuck once the proof is old.
            assert answer.status_code != 204 or not self.is_met
            self.has_password &= answer.status_code != 204

    async def begin(self) -> bool:
        made = await self.alice.call("POST", "/users/me/secrets", {"type": "mfa"})
        if made.status_code == 200:
            self.pending = (made.json()["uid"], Phone(made.json()["secret"]["secret"], self.clock))
        return made.status_code == 200

    async def enroll(self) -> bool:
        self.clock.advance(30)
        if not await self.begin():
            return False
        uid, phone = self.pending
        answer = await self.alice.call("PUT", f"/users/me/secrets/{uid}/enroll", {"token": phone.code()})
        assert answer.status_code == 200, answer.text
        self.alice.hold(answer.json()["session"])
        self.alice.phone = phone
        return True

    async def remove(self) -> None:
        for uid in await self.secrets("mfa"):
            await self.alice.call("DELETE", f"/users/me/secrets/{uid}")
        me = await self.alice.call("GET", "/users/me")
        if me.status_code == 200 and not me.json()["mfaEnabled"]:
            self.alice.phone = None

    async def log_in(self) -> None:
        if self.has_password:
            await self.alice.login()


async def has_a_way(house: House) -> None:
    """Assert that alice comes to a second factor, or that no rule is what shuts her out."""
    if house.has_password:
        await house.log_in()
        assert house.alice.phone or await house.enroll()
        assert (await house.alice.call("GET", "/users")).status_code == 200
        return
    tried = await house.set_password()
    if tried.status_code == 200:
        await has_a_way(house)
        return
    await house.rule("none", "0")
    without = await house.set_password()
    assert (without.status_code, without.json()["code"]) == (tried.status_code, tried.json()["code"])


def run(story: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner() as runner:
        return runner.run(story)


async def story(folder: Path, password: str | None, events: list[tuple[Any, ...]]) -> None:
    house = House(folder)
    await house.rule("none", "0")
    await house.register(password)
    for event in events:
        await house.happen(*event)
    await has_a_way(house)
    await house.close()


@given(st.sampled_from([PASSWORD, None]), st.lists(EVENTS, max_size=12))
@example(PASSWORD, [("rule", "all", "0"), ("unset",), ("wait", 601)])
@example(PASSWORD, [("rule", "all", "7d"), ("log_in",), ("wait", 8 * 86_400), ("log_in",), ("begin",), ("unset",)])
@example(PASSWORD, [("enroll",), ("rule", "all", "0"), ("remove",), ("unset",), ("rule", "none", "0"), ("remove",)])
@settings(max_examples=40, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_rule_in_any_order_of_events_leaves_a_user_without_a_way_to_enroll(
    password: str | None, events: list[tuple[Any, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(story(Path(folder), password, events))
