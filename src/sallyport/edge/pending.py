"""What waits for a second person, on the wire."""

import msgspec

from sallyport.edge.answers import Answer
from sallyport.kernel.clock import rfc3339
from sallyport.kernel.outcomes import Pending, Refused


class PendingBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """An act that another trusted person has to confirm at `POST /approvals/{sid}`."""

    uid: str
    expires: str


def done(outcome: Pending | Refused | None) -> Answer | Refused:
    """Render an act: refused, done, or waiting for a second person."""
    match outcome:
        case Pending():
            return Answer(PendingBody(uid=outcome.uid, expires=rfc3339(outcome.expires_at)), status=202)
        case Refused():
            return outcome
        case None:
            return Answer(status=204)
