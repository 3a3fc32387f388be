"""`flood`: right passwords at three and at ten times the rate that one core can hash, and what others feel of it."""

import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import uvloop

from bench.disk import Disk
from bench.load import Caller, drive, request
from bench.openloop import Answered, Ask, Heard, OpenLoop
from bench.people import Person, Town, environ_of, service_in
from bench.scenario import Bar, Finding, percentile
from bench.server import Server
from bench.stage import QUICK, Size

_AT_ONCE: Final = 8
_TIMES: Final = (3, 10)
_GOODPUT: Final = {3: 0.9, 10: 0.7}
_PROBES_A_SECOND: Final = 20.0
_OWNERS: Final = 60
"""People who have logged in before: they refresh, and show that they are known."""
_OWNERS_A_SECOND: Final = 2.0
_QUIET_LOGINS_A_SECOND: Final = 10.0
_QUIET_SECONDS: Final = 3.0
_MOST_CONNECTIONS: Final = 800
_HASH_MEGABYTES: Final = 19.0
_SLOTS: Final = 1
"""Hash threads: the server has one core."""
_ADDRESSES: Final = [f"127.0.1.{at}" for at in range(1, 41)]
_PROBES: Final = ("/readyz", "/.well-known/jwks.json", "/auth/refresh", "/users/me")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """How the server answers when it has little to do, in milliseconds."""

    login_p50: float
    probe_p50: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flooded:
    """What one flood did. Times are milliseconds, memory is MB."""

    times: int
    sent_a_second: float
    accepted_a_second: float
    goodput: float
    """Granted logins, over those that are granted when nothing else is asked. The probes' cost counts against it."""
    accepted_p99: float
    refused: dict[int, int]
    refused_p99: float
    unanswered: int
    probe_p99: dict[str, float]
    probes_failed: int
    disk_p99: float
    """What the disk took for a small sync meanwhile: a refresh waits for one of these."""
    owners_let_in: float | None
    """Share of the known clients' logins that were granted; None where nobody can be known."""
    memory: tuple[float, float, float]
    """Before, at most, and some seconds after."""
    after: Quiet
    """A second after the last request."""


@dataclass(slots=True)
class Owner:
    """Somebody who has logged in before."""

    person: Person
    refresh: str
    client: str


