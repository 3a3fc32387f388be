"""Says in words what the service knows in values: refusals, moments, browsers, places, events."""

import re
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final

from sallyport.audit.decision import Sentence
from sallyport.audit.rules import Event
from sallyport.edge.problems import FACES
from sallyport.kernel.clock import DAY, HOUR, MINUTE, SECOND
from sallyport.kernel.outcomes import Refused, Why
from sallyport.pages.words import Words

_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):[\d.]+Z")
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
)
_SYSTEMS: Final = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def N_(text: str) -> str:  # noqa: N802  # gettext's name of what marks a text for the catalogs
    """Mark a text that is translated where it is shown."""
    return text


EVENTS: Final = {
    Event.LOGIN_PASSWORD: N_("Sign-in with password"),
    Event.LOGIN_CODE: N_("Sign-in with code"),
    Event.LOGIN_ELEVATE: N_("Identity confirmed"),
    Event.LOST_PASSWORD: N_("Code for the help desk asked for"),
    Event.ENROLL_CODE: N_("Code at set-up"),
    Event.PASSWORD_CURRENT: N_("Current password at a change"),
    Event.USER_CREATED: N_("Account created"),
    Event.USER_CHANGED: N_("Account details changed"),
    Event.USER_DISABLED: N_("Account disabled"),
    Event.USER_ENABLED: N_("Account enabled"),
    Event.SECRET_CREATED: N_("Set-up begun"),
    Event.SECRET_CHANGED: N_("Changed"),
    Event.SECRET_ENROLLED: N_("Authenticator app added"),
    Event.SECRET_REMOVED: N_("Removed"),
    Event.SECRET_DISCARDED: N_("Authenticator app removed for good"),
    Event.SECRET_RESTORED: N_("Authenticator app brought back"),
    Event.SECRET_CODES_MADE: N_("New backup codes made"),
    Event.SECRET_SWITCHED_OFF: N_("Authenticator apps switched off after too many wrong codes"),
    Event.SECRET_SUSPENDED: N_("API keys suspended"),
    Event.SECRET_RESUMED: N_("API key put back"),
    Event.RESET_BEGUN: N_("Reset of second factors asked for"),
    Event.RESET_CANCELLED: N_("Reset of second factors cancelled"),
    Event.RESET_DONE: N_("Second factors reset"),
    Event.CALLER_CODE: N_("Code read out to the desk"),
    Event.APPROVAL_ASKED: N_("Second person asked for, to remove a second factor"),
    Event.APPROVAL_GIVEN: N_("Second person confirmed that a second factor is removed"),
    Event.ROLE_MEMBER_ADDED: N_("Taken into a role"),
    Event.ROLE_MEMBER_REMOVED: N_("Taken out of a role"),
    Event.ROLE_OWNER_ADDED: N_("Made the owner of a role"),
    Event.ROLE_OWNER_REMOVED: N_("No owner of a role any more"),
    Event.POLICY_MET: N_("Time to set up a second factor began"),
    Event.RECOVERY_ASKED: N_("New password asked for by mail"),
    Event.RECOVERY_DONE: N_("New password set by mail"),
    Event.VERIFICATION_ASKED: N_("Verification of the address asked for"),
    Event.EMAIL_VERIFIED: N_("Address verified"),
    Event.NOTICE_DISOWNED: N_("Said that it was not you"),
    Event.USER_DELETED: N_("Account erased"),
    Event.ROLE_CREATED: N_("Role made"),
    Event.ROLE_CHANGED: N_("Role changed"),
    Event.ROLE_DELETED: N_("Role deleted"),
    Event.KEY_ACTIVATED: N_("New key in use"),
    Event.KEY_RETIRED: N_("Key erased"),
    Event.KEY_RESEALED: N_("Everything sealed under the new key"),
    Event.BACKUP_RESTORED: N_("Backup restored"),
    Event.FIRST_START: N_("First start"),
    Event.SESSION_ENDED: N_("Session ended"),
    Event.SESSIONS_ENDED: N_("Sessions ended"),
    Event.SESSION_STOLEN: N_("Session ended because its token was used twice"),
}
_BY_NAME: Final = {event.value: text for event, text in EVENTS.items()}
_MADE: Final = {
    "password": N_("Password set"),
    "api_key": N_("API key made"),
    "device": N_("Device made known"),
}
"""What is there at once, where an authenticator app only begins to be."""
OUTCOMES: Final = {"success": N_("Done"), "failure": N_("Failed"), "throttled": N_("Refused: too many tries")}
FACTORS: Final = {
    "password": N_("Password"),
    "totp": N_("Authenticator app"),
    "backup_code": N_("Backup code"),
    "device": N_("Known device"),
    "api_key": N_("API key"),
}

