"""Listing and ending sessions, and sweeping out those that ended by themselves."""

from sallyport.audit.decision import together
from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Event
from sallyport.kernel.caller import Caller
from sallyport.kernel.outcomes import Refused, Why
from sallyport.sessions import store
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.sessions.rules import Session
from sallyport.store.work import Rows, Work


class ManageSessions:
    """Lists and ends the sessions of a user."""

    def __init__(self, *, work: Work, keeper: SessionKeeper, journal: Journal) -> None:
        self._work = work
        self._keeper = keeper
        self._journal = journal

    async def all(self, uid: str) -> list[Session]:
        """Return the sessions of a user that stand, oldest first."""

        def unit(rows: Rows) -> list[Session]:
            owner = store.owner_in(store.owner(rows, uid))
            return [found for found in store.of_user(rows, uid) if owner and self._keeper.is_alive(found, owner)]

        return await self._work.read(unit)

    async def end(self, caller: Caller, uid: str, session: str, reason: str | None = None) -> Refused | None:
        """End one session of a user; None when it is done."""

        def unit(rows: Rows) -> Refused | None:
            if refused := self._keeper.refused(rows, caller, uid):
                return refused
            if not store.end(rows, session, uid):
                return Refused(why=Why.NOT_FOUND)
            self._journal.did(rows, caller, Event.SESSION_ENDED, user=uid, detail=together(session, reason))
            return None

        return await self._work(unit)

    async def end_others(self, caller: Caller, uid: str, reason: str | None = None) -> Refused | None:
        """End all sessions of a user but the caller's own; None when it is done."""

        def unit(rows: Rows) -> Refused | None:
            if refused := self._keeper.refused(rows, caller, uid):
                return refused
            self._keeper.end_others(rows, uid, caller, reason)
            return None

        return await self._work(unit)
