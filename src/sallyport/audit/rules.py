"""What an audit row says. Values come in, values go out."""

import enum
from typing import Final

import msgspec

BY_OPERATOR: Final = "(host)"
"""Ends the detail of what was done at the command line of the host, where there is no actor to name."""
ASKED_BY: Final = "asked by "
"""Stands in the detail of a confirmation before the uid of who had asked for it."""


@enum.unique
class Event(enum.StrEnum):
    """Everything that is written down; ASVS 16.3.1 to 16.3.3, NIST SP 800-63B-4 4.1.

    A success of a login names the session that it opened or renewed, so that one row tells both. Not written, because
    nobody decided anything: plain refreshes, and what ends by its own age.
    """

    LOGIN_PASSWORD = "login.password"  # noqa: S105  # the name of an event
    """A password was judged at the first door. A success without a session was given a challenge; where `factor` is
    `device` or `api_key`, that was shown in its place, and `detail` names it."""
    LOGIN_CODE = "login.code"
    """A code was judged at the second door, or in place of a password where that is switched on."""
    LOST_PASSWORD = "lost.password"  # noqa: S105  # as above
    """A password was judged of one who says that every second factor is lost. A success was given a caller code, and
    where there is a verified address a mailed token."""
    RESET_BEGUN = "mfa_reset.begun"
    """Password and mailed token were shown without a code: second factors are reset after a delay; `detail` has its
    uid."""
    RESET_CANCELLED = "mfa_reset.cancelled"
    """A reset that waited was cancelled: by its link, by the user or a trusted role, by a login with a second factor,
    or by the change written beside it."""
    RESET_DONE = "mfa_reset.done"
    """Recovery took every second factor away, by a backup code or, where `factor` is `password`, after a delay; the
    session named is good for enrolling alone. A failure had a wrong token, password or code, or may not wait."""
    LOGIN_ELEVATE = "login.elevate"
    """One who is signed in proved it again."""
    ENROLL_CODE = "enroll.code"
    """A code was refused at enrollment; a right one is `secret.enrolled`."""
    PASSWORD_CURRENT = "password.current"  # noqa: S105  # as above
    """The current password was refused at a change; a right one is `secret.changed`."""

    USER_CREATED = "user.created"
    """An account was made; by its owner, who then got the session named, or by a trusted role."""
    USER_CHANGED = "user.changed"
    """The fields that `detail` names were changed."""
    USER_DISABLED = "user.disabled"
    """A user was stopped: sessions ended, and no login succeeds."""
    USER_ENABLED = "user.enabled"
    """A disabled user may log in again."""
    USER_DELETED = "user.deleted"
    """The user, with everything that was theirs; sessions and secrets have no rows of their own."""

    ROLE_CREATED = "role.created"
    """A role was made, by a trusted role or by a start that missed it; `detail` is its uid and its name."""
    ROLE_CHANGED = "role.changed"
    """Behind the uid of the role `detail` names what was changed; its people have rows of their own beside it."""
    ROLE_DELETED = "role.deleted"
    """A role was erased; whoever was in it has rows of their own beside it."""
    ROLE_MEMBER_ADDED = "role.member_added"
    """The user was named as a member; `detail` is the uid and the name of the role."""
    ROLE_MEMBER_REMOVED = "role.member_removed"
    """The user is not named as a member any more."""
    ROLE_OWNER_ADDED = "role.owner_added"
    """The user was named as an owner, who counts as a member."""
    ROLE_OWNER_REMOVED = "role.owner_removed"
    """The user is not named as an owner any more."""

    SECRET_CREATED = "secret.created"  # noqa: S105  # as above
    """A password was set, or an authenticator app began to enroll; `detail` begins with the uid of the secret."""
    SECRET_CHANGED = "secret.changed"  # noqa: S105  # as above
    """A password was replaced, or a description rewritten."""
    SECRET_ENROLLED = "secret.enrolled"  # noqa: S105  # as above
    """An authenticator app was enrolled, and a new set of backup codes was made with it."""
    SECRET_REMOVED = "secret.removed"  # noqa: S105  # as above
    """A secret was removed; behind its uid `detail` has the reason that a trusted role gave. An authenticator app that
    its owner removed can come back for 72 hours."""
    SECRET_DISCARDED = "secret.discarded"  # noqa: S105  # as above
    """Its owner removed an authenticator app for good: it is lost, or wrong codes had switched it off before."""
    SECRET_RESTORED = "secret.restored"  # noqa: S105  # as above
    """By the link in a notice and the password a removed authenticator app was brought back, or that was refused."""
    SECRET_CODES_MADE = "secret.codes_made"  # noqa: S105  # as above
    """A new set of backup codes was made."""
    SECRET_SUSPENDED = "secret.suspended"  # noqa: S105  # as above
    """As many API keys of a user as `detail` says were suspended, by the change written beside it."""
    SECRET_RESUMED = "secret.resumed"  # noqa: S105  # as above
    """A suspended API key was put back by its owner."""
    SECRET_SWITCHED_OFF = "secret.switched_off"  # noqa: S105  # as above
    """Authenticator apps were switched off by too many wrong codes in a row."""

    CALLER_CODE = "desk.caller_code"
    """The desk typed a wrong code of a caller."""
    APPROVAL_ASKED = "approval.asked"
    """A trusted person asked to take a second factor away; `detail` has the uid of the approval, and the reason."""
    APPROVAL_GIVEN = "approval.given"
    """A second one confirmed it; `detail` says who had asked, and rows beside it what was done."""

    POLICY_MET = "policy.met"
    """The rule about second factors first met a user; `detail` has its part, and the moment until which to enroll."""

    RECOVERY_ASKED = "recovery.asked"
    """A link that sets a new password was mailed; `detail` says so where there was nobody to mail it to."""
    RECOVERY_DONE = "recovery.done"
    """A password was set with a mailed link, or a link was refused."""
    VERIFICATION_ASKED = "verification.asked"
    """A link was mailed to an address that a user claims."""
    NOTICE_DISOWNED = "notice.disowned"
    """By a link in a notice somebody said that it was not the user, or such a link was refused."""
    EMAIL_VERIFIED = "email.verified"
    """An address was verified with a mailed link, or a link was refused."""

    SESSION_ENDED = "session.ended"
    """One session, the one that `detail` names, was ended: logged out, or from a list."""
    SESSION_STOLEN = "session.stolen"
    """A spent refresh token came back, and its session was ended. RFC 9700 4.14.2."""
    SESSIONS_ENDED = "sessions.ended"
    """As many sessions of a user as `detail` says were ended at once, mostly by the change written beside it."""

    KEY_ACTIVATED = "key.activated"
    """A ring was rotated; `detail` names the ring and its new key."""
    KEY_RETIRED = "key.retired"
    """A key was erased; `detail` names its ring and its id."""
    KEY_RESEALED = "key.resealed"
    """What was left on older keys was sealed anew, by a command of its own."""

    BACKUP_RESTORED = "backup.restored"
    """A backup was put in the place of the database; `detail` has the new epoch."""
    FIRST_START = "installation.first_start"
    """The first start made the first admin."""


