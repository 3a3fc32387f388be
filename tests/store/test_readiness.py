"""Readiness is found out by writing, and however many ask, they cost one commit a second."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sallyport.store.readiness import Readiness
from sallyport.store.sqlite import SqliteWork
from sallyport.store.work import Unit, Work
from tests.conftest import MakeWorld

T = TypeVar("T")


@dataclass
class CountedWork:
    """Counts the units that write."""

    work: Work
    commits: int = 0

    async def __call__(self, unit: Unit[T]) -> T:
        self.commits += 1
        return await self.work(unit)

    async def read(self, unit: Unit[T]) -> T:
        return await self.work.read(unit)


async def test_many_who_ask_cost_one_commit_and_change_nothing(make_world: MakeWorld, tmp_path: Path) -> None:
    world = await make_world()
    path = world.service.settings.database_path
    before = started_at(path)
    work = CountedWork(world.service.work)
    ready = Readiness(work)
    assert await asyncio.gather(*(ready() for _ in range(50))) == [True] * 50
    assert work.commits == 1
    assert started_at(path) == before


async def test_a_database_without_this_schema_is_not_ready(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('0000');
               CREATE TABLE installation (id INTEGER PRIMARY KEY, first_start_at INTEGER)"""
        )
    work = SqliteWork(path)
    try:
        assert not await Readiness(work)()
    finally:
        work.close()


def started_at(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT first_start_at FROM installation").fetchone()[0])
