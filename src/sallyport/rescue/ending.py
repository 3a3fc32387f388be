"""Ending every second factor of a user, because all are lost: what the desk does, for one who has proved enough."""

from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.backup_codes import store as backup_codes
from sallyport.authenticators.totp import store as totp
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.outcomes import Tokens
from sallyport.recovery.flow.reset import CutOff
from sallyport.rescue import store
from sallyport.sessions.flow.keeper import Opening, SessionKeeper
from sallyport.sessions.rules import PASSWORD
from sallyport.store.work import Rows
from sallyport.throttle.flow.throttle import Throttle
from sallyport.throttle.rules import Lane
from sallyport.users import store as users


class EndSecondFactors:
    """Ends them in the unit of work of whoever has judged that, and opens the session that a new one is enrolled in.

    Until that is done every session of the user is good for nothing else, and lives an hour.
    """

    def __init__(self, *, keeper: SessionKeeper, cut_off: CutOff, throttle: Throttle, clock: Clock) -> None:
        self._keeper = keeper
        self._cut_off = cut_off
        self._throttle = throttle
        self._clock = clock

    def __call__(self, rows: Rows, user: str, factor: Factor, client: Client) -> Tokens:
        """End them, with sessions and devices, and suspend API keys. The unit has the user to itself."""
        totp.delete_all(rows, user)
        backup_codes.delete(rows, user)
        users.reset_mfa(rows, user, self._clock.now())
        store.drop(rows, user)  # what waited is done by this, and not cancelled
        self._throttle.forget(rows, user, Lane.SECOND_FACTOR)
        self._keeper.end_every(rows, user, client)
        self._cut_off(rows, user, client)
        entry = Entry(event=Event.RESET_DONE, factor=factor, user=user)
        opening = Opening(user=user, proven=PASSWORD, entry=entry)
        return self._keeper.open(rows, opening, client, self._keeper.owner(rows, user))
