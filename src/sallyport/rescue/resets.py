"""Resets of second factors that wait: who sees them, who cancels them, and how their users hear of them."""

from typing import Final

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import Clock, moment
from sallyport.kernel.opaque import Digest
from sallyport.kernel.outcomes import Refused, Why
from sallyport.notices.flow.outbox import Outbox
from sallyport.notices.flow.tokens import MailedTokens, Purpose
from sallyport.notices.rules import Letter
from sallyport.recovery.flow.reset import DEAD
from sallyport.rescue import store
from sallyport.rescue.rules import CANCEL_PAGE, Reset, reminded
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.throttle import Throttle

_AT_ONCE: Final = 100


class Resets:
    """What can be done about a reset that waits: look at it, and cancel it."""

    def __init__(
        self,
        *,
        work: Work,
        tokens: MailedTokens,
        keeper: SessionKeeper,
        throttle: Throttle,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._work = work
        self._tokens = tokens
        self._keeper = keeper
        self._throttle = throttle
        self._journal = journal
        self._clock = clock

    async def of(self, user: str) -> Reset | None:
        """Return what waits for a user, or may be taken."""
        return await self._work.read(lambda rows: store.find(rows, user, self._clock.now()))

    async def all(self, *, after: str | None, limit: int, skip: int) -> list[Reset]:
        """Return what waits, oldest first."""
        now = self._clock.now()
        return await self._work.read(
            lambda rows: store.pending(rows, after=after or "", limit=limit, skip=skip, now=now)
        )

    async def cancel_by_mail(self, user: str, token: Digest, client: Client) -> Refused | None:
        """Cancel what a mail tells of, for one who shows its token; None when it is done."""

        def unit(rows: Rows) -> Refused | None:
            tried = self._throttle.mailed_token(rows, user, client)
            if isinstance(tried, Refused):
                return tried
            attempt = Entry(event=Event.RESET_CANCELLED, user=user)
            uid = self._tokens.made_for(rows, Purpose.CANCEL, user, token)
            if uid is None or not store.cancel_one(rows, user, uid, self._clock.now()):
                return self._journal.refused(rows, attempt, client, DEAD)
            self._tokens.spend(rows, token)
            self._throttle.succeeded(rows, tried)
            self._journal.note(rows, attempt, client)
            return None

        return await self._work(unit)

    async def cancel(self, caller: Caller, user: str, reason: str | None) -> Refused | None:
        """Cancel what waits for the caller, who shows a second factor, or for somebody else; None when it is done."""
        # A device proves none, and whoever has stolen one must not keep its owner from coming back.
        if caller.uid == user and caller.mfa and "mfa" not in caller.amr:
            return Refused(why=Why.STEP_UP_REQUIRED, level=caller.level)

        def unit(rows: Rows) -> Refused | None:
            if refused := self._keeper.refused(rows, caller, user):
                return refused
            if not store.cancel(rows, user, self._clock.now()):
                return Refused(why=Why.NOT_FOUND)
            self._journal.did(rows, caller, Event.RESET_CANCELLED, user=user, detail=reason)
            return None

        return await self._work(unit)


class TellOfReset:
    """Mails that second factors are to be reset: when it begins, after a day, and an hour before its end."""

    def __init__(self, *, work: Work, outbox: Outbox, clock: Clock) -> None:
        self._work = work
        self._outbox = outbox
        self._clock = clock

    async def __call__(self) -> None:
        """Tell whoever is to be told again. A unit for each, so that nobody waits behind them."""
        now = self._clock.now()
        for reset in await self._work.read(lambda rows: store.due(rows, now, _AT_ONCE)):
            await self._remind(reset, now)

    def begun(self, rows: Rows, reset: Reset) -> None:
        """Tell of one that begins, in its unit of work."""
        self._post(rows, reset, again="")

    async def _remind(self, reset: Reset, now: int) -> None:
        await self._work(lambda rows: self._again(rows, reset, now))

    def _again(self, rows: Rows, reset: Reset, now: int) -> int:
        told = reminded(reset, now)
        is_ours = store.remind(rows, reset, told)
        if is_ours:
            self._post(rows, told, again="yes")
        return int(is_ours)

    def _post(self, rows: Rows, reset: Reset, again: str) -> None:
        facts = {"again": again, "ends": _told(reset.ends_at), "expires": _told(reset.expires_at)}
        letter = Letter(template="reset_waits", facts=facts, page=CANCEL_PAGE, cancels=reset.uid)
        self._outbox.post(rows, reset.user, letter, reset.expires_at - self._clock.now())


def _told(at: int) -> str:
    return f"{moment(at):%Y-%m-%d %H:%M} UTC"
