"""The limits: a process on the core of the server that measures single parts when it is asked.

Each order is a line on standard input: the name of a limit and how long or how often; each answer is a line with
a number. H is hashes a second, D answers to a challenge a second by the database alone; S, V and READ are seconds.
"""

import asyncio
import itertools
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import uvloop

from bench.people import CLIENT, PASSWORD, Person, Town, hasher, service_in
from bench.replay import Recorder, Script, units_for
from sallyport.authenticators import catalog
from sallyport.authenticators.codes import parse_code
from sallyport.edge.gate import Claims
from sallyport.kernel.hashpool import HashPool
from sallyport.kernel.opaque import digest_of
from sallyport.kernel.outcomes import Granted
from sallyport.login.flow.answer import AnswerChallenge
from sallyport.login.flow.codes import CodeJudge
from sallyport.sessions.flow.standing import SessionReader
from sallyport.store.work import Unit
from sallyport.users.flow import ReadUsers
from sallyport.wiring import Service

AT_ONCE: Final = 32
HASHES_AT_ONCE: Final = 8


class Limits:
    """Measures the parts of the service with nothing around them."""

    def __init__(self, service: Service, people: list[Person], tokens: list[str]) -> None:
        self._service = service
        self._town = Town(service)
        self._people = people
        self._tokens = tokens

    async def hashes(self, seconds: float) -> float:
        """H: Argon2id verifications a second, in the service's own pool, as many waiting as logins wait."""
        pool, checker = HashPool(), hasher()
        written = checker.hash(PASSWORD)
        begun = time.perf_counter()
        counted = 0

        async def verify() -> None:
            nonlocal counted
            while time.perf_counter() < begun + seconds:
                await pool.run(lambda: checker.verify(written, PASSWORD))
                counted += 1

        await asyncio.gather(*(verify() for _ in range(HASHES_AT_ONCE)))
        spent = time.perf_counter() - begun
        pool.close()
        return counted / spent

    async def commits(self, count: float) -> float:
        """D: answers to a challenge a second, as bare group commits of their statements, 32 waiting.

        In no order, as requests come: people who were written one after the other lie on the same pages, and a commit
        would write half of what it writes for the service.
        """
        people = random.sample(self._people, int(count))
        orders = await self.orders(people)
        begun = time.perf_counter()
        await self.run(orders, AT_ONCE)
        return len(people) / (time.perf_counter() - begun)

    async def orders(self, people: list[Person]) -> Iterator[list[Unit[None]]]:
        """Return, for each of them, the units of an answer to a challenge that is open."""
        script = await self._answer_script(people[0])
        opened = await self._town.challenge(people)
        sample = self._sample
        return iter(
            [
                units_for(
                    script,
                    {sample[0]: person.uid, sample[1]: person.totp, sample[2]: digest_of(challenge)},
                    self._service.ids,
                )
                for person, challenge in zip(people, opened, strict=True)
            ]
        )

    async def run(self, orders: Iterator[list[Unit[None]]], at_once: int) -> None:
        """Run all units and nothing else, so many at once."""
        await asyncio.gather(*(self._commit(orders) for _ in range(at_once)))

    async def signature(self, count: float) -> float:
        """S: seconds for one signature over the header and claims of an access token, the primitive alone."""
        key = self._service.keys.active
        message = self._tokens[0].rpartition(".")[0].encode()
        return _seconds(lambda: key.sign(message), int(count))

    async def verification(self, count: float) -> float:
        """V: seconds to verify one such signature, the primitive alone."""
        key = self._service.keys.active
        message = self._tokens[0].rpartition(".")[0].encode()
        signature = key.sign(message)
        return _seconds(lambda: key.verify(message, signature), int(count))

    async def reading(self, count: float) -> float:
        """READ: seconds for the bare statements of the gate and of `GET /users/me`, over many people in no order."""
        claims = [self._claims(token) for token in random.sample(self._tokens, len(self._tokens))]
        script = await self._me_script(claims[0])
        units = [
            unit
            for claim in itertools.islice(itertools.cycle(claims), int(count))
            for unit in units_for(
                script, {claims[0].session: claim.session, claims[0].uid: claim.uid}, self._service.ids
            )
        ]
        begun = time.perf_counter()
        for unit in units:
            await self._service.work.read(unit)
        return (time.perf_counter() - begun) / int(count)

    async def _commit(self, orders: Iterator[list[Unit[None]]]) -> None:
        for units in orders:
            for unit in units:
                await self._service.work(unit)

    async def _answer_script(self, person: Person) -> Script:
        """Record what a real answer asks of the database."""
        service = self._service
        (challenge,) = await self._town.challenge([person])
        recorder = Recorder(service.work)
        judge = CodeJudge(vault=service.vault, pool=service.pool, clients=service.clients, clock=service.clock)
        answer = AnswerChallenge(
            work=recorder,
            judge=judge,
            keeper=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            clients=service.clients,
            clock=service.clock,
        )
        self._sample = (person.uid, person.totp, digest_of(challenge))
        outcome = await answer(digest_of(challenge), parse_code(person.code(service.clock.now())), CLIENT)
        if not isinstance(outcome, Granted):
            message = f"the recorded answer was refused: {outcome}"
            raise TypeError(message)
        return recorder.script

    async def _me_script(self, claims: Claims) -> Script:
        """Record what `GET /users/me` asks of the database, at the gate and behind it."""
        recorder = Recorder(self._service.work)
        service = self._service
        reader = SessionReader(recorder, service.keeper, catalog.has_secret, service.clock)
        await reader.standing(claims.session)
        await ReadUsers(recorder).one(claims.uid)
        return recorder.script

    def _claims(self, token: str) -> Claims:
        claims = self._service.mint.read(token)
        if claims is None:
            message = "a token of the bench has expired: the run took too long"
            raise RuntimeError(message)
        return claims


def _seconds(work: Callable[[], object], count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - begun) / count


def main(directory: Path, crowd: int) -> None:
    """Settle a town of its own, say `ready`, then measure what is asked for."""
    service = service_in(directory)
    town = Town(service)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        people = runner.run(town.settle(crowd, mfa=True))
        limits = Limits(service, people, runner.run(town.tokens(people)))
        known: dict[str, Callable[[float], Awaitable[float]]] = {
            "H": limits.hashes,
            "D": limits.commits,
            "S": limits.signature,
            "V": limits.verification,
            "READ": limits.reading,
        }
        print("ready", flush=True)
        for order in sys.stdin:
            name, _, how_much = order.partition(" ")

            async def measured(name: str = name, how_much: str = how_much) -> float:
                return await known[name](float(how_much))

            print(runner.run(measured()), flush=True)
    service.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
