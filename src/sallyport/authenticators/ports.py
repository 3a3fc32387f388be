"""What authenticators ask of sessions and of the desk, which stand on higher floors."""

from collections.abc import Callable
from typing import Protocol

from sallyport.authenticators.rules import Plea
from sallyport.kernel.caller import Caller
from sallyport.kernel.outcomes import Pending, Refused, Tokens
from sallyport.store.work import Rows

Proven = tuple[str, ...]
HasSecret = Callable[[Rows, str], bool]
"""Tells whether a user has any authenticator."""


class Desk(Protocol):
    """What stands between a trusted role and somebody else's second factor."""

    def judge(self, rows: Rows, caller: Caller, user: str, secret: str | None, plea: Plea) -> Pending | Refused | None:
        """Judge in this unit whether the caller may take a secret, or without one every second factor, from a user.

        None lets it be done now; `Pending` says that a second person has to confirm it.
        """
        ...


class Sessions(Protocol):
    """Sessions, as far as a change of an authenticator meets them."""

    def refused(self, rows: Rows, caller: Caller, *others: str) -> Refused | None:
        """Judge inside this unit whether the caller is still who the gate saw; None where that is so.

        It stays so until the unit ends, which has the caller, and the `others` on whom it acts, to itself.
        """
        ...

    def renew(self, rows: Rows, caller: Caller, proven: Proven | None) -> Tokens:
        """Give the caller's session new tokens, and write a new proof into it if there is one."""
        ...

    def lower(self, rows: Rows, caller: Caller) -> None:
        """Let the caller's session go on at what a password proves."""
        ...

    def end_all(self, rows: Rows, uid: str, caller: Caller) -> None:
        """End every session and open challenge of a user, because of what the caller did."""
        ...

    def end_others(self, rows: Rows, uid: str, caller: Caller) -> None:
        """End every session of a user but the caller's own, and every open challenge."""
        ...

    def end_opened_by(self, rows: Rows, uid: str, secret: str, caller: Caller) -> None:
        """End the sessions that a device or an API key of a user has opened, because the caller has removed it."""
        ...

    def end_waiting(self, rows: Rows, uid: str) -> None:
        """End what waits for a user: open challenges, and a reset of second factors."""
        ...
