"""What the tests of the flows share."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from sallyport.store.sqlite import SqliteWork
from sallyport.wiring.desk import DeskFlows
from sallyport.wiring.flows import Flows
from tests.conftest import MakeWorld
from tests.flow.stage import InterruptedWork, Stage
from tests.world import client_of

MakeStage = Callable[..., Any]


@pytest.fixture
async def make_stage(make_world: MakeWorld) -> AsyncIterator[MakeStage]:
    """Build stages with settings of their own."""
    async with AsyncExitStack() as stack:

        async def make(environ: Mapping[str, str] | None = None) -> Stage:
            world = await make_world(environ)
            work = InterruptedWork(world.service.work)
            world.service.work = cast("SqliteWork", work)
            # Those of before work past what interrupts them.
            world.service.flows, world.service.desk = Flows(world.service), DeskFlows(world.service)
            world.client = await stack.enter_async_context(client_of(world.service))
            return Stage(world, work)

        yield make


@pytest.fixture
async def stage(make_stage: MakeStage) -> Stage:
    """A stage with default settings."""
    made: Stage = await make_stage()
    return made