class Scene:
    """A server, its people, and those who look on."""

    def __init__(self, directory: Path, people: list[Person], tokens: list[str], server: Server) -> None:
        self.port = server.port
        self._directory = directory
        self.server = server
        self._people = itertools.cycle(random.sample(people, len(people)))
        self._tokens = itertools.cycle(tokens)
        self.owners: list[Owner] = []

    async def meet_owners(self, people: list[Person]) -> None:
        """Log some people in, for their refresh tokens and for what makes them known."""
        caller = await Caller.to(self.port)
        for person in people:
            body = await caller.call(person.password_request())
            self.owners.append(Owner(person, body["refresh"], body.get("client", "")))
        caller.close()
        self._refreshing = itertools.cycle(self.owners)
        self._returning = itertools.cycle(self.owners)

    async def saturate(self, seconds: float, *, probed: bool = False) -> float:
        """Return how many logins a second are granted when there are always eight waiting, and nobody else asks.

        `probed` has the probes ask beside them, as they do in a flood: what they cost is not the flood's doing.
        """
        asked = (person.password_request() for person in self._people)
        logins = drive(self.port, asked, at_once=_AT_ONCE, seconds=seconds)
        load, _ = await asyncio.gather(logins, self._together(self._probes() if probed else [], seconds))
        return load.demand_clean().rate

    async def quiet(self, seconds: float) -> Quiet:
        """Probe, and log in now and then."""
        logins = OpenLoop(self.port, self._login, _QUIET_LOGINS_A_SECOND, addresses=_ADDRESSES, most=4)
        heard = await self._together([*self._probes(), logins], seconds)
        p50 = [percentile(one.of(200), 50) * 1e3 for one in heard]
        return Quiet(login_p50=p50[-1], probe_p50=dict(zip(_PROBES, p50, strict=False)))

    async def flood(self, times: int, saturated: float, seconds: float) -> Flooded:
        """Send logins at so many times the saturated rate, and look on."""
        loops = [
            *self._probes(),
            OpenLoop(self.port, self._return, _OWNERS_A_SECOND, addresses=["127.0.0.3"], most=40),
            OpenLoop(self.port, self._login, times * saturated, addresses=_ADDRESSES, most=_MOST_CONNECTIONS),
        ]
        disk = Disk(self._directory, seconds)
        before, watch = self.server.resident_megabytes(), asyncio.create_task(self._highest_memory())
        *probes, owners, flood = await self._together(loops, seconds)
        watch.cancel()
        await asyncio.sleep(1)
        after = await self.quiet(_QUIET_SECONDS)
        accepted, refused = flood.of(200) + owners.of(200), flood.of(503, 429)
        known = bool(self.owners[0].client)
        return Flooded(
            times=times,
            sent_a_second=flood.sent / seconds,
            accepted_a_second=len(accepted) / seconds,  # known clients' too: every one is a hash
            goodput=len(accepted) / seconds / saturated,
            accepted_p99=percentile(accepted, 99) * 1e3,
            refused={status: len(flood.of(status)) for status in (503, 429) if flood.of(status)},
            refused_p99=percentile(refused, 99) * 1e3,
            unanswered=len(flood.but(200, 503, 429)),
            probe_p99={name: percentile(one.of(200), 99) * 1e3 for name, one in zip(_PROBES, probes, strict=True)},
            probes_failed=sum(len(one.but(200)) for one in probes),
            disk_p99=percentile(disk.milliseconds(), 99),
            owners_let_in=len(owners.of(200)) / max(1, owners.sent) if known else None,
            memory=(before, self._highest, self.server.resident_megabytes()),
            after=after,
        )

    async def _together(self, loops: list[OpenLoop], seconds: float) -> list[Heard]:
        await asyncio.gather(*(loop.connect(2) for loop in loops))
        heard = await asyncio.gather(*(loop.run(seconds) for loop in loops))
        for loop in loops:
            loop.close()
        return heard

    async def _highest_memory(self) -> None:
        self._highest = 0.0
        for _ in itertools.count():
            self._highest = max(self._highest, self.server.resident_megabytes())
            await asyncio.sleep(0.1)

    def _probes(self) -> list[OpenLoop]:
        asks: tuple[Ask, ...] = (
            lambda: (request("GET", "/readyz", {}), _nothing),
            lambda: (request("GET", "/.well-known/jwks.json", {}), _nothing),
            self._refresh,
            lambda: (request("GET", "/users/me", {"authorization": f"Bearer {next(self._tokens)}"}), _nothing),
        )
        return [OpenLoop(self.port, ask, _PROBES_A_SECOND, addresses=["127.0.0.2"], most=10) for ask in asks]

    def _login(self) -> tuple[bytes, Answered]:
        return next(self._people).password_request(), _nothing

    def _return(self) -> tuple[bytes, Answered]:
        owner = next(self._returning)
        asked = owner.person.password_request()
        shown = f"x-sallyport-client: {owner.client}\r\n\r\n".encode() if owner.client else b"\r\n"
        return asked.removesuffix(b"\r\n") + shown, _nothing

    def _refresh(self) -> tuple[bytes, Answered]:
        owner = next(self._refreshing)

        def read(answer: bytes) -> None:
            if answer.startswith(b"HTTP/1.1 200"):
                owner.refresh = json.loads(answer.partition(b"\r\n\r\n")[2])["refresh"]

        return request("POST", "/auth/refresh", {}, {"refresh": owner.refresh}), read


def play(size: Size) -> Finding:
    """Saturate, flood at three times, flood at ten times; look before and after."""
    seconds = 8.0 if size == QUICK else 60.0
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, _served(runner) as scene:
        runner.run(scene.saturate(2))  # warms up: the first round is not measured
        saturated = runner.run(scene.saturate(min(seconds, 15)))
        probed = runner.run(scene.saturate(min(seconds, 15), probed=True))
        before = runner.run(scene.quiet(_QUIET_SECONDS))
        floods = [runner.run(scene.flood(times, saturated, seconds)) for times in _TIMES]
    bars = [bar for flood in floods for bar in _bars(flood, before)]
    data: dict[str, Any] = {
        "saturated_logins_a_second": saturated,
        "saturated_beside_probes": probed,
        "seconds": seconds,
        "before": asdict(before),
        "floods": [asdict(flood) for flood in floods],
    }
    return Finding(table=_table(saturated, probed, before, floods), bars=bars, data=data)


