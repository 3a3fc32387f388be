"""`growth`: latency with one user at a time, in towns of a thousand, a hundred thousand and a million.

The towns stand side by side, and each step goes round them person by person, so that noise meets all alike. Who asks is
spread evenly over everybody who ever came. *Warm* is a machine with memory for the whole database; *cold* a server that
has just started on one of which nothing is in memory, and then each person's rows come from the disk.
"""

import asyncio
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import uvloop

from bench.crowd import Crowd, spread
from bench.engines import ENGINES, Engine
from bench.load import Caller, request
from bench.people import PASSWORD, Person, environ_of, service_in
from bench.scenario import Bar, Finding, percentile
from bench.server import Server
from bench.stage import Size
from sallyport.audit import store as audit
from sallyport.kernel.clock import SystemClock

_BAR: Final = 1.2
"""What the p50 among a million may be, over that among a thousand."""
_FIRST_TO_LAST: Final = 2.0
"""What the p50 of the last page of a list may be, over that of its first one."""
_AT_ONCE: Final = 5_000
_PAGE: Final = 100
_TRIES: Final = 4
_PAUSE: Final = 1.0

Millis = dict[str, list[float]]
"""Latencies by the name of their step."""


@dataclass(slots=True)
class Guest:
    """One who asks, and what they hold."""

    person: Person
    challenge: str = ""
    token: str = ""
    refresh: str = ""

    def hear(self, body: Any) -> None:
        """Keep what an answer gives."""
        if not isinstance(body, dict):
            return
        if body.get("type") == "CHALLENGE":
            self.challenge = body["token"]
        elif "refresh" in body:
            self.token, self.refresh = body["token"], body["refresh"]

    def bearer(self, path: str) -> bytes:
        """Return a request of one who is signed in."""
        return request("GET", path, {"authorization": f"Bearer {self.token}"})


