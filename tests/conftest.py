"""What the tests share: the service in this process, the service as a process, and the tools from Debian."""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.world import UNTHROTTLED, TurnedClock, World, client_of, service_in

MakeWorld = Callable[..., Any]


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def make_world(tmp_path: Path) -> AsyncIterator[MakeWorld]:
    """Build worlds with settings of their own; several in one folder are several nodes of one service."""
    async with AsyncExitStack() as stack:

        async def make(
            environ: Mapping[str, str] | None = None, clock: TurnedClock | None = None, folder: str = "one"
        ) -> World:
            clock = clock or TurnedClock()
            directory = tmp_path / folder
            directory.mkdir(exist_ok=True)
            service = service_in(directory, clock, environ)
            stack.callback(service.close)
            await service.first_start()
            client = await stack.enter_async_context(client_of(service))
            return World(service, client, clock)

        yield make


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    """A service with default settings."""
    made: World = await make_world()
    return made


@pytest.fixture
async def unthrottled(make_world: MakeWorld) -> World:
    """A service that counts no tries."""
    made: World = await make_world(UNTHROTTLED)
    return made


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Find a program from Debian, or say that the test can't run; under CI that is a failure."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None and os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing, and under CI nothing is left out")
        if path is None:
            pytest.skip(f"not run: {name} is missing (scripts/debian-tools.sh names its package)")
        return path

    return find
