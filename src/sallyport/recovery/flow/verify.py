"""Verifying an address: a link goes there, and whoever opens it has the mailbox."""

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.opaque import Digest
from sallyport.kernel.outcomes import Refused, Why
from sallyport.notices.flow.outbox import Outbox
from sallyport.notices.flow.tokens import LIFETIME, MailedTokens, Purpose, Wanted, address_digest
from sallyport.notices.rules import Letter
from sallyport.recovery import store
from sallyport.recovery.flow.reset import DEAD
from sallyport.recovery.rules import VERIFY_PAGE
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.throttle import Throttle


class SendVerification:
    """Mails a link to the address that a user claims."""

    def __init__(
        self, *, work: Work, tokens: MailedTokens, outbox: Outbox, keeper: SessionKeeper, journal: Journal
    ) -> None:
        self._work = work
        self._tokens = tokens
        self._outbox = outbox
        self._keeper = keeper
        self._journal = journal

    async def __call__(self, caller: Caller) -> Refused | None:
        """Mail it; None when that is done, or when there is nothing to verify."""
        return await self._work(lambda rows: self._record(rows, caller))

    def _record(self, rows: Rows, caller: Caller) -> Refused | None:
        if refused := self._keeper.refused(rows, caller):
            return refused
        account = store.account_of(rows, caller.uid)
        if account is None or account.email_key is None or account.verified:
            return None
        address = address_digest(account.email_key)
        wanted = Wanted(
            purpose=Purpose.VERIFICATION,
            subject=caller.uid,
            user=caller.uid,
            address=address,
            made_for=address.hex(),
        )
        if token := self._tokens.make(rows, wanted):
            letter = Letter(template="verify", to=account.email, page=VERIFY_PAGE, token=token)
            self._outbox.post(rows, caller.uid, letter, LIFETIME[Purpose.VERIFICATION])
            self._journal.did(rows, caller, Event.VERIFICATION_ASKED)
        return None


class VerifyAddress:
    """Makes an address the user's own who shows the token that was mailed there."""

    def __init__(
        self,
        *,
        work: Work,
        tokens: MailedTokens,
        outbox: Outbox,
        throttle: Throttle,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._work = work
        self._tokens = tokens
        self._outbox = outbox
        self._throttle = throttle
        self._journal = journal
        self._clock = clock

    async def __call__(self, user: str, token: Digest, client: Client) -> Refused | None:
        """Verify the address; None when it is done."""
        return await self._work(lambda rows: self._record(rows, user, token, client))

    def _record(self, rows: Rows, user: str, token: Digest, client: Client) -> Refused | None:
        rows.alone(user)
        tried = self._throttle.mailed_token(rows, user, client)
        if isinstance(tried, Refused):
            return tried
        attempt = Entry(event=Event.EMAIL_VERIFIED, user=user)
        made_for = self._tokens.made_for(rows, Purpose.VERIFICATION, user, token)
        account = store.account_of(rows, user)
        if account is None or account.email_key is None or account.disabled:
            return self._journal.refused(rows, attempt, client, DEAD)
        address = address_digest(account.email_key).hex()
        # Two who claim the same address, each with a token: one of them gets it.
        rows.alone(f"email {address}")
        taken = store.is_taken(rows, user, account.email_key)
        # Only who has the mailbox hears that it is another's; their token is not spent by that.
        if made_for != address or not (taken or self._tokens.spend(rows, token)):
            return self._journal.refused(rows, attempt, client, DEAD)
        self._throttle.succeeded(rows, tried)
        if taken:
            return Refused(why=Why.EMAIL_TAKEN)
        store.verify(rows, user, account.email_key, self._clock.now())
        self._move(rows, account, client)
        self._journal.note(rows, attempt, client)
        return None

    def _move(self, rows: Rows, account: store.Account, client: Client) -> None:
        """Tell the address before that it is so no more, and the new one; what was meant for the old goes there."""
        old = account.last_verified
        if old is None or account.last_verified_key == account.email_key:
            return
        self._outbox.pin(rows, account.user, old)
        facts = {"ip": client.ip, "desk": ""}
        for template, to in (("address_left", old), ("address_new", account.email)):
            self._outbox.post(rows, account.user, Letter(template=template, to=to, facts=facts, disown=True))