@dataclass(slots=True)
class Town:
    """A database of one size."""

    count: int
    engine: Engine
    directory: Path
    guests: list[Guest]
    strangers: list[Guest]
    """Guests of the cold rounds."""
    first_page: str
    last_page: str
    """The uids before and behind which a whole page is left, and nothing more."""
    seconds_to_load: float
    taken: Millis = field(default_factory=dict)
    cold: Millis = field(default_factory=dict)
    admin: str = ""
    """An access token of the first admin, for lists that trusted roles alone may filter."""
    refused: int = 0
    """Answers that were not 200; they were asked again."""
    _server: Server | None = None
    _caller: Caller | None = None

    def open(self) -> None:
        """Start a server."""
        self._server = Server("sallyport", {**environ_of(self.directory), **self.engine.environ()})

    async def call(self) -> None:
        """Connect anew: the server hangs up on who has nothing to ask for some seconds."""
        if self._caller:
            self._caller.close()
        if self._server:
            self._caller = await Caller.to(self._server.port)

    async def log_in(self) -> None:
        """Get a token of the admin, which lives for ten minutes."""
        if self._caller:
            body = {"identifier": "admin", "password": PASSWORD}
            self.admin = (await self._caller.call(request("POST", "/auth/password", {}, body)))["token"]

    def trusted(self, path: str) -> bytes:
        """Return a request of the admin."""
        return request("GET", path, {"authorization": f"Bearer {self.admin}"})

    def close(self) -> None:
        """Stop the server."""
        if self._caller:
            self._caller.close()
        if self._server:
            self._server.stop()
        self._server = self._caller = None

    async def ask(self, step: "Step", guest: Guest, into: Millis) -> None:
        """Ask once, and note how long that took."""
        if self._caller is None:
            raise ConnectionError
        wanted = step.ask(self, guest)
        for left in range(_TRIES - 1, -1, -1):
            begun = time.perf_counter()
            try:
                body = await self._caller.call(wanted)
            except RuntimeError:
                # A cold database on a busy machine may not answer within its second: 503, and the client asks again.
                self.refused += 1
                if not left:
                    raise
                await asyncio.sleep(_PAUSE)
            else:
                into.setdefault(step.name, []).append((time.perf_counter() - begun) * 1e3)
                guest.hear(body)
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that everybody asks once."""

    name: str
    ask: Callable[[Town, Guest], bytes]
    held: bool = True
    """Whether the bar is held against it; the others are told."""
    first: str = ""
    """The step that asks for the first page of the list of which this one asks for the last."""


def _answer(_: Town, guest: Guest) -> bytes:
    code = guest.person.code(SystemClock().now())
    return request("POST", "/auth/totp", {"authorization": f"jwt {guest.challenge}"}, {"token": code})


_BY_NAME: Final = "/users?mfaEnabled=true&sort=name"
STEPS: Final = (
    Step(name="POST /auth/password", ask=lambda _, guest: guest.person.password_request()),
    Step(name="POST /auth/totp", ask=_answer),
    Step(name="GET /users/me", ask=lambda _, guest: guest.bearer("/users/me")),
    Step(
        name="POST /auth/refresh", ask=lambda _, guest: request("POST", "/auth/refresh", {}, {"refresh": guest.refresh})
    ),
    Step(name="GET /users, first page", ask=lambda _, guest: guest.bearer("/users")),
    Step(
        name="GET /users, `after` near the end",
        ask=lambda town, guest: guest.bearer(f"/users?after={town.last_page}"),
        first="GET /users, first page",
    ),
    Step(
        name="the same by name",
        ask=lambda town, guest: guest.bearer(f"/users?sort=name&after={town.last_page}"),
    ),
    Step(
        name="the same, newest first",
        ask=lambda town, guest: guest.bearer(f"/users?sort=-dateCreated&after={town.first_page}"),
    ),
    Step(
        name="GET /users, `after` anywhere",
        ask=lambda _, guest: guest.bearer(f"/users?after={guest.person.uid}"),
        held=False,
    ),
    Step(name="GET /users?name=", ask=lambda _, guest: guest.bearer(f"/users?name={guest.person.name}")),
    Step(
        name="GET /users?email=", ask=lambda town, guest: town.trusted(f"/users?email={guest.person.name}@example.org")
    ),
    Step(name="GET /users?mfaEnabled=true", ask=lambda town, _: town.trusted("/users?mfaEnabled=true")),
    Step(
        name="the same, `after` near the end",
        ask=lambda town, _: town.trusted(f"/users?mfaEnabled=true&after={town.last_page}"),
        first="GET /users?mfaEnabled=true",
    ),
    Step(name="GET /users?mfaEnabled=true&sort=name", ask=lambda town, _: town.trusted(_BY_NAME)),
    Step(
        name="the same by name, `after` near the end",
        ask=lambda town, _: town.trusted(f"{_BY_NAME}&after={town.last_page}"),
        first="GET /users?mfaEnabled=true&sort=name",
    ),
    Step(name="GET /users, `skip=900`", ask=lambda _, guest: guest.bearer("/users?skip=900")),
    Step(name="GET /users/count", ask=lambda _, guest: guest.bearer("/users/count"), held=False),
)


def play(size: Size) -> Finding:
    """Fill towns on every engine that is there, and measure."""
    findings = []
    for make in ENGINES:
        with ExitStack() as stack, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            directory = Path(stack.enter_context(TemporaryDirectory(prefix="sallyport-growth-")))
            towns = []
            for count in size.towns:
                folder = directory / str(count)
                folder.mkdir()
                engine = make(folder)
                stack.callback(engine.close)
                towns.append(_filled(engine, folder, runner.run(_crowd(engine, folder, count)), size))
            for town in towns:
                stack.callback(town.close)
            runner.run(_measure(towns))
            findings.append(_found(towns))
            print(findings[-1].table, file=sys.stderr, flush=True)
    tables = "\n\n".join(finding.table for finding in findings)
    data = {name: told for finding in findings for name, told in finding.data.items()}
    return Finding(table=tables, bars=[bar for finding in findings for bar in finding.bars], data=data)


async def _crowd(engine: Engine, directory: Path, count: int) -> Crowd:
    """Make the service's first start, and return who come then."""
    service = service_in(directory, engine.environ())
    await service.first_start()
    await service.seal.finish()
    crowd = Crowd(service, count, await service.work.read(audit.head))
    service.close()
    return crowd


