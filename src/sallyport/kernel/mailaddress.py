"""The form of mail addresses. Imported by the first one that is read: patterns of 30 ms, which few commands need."""

from email_validator import SPECIAL_USE_DOMAIN_NAMES, validate_email

# A closed network has addresses that the Internet has not (.local, .test): whether mail arrives, verification tells.
SPECIAL_USE_DOMAIN_NAMES.clear()


def normalized(typed: str) -> str:
    """Return an address as it is written to. Raises `ValueError` with what is wrong with it."""
    return validate_email(typed, check_deliverability=False, globally_deliverable=False).normalized
