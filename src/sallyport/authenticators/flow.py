"""Listing, describing and removing authenticators, whatever their kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sallyport.audit.decision import together
from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Event, Factor
from sallyport.authenticators import catalog
from sallyport.authenticators.api_keys import store as api_keys
from sallyport.authenticators.backup_codes import store as backup_codes
from sallyport.authenticators.devices import store as devices
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.ports import Desk, Sessions
from sallyport.authenticators.rules import ApiKeyTraits, Authenticator, Plea, TotpTraits
from sallyport.authenticators.totp import store as totp
from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.outcomes import Pending, Refused, Why
from sallyport.kernel.policy import Policy
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.throttle import Throttle
from sallyport.throttle.rules import Lane
from sallyport.users import store as users
from sallyport.users.rules import User

FACTORS: Final = {
    passwords.TYPE: Factor.PASSWORD,
    totp.TYPE: Factor.TOTP,
    backup_codes.TYPE: Factor.BACKUP_CODE,
    api_keys.TYPE: Factor.API_KEY,
    devices.TYPE: Factor.DEVICE,
}
"""What the audit log calls each kind of authenticator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A wish to describe an authenticator anew."""

    uid: str
    version: int
    text: str | None
    keep: bool
    """Leave the description as it is; the version still has to be right."""
    resume: bool
    """Put a suspended API key back."""
    forbidden: Callable[[Authenticator], str | None]
    """Names the first known field that the body would change and the caller may not."""


_NONE_THERE: Final = Refused(why=Why.MFA_NOT_ENABLED, detail="There is no second factor to take away.")


class ReadAuthenticators:
    """Reads what may be told of a user's authenticators."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    async def all(self, user: str, type_: str | None = None) -> list[Authenticator]:
        """Return all authenticators of a user, or those of one type."""
        found = await self._work.read(lambda rows: catalog.of_user(rows, user, self._clock.now()))
        return [told for told in found if type_ in {None, told.type}]

    async def one(self, user: str, uid: str) -> Authenticator | Refused:
        """Return one authenticator of a user."""
        found = await self._work.read(lambda rows: catalog.find(rows, user, uid, self._clock.now()))
        return found or Refused(why=Why.NOT_FOUND)


class DescribeAuthenticator:
    """Changes the description of an authenticator."""

    def __init__(self, *, work: Work, sessions: Sessions, journal: Journal, clock: Clock) -> None:
        self._work = work
        self._sessions = sessions
        self._journal = journal
        self._clock = clock

    async def __call__(self, caller: Caller, wish: Description) -> Authenticator | Refused:
        """Return the authenticator as described."""
        return await self._work(lambda rows: self._record(rows, caller, wish))

    def _record(self, rows: Rows, caller: Caller, wish: Description) -> Authenticator | Refused:
        if refused := self._sessions.refused(rows, caller):
            return refused
        now = self._clock.now()
        told = catalog.find(rows, caller.uid, wish.uid, now)
        if told is None:
            return Refused(why=Why.NOT_FOUND)
        if wish.version != told.version:
            return Refused(why=Why.VERSION_CONFLICT)
        if field := wish.forbidden(told):
            return Refused(why=Why.FIELD_FORBIDDEN, pointer=f"/{field}")
        if wish.resume and caller.must_enroll and _is_suspended(told):
            # It would go on when the second factor is there, and was put back without one.
            return Refused(why=Why.MFA_ENROLLMENT_REQUIRED)
        catalog.describe(rows, told, told.description if wish.keep else wish.text, now)
        if wish.resume and api_keys.resume(rows, caller.uid, told.uid):
            self._journal.did(rows, caller, Event.SECRET_RESUMED, factor=FACTORS[told.type], detail=told.uid)
        if not (wish.resume and wish.keep):
            factor, detail = FACTORS[told.type], f"{told.uid} description"
            self._journal.did(rows, caller, Event.SECRET_CHANGED, factor=factor, detail=detail)
        return catalog.find(rows, caller.uid, wish.uid, now) or Refused(why=Why.NOT_FOUND)


