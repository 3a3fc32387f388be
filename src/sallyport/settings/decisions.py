"""What settings decide by role."""

from collections.abc import Iterable

from sallyport.kernel.policy import Policy
from sallyport.settings import parsers


def policy_of(require_mfa: str, trusted_roles: Iterable[str], grace: int, mfa_reset: str = "all") -> Policy:
    """Return the decisions by role that rules, parsed already, stand for."""
    rule = require_mfa.removeprefix("report:")
    named = rule.removeprefix("roles:") if rule.startswith("roles:") else ""
    waiting = mfa_reset.removeprefix("not-roles:") if mfa_reset.startswith("not-roles:") else ""
    return Policy(
        trusted_roles=frozenset(trusted_roles),
        mfa_for_all=rule == "all",
        mfa_for_roles=frozenset(parsers.words(named)),
        mfa_grace=grace,
        report_only=rule != require_mfa,
        delayed_reset=mfa_reset != "none",
        no_delayed_reset=frozenset(parsers.words(waiting)),
    )
