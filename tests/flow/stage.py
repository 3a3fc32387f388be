"""A stage: something happens in the middle of a request, at an exact unit of work."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from sallyport.store.database import database_at
from sallyport.store.tables import metadata
from sallyport.store.work import Rows, Runner, Sql, Unit
from tests.world import Person, World

T = TypeVar("T")
Happening = Callable[[], Awaitable[object]]
Picture = dict[str, list[dict[str, Any]]]

SPENDING = frozenset({"last_step", "spent_at", "last_used_at"})
"""What a code leaves behind that was right, but came too late: it stays spent."""


class InterruptedWork:
    """Runs units of work, and lets something happen before the one of a number."""

    def __init__(self, work: Runner) -> None:
        self._work = work
        self._left = 0
        self._happening: Happening | None = None

    def before(self, number: int, happening: Happening) -> None:
        """Let this happen before the unit of this number, counted from now; reads count too."""
        self._left, self._happening = number, happening

    @property
    def has_happened(self) -> bool:
        return self._happening is None

    async def __call__(self, unit: Unit[T]) -> T:
        await self._count()
        return await self._work(unit)

    async def read(self, unit: Unit[T]) -> T:
        await self._count()
        return await self._work.read(unit)

    def close(self) -> None:
        self._work.close()

    async def _count(self) -> None:
        self._left -= 1
        if self._happening and not self._left:
            happening, self._happening = self._happening, None
            await happening()


@dataclass
class Stage:
    """A world whose requests can be interrupted."""

    world: World
    work: InterruptedWork

    async def interrupted(
        self, request: Awaitable[httpx2.Response], happening: Happening, *, before: int
    ) -> httpx2.Response:
        """Send a request, and let something happen before its unit of this number."""
        self.work.before(before, happening)
        answer = await request
        assert self.work.has_happened, "the request never came so far"
        return answer

    async def in_vain(
        self, request: Awaitable[httpx2.Response], happening: Happening, *, before: int
    ) -> httpx2.Response:
        """The same, and see that the request has left nothing behind but a spent code."""
        after: list[Picture] = []

        async def happens() -> None:
            await happening()
            after.append(self.picture())

        answer = await self.interrupted(request, happens, before=before)
        assert self.picture() == after[0]
        return answer

    def picture(self) -> Picture:
        """Return the whole database, without the audit log and what a spent code leaves."""
        return database_at(self.world.service.settings.database_url).ask(_picture, {})

    async def count(self, table: str, person: Person) -> int:
        """Count the rows of a user in a table."""
        question = Sql(f"SELECT count(*) FROM {table} WHERE user_id = :user")  # noqa: S608  # written in the tests
        row = await self.world.service.work.read(lambda rows: rows.one(question, user=person.uid))
        assert row
        return int(row[0])

    async def second_session(self, person: Person) -> Person:
        """Log the same person in once more, at another browser."""
        other = Person(self.world, person.name, person.uid, "", "", person.password, person.phone, person.totp)
        await other.login()
        other.codes = person.codes
        return other


def _picture(rows: Rows) -> Picture:
    # A try that came too late was counted all the same, and written down.
    tables = [table for name, table in metadata.tables.items() if name not in {"throttles", "audit_log"}]
    seen: Picture = {}
    for table in tables:
        kept = [column.name for column in table.columns if column.name not in SPENDING]
        question = Sql(f"SELECT {', '.join(kept)} FROM {table.name} ORDER BY 1")  # noqa: S608  # names of our own tables
        seen[table.name] = [dict(zip(kept, row, strict=True)) for row in rows.all(question)]
    return seen
