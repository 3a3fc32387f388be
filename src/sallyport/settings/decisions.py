"""What settings decide by role."""

from collections.abc import Iterable

from sallyport.kernel.policy import Policy
from sallyport.settings import parsers


def policy_of(require_mfa: str, trusted_roles: Iterable[str], grace: int) -> Policy:
    """Return the decisions by role that a rule, parsed already, stands for."""
    rule = require_mfa.removeprefix("report:")
    named = rule.removeprefix("roles:") if rule.startswith("roles:") else ""
    return Policy(
        trusted_roles=frozenset(trusted_roles),
        mfa_for_all=rule == "all",
        mfa_for_roles=frozenset(parsers.words(named)),
        mfa_grace=grace,
        report_only=rule != require_mfa,
    )
