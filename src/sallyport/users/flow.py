"""Reading, changing and erasing users."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from msgspec.structs import replace

from sallyport.audit.decision import together
from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Event
from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.ids import is_uid
from sallyport.kernel.outcomes import Refused, Why
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.throttle import Throttle
from sallyport.users import counts, store
from sallyport.users.rules import EVERYBODY, User, UserFilter, before, changed_fields, email_key, name_key

_COUNTED_AT_ONCE: Final = 500
_LOOKED_AT_AT_ONCE: Final = 250
"""A millisecond of the event loop on SQLite."""
_LOOKED_AT_IN_A_SEARCH: Final = 20
"""Parts: five thousand users at most."""
_GONE: Final = Refused(why=Why.INVALID_REQUEST, pointer="/after", detail="That user is gone: begin the walk anew.")


class Sessions(Protocol):
    """What users ask of sessions, which stand on a higher floor."""

    def refused(self, rows: Rows, caller: Caller, *others: str) -> Refused | None:
        """Judge inside this unit whether the caller is still who the gate saw; None where that is so.

        It stays so until the unit ends, which has the caller, and the `others` on whom it acts, to itself.
        """
        ...

    def end_all(self, rows: Rows, uid: str, caller: Caller) -> None:
        """End every session and open challenge of a user, because of what the caller did."""
        ...


class Roles(Protocol):
    """What users ask of roles, which stand on a higher floor."""

    def leave(self, rows: Rows, caller: Caller, uid: str) -> Refused | None:
        """Let a user go who is about to be erased, from all their roles; None where that may be."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a `PUT` wants of a user."""

    version: int
    fields: dict[str, Any]
    """Fields of `User` that may change, parsed."""
    forbidden: Callable[[User], str | None]
    """Names the first known field that the body would change and the caller may not."""
    reason: str | None = None
    """Why a trusted role changes another user."""


class ChangeUser:
    """Writes what the caller may change of a user."""

    def __init__(self, *, work: Work, sessions: Sessions, journal: Journal, clock: Clock) -> None:
        self._work = work
        self._sessions = sessions
        self._journal = journal
        self._clock = clock

    async def __call__(self, caller: Caller, uid: str, change: Change) -> User | Refused:
        """Return the user as changed."""
        return await self._work(lambda rows: self._record(rows, caller, uid, change))

    def _record(self, rows: Rows, caller: Caller, uid: str, change: Change) -> User | Refused:
        if refused := self._sessions.refused(rows, caller, uid):
            return refused
        old = store.find(rows, uid)
        if old is None:
            return Refused(why=Why.NOT_FOUND)
        if change.version != old.version:
            return Refused(why=Why.VERSION_CONFLICT)
        new = replace(old, **change.fields, modified_at=self._clock.now())
        if (new.name, new.email_key) != (old.name, old.email_key) and not caller.fresh:
            return Refused(why=Why.STEP_UP_REQUIRED, level=caller.level)
        if field := change.forbidden(old):
            return Refused(why=Why.FIELD_FORBIDDEN, pointer=f"/{field}")
        if not store.change(rows, old, new):
            return Refused(why=Why.NAME_TAKEN)
        self._tell(rows, caller, old, new, change.reason)
        if new.disabled:
            self._sessions.end_all(rows, uid, caller)
        return store.find(rows, uid) or Refused(why=Why.NOT_FOUND)

    def _tell(self, rows: Rows, caller: Caller, old: User, new: User, reason: str | None) -> None:
        if changed := changed_fields(old, new):
            detail = together(" ".join(changed), reason)
            self._journal.did(rows, caller, Event.USER_CHANGED, user=old.uid, detail=detail)
        if new.disabled != old.disabled:
            event = Event.USER_DISABLED if new.disabled else Event.USER_ENABLED
            self._journal.did(rows, caller, event, user=old.uid, detail=reason)


class DeleteUser:
    """Erases a user."""

    def __init__(self, *, work: Work, sessions: Sessions, roles: Roles, throttle: Throttle, journal: Journal) -> None:
        self._work = work
        self._sessions = sessions
        self._roles = roles
        self._throttle = throttle
        self._journal = journal

    async def __call__(self, caller: Caller, uid: str, reason: str | None = None) -> Refused | None:
        """Erase the user and all that is theirs; None when it is done. The reason is for the audit log."""
        return await self._work(lambda rows: self._record(rows, caller, uid, reason))

    def _record(self, rows: Rows, caller: Caller, uid: str, reason: str | None) -> Refused | None:
        if refused := self._sessions.refused(rows, caller, uid):
            return refused
        if refused := self._roles.leave(rows, caller, uid):
            return refused
        self._throttle.forget_user(rows, uid)
        if not store.delete(rows, uid):
            return Refused(why=Why.NOT_FOUND)
        self._journal.did(rows, caller, Event.USER_DELETED, user=uid, detail=reason)
        self._journal.forget(rows, uid)
        return None


