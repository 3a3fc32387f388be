"""Telling users what the audit log writes of them: what the journal asks for."""

from sallyport.audit.rules import Record
from sallyport.notices.flow.outbox import Outbox
from sallyport.notices.news import notice, reader
from sallyport.store.work import Rows


class TellUsers:
    """Mails what is news to a user, in the unit of work that it tells of."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def __call__(self, rows: Rows, record: Record) -> None:
        """Write the notice of a row, if it is one, and if the user has a verified address."""
        letter = notice(record)
        if letter is not None:
            self._outbox.post(rows, reader(record), letter)
