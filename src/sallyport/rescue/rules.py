"""How long a reset of second factors waits, and when its owner is told. Values come in, values go out."""

from typing import Final

import msgspec
from msgspec.structs import replace

from sallyport.kernel.clock import DAY, HOUR

LOST_PAGE: Final = "/ui/lost"
CANCEL_PAGE: Final = "/ui/cancel"
WINDOW: Final = 3 * DAY
"""How long it may be taken once it is over: a weekend."""
LAST_WORD: Final = HOUR
"""How long before its end the last mail goes out, at the least."""


def proves_more(mailed_at: int | None, shown_at: int) -> bool:
    """Tell whether a password proves more than a mailbox does.

    One that was set by mail does so once a second factor was shown since. NIST SP 800-63B-4 4.2.2.2: two proofs of one
    kind end no MFA, however long they wait.
    """
    return mailed_at is None or shown_at > mailed_at


class Reset(msgspec.Struct, frozen=True, kw_only=True):
    """Second factors that are to be reset, because their owner says that all are lost."""

    uid: str
    user: str
    created_at: int
    ends_at: int
    """From when on it may be taken."""
    expires_at: int
    remind_at: int | None
    """When its user is told of it again; None once all mails are written."""

    def is_over(self, now: int) -> bool:
        """Tell whether it may be taken: never before all mails are written, whatever a clock says."""
        return self.remind_at is None and self.ends_at <= now < self.expires_at


def begun(uid: str, user: str, now: int, delay: int) -> Reset:
    """Return a reset that begins now."""
    ends = now + delay
    first = min(now + DAY, ends - LAST_WORD)
    return Reset(uid=uid, user=user, created_at=now, ends_at=ends, expires_at=ends + WINDOW, remind_at=first)


def reminded(reset: Reset, now: int) -> Reset:
    """Return a reset whose user is told of it now.

    The last mail is there an hour before the end: where it comes late, the end waits for it.
    """
    last = reset.ends_at - LAST_WORD
    if reset.remind_at is not None and reset.remind_at < last:
        return replace(reset, remind_at=last)
    ends = max(reset.ends_at, now + LAST_WORD)
    return replace(reset, remind_at=None, ends_at=ends, expires_at=ends + WINDOW)
