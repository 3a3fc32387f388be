"""Reading, changing and erasing users."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec.structs import replace

from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.outcomes import Refused, Why
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.throttle import Throttle
from sallyport.users import store
from sallyport.users.rules import User


class Sessions(Protocol):
    """What users ask of sessions, which stand on a higher floor."""

    def refused(self, rows: Rows, caller: Caller) -> Refused | None:
        """Judge inside this unit whether the caller is still who the gate saw; None where that is so."""
        ...

    def end_all(self, rows: Rows, uid: str) -> None:
        """End every session and open challenge of a user."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a `PUT` wants of a user."""

    version: int
    fields: dict[str, Any]
    """Fields of `User` that may change, parsed."""
    forbidden: Callable[[User], str | None]
    """Names the first known field that the body would change and the caller may not."""


class ChangeUser:
    """Writes what the caller may change of a user."""

    def __init__(self, work: Work, clock: Clock, sessions: Sessions) -> None:
        self._work = work
        self._clock = clock
        self._sessions = sessions

    async def __call__(self, caller: Caller, uid: str, change: Change) -> User | Refused:
        """Return the user as changed."""
        return await self._work(lambda rows: self._record(rows, caller, uid, change))

    def _record(self, rows: Rows, caller: Caller, uid: str, change: Change) -> User | Refused:
        if refused := self._sessions.refused(rows, caller):
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
        if new.disabled:
            self._sessions.end_all(rows, uid)
        return store.find(rows, uid) or Refused(why=Why.NOT_FOUND)


class DeleteUser:
    """Erases a user."""

    def __init__(self, work: Work, sessions: Sessions, throttle: Throttle) -> None:
        self._work = work
        self._sessions = sessions
        self._throttle = throttle

    async def __call__(self, caller: Caller, uid: str) -> Refused | None:
        """Erase the user and all that is theirs; None when it is done."""
        return await self._work(lambda rows: self._record(rows, caller, uid))

    def _record(self, rows: Rows, caller: Caller, uid: str) -> Refused | None:
        if refused := self._sessions.refused(rows, caller):
            return refused
        self._throttle.forget_user(rows, uid)
        return None if store.delete(rows, uid) else Refused(why=Why.NOT_FOUND)


class ReadUsers:
    """Reads users. Who sees which field is a question of rendering, and stands in `http`."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def one(self, uid: str) -> User | Refused:
        """Return one user."""
        return await self._work.read(lambda rows: store.find(rows, uid)) or Refused(why=Why.NOT_FOUND)

    async def page(self, *, limit: int, skip: int, sort: str, after: str | None) -> list[User] | Refused:
        """Return a page of users."""
        found = await self._work.read(lambda rows: store.listed(rows, limit=limit, skip=skip, sort=sort, after=after))
        if found is None:
            return Refused(why=Why.INVALID_REQUEST, pointer="/after", detail="That user is gone: begin the walk anew.")
        return found

    async def count(self) -> int:
        """Return how many users there are."""
        return await self._work.read(store.count)
