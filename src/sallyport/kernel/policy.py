"""What the operator has decided about roles: who is trusted, who must have a second factor, and from when on."""

import enum
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass


class Demand(enum.Enum):
    """What the rule about second factors asks of a user at a moment."""

    NOTHING = "nothing"
    """No rule meets the user, or there is a second factor already."""
    LATER = "later"
    """The rule meets the user, whose grace is not over."""
    REPORTED = "reported"
    """The user would have to enroll, if the rule did more than report."""
    NOW = "now"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRules:
    """What a trusted role needs to act on another user."""

    reason_required: bool = False
    two_persons: bool = False
    """A second trusted person confirms what takes a second factor away."""
    caller_code_required: bool = False
    """The user on the telephone reads out a code that only one who knows the password gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Decisions by role, asked wherever a role matters."""

    trusted_roles: frozenset[str]
    mfa_for_all: bool
    mfa_for_roles: frozenset[str]
    mfa_grace: int = 0
    """Microseconds from the moment that the rule first meets a user until it is enforced."""
    report_only: bool = False
    """The rule is written down where it would have asked for something, and asks for nothing."""
    delayed_reset: bool = True
    """Whether anybody gets their second factors reset by waiting."""
    no_delayed_reset: frozenset[str] = frozenset()
    """Roles whose holders do not."""

    def trusts(self, roles: Iterable[str]) -> bool:
        """Tell whether one of these roles is trusted."""
        return not self.trusted_roles.isdisjoint(roles)

    def may_wait(self, roles: Iterable[str]) -> bool:
        """Tell whether a holder of these roles, without a code, gets second factors reset by waiting.

        Who holds a trusted role never does: that takes a second person, or the host.
        """
        folded = {_folded(role) for role in self.no_delayed_reset}
        return self.delayed_reset and not self.trusts(roles) and folded.isdisjoint(map(_folded, roles))

    def may_rule(self, role: str, *, trusted: bool, owns: bool) -> bool:
        """Tell whether a caller may change a role, or delete it.

        A trusted one is for trusted callers: who is in it stands above everybody else, and an owner whose token was
        proven below the account's level is no more than anybody.
        """
        return trusted or (owns and not self.trusts((role,)))

    def demands_mfa(self, roles: Iterable[str]) -> bool:
        """Tell whether a holder of these roles must have a second factor, now or when their grace is over."""
        return not self.report_only and self.names(roles) is not None

    @property
    def demands_all(self) -> bool:
        """Whether everybody must have a second factor."""
        return self.mfa_for_all and not self.report_only

    def names(self, roles: Iterable[str]) -> str | None:
        """Return the part of the rule that meets a holder of these roles, in the words of the setting, or None."""
        if self.mfa_for_all:
            return "all"
        if not self.mfa_for_roles:
            return None
        held = {_folded(role) for role in roles}
        met = [named for named in self.mfa_for_roles if _folded(named) in held]
        return f"roles:{min(met)}" if met else None

    def demand(self, roles: Iterable[str], *, mfa: bool, reset: bool, met_at: int | None, now: int) -> Demand:
        """Judge what the rule asks of a user whom it first met at a moment; None where it meets them now.

        One whose second factors recovery took away has to enroll, whatever the rule: ADR 34.
        """
        if reset and not mfa:
            return Demand.NOW
        if mfa or self.names(roles) is None:
            return Demand.NOTHING
        if self.report_only:
            return Demand.REPORTED
        return Demand.LATER if now < self.enroll_by(met_at, now) else Demand.NOW

    def enroll_by(self, met_at: int | None, now: int) -> int:
        """Return the moment until which a user may do without a second factor whom the rule first met then.

        It counts from the first meeting, whatever came between: leaving a role and taking it again is no new one.
        """
        return (now if met_at is None else met_at) + self.mfa_grace


def _folded(role: str) -> str:
    """Fold case and width: who owns a role may write its name in another way, and the rule still means it."""
    return unicodedata.normalize("NFKC", role).casefold()
