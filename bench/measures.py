"""What is measured: each function is one round of one measure, its limits right beside it."""

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.limits import AT_ONCE, HASHES_AT_ONCE
from bench.load import Load, drive, request
from bench.people import environ_of
from bench.server import Server
from bench.stage import Settled, Stage

_COME_BACK = 1_000
"""People who show the same token again and again."""
_QUEUED = 50


@dataclass(frozen=True, slots=True)
class Sample:
    """What one round gave."""

    value: float
    limit: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the limit is composed of, and what else is worth knowing."""
    strangers: float = 0.0
    """Share of a core that others took meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One row of the table."""

    name: str
    what: str
    unit: str
    bar: float
    at_least: bool
    sample: Callable[[Stage], Sample]
    timed: bool = True
    """Whether strangers on the machine change the figure."""

    def holds(self, figure: float) -> bool:
        """Tell whether a figure meets the bar."""
        return figure >= self.bar if self.at_least else figure <= self.bar


def login(stage: Stage) -> Sample:
    """Password logins without MFA, 8 at once, against bare hashes in the same pool."""
    main, seconds = stage.main, stage.size.seconds / 2
    asked = itertools.cycle(_shuffled([person.password_request() for person in main.plain]))
    hashes, loads = [], []
    for _ in range(3):
        hashes.append(stage.limit("H", seconds))
        loads.append(stage.run(drive(main.server.port, asked, at_once=HASHES_AT_ONCE, seconds=seconds)).demand_clean())
    latencies = {"p50_ms": statistics.median(_percentiles(load)["p50_ms"] for load in loads)}
    return Sample(statistics.mean(load.rate for load in loads), statistics.mean(hashes), latencies)


def both(stage: Stage) -> Sample:
    """Password logins without MFA, 8 at once, by a server with every core, against one with a core."""
    main, wide, seconds = stage.main, stage.wide, stage.size.seconds / 2
    asked = itertools.cycle(_shuffled([person.password_request() for person in main.plain]))
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(3):
        for server, found in zip((main.server, wide), rates, strict=True):
            load = stage.run(drive(server.port, asked, at_once=HASHES_AT_ONCE, seconds=seconds, awake=False))
            found.append(load.demand_clean().rate)
    one, all_of_them = map(statistics.mean, rates)
    return Sample(all_of_them, one)


def answer(stage: Stage) -> Sample:
    """Answers to a challenge, 32 at once, each by another person with a fresh code."""
    main = stage.main
    bare, commits, signature = _bare(stage), stage.limit("D", len(main.people)), stage.limit("S", 2_000)
    asked = stage.run(_answers(main))
    ran = main.server.cpu_seconds()
    load = stage.run(drive(main.server.port, asked, at_once=AT_ONCE)).demand_clean()
    limit = 1 / (1 / bare.rate + 1 / commits + signature)
    parts = {"W": bare.rate, "W_load_spare": bare.spare, "D": commits, "S_us": signature * 1e6}
    return Sample(load.rate, limit, {**parts, **_told(load, main.server.cpu_seconds() - ran)})


def me(stage: Stage) -> Sample:
    """`GET /users/me`, 32 at once, each by the next person of many, who come back with the same tokens."""
    return _against_reading(stage, lambda: _read_me(stage.main, AT_ONCE, stage.size.seconds))


def newcomers(stage: Stage) -> Sample:
    """`GET /users/me`, 32 at once, each with a token that is shown for the first time, and has to be verified."""
    main = stage.main
    asked = iter(_shuffled(_asking_for_me(stage.run(main.town.tokens(main.people)))))
    return _against_reading(stage, lambda: drive(main.server.port, asked, at_once=AT_ONCE))


def api_key(stage: Stage) -> Sample:
    """`GET /users/me` by API keys, 32 at once, against the same by access tokens that come back."""
    main, ratios = stage.main, []
    keys = stage.run(main.town.api_keys(main.people[:_COME_BACK]))
    # The first use in a minute is written: that is none of what is measured.
    stage.run(drive(main.server.port, iter(_asking_for_me(keys)), at_once=AT_ONCE))
    by_key = itertools.cycle(_shuffled(_asking_for_me(keys)))
    for _ in range(3):
        seconds = stage.size.seconds / 2
        token = stage.run(_read_me(main, AT_ONCE, seconds)).demand_clean()
        key = stage.run(drive(main.server.port, by_key, at_once=AT_ONCE, seconds=seconds)).demand_clean()
        ratios.append(token.rate / key.rate)
    return Sample(statistics.median(ratios))


def _against_reading(stage: Stage, driven: Callable[[], Coroutine[Any, Any, Load]]) -> Sample:
    bare, verification, reading = _bare(stage), stage.limit("V", 2_000), stage.limit("READ", 4_000)
    ran = stage.main.server.cpu_seconds()
    load = stage.run(driven()).demand_clean()
    limit = 1 / (1 / bare.rate + verification + reading)
    parts = {"W": bare.rate, "W_load_spare": bare.spare, "V_us": verification * 1e6, "read_us": reading * 1e6}
    return Sample(load.rate, limit, {**parts, **_told(load, stage.main.server.cpu_seconds() - ran)})


def memory(stage: Stage) -> Sample:
    """Memory of one process that has started and was asked nothing yet."""
    server = Server("sallyport", environ_of(stage.main.directory), ready=b"")
    time.sleep(0.3)
    held = server.resident_megabytes()
    server.stop()
    return Sample(held)


def start(stage: Stage) -> Sample:
    """Time from the start of `serve` on an existing database to the first 200 of /readyz."""
    server = Server("sallyport", environ_of(stage.main.directory))
    server.stop()
    return Sample(server.seconds_to_start)


def queued(stage: Stage) -> Sample:
    """p99 of `GET /users/me` while fifty logins are always waiting for their hash."""
    main, seconds = stage.main, 2 * stage.size.seconds
    logins = itertools.cycle(_shuffled([person.password_request() for person in main.plain]))

    async def both() -> tuple[Load, Load]:
        behind = asyncio.create_task(drive(main.server.port, logins, at_once=_QUEUED, seconds=seconds + 0.5))
        await asyncio.sleep(0.25)
        front = await _read_me(main, 1, seconds)
        return front, await behind

    front, behind = stage.run(both())
    percentiles = _percentiles(front.demand_clean())
    refused = float(sum(behind.refused.values()))
    return Sample(percentiles["p99_ms"], None, {**percentiles, "logins_per_s": behind.rate, "logins_refused": refused})


def _bare(stage: Stage) -> Load:
    asked = itertools.repeat(request("GET", "/", {}))
    return stage.run(drive(stage.bare.port, asked, at_once=AT_ONCE, seconds=stage.size.seconds / 2)).demand_clean()


async def _answers(settled: Settled) -> Iterator[bytes]:
    people = _shuffled(settled.people)
    opened = await settled.town.challenge(people)
    now = settled.town.service.clock.now()
    return iter(
        [
            request("POST", "/auth/totp", {"authorization": f"jwt {challenge.reveal()}"}, {"token": person.code(now)})
            for person, challenge in zip(people, opened, strict=True)
        ]
    )


async def _read_me(settled: Settled, at_once: int, seconds: float) -> Load:
    # No more than the mint remembers beside the tokens of the other rows: `new` has those that it does not.
    asked = itertools.cycle(_shuffled(_asking_for_me(settled.tokens[:_COME_BACK])))
    return await drive(settled.server.port, asked, at_once=at_once, seconds=seconds)


def _asking_for_me(tokens: list[str]) -> list[bytes]:
    return [request("GET", "/users/me", {"authorization": f"Bearer {token}"}) for token in tokens]


def _told(load: Load, ran: float) -> dict[str, float]:
    return {"server_cpu_us": ran / len(load.latencies) * 1e6, "load_spare": load.spare, **_percentiles(load)}


def _percentiles(load: Load) -> dict[str, float]:
    cuts = statistics.quantiles(load.latencies, n=100)
    return {"p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3}


def _shuffled(given: list[Any]) -> list[Any]:
    return random.sample(given, len(given))


MEASURES = (
    Measure(
        name="login",
        what="password logins/s, no MFA, 8 at once, against H",
        unit="/s",
        bar=0.85,
        at_least=True,
        sample=login,
    ),
    Measure(
        name="both",
        what="password logins/s, 8 at once, on both cores, against one",
        unit="/s",
        bar=1.7,
        at_least=True,
        sample=both,
        # Strangers do change it; but they are told from our children by the core, and these children have both.
        timed=False,
    ),
    Measure(
        name="totp",
        what="POST /auth/totp, 32 at once, against 1/(1/W + 1/D + S)",
        unit="/s",
        bar=0.55,
        at_least=True,
        sample=answer,
    ),
    Measure(
        name="me",
        what="GET /users/me, 32 at once, against 1/(1/W + V + read)",
        unit="/s",
        bar=0.65,
        at_least=True,
        sample=me,
    ),
    Measure(
        name="new",
        what="GET /users/me, 32 at once, each token for the first time, against the same",
        unit="/s",
        bar=0.5,
        at_least=True,
        sample=newcomers,
    ),
    Measure(
        name="apikey",
        what="GET /users/me by an API key, 32 at once: times what it costs by an access token",
        unit="x",
        bar=1.3,
        at_least=False,
        sample=api_key,
    ),
    Measure(
        name="memory",
        what="memory before the first request",
        unit="MB",
        bar=80,
        at_least=False,
        sample=memory,
        timed=False,
    ),
    Measure(name="start", what="from `serve` to /readyz 200", unit="s", bar=0.8, at_least=False, sample=start),
    Measure(
        name="queued",
        what="p99 of GET /users/me, 50 logins queued",
        unit="ms",
        bar=50,
        at_least=False,
        sample=queued,
    ),
)
