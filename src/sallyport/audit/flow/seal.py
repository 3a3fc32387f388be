"""Sealing: each new row is given its place in the chain, in batches, beside the requests."""

import asyncio
from typing import Final

import msgspec
import structlog

from sallyport.audit import store
from sallyport.audit.chain import CHAIN, Mark, altered, link
from sallyport.audit.checkpoint import CheckpointFile, CheckpointRefusedError
from sallyport.audit.keys import AuditKeys
from sallyport.kernel.clock import MINUTE, SECOND, Clock
from sallyport.store.work import Rows, Work

SEALED_AT_ONCE: Final = 100
"""Two to four milliseconds of the writer thread: nobody waits longer behind it."""

_CHAIN: Final = "audit chain"
_YOUNG: Final = MINUTE
"""A log that has just begun has no checkpoint yet, whichever of several processes comes first."""

log = structlog.get_logger()


class _Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit of work has sealed."""

    before: Mark
    head: Mark
    forged: tuple[str, ...]
    """Uids of rows that another hand wrote; they get no place."""
    after: str | None
    """The uid behind which the next batch begins; None where nothing is left."""


class SealAudit:
    """Chains rows, and writes the end of the chain into the key directory, once a second at most.

    One batch is one unit of work, so that the chain is exact among all processes of a database. A checkpoint is only
    replaced while it fits the database: one that does not is the evidence of a log that was cut off, and it stays.
    """

    def __init__(self, *, work: Work, keys: AuditKeys, checkpoint: CheckpointFile, clock: Clock) -> None:
        self._work = work
        self._keys = keys
        self._checkpoint = checkpoint
        self._clock = clock
        self._due: Mark | None = None
        self._marked_at = 0
        self._hindered: list[str] = []
        self._complaints = frozenset[str]()

    async def __call__(self) -> None:
        """Seal until nothing is left. Short units, so that nobody waits behind them."""
        forged: list[str] = []
        after = "" if await self._work.read(store.has_unsealed) else None
        while after is not None:
            batch = await self._batch(after)
            forged += batch.forged
            if batch.head != batch.before:
                self._due = batch.head
            after = batch.after
        complaints = [f"row {uid} was written by another hand, and is not sealed" for uid in forged]
        if self._due and abs(self._clock.now() - self._marked_at) >= SECOND:
            self._hindered = await self._mark(self._due)
        complaints += self._hindered
        self._complain(frozenset(complaints))

    async def finish(self) -> None:
        """Seal the rest as a process ends, and write the checkpoint: rows without a place are missed by nobody."""
        self._marked_at = 0
        await self()

    async def _batch(self, after: str) -> _Batch:
        return await self._work(lambda rows: self._seal(rows, after))

    def _seal(self, rows: Rows, after: str) -> _Batch:
        rows.alone(_CHAIN)
        found = store.unsealed(rows, after, SEALED_AT_ONCE)
        before = mark = store.head(rows)
        forged: list[str] = []
        for record in found:
            if altered(record, self._keys.fits):
                forged.append(record.uid)
                continue
            digest = self._keys.digest(CHAIN, link(mark, record.row_digest))
            mark = Mark(position=mark.position + 1, digest=digest)
            store.seal(rows, record.uid, mark)
        more = len(found) == SEALED_AT_ONCE
        return _Batch(before=before, head=mark, forged=tuple(forged), after=found[-1].uid if more else None)

    async def _mark(self, due: Mark) -> list[str]:
        """Write the checkpoint, and return what hinders it. The file is touched in a thread: it may be slow."""
        self._marked_at = self._clock.now()
        try:
            known = await asyncio.to_thread(self._checkpoint.read)
            if known and await self._work.read(lambda rows: store.digest_at(rows, known.position)) != known.digest:
                return [f"the log was cut off or changed: it does not lead to {self._checkpoint.path}"]
            if await asyncio.to_thread(self._checkpoint.replace, known, due):
                self._due = None
        except (OSError, CheckpointRefusedError) as fault:
            return [f"the checkpoint can't be written: {fault}"]
        if known is None and self._clock.now() - await self._work.read(store.began_at) > _YOUNG:
            return [f"{self._checkpoint.path} was missing and is made anew: nothing vouches for what was before"]
        return []

    def _complain(self, complaints: frozenset[str]) -> None:
        """Log what is wrong when it comes up, and not again while it lasts."""
        for complaint in sorted(complaints - self._complaints):
            log.error("audit log", fault=complaint, advice="run: sallyport audit verify")
        self._complaints = complaints
