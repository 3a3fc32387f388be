"""The same races against two processes, over real sockets, with the real clock and real hashes.

On SQLite two workers of one service; on PostgreSQL that, and two nodes.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import httpx2
import pytest

from sallyport.wiring import Service
from tests.engines import POSTGRES, SQLITE, Postgres, Sqlite, url_in
from tests.places import a_disk
from tests.ports import free_port
from tests.world import ADMIN_PASSWORD, UNTHROTTLED, TurnedClock, World

CROWD = 50
PATIENCE = 60.0


def wait_until_ready(served: subprocess.Popen[bytes], url: str) -> None:
    """Wait for a process to listen: the one thing that can only be asked again and again."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and served.poll() is None:
        try:
            if httpx2.get(f"{url}/readyz", timeout=PATIENCE).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    pytest.fail(f"the service does not answer; its exit status is {served.poll()}")


@pytest.fixture(
    scope="module",
    params=[(SQLITE, (2,)), (POSTGRES, (2,)), (POSTGRES, (1, 1))],
    ids=["sqlite, two workers", "postgres, two workers", "postgres, two nodes"],
)
def ports(request: pytest.FixtureRequest) -> Iterator[list[int]]:
    """Where a service of two processes listens."""
    kind, workers = request.param
    engine = Sqlite() if kind == SQLITE else Postgres(request.getfixturevalue("server"))
    found = [free_port() for _ in workers]
    with ExitStack() as stack:
        # On a disk: while a write waits for it, others come in between.
        home = engine.settle(Path(stack.enter_context(TemporaryDirectory(dir=a_disk()))))
        for port, number in zip(found, workers, strict=True):
            stack.enter_context(served(home, port, number))
        yield found
    if isinstance(engine, Postgres):
        engine.release()


