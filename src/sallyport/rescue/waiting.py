"""Without a code second factors are reset by waiting: long enough for their owner to hear of it and to say no.

Mail alone ends no MFA: a password that was set by mail, and the token of a mail, are one proof.
"""

from typing import Final

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.ids import Ids
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.policy import Policy
from sallyport.recovery import store as recovery
from sallyport.rescue import store
from sallyport.rescue.resets import TellOfReset
from sallyport.rescue.rules import Reset, begun, proves_more
from sallyport.store.work import Rows
from sallyport.users import store as users

_FORBIDDEN: Final = Refused(
    why=Why.FORBIDDEN,
    detail="Without a backup code your second factors are reset by those who look after accounts, not by waiting.",
)
_MAILED: Final = Refused(
    why=Why.FORBIDDEN,
    detail="Your password was set by mail, and beside a mailed link it proves nothing more. Give a backup code, or ask "
    "those who look after accounts. Once you have logged in with your authenticator app, you may wait.",
)


def refusal(rows: Rows, user: str, policy: Policy) -> Refused | None:
    """Return why a user, whose password is proven, gets nothing by waiting; None where they do."""
    if not policy.may_wait(users.roles_of(rows, user) or ()):
        return _FORBIDDEN
    if not proves_more(store.mailed_at(rows, user), recovery.last_shown(rows, user)):
        return _MAILED
    return None


class ResetByWaiting:
    """Begins a reset, or takes it when its delay is over, in the unit of work of whoever has judged the proofs."""

    def __init__(
        self, *, tell: TellOfReset, policy: Policy, journal: Journal, clock: Clock, ids: Ids, delay: int
    ) -> None:
        self._tell = tell
        self._policy = policy
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._delay = delay

    def __call__(self, rows: Rows, user: str, client: Client) -> Reset | Refused | None:
        """Return what waits, begun now or before; None where it is over, and was taken by this."""
        if refused := refusal(rows, user, self._policy):
            return refused
        now = self._clock.now()
        found = store.find(rows, user, now)
        if found:
            # Asking again neither shortens the delay nor begins it anew.
            return None if found.is_over(now) and store.take(rows, found, now) else found
        reset = begun(self._ids.new(), user, now, self._delay)
        store.begin(rows, reset)
        self._journal.note(rows, Entry(event=Event.RESET_BEGUN, user=user, detail=reset.uid), client)
        self._tell.begun(rows, reset)
        return reset
