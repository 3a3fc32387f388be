"""`postgres`: the TOTP step on PostgreSQL, server and load on the same cores, beside a bare asyncpg loop of its work.

The bare loop does what the step asks of the database and nothing else, in two statements, each a round trip and a
commit of its own: no HTTP, no signature, no seal. Nobody who judges a code between the two can do with less. It has a
database of its own on the same server: the services would look at its audit rows twice a second, as another hand's.
"""

import asyncio
import itertools
import os
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # no stubs
import uvloop

from bench.load import drive, request
from bench.people import Person, Town, service_in
from bench.scenario import Bar, Finding
from bench.server import Server
from bench.stage import QUICK, Size
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import digest_of
from sallyport.wiring import Service
from tests.postgres import SAFE, Cluster

_AT_ONCE: Final = 32
_CONNECTIONS: Final = 16
_SHARE: Final = 0.5
_FILLER: Final = "x" * 32

_GATHER: Final = """
    WITH spent AS (
        UPDATE challenges SET tries_left = tries_left - 1
        WHERE token_digest = $1 AND tries_left > 0 AND expires_at > $2 RETURNING user_id
    ), counted AS (
        INSERT INTO throttles (subject, lane, in_a_row, last_at, recent, refused_at, cleared_at, expires_at)
        SELECT user_id, 'second factor', 1, $2::bigint, $3::bytea, 0, 0, $2::bigint FROM spent
        UNION ALL SELECT $4, 'address', 1, $2, $3, 0, 0, $2 FROM spent
        ON CONFLICT (subject, lane) DO UPDATE SET in_a_row = throttles.in_a_row + 1, last_at = excluded.last_at,
            recent = excluded.recent, expires_at = excluded.expires_at
    )
    SELECT totp.user_id, id, seed_sealed, last_step FROM totp JOIN spent ON spent.user_id = totp.user_id
    WHERE enrolled_at IS NOT NULL AND switched_off_at IS NULL"""
_RECORD: Final = """
    WITH held AS (
        DELETE FROM challenges WHERE token_digest = $1 RETURNING user_id
    ), claimed AS (
        UPDATE totp SET last_step = $2, last_used_at = $3 FROM held
        WHERE totp.user_id = held.user_id AND totp.id = $4 AND last_step < $2 RETURNING totp.user_id
    ), cleared AS (
        DELETE FROM throttles USING claimed WHERE subject = claimed.user_id AND lane = 'second factor'
    ), uncounted AS (
        DELETE FROM throttles WHERE subject = $9 AND lane = 'address'
    ), known AS (
        INSERT INTO known_clients (user_id, token_digest, proven, created_at, last_used_at)
        SELECT user_id, $5, 'pwd otp', $3, $3 FROM claimed
    ), opened AS (
        INSERT INTO sessions (id, user_id, proven, auth_time, created_at, last_used_at, ip, user_agent, client_digest)
        SELECT $6, user_id, 'pwd otp', $3, $3, $3, '127.0.0.1', 'bench', $5 FROM claimed RETURNING id
    ), given AS (
        INSERT INTO refresh_tokens (token_digest, session_id, created_at) SELECT $7, id, $3 FROM opened
    ), told AS (
        INSERT INTO audit_log (id, created_at, event, outcome, factor, user_id, actor_id, session_id, ip, ip_digest,
                               request_id, row_digest)
        SELECT $6, $3, 'login.code', 'success', 'totp', user_id, user_id, $6, '127.0.0.1', $5, $8, $7 FROM claimed
    )
    SELECT name, roles, verified_at, mfa_since,
           (SELECT count(*) FROM backup_codes WHERE backup_codes.user_id = users.id AND spent_at IS NULL)
    FROM users JOIN claimed ON claimed.user_id = users.id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A database, and people in it."""

    environ: dict[str, str]
    service: Service
    town: Town
    people: list[Person]


