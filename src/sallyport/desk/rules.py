"""How long approvals and caller codes live, and who may confirm what. Values come in, values go out."""

from typing import Final

import msgspec

from sallyport.kernel.clock import HOUR, MINUTE

APPROVAL_LIFETIME: Final = HOUR
CODE_LIFETIME: Final = 10 * MINUTE
CODE_DIGITS: Final = 6
CODE_TRIES: Final = 5


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """What one trusted person has asked for, and another one has to confirm."""

    uid: str
    user: str
    secret: str | None
    """The second factor that is to be removed; None for all of them."""
    reason: str | None
    asked_by: str
    created_at: int
    expires_at: int


def may_confirm(approval: Approval, second: str) -> bool:
    """Tell whether somebody may be the second person: neither the first, nor whom it is about."""
    return second not in {approval.asked_by, approval.user}


def code_of(random: bytes) -> str:
    """Return six digits from eight random bytes: every code as likely as another, to one in 10^13."""
    return f"{int.from_bytes(random) % 10**CODE_DIGITS:0{CODE_DIGITS}d}"