ATTEMPTS: Final = frozenset(
    {
        *(Event.LOGIN_PASSWORD, Event.LOGIN_CODE, Event.LOGIN_ELEVATE, Event.LOST_PASSWORD),
        *(Event.ENROLL_CODE, Event.PASSWORD_CURRENT, Event.SECRET_RESTORED, Event.RESET_DONE),
    }
)
"""What tells of a try at a factor, which metrics count too."""


@enum.unique
class Outcome(enum.StrEnum):
    """How it ended. A change that is written has always succeeded."""

    SUCCESS = "success"
    FAILURE = "failure"
    THROTTLED = "throttled"
    """Refused before it was judged."""


@enum.unique
class Factor(enum.StrEnum):
    """The kind of proof that was tried, or of the secret that was changed."""

    PASSWORD = "password"  # noqa: S105  # the name of a factor
    TOTP = "totp"
    BACKUP_CODE = "backup_code"
    API_KEY = "api_key"
    DEVICE = "device"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What a unit of work wants written. Never a name, an address, or anything that somebody typed to log in."""

    event: Event
    outcome: Outcome = Outcome.SUCCESS
    factor: Factor | None = None
    user: str | None = None
    """The uid of whom it is about; None where a login named nobody who is there."""
    actor: str | None = None
    """The uid of who did it, where that was proven."""
    session: str | None = None
    detail: str | None = None
    silent: bool = False
    """Not mailed: the user has no verified address, has lost nothing by it, or is told by a row beside it."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A row as stored. Digests begin with the eight bytes of the id of their key."""

    uid: str
    created_at: int
    event: str
    outcome: str
    factor: str | None
    user: str | None
    actor: str | None
    session: str | None
    ip: str | None
    """None where it was not known, and after its user was erased."""
    ip_digest: bytes | None
    request_id: str
    detail: str | None
    row_digest: bytes = b""
    position: int | None = None
    chain_digest: bytes | None = None


def oldest_uid(moment: int) -> str:
    """Return what no uid made at this moment or later, in microseconds, sorts before. RFC 9562 5.7."""
    digits = f"{moment // 1_000:012x}"
    return f"{digits[:8]}-{digits[8:]}-"
