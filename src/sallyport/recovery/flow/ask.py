"""Asking for a new password. Nobody learns from the answer, or from its time, whether there is anybody."""

from typing import Final

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.kernel.caller import Client
from sallyport.login.rules import Identifier
from sallyport.notices.flow.outbox import Outbox
from sallyport.notices.flow.tokens import LIFETIME, MailedTokens, Purpose, Wanted, address_digest
from sallyport.notices.rules import Letter
from sallyport.recovery import store
from sallyport.recovery.rules import RECOVER_PAGE, bound
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.throttle import Throttle

_NOBODY: Final = store.Account(
    user="",
    name_key="",
    email=None,
    email_key=None,
    last_verified="nobody@localhost",
    last_verified_key="",
    verified=False,
    disabled=False,
    mfa=False,
    password=None,
    generation=0,
)


class AskRecovery:
    """Mails a link that sets a new password, to the verified address of a user."""

    def __init__(
        self, *, work: Work, tokens: MailedTokens, outbox: Outbox, throttle: Throttle, journal: Journal
    ) -> None:
        self._work = work
        self._tokens = tokens
        self._outbox = outbox
        self._throttle = throttle
        self._journal = journal

    async def __call__(self, identifier: Identifier, client: Client) -> None:
        """Do all of it, or what costs the same: for nobody the same rows are written, and their mail goes nowhere."""
        await self._work(lambda rows: self._record(rows, identifier, client))

    def _record(self, rows: Rows, identifier: Identifier, client: Client) -> None:
        found = store.account(rows, identifier)
        stranger = self._tokens.stranger(f"{identifier.by.value}:{identifier.key}")
        is_reachable = found is not None and not found.disabled and found.last_verified is not None
        account = found if found and is_reachable else _NOBODY
        user = account.user or None
        subject, address = user or stranger, address_digest(account.last_verified_key or stranger)
        rows.alone(subject)
        if not self._throttle.may_ask(rows, client):
            return
        made_for = bound(address, account.password, account.generation)
        wanted = Wanted(purpose=Purpose.RECOVERY, subject=subject, user=user, address=address, made_for=made_for)
        token, detail = self._tokens.make(rows, wanted), None if user else "nobody to mail to"
        if token is None:
            # Else whoever uses up the mails of a name would learn its address, by how fast that one is answered.
            account, user, detail = _NOBODY, None, "the mails of this hour are sent"
            token = self._tokens.decoy(rows, wanted)
        letter = Letter(template="recovery", to=account.last_verified, page=RECOVER_PAGE, token=token, disown=True)
        self._outbox.post(rows, user, letter, LIFETIME[Purpose.RECOVERY])
        asked = Entry(
            event=Event.RECOVERY_ASKED, factor=Factor.PASSWORD, user=found.user if found else None, detail=detail
        )
        self._journal.note(rows, asked, client)
