"""What roles ask of sessions, which stand on a higher floor."""

from typing import Protocol

from sallyport.kernel.caller import Caller
from sallyport.kernel.outcomes import Refused
from sallyport.store.work import Rows


class Sessions(Protocol):
    """Sessions, as far as a change of roles meets them."""

    def refused(self, rows: Rows, caller: Caller, *others: str) -> Refused | None:
        """Judge inside this unit whether the caller is still who the gate saw; None where that is so."""
        ...

    def end_all(self, rows: Rows, uid: str, caller: Caller) -> None:
        """End every session and open challenge of a user, because of what the caller did."""
        ...
