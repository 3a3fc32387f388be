"""The names behind uids, for pages that people read."""

import asyncio
from collections.abc import Iterable, Mapping

from sallyport.kernel.outcomes import Refused
from sallyport.users.flow import ReadUsers


async def names_of(read: ReadUsers, uids: Iterable[str | None]) -> Mapping[str, str]:
    """Return the names of users who are there; each is one look along the primary key."""
    wanted = sorted({uid for uid in uids if uid})
    found = await asyncio.gather(*(read.one(uid) for uid in wanted))
    return {user.uid: user.name for user in found if not isinstance(user, Refused)}