SCOPES: Final = {
    "self:read": N_("Read your own details"),
    "users:read": N_("Read who has an account"),
    "roles:read": N_("Read roles"),
    "audit:read": N_("Read what happened to your account"),
    "introspect": N_("Ask whether a token is good"),
}

DONE: Final = {
    "approved": N_("It is confirmed and done."),
    "disabled": N_("The account is disabled, and all its sessions are over."),
    "enabled": N_("The account is enabled again."),
    "erased": N_("The account is erased."),
    "mfa": N_("All second factors are removed. At the next sign-in the password is enough, until a new one is set up."),
    "others": N_("All other browsers and apps are signed out."),
    "password": N_("Your new password is set. All other browsers and apps are signed out."),
    "reset": N_("The reset is cancelled."),
    "resumed": N_("The key is good again."),
    "role": N_("The role is deleted."),
    "saved": N_("It is saved."),
    "secret": N_("It is removed."),
    "session": N_("The session is over."),
    "sessions": N_("All sessions are over."),
    "signed-out": N_("You are signed out."),
    "waits": N_("Nothing is removed yet: a second person has to confirm it within an hour."),
}
"""What is said, once, when an act is done."""

_REFUSALS: Final = {
    Why.INVALID_CREDENTIALS: N_("Name or password is not right."),
    Why.CHALLENGE_INVALID: N_("This sign-in took too long, or too many codes were wrong. Begin again."),
    Why.WRONG_LOGIN_CODE: N_("This code is not right, or was used before. Wait for the next one."),
    Why.WRONG_ENROLLMENT_CODE: N_("This code is not right. Take the one that the app shows now."),
    Why.CURRENT_WRONG: N_("The current password is not right."),
    Why.NAME_TAKEN: N_("Another account has this name."),
    Why.LIMIT_REACHED: N_("You have as many of these as there can be. Remove one first."),
    Why.LAST_AUTHENTICATOR: N_("Your account still needs this one."),
    Why.LAST_TRUSTED: N_("Nobody would be left who may act on others."),
    Why.VERSION_CONFLICT: N_("It was changed in the meantime. Look at it again."),
    Why.NOT_FOUND: N_("There is nothing here, or nothing any more."),
    Why.FORBIDDEN: N_("This is not yours to do."),
    Why.OVERLOADED: N_("There is too much to do at this moment. Try again in a few seconds."),
    Why.STORAGE_UNAVAILABLE: N_("The service can't reach its data at this moment. Try again in a few seconds."),
    Why.INTERNAL: N_("Something went wrong on our side."),
    Why.METHOD_NOT_ALLOWED: N_("There is nothing here, or nothing any more."),
    Why.PAYLOAD_TOO_LARGE: N_("That is too long."),
    Why.PASSWORD_REQUIRED: N_("Confirm your password first."),
    Why.ALREADY_ENROLLED: N_("This app is set up already."),
    Why.TOKEN_INVALID: N_("This link is used up, too old, or not complete. Ask for a new one."),
    Why.EMAIL_TAKEN: N_("Another account has verified this address already."),
    Why.MFA_NOT_ENABLED: N_("Set up an authenticator app first."),
}
SAID: Final = (
    N_("The password is too short: it needs at least {n} characters."),
    N_("The password is on the list of common passwords."),
    N_("The password contains the name or the address of the account."),
    N_("A password has at most {n} characters."),
    N_("A name has {n} to {n} letters, digits or signs, and no spaces."),
    N_("No mail can be sent to this e-mail address."),
    N_("A name can't have a colon."),
    N_("A name can't look like an e-mail address, a phone number or a UUID."),
    N_("A text field holds at most {n} bytes."),
    N_("Control characters are not allowed here."),
    N_("A code consists of the digits {n} to {n}, or of the letters of a backup code."),
    N_("Your new codes are made. If you have not kept them, make others."),
    N_("This set-up took too long, or too many codes were wrong. Begin again."),
    N_("A code is needed beside the password."),
    N_("This form is out of date, or was sent from somewhere else."),
    N_("The form can't be read."),
    N_("Registration is closed."),
    N_("Choose at least one thing that the key may do."),
    N_("Say why, as 'reason': the user is told."),
    N_("Ask the caller for the six digits, and send them."),
    N_("The caller code is not right, or no longer."),
    N_("A caller code has six digits."),
    N_("There is no second factor to take away."),
    N_("There is no such user."),
    N_("There is no such user; an address is that of the one who has verified it."),
    N_("Another role has this name."),
    N_("A role has a thousand members and owners at most."),
    N_("Nobody would be left who may act on others: let somebody else in first."),
    N_("It has changed meanwhile: look again, then delete it."),
    N_("none, all, or roles:a,b is wanted; report: before it only writes down whom it would ask"),
    N_("Another trusted person than those involved has to confirm this."),
    N_("Without a backup code your second factors are reset by those who look after accounts, not by waiting."),
    N_(
        "Your password was set by mail, and beside a mailed link it proves nothing more. Give a backup code, or ask "
        "those who look after accounts. Once you have logged in with your authenticator app, you may wait."
    ),
)
"""What use cases say in sentences of their own."""