def _filled(engine: Engine, directory: Path, crowd: Crowd, size: Size) -> Town:
    count = crowd.count
    asked = spread(count, size.guests + size.strangers)
    cold = asked[:: len(asked) // size.strangers][: size.strangers]
    wanted = {*asked, _PAGE, count - _PAGE - 1}
    met: dict[int, Person] = {}
    begun = time.perf_counter()

    def chunks() -> Any:
        for people, rows in crowd.chunks(_AT_ONCE):
            met.update((one.number, one) for one in people if one.number in wanted)
            yield rows

    engine.fill(chunks())
    seconds = time.perf_counter() - begun
    print(
        f"{engine.name}: {count:,} users in {seconds:.0f} s, {engine.megabytes():,.0f} MB", file=sys.stderr, flush=True
    )
    return Town(
        count=count,
        engine=engine,
        directory=directory,
        guests=[Guest(met[number]) for number in asked if number not in cold],
        strangers=[Guest(met[number]) for number in cold],
        first_page=met[_PAGE].uid,
        last_page=met[count - _PAGE - 1].uid,
        seconds_to_load=seconds,
    )


async def _measure(towns: list[Town]) -> None:
    for step in STEPS:
        for town in towns:
            town.close()
            town.engine.cool()
            town.open()
        await _round(towns, step, lambda town: (town.strangers, town.cold))
    for town in towns:
        town.engine.warm()
    for step in STEPS:
        await _round(towns, step, lambda town: (town.guests, town.taken))


async def _round(towns: list[Town], step: Step, who: Callable[[Town], tuple[list[Guest], Millis]]) -> None:
    """Let everybody ask once, in no order, the towns in turn."""
    for town in towns:
        await town.call()
        await town.log_in()
    asked = [(town, random.sample(guests, len(guests)), into) for town in towns for guests, into in [who(town)]]
    for turn in range(min(len(guests) for _, guests, _ in asked)):
        for town, guests, into in asked:
            await town.ask(step, guests[turn], into)


def _found(towns: list[Town]) -> Finding:
    name = towns[0].engine.name
    counts = [f"{town.count:,}" for town in towns]
    heads = [*(f"{count}: p50" for count in counts), *(f"{count}: p99" for count in counts)]
    lines = [f"| {name}, ms | {' | '.join(heads)} | p50, last over first | cold p50, first | cold p50, last |"]
    lines.append("|---|" + "---:|" * (len(heads) + 3))
    bars, first, last = [], towns[0], towns[-1]
    for step in STEPS:
        halves = [percentile(town.taken[step.name], 50) for town in towns]
        tails = [percentile(town.taken[step.name], 99) for town in towns]
        colds = [percentile(town.cold[step.name], 50) for town in (first, last)]
        told = " | ".join(f"{value:.2f}" for value in [*halves, *tails, halves[-1] / halves[0], *colds])
        lines.append(f"| {step.name} | {told} |")
        if step.held:
            what = f"{name}, {step.name}: p50 at {last.count:,} over that at {first.count:,}"
            bars.append(Bar(what=what, found=halves[-1] / halves[0], limit=_BAR, unit="x"))
        if step.first:
            beginning = percentile(last.taken[step.first], 50)
            what = f"{name}, last page over first, {step.first}, {last.count:,} users"
            bars.append(Bar(what=what, found=halves[-1] / beginning, limit=_FIRST_TO_LAST, unit="x"))
    loaded = [
        f"{town.count:,} in {town.seconds_to_load:.0f} s, {town.engine.megabytes():,.0f} MB ({town.refused} not 200)"
        for town in towns
    ]
    data = {name: {f"{town.count}": {"warm": town.taken, "cold": town.cold} for town in towns}}
    return Finding(table="\n".join([*lines, "", f"Loaded: {'; '.join(loaded)}."]), bars=bars, data=data)
