"""What the operator has decided about roles: who is trusted, and who must have a second factor."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Decisions by role, asked wherever a role matters."""

    trusted_roles: frozenset[str]
    mfa_for_all: bool
    mfa_for_roles: frozenset[str]

    def trusts(self, roles: Iterable[str]) -> bool:
        """Tell whether one of these roles is trusted."""
        return not self.trusted_roles.isdisjoint(roles)

    def demands_mfa(self, roles: Iterable[str]) -> bool:
        """Tell whether a holder of these roles must have a second factor."""
        return self.mfa_for_all or not self.mfa_for_roles.isdisjoint(roles)
