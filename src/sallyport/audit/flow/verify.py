"""Verifying the audit log: each row, the chain of them, and its end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from sallyport.audit import store
from sallyport.audit.chain import START, Mark, altered, is_bare, mark_of, misplaced
from sallyport.audit.checkpoint import CheckpointFile, CheckpointRefusedError
from sallyport.audit.keys import AuditKeys
from sallyport.audit.rules import Event, Record
from sallyport.store.work import Rows, Work

_AT_ONCE: Final = 500
_LOWEST: Final = -(2**63)
_BARE: Final = "the address was removed, and no user was erased with it"
_NO_END: Final = "no end can be vouched for (after a restore that is so until the service has been started)"


_Read = tuple[Record, str | None]
"""A row, and what is wrong with its address where it has lost that."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with the log."""

    position: int | None
    uid: str | None
    what: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows were looked at."""

    sealed: int
    unsealed: int
    """Rows of the last second; or all since the service was stopped by force."""
    checkpoint: int | None
    """The position that the checkpoint vouches for."""


class VerifyAudit:
    """Walks through the whole log, beside a running service if need be, some hundred rows in memory at a time."""

    def __init__(self, *, work: Work, keys: AuditKeys, checkpoint: CheckpointFile) -> None:
        self._work = work
        self._keys = keys
        self._checkpoint = checkpoint

    async def __call__(self) -> AsyncIterator[Fault | Verdict]:
        """Yield every fault, and the verdict as the last."""
        # First the checkpoint: the log beside it only grows.
        known, fault = await asyncio.to_thread(self._known)
        if fault:
            yield fault
        count, before, vouched = 0, START, known is None
        async for record, bare in self._sealed():
            for what in (altered(record, self._keys.fits), bare, misplaced(before, record, self._keys.fits)):
                if what:
                    yield Fault(position=record.position, uid=record.uid, what=what)
            count, before = count + 1, mark_of(record, before)
            vouched = vouched or before == known
        if known and not vouched:
            yield _cut_off(known, before)
        if count and not known and not fault:
            yield Fault(position=None, uid=None, what=f"{self._checkpoint.path} is missing: {_NO_END}")
        unsealed = 0
        async for record, bare in self._unsealed():
            unsealed += 1
            if what := altered(record, self._keys.fits) or bare:
                yield Fault(position=None, uid=record.uid, what=what)
        yield Verdict(sealed=count, unsealed=unsealed, checkpoint=known.position if known else None)

    def _known(self) -> tuple[Mark | None, Fault | None]:
        try:
            return self._checkpoint.read(), None
        except (OSError, CheckpointRefusedError) as fault:
            return None, Fault(position=None, uid=None, what=f"the checkpoint can't be read: {fault}")

    async def _sealed(self) -> AsyncIterator[_Read]:
        after = _LOWEST

        def behind(rows: Rows) -> list[_Read]:
            return self._judged(rows, store.sealed(rows, after, _AT_ONCE))

        while found := await self._work.read(behind):
            for read in found:
                yield read
            last = found[-1][0].position
            after = _LOWEST if last is None else last  # an empty text is a place, too, where another hand wrote one

    async def _unsealed(self) -> AsyncIterator[_Read]:
        after = ""

        def behind(rows: Rows) -> list[_Read]:
            return self._judged(rows, store.unsealed(rows, after, _AT_ONCE))

        while found := await self._work.read(behind):
            for read in found:
                yield read
            after = found[-1][0].uid

    def _judged(self, rows: Rows, found: list[Record]) -> list[_Read]:
        """Say of rows that have lost their address whether a user was erased who took it along."""
        concerned = {uid for record in found if is_bare(record) for uid in (record.user, record.actor)}
        erased = {uid for uid in concerned if isinstance(uid, str) and self._is_erased(rows, uid)}
        return [
            (record, _BARE if is_bare(record) and erased.isdisjoint((record.user, record.actor)) else None)
            for record in found
        ]

    def _is_erased(self, rows: Rows, user: str) -> bool:
        end = store.last_of(rows, user, Event.USER_DELETED)
        return end is not None and altered(end, self._keys.fits) is None


def _cut_off(known: Mark, end: Mark) -> Fault:
    if end.position < known.position:
        what = f"the log was cut off: it ends at position {end.position}, and once reached {known.position}"
    else:
        what = "the log is not the one that the checkpoint vouches for: it was cut off here and went on"
    return Fault(position=known.position, uid=None, what=what)