class SweepCounts:
    """Adds up what the counts of users are spread over, so that they stay as fast to read."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def __call__(self) -> None:
        """Add up until little is left; changes nothing where that is so already. Short units."""
        for counted in (counts.USERS, counts.ENROLLED):
            while await self._work.read(lambda rows, of=counted: counts.changes(rows, of)) > _COUNTED_AT_ONCE:  # type: ignore[misc]  # its default is the table
                await self._work(lambda rows, of=counted: counts.add_up(rows, _COUNTED_AT_ONCE, of))  # type: ignore[misc]  # as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Some users in the order of their names, and where to go on."""

    users: list[User]
    onward: str | None
    """The uid of the last one that was looked at; None where nobody is left."""


class ReadUsers:
    """Reads users. Who sees which field is a question of rendering, and stands in `http`."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def one(self, uid: str) -> User | Refused:
        """Return one user."""
        return await self._work.read(lambda rows: store.find(rows, uid)) or Refused(why=Why.NOT_FOUND)

    async def names(self, uids: Iterable[str | None]) -> Mapping[str, str]:
        """Return the names of those users who are there."""
        wanted = sorted({uid for uid in uids if uid})
        return await self._work.read(lambda rows: store.names(rows, wanted))

    async def typed(self, text: str, *, verified: bool | None = None) -> str | None:
        """Return the uid of the one whose name, address or uid was typed, or None; of an erased one by uid alone.

        An address may be asked to be verified: anybody claims one.
        """
        if is_uid(text):
            return text
        wanted = UserFilter(name_key=name_key(text) or "")
        if "@" in text:
            wanted = UserFilter(email_key=email_key(text), verified=verified)
        found = [user async for user in _cut(self._walk(wanted, "name", None), 0, 2)]
        return found[0].uid if len(found) == 1 else None

    async def page(
        self, wanted: UserFilter, *, limit: int, skip: int, sort: str, after: str | None
    ) -> list[User] | Refused:
        """Return a page of users."""
        if wanted == EVERYBODY:
            found = await self._work.read(
                lambda rows: store.listed(rows, limit=limit, skip=skip, sort=sort, after=after)
            )
            return _GONE if found is None else found
        behind = after
        if after and sort == "name":
            last = await self._work.read(lambda rows: store.find(rows, after))
            if last is None:
                return _GONE
            behind = last.name_key
        return [user async for user in _cut(self._walk(wanted, sort, behind), skip, limit)]

    async def count(self, wanted: UserFilter) -> int:
        """Return how many users there are."""
        if wanted == EVERYBODY:
            return await self._work.read(counts.count)
        found = 0
        async for _ in self._walk(wanted, "", None):
            found += 1
        return found

    async def search(
        self, prefix: str, wanted: UserFilter, *, after: str | None, limit: int, parts: int = _LOOKED_AT_IN_A_SEARCH
    ) -> Found | Refused:
        """Return users of a filter whose prepared names begin so. Looks at a bounded part, and says where to go on."""
        last = await self._work.read(lambda rows: store.find(rows, after)) if after else None
        if after and last is None:
            return _GONE
        found: list[User] = []
        behind, onward = last.name_key if last else before(prefix), after
        for _ in range(parts):
            part = await self._part(wanted, "name", behind)
            begun = [user for user in part if user.name_key.startswith(prefix)]
            found += [user for user in begun if wanted.fits(user)]
            if len(found) > limit:
                return Found(users=found[:limit], onward=found[limit - 1].uid)
            if len(begun) < _LOOKED_AT_AT_ONCE:
                return Found(users=found, onward=None)
            behind, onward = part[-1].name_key, part[-1].uid
            await asyncio.sleep(0)
        return Found(users=found, onward=onward)

    async def enrolled(self) -> tuple[int, int]:
        """Return how many users there are, and how many of them have a second factor."""
        return await self._work.read(lambda rows: (counts.count(rows), counts.count(rows, counts.ENROLLED)))

    async def _walk(self, wanted: UserFilter, sort: str, behind: str | None) -> AsyncIterator[User]:
        """Yield the users of a filter behind a uid or, sorted by name, behind a prepared name.

        Short units, and others get their turn between them.
        """
        part = await self._part(wanted, sort, behind)
        while part:
            for user in part:
                if wanted.fits(user):
                    yield user
            if len(part) < _LOOKED_AT_AT_ONCE:
                return
            await asyncio.sleep(0)
            part = await self._part(wanted, sort, part[-1].name_key if sort == "name" else part[-1].uid)

    async def _part(self, wanted: UserFilter, sort: str, behind: str | None) -> list[User]:
        return await self._work.read(
            lambda rows: store.part(rows, wanted, sort=sort, behind=behind, limit=_LOOKED_AT_AT_ONCE)
        )


async def _cut(found: AsyncIterator[User], skip: int, limit: int) -> AsyncIterator[User]:
    number = 0
    async for user in found:
        number += 1
        if number > skip:
            yield user
        if number == skip + limit:
            return
