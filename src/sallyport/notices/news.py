"""Which rows of the audit log are news to the user, and in which words. Values come in, values go out."""

from collections.abc import Callable, Mapping
from typing import Final

from sallyport.audit.decision import FIRST, LOGINS, read
from sallyport.audit.rules import ASKED_BY, BY_OPERATOR, Event, Factor, Outcome, Record
from sallyport.kernel.clock import rfc3339
from sallyport.notices.rules import Letter

NOT_ME_PAGE: Final = "/ui/not-me"
UNDO_PAGE: Final = "/ui/undo"

Judge = Callable[[Record], str | None]
"""Returns the template of a notice, or None where a row is no news."""


def reader(record: Record) -> str | None:
    """Return the uid of who is told of a row: whom it is about, but for a confirmation, whose asker waits for it.

    What was confirmed has rows of its own beside it, which are news to whom it is about.
    """
    asked_by = (record.detail or "").partition(ASKED_BY)[2]
    return asked_by if asked_by and record.event == Event.APPROVAL_GIVEN else record.user


def notice(record: Record) -> Letter | None:
    """Return the notice of a row, or None. What was refused is no news: it changed nothing."""
    judge = _JUDGES.get(record.event)
    if judge is None or record.user is None or record.outcome != Outcome.SUCCESS:
        return None
    template = judge(record)
    if template is None:
        return None
    return Letter(template=template, facts=_facts(record), disown=True, restores=_comes_back(record))


def _comes_back(record: Record) -> str | None:
    """Return the uid of what its owner has removed and may have back."""
    is_own = record.actor == record.user and record.factor == Factor.TOTP
    return (record.detail or "").split(" ")[0] if is_own and record.event == Event.SECRET_REMOVED else None


def _by_another(record: Record) -> bool:
    return record.actor not in {None, record.user} or (record.detail or "").endswith(BY_OPERATOR)


def _facts(record: Record) -> Mapping[str, str]:
    desk = _by_another(record)
    detail = (record.detail or "").removesuffix(BY_OPERATOR).rstrip()
    return {
        "ip": "" if desk else record.ip or "",
        "desk": "yes" if desk else "",
        "kind": _KINDS.get(record.factor or "", ""),
        "detail": detail,
        "reason": detail.partition(" ")[2],
        "client": (read(detail).client or "") if record.event in LOGINS else "",
        "about": record.user or "",
        "by": _enroll_by(record),
    }


def _enroll_by(record: Record) -> str:
    """Return until when a second factor has to be there, to the minute; nothing where it has to be there now."""
    by = (record.detail or "").rpartition(" by ")[2] if record.event == Event.POLICY_MET else ""
    return f"{by[:10]} {by[11:16]} UTC" if by > rfc3339(record.created_at) else ""


_KINDS: Final = {
    Factor.PASSWORD.value: "password",
    Factor.TOTP.value: "authenticator app",
    Factor.BACKUP_CODE.value: "set of backup codes",
    Factor.API_KEY.value: "API key",
    Factor.DEVICE.value: "device",
}


def _created(record: Record) -> str | None:
    # An app that only begins to enroll opens nothing yet; `secret.enrolled` follows.
    return None if record.factor == Factor.TOTP else "secret_made"


def _changed(record: Record) -> str | None:
    is_described = (record.detail or "").endswith(" description")
    return "password_changed" if record.factor == Factor.PASSWORD and not is_described else None


def _user_changed(record: Record) -> str | None:
    return "account_changed" if {"name", "email"} & set((record.detail or "").split()) else None


def _logged_in(record: Record) -> str | None:
    if record.factor == Factor.BACKUP_CODE:
        return "code_used"
    decision = read(record.detail)
    if decision.use == FIRST:
        return "factor_used"
    return "new_client" if record.session and decision.client == "stranger" else None


def _proven(record: Record) -> str | None:
    if record.factor == Factor.BACKUP_CODE:
        return "code_used"
    return "factor_used" if read(record.detail).use == FIRST else None


def _ended(record: Record) -> str | None:
    return "sessions_ended" if _by_another(record) else None


def _always(template: str) -> Judge:
    return lambda _: template


_JUDGES: Final[Mapping[str, Judge]] = {
    Event.SECRET_CREATED: _created,
    Event.SECRET_CHANGED: _changed,
    Event.SECRET_ENROLLED: _always("factor_added"),
    Event.SECRET_REMOVED: _always("secret_removed"),
    Event.SECRET_DISCARDED: _always("secret_removed"),
    Event.SECRET_RESTORED: _always("factor_restored"),
    Event.SECRET_CODES_MADE: _always("codes_made"),
    Event.SECRET_SWITCHED_OFF: _always("factor_off"),
    Event.USER_CHANGED: _user_changed,
    Event.LOGIN_PASSWORD: _logged_in,
    Event.LOGIN_CODE: _logged_in,
    Event.LOGIN_ELEVATE: _proven,
    Event.RECOVERY_DONE: _always("password_recovered"),
    Event.USER_DISABLED: _always("user_disabled"),
    Event.USER_ENABLED: _always("user_enabled"),
    Event.APPROVAL_ASKED: _always("approval_asked"),
    Event.APPROVAL_GIVEN: _always("approval_given"),
    Event.POLICY_MET: _always("factor_wanted"),
    Event.SESSION_ENDED: _ended,
    Event.SESSIONS_ENDED: _ended,
    Event.RESET_CANCELLED: _always("reset_cancelled"),
    Event.RESET_DONE: _always("factors_reset"),
    Event.SESSION_STOLEN: _always("session_stolen"),
    Event.ROLE_MEMBER_ADDED: _always("role_given"),
    Event.ROLE_OWNER_ADDED: _always("role_owned"),
    Event.ROLE_MEMBER_REMOVED: _always("role_taken"),
    Event.ROLE_OWNER_REMOVED: _always("role_disowned"),
}