@contextmanager
def served(home: Path, port: int, workers: int) -> Iterator[None]:
    """Run a node until the end of a `with`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SALLYPORT_")}
    environ |= {"SALLYPORT_ADMIN_PASSWORD": ADMIN_PASSWORD, "SALLYPORT_PUBLIC_URL": "http://sallyport.test"}
    environ |= {"SALLYPORT_DATABASE_URL": url_in(home), "SALLYPORT_KEYS_DIR": f"{home}/keys", **UNTHROTTLED}
    command = [sys.executable, "-m", "sallyport", "serve", "--port", str(port), "--workers", str(workers)]
    path = home / f"log-{port}"
    with path.open("wb") as log:
        process = subprocess.Popen(command, cwd=home, env=environ, stdout=log, stderr=log)
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}")
        yield
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert b"Traceback" not in path.read_bytes()


class InTurn(httpx2.AsyncHTTPTransport):
    """Sends each request to the next of the nodes."""

    def __init__(self, ports: list[int], limits: httpx2.Limits) -> None:
        super().__init__(limits=limits)
        self._ports = cycle(ports)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(port=next(self._ports))
        return await super().handle_async_request(request)


@pytest.fixture
async def world(ports: list[int]) -> AsyncIterator[World]:
    """The running service, and as many open connections as there are requests at once."""
    clock = TurnedClock()
    # The phone shows the time of day; the code of the next step is good from now on, for a minute at least.
    clock.micros = time.time_ns() // 1_000
    limits = httpx2.Limits(max_connections=CROWD)
    transport = InTurn(ports, limits)
    async with httpx2.AsyncClient(base_url="http://127.0.0.1", timeout=PATIENCE, transport=transport) as client:
        await asyncio.gather(*(client.get("/healthz") for _ in range(CROWD)))
        yield World(cast("Service", None), client, clock)


async def together(calls: Iterable[Any]) -> list[httpx2.Response]:
    answers: list[httpx2.Response] = await asyncio.gather(*calls)
    assert [answer.text for answer in answers if answer.status_code >= 500] == []
    return answers


def winners(answers: list[httpx2.Response], status: int = 200) -> list[httpx2.Response]:
    return [answer for answer in answers if answer.status_code == status]


def refusals(answers: list[httpx2.Response]) -> set[str]:
    return {answer.json()["code"] for answer in answers if answer.status_code >= 300}


async def test_two_workers_accept_one_code_once(world: World) -> None:
    alice = await world.enrolled("alice")
    assert alice.phone
    challenge, code = await alice.challenge(), alice.phone.code(1)
    answers = await together(world.answer(challenge, code) for _ in range(CROWD))
    assert len(winners(answers)) == 1
    assert refusals(answers) <= {"code_invalid", "challenge_invalid"}


async def test_two_workers_accept_one_code_once_at_many_challenges(world: World) -> None:
    bob = await world.enrolled("bob")
    assert bob.phone
    challenges, code = cycle([await bob.challenge() for _ in range(20)]), bob.phone.code(1)
    answers = await together(world.answer(next(challenges), code) for _ in range(CROWD))
    assert len(winners(answers)) == 1
    assert refusals(answers) <= {"code_invalid", "challenge_invalid"}


async def test_two_workers_accept_one_backup_code_once(world: World) -> None:
    carol = await world.enrolled("carol")
    for left, code in zip((9, 8), carol.codes, strict=False):
        challenges = cycle([await carol.challenge() for _ in range(20)])
        answers = await together(world.answer(next(challenges), code) for _ in range(CROWD))
        (won,) = winners(answers)
        assert won.json()["mfa"]["backupCodesRemaining"] == left
        assert refusals(answers) <= {"code_invalid", "challenge_invalid"}


async def test_two_workers_judge_five_wrong_codes_of_a_challenge(world: World) -> None:
    dave = await world.enrolled("dave")
    assert dave.phone
    challenge = await dave.challenge()
    answers = await together(world.answer(challenge, "not a code") for _ in range(CROWD))
    codes = [answer.json()["code"] for answer in answers]
    assert (codes.count("code_invalid"), codes.count("challenge_invalid")) == (5, 45)


async def test_two_workers_give_one_refresh_token_one_successor(world: World) -> None:
    erin = await world.register("erin", password=None)
    for _ in range(5):
        answers = await together(world.call("POST", "/auth/refresh", {"refresh": erin.refresh}) for _ in range(CROWD))
        assert len(winners(answers)) == CROWD
        (successor,) = {answer.json()["refresh"] for answer in answers}
        assert successor != erin.refresh
        erin.refresh = successor


async def test_two_workers_enroll_once(world: World) -> None:
    frank = await world.register("frank")
    path = f"/users/me/secrets/{await frank.begin_enrollment()}/enroll"
    assert frank.phone
    code = frank.phone.code()
    answers = await together(frank.call("PUT", path, {"token": code}) for _ in range(CROWD))
    assert len(winners(answers)) == 1
    assert refusals(answers) <= {"already_enrolled", "not_found", "step_up_required"}


async def test_two_workers_give_a_name_once_and_a_version_once(world: World) -> None:
    names = cycle(("Grace", "grace", "GRACE"))
    answers = await together(world.call("POST", "/users", {"name": next(names)}) for _ in range(CROWD))
    (won,) = winners(answers, 201)
    assert refusals(answers) == {"name_taken"}
    headers = {"authorization": f"Bearer {won.json()['token']}"}
    bodies = [{"version": 0, "firstName": f"name {number}"} for number in range(CROWD)]
    answers = await together(world.call("PUT", "/users/me", body, headers=headers) for body in bodies)
    assert len(winners(answers)) == 1
    assert refusals(answers) == {"version_conflict"}


async def test_what_one_worker_ended_is_over_at_the_other(world: World) -> None:
    heidi = await world.register("heidi", password=None)
    assert len(winners(await together(heidi.call("GET", "/users/me") for _ in range(CROWD)))) == CROWD
    assert (await heidi.call("POST", "/auth/logout")).status_code == 204
    answers = await together(heidi.call("GET", "/users/me") for _ in range(CROWD))
    assert refusals(answers) == {"invalid_token"}
    assert winners(answers) == []


async def test_two_workers_share_one_first_admin(world: World) -> None:
    assert (await world.admin()).name == "admin"


LOG_OF_A_WORKER = """
from pathlib import Path

import structlog
from sallyport.cli.serve import worker

def answer(authorization):
    raise ValueError("a fault")

worker(Path.cwd())
try:
    answer("Bearer spc_canary")
except ValueError:
    structlog.get_logger().exception("internal error")
"""


def test_a_worker_logs_json_lines_without_the_values_of_the_request(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SALLYPORT_")}
    command = [sys.executable, "-c", LOG_OF_A_WORKER]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    lines = (done.stdout + done.stderr).splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["internal error"]
    # The trace of a fault may quote the program, but never what the request brought.
    assert "authorization = " not in done.stdout + done.stderr
