"""Giving the operator on the host a token that sets a user's password: the way back in where no mail goes."""

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Event, Factor
from sallyport.kernel.caller import Caller
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused, Why
from sallyport.notices.flow.tokens import MailedTokens, Purpose, Wanted, address_digest
from sallyport.recovery import store
from sallyport.recovery.rules import bound
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.store.work import Rows, Work


class IssueRecovery:
    """Makes the token that a mail would carry. ASVS 6.4.6: who hands it on does not choose the password."""

    def __init__(self, *, work: Work, tokens: MailedTokens, keeper: SessionKeeper, journal: Journal) -> None:
        self._work = work
        self._tokens = tokens
        self._keeper = keeper
        self._journal = journal

    async def __call__(self, caller: Caller, user: str) -> Hidden[str] | Refused:
        """Return the token, which voids those before it."""
        return await self._work(lambda rows: self._record(rows, caller, user))

    def _record(self, rows: Rows, caller: Caller, user: str) -> Hidden[str] | Refused:
        if refused := self._keeper.refused(rows, caller, user):
            return refused
        account = store.account_of(rows, user)
        if account is None:
            return Refused(why=Why.NOT_FOUND)
        if account.disabled:
            return Refused(why=Why.FORBIDDEN, detail="The user is disabled: enable them first.")
        address = address_digest(account.last_verified_key or "")
        made_for = bound(address, account.password, account.generation)
        wanted = Wanted(purpose=Purpose.RECOVERY, subject=user, user=user, address=address, made_for=made_for)
        token = self._tokens.make(rows, wanted)
        if token is None:
            return Refused(why=Why.LIMIT_REACHED, detail="Five tokens an hour for a user: wait, or use the last one.")
        self._journal.did(rows, caller, Event.RECOVERY_ASKED, user=user, factor=Factor.PASSWORD)
        return token
