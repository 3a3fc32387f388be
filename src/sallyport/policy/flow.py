"""Walking over all users to see whom a rule would meet."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from sallyport.kernel.clock import Clock
from sallyport.kernel.policy import Policy
from sallyport.policy import store
from sallyport.policy.rules import Met, Subject, judged
from sallyport.store.work import Work

_AT_ONCE: Final = 500


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """How many users a rule would find how."""

    users: int = 0
    satisfied: int = 0
    """The rule names them, and they have a second factor."""
    met: int = 0
    stuck: int = 0


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would find among the first users, in the order of their uids."""

    totals: Totals
    met: tuple[Met, ...]
    """Some of those whom it would ask to enroll, the stuck ones first."""
    whole: bool
    """Whether that was everybody."""


class SeeImpact:
    """Tells whom a rule would meet. Reads only, some hundred users in memory at a time."""

    def __init__(self, *, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def __call__(self, policy: Policy) -> AsyncIterator[Met | Totals]:
        """Yield everybody whom the rule would ask to enroll, in the order of their uids, and at last the totals."""
        now, after, totals = self._clock.now(), "", Totals()
        while found := await self._behind(after):
            after = found[-1].uid
            met = [one for one in (judged(policy, subject, now) for subject in found) if one]
            for one in met:
                yield one
            totals = _added(totals, policy, found, met)
        yield totals

    async def among(self, policy: Policy, most: int, told: int) -> Impact:
        """Look at so many users at most, in short parts, and tell of so many whom the rule would ask to enroll."""
        now, after, totals = self._clock.now(), "", Totals()
        seen: list[Met] = []
        for _ in range(-(-most // _AT_ONCE)):
            found = await self._behind(after)
            met = [one for one in (judged(policy, subject, now) for subject in found) if one]
            totals = _added(totals, policy, found, met)
            seen = sorted([*seen, *met], key=lambda one: (not one.stuck, one.uid))[:told]
            if len(found) < _AT_ONCE:
                return Impact(totals=totals, met=tuple(seen), whole=True)
            after = found[-1].uid
            await asyncio.sleep(0)
        return Impact(totals=totals, met=tuple(seen), whole=False)

    async def _behind(self, after: str) -> list[Subject]:
        return await self._work.read(lambda rows: store.subjects(rows, after, _AT_ONCE))


def _added(totals: Totals, policy: Policy, found: list[Subject], met: list[Met]) -> Totals:
    return Totals(
        users=totals.users + len(found),
        satisfied=totals.satisfied + sum(one.mfa and policy.names(one.roles) is not None for one in found),
        met=totals.met + len(met),
        stuck=totals.stuck + sum(one.stuck for one in met),
    )