def refusal(words: Words, refused: Refused) -> str:
    """Say why not."""
    if refused.why is Why.THROTTLED:
        return wait(words, refused.retry_after or 1)
    if refused.why is Why.CODE_OUT_OF_STEP:
        return out_of_step(words, refused.clock_offset_seconds or 0)
    if refused.detail is not None:
        return words.told(refused.detail)
    return words(_REFUSALS.get(refused.why, FACES[refused.why].detail))


def wait(words: Words, seconds: int) -> str:
    """Say how long to wait."""
    if seconds < 2 * MINUTE // SECOND:
        return words.many(
            "Too many tries. Wait %(n)s second, then try again.",
            "Too many tries. Wait %(n)s seconds, then try again.",
            seconds,
        )
    return words.many(
        "Too many tries. Wait %(n)s minute, then try again.",
        "Too many tries. Wait %(n)s minutes, then try again.",
        -(-seconds // 60),
    )


def out_of_step(words: Words, ahead: int) -> str:
    """Explain a wrong clock; `ahead` is in seconds, below zero for one that is slow."""
    minutes = max(1, round(abs(ahead) / 60))
    if ahead > 0:
        return words.many(
            "The clock of your phone is about %(n)s minute fast. Set it to automatic, and take the next code.",
            "The clock of your phone is about %(n)s minutes fast. Set it to automatic, and take the next code.",
            minutes,
        )
    return words.many(
        "The clock of your phone is about %(n)s minute slow. Set it to automatic, and take the next code.",
        "The clock of your phone is about %(n)s minutes slow. Set it to automatic, and take the next code.",
        minutes,
    )


def ago(words: Words, moment: int, now: int) -> str:
    """Say how long ago a moment is."""
    passed = max(0, now - moment)
    if passed < MINUTE:
        return words("just now")
    if passed < HOUR:
        return words.many("%(n)s minute ago", "%(n)s minutes ago", passed // MINUTE)
    if passed < DAY:
        return words.many("%(n)s hour ago", "%(n)s hours ago", passed // HOUR)
    return words.many("%(n)s day ago", "%(n)s days ago", passed // DAY)


def exact(moment: int) -> str:
    """Write a moment to the minute, in UTC."""
    return datetime.fromtimestamp(moment // SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")


def browser(words: Words, user_agent: str) -> str:
    """Name the browser behind a session, as far as it says so itself."""
    program = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if program and system:
        return words("%(browser)s on %(system)s", browser=program, system=system)
    return program or system or words("Unknown program")


def place(words: Words, ip: str) -> str:
    """Say where a session is, as far as an address alone tells: nobody else is asked."""
    try:
        address = ip_address(ip)
    except ValueError:
        return words("unknown place")
    if address.is_loopback:
        return words("this computer")
    if address.is_private:
        return words("your network, %(ip)s", ip=ip)
    return ip


def sentence(words: Words, told: Sentence) -> str:
    """Say what decided a login."""
    values = {
        name: sentence(words, value) if isinstance(value, Sentence) else value for name, value in told.values.items()
    }
    return _MOMENT.sub(r"\1 \2 UTC", words(told.text, **values))


def event(words: Words, name: str, factor: str | None = None) -> str:
    """Say what happened."""
    known = _MADE.get(factor or "") if name == Event.SECRET_CREATED else None
    known = known or _BY_NAME.get(name)
    return words(known) if known else name.replace(".", ": ").replace("_", " ")
