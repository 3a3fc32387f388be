"""Whom a rule about second factors would meet, and what would be in their way. Values come in, values go out."""

import enum

import msgspec

from sallyport.kernel.policy import Policy


@enum.unique
class Hindrance(enum.StrEnum):
    """What is in the way of one who has to enroll."""

    DISABLED = "disabled"
    NO_PASSWORD = "no password"  # noqa: S105  # a word of a report
    NO_VERIFIED_ADDRESS = "no verified address"
    """A forgotten password can't be set anew by mail."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A user, as far as a rule looks at one."""

    uid: str
    name: str
    roles: tuple[str, ...]
    mfa: bool
    met_at: int | None
    disabled: bool
    password: bool
    verified: bool


class Met(msgspec.Struct, frozen=True, kw_only=True):
    """A user whom a rule would ask to enroll."""

    uid: str
    name: str
    rule: str
    """The part of the rule that meets them."""
    enroll_by: int
    """Microseconds."""
    hindrances: tuple[Hindrance, ...]
    stuck: bool
    """Whether they can't log in as things are, and so can't enroll until somebody helps."""


def judged(policy: Policy, subject: Subject, now: int) -> Met | None:
    """Judge one user; None for whom the rule leaves as they are."""
    rule = policy.names(subject.roles)
    if rule is None or subject.mfa:
        return None
    hindrances = tuple(
        hindrance
        for hindrance, is_there in (
            (Hindrance.DISABLED, subject.disabled),
            (Hindrance.NO_PASSWORD, not subject.password),
            (Hindrance.NO_VERIFIED_ADDRESS, not subject.verified),
        )
        if is_there
    )
    return Met(
        uid=subject.uid,
        name=subject.name,
        rule=rule,
        enroll_by=policy.enroll_by(subject.met_at, now),
        hindrances=hindrances,
        stuck=subject.disabled or not (subject.password or subject.verified),
    )