def _bars(flood: Flooded, before: Quiet) -> list[Bar]:
    at = f"{flood.times}x: "
    low, high, _ = flood.memory
    slowest = max(flood.probe_p99, key=lambda name: flood.probe_p99[name])
    later = max(
        flood.after.login_p50 / before.login_p50,
        # Of a probe of one millisecond a tenth is noise: a millisecond is allowed on top.
        *(flood.after.probe_p50[name] / (before.probe_p50[name] + 1) for name in _PROBES),
    )
    allowed = round(_SLOTS * _HASH_MEGABYTES * 1.2, 1)
    bars = [
        Bar(what=at + "refused, p99", found=flood.refused_p99, limit=100, unit="ms"),
        Bar(what=at + "accepted, p99", found=flood.accepted_p99, limit=2_000, unit="ms"),
        Bar(what=at + f"slowest probe ({slowest}), p99", found=flood.probe_p99[slowest], limit=100, unit="ms"),
        Bar(what=at + "goodput", found=flood.goodput, limit=_GOODPUT[flood.times], unit="of saturation", at_least=True),
        Bar(what=at + "memory grown at most by", found=high - low, limit=allowed, unit="MB"),
        Bar(what=at + "medians a second later", found=later, limit=1.2, unit="of before"),
        Bar(what=at + "unanswered or failed", found=flood.unanswered + flood.probes_failed, limit=0, unit="requests"),
    ]
    if flood.owners_let_in is None:
        return bars
    let_in = Bar(what=at + "known clients let in", found=flood.owners_let_in, limit=0.9, unit="of them", at_least=True)
    return [*bars, let_in]


def _table(saturated: float, probed: float, before: Quiet, floods: list[Flooded]) -> str:
    lines = [
        f"Saturated: {saturated:.1f} logins/s, {probed:.1f} beside the probes. "
        f"Before: login p50 {before.login_p50:.1f} ms, "
        + ", ".join(f"{name} {value:.2f} ms" for name, value in before.probe_p50.items()),
        "",
        (
            "| flood | sent | accepted | goodput | beside probes | accepted p99 "
            "| refused | refused p99 | probes' p99 | disk's p99 | memory |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|---:|---|---:|---|",
    ]
    for one in floods:
        refused = ", ".join(f"{count:,} of {status}" for status, count in one.refused.items())
        probes = ", ".join(f"{name} {value:.0f} ms" for name, value in one.probe_p99.items())
        low, high, later = one.memory
        lines.append(
            f"| {one.times}x | {one.sent_a_second:.0f}/s | {one.accepted_a_second:.1f}/s | {one.goodput:.2f} "
            f"| {one.accepted_a_second / probed:.2f} "
            f"| {one.accepted_p99:.0f} ms | {refused} | {one.refused_p99:.0f} ms | {probes} | {one.disk_p99:.0f} ms "
            f"| {low:.0f}, at most {high:.0f}, then {later:.0f} MB |"
        )
    return "\n".join(lines)


@contextmanager
def _served(runner: asyncio.Runner) -> Iterator[Scene]:
    with TemporaryDirectory(prefix="sallyport-flood-") as name:
        directory = Path(name)
        service = service_in(directory)
        town = Town(service)
        people = runner.run(town.settle(2_000, mfa=False))
        tokens = runner.run(town.tokens(people[:200]))
        server = Server("sallyport", {**environ_of(directory), "SALLYPORT_THROTTLE": "on"})
        scene = Scene(directory, people[_OWNERS:], tokens, server)
        try:
            runner.run(scene.meet_owners(people[:_OWNERS]))
            yield scene
        finally:
            server.stop()
            service.close()


def _nothing(_: bytes) -> None:
    """Read nothing of an answer but its status."""
