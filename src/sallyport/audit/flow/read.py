"""Reading the audit log: pages for people, and all of it for an archive."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from msgspec.structs import replace

from sallyport.audit import store
from sallyport.audit.rules import Event, Record, oldest_uid
from sallyport.store.work import Work

_AT_ONCE: Final = 500


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows are wanted, newest first."""

    user: str | None
    event: Event | None
    since: int
    """Microseconds; 0 for all."""
    after: str | None
    """The uid behind which the page begins."""
    limit: int
    skip: int


class ReadAudit:
    """Reads rows."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, wanted: Wanted) -> list[Record]:
        """Return rows, newest first."""
        return await self._work.read(
            lambda rows: store.newest(
                rows,
                user=wanted.user,
                event=wanted.event,
                since=wanted.since,
                oldest=oldest_uid(wanted.since),
                before=wanted.after or store.BEHIND_ALL,
                limit=wanted.limit,
                skip=wanted.skip,
            )
        )

    async def count(self, wanted: Wanted) -> int:
        """Return how many rows there are, whatever part of them is wanted. A walk of short parts, as ADR 23 has it."""
        part = await self.page(replace(wanted, after=None, limit=_AT_ONCE, skip=0))
        found = len(part)
        while len(part) == _AT_ONCE:
            await asyncio.sleep(0)
            part = await self.page(replace(wanted, after=part[-1].uid, limit=_AT_ONCE, skip=0))
            found += len(part)
        return found

    async def logins(self, user: str, *, after: str | None, limit: int, skip: int) -> list[Record]:
        """Return the steps of a user's logins, newest first."""
        return await self._work.read(lambda rows: store.logins(rows, user, after or store.BEHIND_ALL, limit, skip))

    async def login(self, user: str, uid: str) -> Record | None:
        """Return one step of a user's logins, or None where it is none of theirs."""
        return await self._work.read(lambda rows: store.login(rows, user, uid))

    async def all(self, since: int) -> AsyncIterator[Record]:
        """Yield every row made at a moment or later, oldest first, some hundred in memory at a time."""
        found = await self._behind(oldest_uid(since), since)
        while found:
            for record in found:
                yield record
            found = await self._behind(found[-1].uid, since)

    async def _behind(self, uid: str, since: int) -> list[Record]:
        return await self._work.read(lambda rows: store.since(rows, since, uid, _AT_ONCE))
