"""`nodes`: what a second node on the same PostgreSQL brings.

The first has the core of the server for itself. The second shares the core of the load with the load and with
PostgreSQL, so what it brings here is less than on a machine of its own; for logins, which are hashes, not by much.
"""

import asyncio
import itertools
import random
import secrets
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvloop

from bench import cores
from bench.crowd import Crowd
from bench.engines import Postgres
from bench.load import drive, request
from bench.people import Person, Town, environ_of, service_in
from bench.scenario import Finding
from bench.server import Server
from bench.stage import Size
from sallyport.audit.chain import START
from sallyport.kernel.clock import MINUTE
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import CHALLENGE, digest_of, new_token
from sallyport.wiring import Service

_AT_ONCE: Final = 4
_TURNS: Final = 3

Ask = Callable[["Scene", int], list[Iterator[bytes]]]
"""Makes the requests for so many nodes."""


class Scene:
    """Two nodes, and people who have not logged in yet."""

    def __init__(self, engine: Postgres, service: Service, size: Size) -> None:
        self.servers: list[Server] = []
        self.seconds = 2 * size.seconds
        self.answers = size.crowd // 2
        self.people: list[Person] = []
        self.tokens: list[str] = []
        self.refused = 0
        self.now = service.clock.now
        self._engine = engine
        self._service = service

    async def settle(self) -> None:
        """Fill the database: each person answers one challenge in all."""
        await self._service.first_start()
        crowd = Crowd(self._service, 2 * _TURNS * self.answers, START)
        chunks = list(crowd.chunks(self.answers))
        self.people = [person for people, _ in chunks for person in people]
        self._engine.fill(rows for _, rows in chunks)
        self.tokens = await Town(self._service).tokens(self.people[: self.answers // 4])

    def challenges(self, people: list[Person]) -> list[Hidden[str]]:
        """Open a challenge for each of them."""
        opened = [new_token(CHALLENGE, secrets.token_bytes) for _ in people]
        now = self.now()
        rows = [
            (digest_of(challenge), person.uid, now, now + 5 * MINUTE, 5)
            for person, challenge in zip(people, opened, strict=True)
        ]
        self._engine.fill([{"challenges": rows}])
        return opened

    async def rate(self, ask: Ask, nodes: int) -> float:
        """Return how many requests a second so many nodes grant together."""
        asked = ask(self, nodes)
        loads = await asyncio.gather(
            *(
                drive(server.port, requests, at_once=_AT_ONCE, seconds=self.seconds, awake=False)
                for server, requests in zip(self.servers, asked, strict=False)
            )
        )
        self.refused += sum(sum(load.refused.values()) for load in loads)
        return sum(load.rate for load in loads)


def _logins(scene: Scene, nodes: int) -> list[Iterator[bytes]]:
    return _shared_out([person.password_request(forwarded=f"for={person.address}") for person in scene.people], nodes)


def _answers(scene: Scene, nodes: int) -> list[Iterator[bytes]]:
    people = [scene.people.pop() for _ in range(scene.answers)]
    opened = scene.challenges(people)
    now = scene.now()
    asked = [
        request(
            "POST",
            "/auth/totp",
            {"authorization": f"jwt {challenge.reveal()}", "forwarded": f"for={person.address}"},
            {"token": person.code(now)},
        )
        for person, challenge in zip(people, opened, strict=True)
    ]
    return [iter(asked[node::nodes]) for node in range(nodes)]


def _own(scene: Scene, nodes: int) -> list[Iterator[bytes]]:
    return _shared_out(
        [request("GET", "/users/me", {"authorization": f"Bearer {token}"}) for token in scene.tokens], nodes
    )


def _shared_out(asked: list[bytes], nodes: int) -> list[Iterator[bytes]]:
    return [itertools.cycle(random.sample(asked, len(asked))) for _ in range(nodes)]


_STEPS: Final[dict[str, Ask]] = {"POST /auth/password": _logins, "GET /users/me": _own, "POST /auth/totp": _answers}


def play(size: Size) -> Finding:
    """Ask one node, and two."""
    with ExitStack() as stack, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="sallyport-nodes-")))
        engine = Postgres(directory)
        stack.callback(engine.close)
        service = service_in(directory, engine.environ())
        stack.callback(service.close)
        scene = Scene(engine, service, size)
        runner.run(scene.settle())
        environ = {**environ_of(directory), **engine.environ(), "SALLYPORT_TRUSTED_PROXIES": "127.0.0.0/8"}
        for core in (cores.SERVER, cores.LOAD):
            with cores.server_core(core):
                server = Server("sallyport", environ, pinned=False)
            stack.callback(server.stop)
            scene.servers.append(server)
        rates = {
            name: [[runner.run(scene.rate(ask, nodes)) for nodes in (1, 2)] for _ in range(_TURNS)]
            for name, ask in _STEPS.items()
        }
    return _found(rates, scene.refused)


def _found(rates: dict[str, list[list[float]]], refused: int) -> Finding:
    lines = ["| a second, on one PostgreSQL | one node | two | times |", "|---|---:|---:|---:|"]
    for name, turns in rates.items():
        one, two = (statistics.median(turn[at] for turn in turns) for at in range(2))
        times = statistics.median(turn[1] / turn[0] for turn in turns)
        lines.append(f"| {name} | {one:,.0f} | {two:,.0f} | {times:.2f} |")
    lines += ["", f"Answers that were not 200: {refused}."]
    return Finding(table="\n".join(lines), bars=[], data={"rates": rates})