def play(size: Size) -> Finding:
    """Measure loop and service in turns, and compare their medians."""
    rounds, crowd = (3, 600) if size == QUICK else (7, 3_000)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        _cluster() as (directory, cluster),
        _scene(runner, directory / "bare", cluster, crowd) as alone,
        _scene(runner, directory / "served", cluster, crowd) as scene,
    ):
        ways: dict[str, Callable[[], Awaitable[float]]] = {"bare asyncpg": partial(_bare, alone)}
        servers = {f"{workers} workers": _server(scene, workers) for workers in (1, 2)}
        for name, server in servers.items():
            ways[name] = partial(_served, scene, server.port)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for turn, (name, measured) in itertools.product(range(rounds + 1), ways.items()):
            rate = runner.run(_awaited(measured))
            if turn:  # the first round warms everything up
                rates[name].append(rate)
        for server in servers.values():
            server.stop()
    bare = statistics.median(rates["bare asyncpg"])
    ratios = {name: statistics.median(found) / bare for name, found in rates.items()}
    best = max(servers, key=ratios.__getitem__)
    lines = ["| who | TOTP steps a second: median | worst | best | of the bare loop |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {name} | {statistics.median(found):.0f} | {min(found):.0f} | {max(found):.0f} | {ratios[name]:.2f} |"
        for name, found in rates.items()
    ]
    bar = Bar(what=f"TOTP step, {best}", found=ratios[best], limit=_SHARE, unit="of the bare loop", at_least=True)
    return Finding(table="\n".join(lines), bars=[bar], data={"rates": rates, "ratios": ratios})


async def _awaited(measured: Callable[[], Awaitable[float]]) -> float:
    return await measured()


async def _bare(scene: Scene) -> float:
    opened = await scene.town.challenge(scene.people)
    orders = iter(list(zip(scene.people, opened, strict=True)))
    dsn = scene.environ["SALLYPORT_DATABASE_URL"]
    async with asyncpg.create_pool(dsn, min_size=_CONNECTIONS, max_size=_CONNECTIONS) as pool:
        begun = time.perf_counter()
        await asyncio.gather(*(_steps(scene, pool, orders) for _ in range(_AT_ONCE)))
        return len(scene.people) / (time.perf_counter() - begun)


async def _steps(scene: Scene, pool: Any, orders: Iterator[tuple[Person, Hidden[str]]]) -> None:
    for person, challenge in orders:
        now, digest = scene.service.clock.now(), digest_of(challenge)
        async with pool.acquire() as connection:
            found = await connection.fetch(_GATHER, digest, now, b"x" * 8, person.address)
        fresh, session = secrets.token_bytes(32), scene.service.ids.new()
        async with pool.acquire() as connection:
            client, step = secrets.token_bytes(32), found[0][3] + 1
            values = (digest, step, now, person.totp, client, session, fresh, _FILLER, person.address)
            if not await connection.fetch(_RECORD, *values):
                raise RuntimeError("the bare loop has claimed nothing")


async def _served(scene: Scene, port: int) -> float:
    opened = await scene.town.challenge(scene.people)
    now = scene.service.clock.now()
    asked = [
        request(
            "POST",
            "/auth/totp",
            {"x-forwarded-for": person.address},
            {"challenge": challenge.reveal(), "token": person.code(now)},
        )
        for person, challenge in zip(scene.people, opened, strict=True)
    ]
    return (await drive(port, iter(asked), at_once=_AT_ONCE, awake=False)).demand_clean().rate


def _server(scene: Scene, workers: int) -> Server:
    return Server("sallyport", {**scene.environ, "SALLYPORT_WORKERS": str(workers)}, pinned=False)


@contextmanager
def _cluster() -> Iterator[tuple[Path, Cluster]]:
    with TemporaryDirectory(prefix="sallyport-pg-", ignore_cleanup_errors=True) as name:
        cluster = Cluster(Path(name) / "server", settings=SAFE)
        cluster.start()
        try:
            yield Path(name), cluster
        finally:
            cluster.stop()


@contextmanager
def _scene(runner: asyncio.Runner, directory: Path, cluster: Cluster, crowd: int) -> Iterator[Scene]:
    runner.run(_create(cluster, directory.name))
    environ = {"SALLYPORT_DATABASE_URL": cluster.url(directory.name), "SALLYPORT_TRUSTED_PROXIES": "127.0.0.0/8"}
    with closing(service_in(directory, environ)) as service:
        town = Town(service)
        people = runner.run(town.settle(crowd, mfa=True))
        environ["SALLYPORT_KEYS_DIR"] = str(directory / "keys")
        yield Scene(environ=environ, service=service, town=town, people=people)


async def _create(cluster: Cluster, name: str) -> None:
    connection = await asyncpg.connect(cluster.url())
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
