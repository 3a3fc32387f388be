"""What is judged of the decisions: NIST SP 800-63B-4 and OWASP ASVS 5.0, clause by clause. Pure."""

from typing import Final

from sallyport.doctor.rules import Facts, Finding, State, duration, is_exposed
from sallyport.kernel.clock import DAY, HOUR

_SHORTEST_ALONE: Final = 15
_LONGEST_IDLE: Final = HOUR
_LONGEST: Final = DAY
_LONGEST_AAL1: Final = 30 * DAY


def throttle(facts: Facts) -> Finding:
    """Guesses are slowed down, and at some point stopped."""
    clauses = ("NIST 3.2.2", "ASVS 6.3.1")
    if not facts.settings.throttle:
        remedy = "set SALLYPORT_THROTTLE=on: it is off for load tests only"
        return Finding(check="throttle", state=State.FAIL, told="off", remedy=remedy, clauses=clauses)
    if facts.settings.profile != "nist":
        told = "on; waits alone slow down guesses at a password, after 100 of them too"
        remedy = "SALLYPORT_PROFILE=nist stops them at 100, and lets a stranger stop the owner"
        return Finding(check="throttle", state=State.WARN, told=told, remedy=remedy, clauses=clauses)
    return Finding(check="throttle", state=State.OK, told="on, with a hard stop at 100 failures", clauses=clauses)


def password(facts: Facts) -> Finding:
    """A password that stands alone is long."""
    settings, clauses = facts.settings, ("NIST 3.1.1.2", "ASVS 6.2.1")
    told = f"{settings.password_min_length} characters at least where it stands alone"
    if settings.password_min_length < _SHORTEST_ALONE and not settings.policy.demands_all:
        remedy = "set SALLYPORT_PASSWORD_MIN_LENGTH=15, or SALLYPORT_REQUIRE_MFA=all"
        return Finding(check="password", state=State.FAIL, told=told, remedy=remedy, clauses=clauses)
    return Finding(check="password", state=State.OK, told=told, clauses=clauses)


def second_factor(facts: Facts) -> Finding:
    """Who must have a second factor."""
    settings, clauses = facts.settings, ("ASVS 6.3.3",)
    if settings.policy.demands_all:
        return Finding(check="second factor", state=State.OK, told="everybody must have one", clauses=clauses)
    told = f"SALLYPORT_REQUIRE_MFA={settings.require_mfa}: others may do without"
    remedy = "set it to all"
    return Finding(check="second factor", state=State.WARN, told=told, remedy=remedy, clauses=clauses)


def trusted(facts: Facts) -> Finding | None:
    """Those who act on others have a second factor, and somebody is there."""
    seen = facts.database
    if isinstance(seen, str):
        return None
    if seen.started and not seen.trusted:
        told, remedy = "nobody may act on others", "sallyport roles add-member admin NAME, on the host"
        return Finding(check="trusted roles", state=State.WARN, told=told, remedy=remedy, clauses=("ASVS 6.3.3",))
    clauses, told = ("ASVS 6.3.3",), f"{seen.trusted_without_mfa} of {seen.trusted} without a second factor"
    if seen.trusted_without_mfa:
        state = State.FAIL if is_exposed(facts) else State.WARN
        roles = ",".join(facts.settings.trusted_roles)
        remedy = f"let them enroll, and set SALLYPORT_REQUIRE_MFA=roles:{roles}, or all"
        return Finding(check="trusted roles", state=state, told=told, remedy=remedy, clauses=clauses)
    return Finding(check="trusted roles", state=State.OK, told=told, clauses=clauses)


def one_step(facts: Facts) -> Finding:
    """No second way in with one factor."""
    clauses = ("ASVS 6.3.3", "NIST 3.1.2.2")
    if facts.settings.backup_code_login:
        told = "a backup code alone logs in"
        remedy = "set SALLYPORT_BACKUP_CODE_LOGIN=false when the last old client is gone"
        return Finding(check="backup codes", state=State.FAIL, told=told, remedy=remedy, clauses=clauses)
    return Finding(check="backup codes", state=State.OK, told="a second factor, never alone", clauses=clauses)


def sessions(facts: Facts) -> Finding:
    """Sessions end in time."""
    idle, longest = facts.settings.session_idle, facts.settings.session_absolute
    told, clauses = f"{duration(idle)} idle, {duration(longest)} at most", ("NIST 2.2.3", "ASVS 7.1.1")
    if longest > _LONGEST_AAL1:
        remedy = "set SALLYPORT_SESSION_ABSOLUTE to 30d or less"
        return Finding(check="sessions", state=State.WARN, told=told, remedy=remedy, clauses=("NIST 2.1.3", *clauses))
    if idle > _LONGEST_IDLE or longest > _LONGEST:
        remedy = "AAL2 asks for 1h and 24h: SALLYPORT_PROFILE=nist, or write down why not"
        return Finding(check="sessions", state=State.WARN, told=told, remedy=remedy, clauses=clauses)
    return Finding(check="sessions", state=State.OK, told=told, clauses=clauses)


def phishing(_facts: Facts) -> Finding:
    """A code can be typed into the wrong page; passkeys are not there yet."""
    told, remedy = "codes can be phished; this version has no passkeys", "do not claim AAL2 with it"
    return Finding(check="phishing", state=State.WARN, told=told, remedy=remedy, clauses=("NIST 2.2.2", "NIST 3.2.5"))


def first_password(facts: Facts) -> Finding | None:
    """The first admin's password does not lie about when it is not needed any more."""
    seen = facts.database
    if isinstance(seen, str) or not seen.started or facts.settings.admin_password is None:
        return None
    told, remedy = "SALLYPORT_ADMIN_PASSWORD is still set", "take it away: it counts at the first start alone"
    return Finding(check="first password", state=State.WARN, told=told, remedy=remedy, clauses=("ASVS 6.4.1",))


CHECKS: Final = (throttle, password, second_factor, trusted, one_step, sessions, phishing, first_password)
