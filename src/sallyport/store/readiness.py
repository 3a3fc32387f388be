"""Whether the database serves: the schema is the one of this release, and what is written is committed."""

import asyncio
from typing import Final

from sallyport.store import schema
from sallyport.store.work import Rows, Sql, Work

_SECONDS_BETWEEN_WRITES: Final = 1.0

# A row that every used database has: a full or read-only disk shows in nothing but a write.
MOVE = Sql("UPDATE installation SET first_start_at = first_start_at + :by WHERE id = 1")


class Readiness:
    """Answers those who ask whether to send requests here."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._turn = asyncio.Lock()
        self._written_at = float("-inf")

    async def __call__(self) -> bool:
        """Tell whether the schema is right. Raises `StorageUnavailableError` where nothing can be read or written.

        However many ask, one commit a second is made for them: this is open to everybody.
        """
        row = await self._work.read(lambda rows: rows.one(schema.VERSION))
        async with self._turn:
            loop = asyncio.get_running_loop()
            if loop.time() - self._written_at >= _SECONDS_BETWEEN_WRITES:
                await self._work(_write)
                self._written_at = loop.time()
        return row is not None and schema.is_fit(row[0])


def _write(rows: Rows) -> None:
    """Write a row, and have it as it was: SQLite writes nothing where the new value is the old one."""
    rows.post(MOVE, by=1)
    rows.post(MOVE, by=-1)
