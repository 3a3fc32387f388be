"""The links of mails, as they come back to a page."""

import re
from typing import Final

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import UID
from sallyport.kernel.opaque import Digest, digest_of
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.text import bounded
from sallyport.pages.visit import Visit

# The fragment of a mailed link, wherever it stands in what was pasted: whole links are what people copy.
_LINK = re.compile(rf"id=(?P<user>{UID})&token=(?P<token>sp[a-z]_[A-Za-z0-9_-]{{16,128}})")
INCOMPLETE: Final = Refused(why=Why.TOKEN_INVALID)


def shown_in(visit: Visit) -> tuple[str, Digest] | None:
    """Return user and token of the link that was pasted, or that the page has taken from its own address."""
    found = _LINK.search(bounded("/link", visit.field("link")))
    return (found["user"], digest_of(Hidden(found["token"]))) if found else None
