"""Saying that it was somebody else: sessions end, devices go, API keys rest, nothing removed comes back.

What the desk was told is void. No more.
"""

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event
from sallyport.authenticators.totp import store as totp
from sallyport.desk import store as desk
from sallyport.kernel.caller import Client
from sallyport.kernel.opaque import Digest
from sallyport.kernel.outcomes import Refused
from sallyport.notices.flow.tokens import MailedTokens, Purpose
from sallyport.recovery.flow.reset import DEAD, CutOff
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.throttle import Throttle


class Disown:
    """Takes the word of one who shows the token of a notice."""

    def __init__(
        self,
        *,
        work: Work,
        tokens: MailedTokens,
        keeper: SessionKeeper,
        cut_off: CutOff,
        throttle: Throttle,
        journal: Journal,
    ) -> None:
        self._work = work
        self._tokens = tokens
        self._keeper = keeper
        self._cut_off = cut_off
        self._throttle = throttle
        self._journal = journal

    async def __call__(self, user: str, token: Digest, client: Client) -> Refused | None:
        """End sessions, forget devices and suspend keys; None when it is done."""
        return await self._work(lambda rows: self._record(rows, user, token, client))

    def _record(self, rows: Rows, user: str, token: Digest, client: Client) -> Refused | None:
        tried = self._throttle.mailed_token(rows, user, client)
        if isinstance(tried, Refused):
            return tried
        attempt = Entry(event=Event.NOTICE_DISOWNED, user=user)
        is_live = self._tokens.made_for(rows, Purpose.DISOWN, user, token) is not None
        if not is_live or not self._tokens.spend(rows, token):
            return self._journal.refused(rows, attempt, client, DEAD)
        self._throttle.succeeded(rows, tried)
        self._keeper.end_every(rows, user, client)
        self._cut_off(rows, user, client)
        totp.forget_removed(rows, user)
        # Whoever called was somebody else, too: no second person confirms it, and the code they have is no good.
        desk.drop(rows, user)
        self._journal.note(rows, attempt, client)
        return None
