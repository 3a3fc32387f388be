"""Cancelling a reset of second factors that waits, in the unit of work of whatever speaks against it."""

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.rescue import store
from sallyport.store.work import Rows


class CancelReset:
    """Cancels what waits for a user: they have shown a second factor, or all has changed."""

    def __init__(self, *, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def __call__(self, rows: Rows, user: str, client: Client | None) -> bool:
        """Cancel it; False where nothing waits."""
        is_cancelled = store.cancel(rows, user, self._clock.now())
        if is_cancelled:
            self._journal.note(rows, Entry(event=Event.RESET_CANCELLED, user=user), client)
        return is_cancelled