class RemoveAuthenticator:
    """Removes an authenticator: by its owner, or by a trusted role as a help-desk reset."""

    def __init__(
        self,
        *,
        work: Work,
        sessions: Sessions,
        throttle: Throttle,
        journal: Journal,
        policy: Policy,
        desk: Desk,
        clock: Clock,
    ) -> None:
        self._work = work
        self._sessions = sessions
        self._throttle = throttle
        self._journal = journal
        self._policy = policy
        self._desk = desk
        self._clock = clock

    async def __call__(self, caller: Caller, user: str, uid: str, plea: Plea) -> Pending | Refused | None:
        """Remove it; None when it is done. The reason is for the audit log."""

        def unit(rows: Rows) -> Pending | Refused | None:
            if refused := self._sessions.refused(rows, caller, user):
                return refused
            told = catalog.find(rows, user, uid, self._clock.now())
            if told is None:
                return Refused(why=Why.NOT_FOUND)
            is_desk = caller.uid != user and told.traits == TotpTraits(enrolled=True)
            held_up = self._desk.judge(rows, caller, user, uid, plea) if is_desk else None
            return held_up or self.one(rows, caller, user, uid, plea.reason, lost=plea.lost)

        return await self._work(unit)

    async def every(self, caller: Caller, user: str, plea: Plea) -> Pending | Refused | None:
        """Remove all second factors of another user at once; None when it is done."""

        def unit(rows: Rows) -> Pending | Refused | None:
            rows.alone(*sorted((caller.uid, user)))
            if refused := self._sessions.refused(rows, caller):
                return refused
            if not totp.enrolled(rows, user):
                return _NONE_THERE
            return self._desk.judge(rows, caller, user, None, plea) or self.all(rows, caller, user, plea.reason)

        return await self._work(unit)

    def one(
        self, rows: Rows, caller: Caller, user: str, uid: str, reason: str | None, *, lost: bool = False
    ) -> Refused | None:
        """Remove one in a unit that has judged the caller.

        An authenticator app that its owner removes, and has not lost, can come back for a while.
        """
        told, owner = catalog.find(rows, user, uid, self._clock.now()), users.find(rows, user)
        if told is None or owner is None:
            return Refused(why=Why.NOT_FOUND)
        soft = caller.uid == user and not lost and totp.is_on(rows, user, uid)
        if refused := self._removed(rows, caller, told, owner, soft=soft):
            return refused
        is_gone = caller.uid == user and told.traits == TotpTraits(enrolled=True) and not soft
        self._tell(rows, caller, told, reason, Event.SECRET_DISCARDED if is_gone else Event.SECRET_REMOVED)
        return None

    def all(self, rows: Rows, caller: Caller, user: str, reason: str | None) -> Refused | None:
        """Remove every second factor of a user in a unit that has judged the caller."""
        held, owner = totp.of_user(rows, user, self._clock.now()), users.find(rows, user)
        if owner is None or not owner.mfa:
            return _NONE_THERE
        for told in held:
            self._removed(rows, caller, told, owner, soft=False)
            self._tell(rows, caller, told, reason, Event.SECRET_REMOVED)
        return None

    def _tell(self, rows: Rows, caller: Caller, told: Authenticator, reason: str | None, event: Event) -> None:
        factor, detail = FACTORS[told.type], together(told.uid, reason)
        was_pending = told.traits == TotpTraits(enrolled=False)
        self._journal.did(rows, caller, event, user=told.user, factor=factor, detail=detail, silent=was_pending)

    def _removed(self, rows: Rows, caller: Caller, told: Authenticator, owner: User, *, soft: bool) -> Refused | None:
        user = owner.uid
        match told.type:
            case passwords.TYPE:
                # Without a password there is no way to enroll: policy must not be what shuts its owner out.
                must = self._policy.demands_mfa(owner.roles) or users.has_reset(rows, user)
                if owner.mfa or (caller.uid == user and must):
                    return Refused(why=Why.LAST_AUTHENTICATOR)
                passwords.delete(rows, user)
                self._throttle.forget(rows, user, Lane.PASSWORD)
                self._end_sessions(rows, caller, user)
                return None
            case backup_codes.TYPE:
                backup_codes.delete(rows, user)
                return None
            case api_keys.TYPE:
                api_keys.delete(rows, user, told.uid)
                self._sessions.end_opened_by(rows, user, told.uid, caller)
                return None
            case devices.TYPE:
                devices.delete(rows, user, told.uid)
                self._sessions.end_opened_by(rows, user, told.uid, caller)
                return None
            case _:
                demanded = self._policy.demands_mfa(owner.roles)
                return self._remove_totp(rows, caller, told, demanded=demanded, soft=soft)

    def _remove_totp(
        self, rows: Rows, caller: Caller, told: Authenticator, *, demanded: bool, soft: bool
    ) -> Refused | None:
        is_enrolled = told.traits == TotpTraits(enrolled=True)
        is_last = is_enrolled and totp.enrolled(rows, told.user) == 1
        # The desk may take the last one even where policy demands MFA: the user enrolls anew at the next login.
        if is_last and demanded and caller.uid == told.user:
            return Refused(why=Why.LAST_AUTHENTICATOR)
        if soft:
            totp.shelve(rows, told.user, told.uid, self._clock.now())
        totp.delete(rows, told.user, told.uid)
        if is_enrolled:
            self._sessions.end_waiting(rows, told.user)
        if is_last:
            backup_codes.delete(rows, told.user)
            self._throttle.forget(rows, told.user, Lane.SECOND_FACTOR)
            if demanded:
                users.meet(rows, told.user, self._clock.now())  # one who had a second factor needs no grace
            users.set_mfa(rows, told.user, self._clock.now(), on=False)
            self._end_sessions(rows, caller, told.user)
            if caller.uid == told.user:
                self._sessions.lower(rows, caller)
        return None

    def _end_sessions(self, rows: Rows, caller: Caller, user: str) -> None:
        if caller.uid == user:
            self._sessions.end_others(rows, user, caller)
        else:
            self._sessions.end_all(rows, user, caller)


def _is_suspended(told: Authenticator) -> bool:
    return isinstance(told.traits, ApiKeyTraits) and told.traits.suspended
