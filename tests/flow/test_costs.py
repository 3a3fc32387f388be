"""How many statements a login takes: each costs about as much as everything that Python does for two of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from sallyport.store.sqlite import SqliteWork
from tests.world import PASSWORD, World

pytestmark = pytest.mark.sqlite_only

_AROUND = ("BEGIN", "COMMIT", "--")
"""What begins and ends transactions, and what the engine tells of its own steps."""


@contextmanager
def told(world: World) -> Iterator[list[str]]:
    asked: list[str] = []
    writer = cast("SqliteWork", world.service.work)._writer  # nobody else has it
    writer.set_trace_callback(lambda text: None if text.startswith(_AROUND) else asked.append(text))
    yield asked
    writer.set_trace_callback(None)


async def test_a_password_takes_twelve_statements(world: World) -> None:
    await world.register("alice")
    with told(world) as asked:
        assert (await world.password("alice", PASSWORD)).status_code == 200
    assert len(asked) == 12, asked


async def test_a_password_that_leads_to_a_challenge_asks_for_no_session(world: World) -> None:
    await world.enrolled("alice")
    with told(world) as asked:
        assert (await world.password("alice", PASSWORD)).json()["type"] == "CHALLENGE"
    assert len(asked) == 9, asked


async def test_a_code_takes_fourteen_statements(world: World) -> None:
    alice = await world.enrolled("alice")
    challenge, phone = await alice.challenge(), alice.phone
    assert phone is not None
    with told(world) as asked:
        assert (await world.answer(challenge, phone.code(1))).status_code == 200
    assert len(asked) == 14, asked
