"""Setting and changing a password."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sallyport.audit.flow.journal import Journal, attempt_by
from sallyport.audit.rules import Event, Factor
from sallyport.authenticators.password import store
from sallyport.authenticators.password.hashing import Hashing, Kept
from sallyport.authenticators.password.rules import Bearer, fault
from sallyport.authenticators.ports import Sessions
from sallyport.authenticators.rules import Authenticator
from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import Seat
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.judging import Try
from sallyport.throttle.flow.throttle import Throttle
from sallyport.users import store as users
from sallyport.users.rules import User


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """What a new password is held against."""

    shortest: int
    common: AbstractSet[str]

    def judge(self, password: Hidden[str], bearer: Bearer, pointer: str) -> Refused | None:
        """Return the refusal of a new password, with its reason for the owner, or None."""
        wrong = fault(password, bearer, self.shortest, self.common)
        return Refused(why=Why.PASSWORD_REJECTED, detail=wrong, pointer=pointer) if wrong else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassword:
    """A wish to change a password."""

    uid: str
    version: int
    current: Hidden[str]
    new: Hidden[str]
    description: str | None
    keep_description: bool


HasOther = Callable[[Rows, str], bool]
"""Tells whether a user has an authenticator of another kind that may be an account's first."""


class SetPassword:
    """Gives an account its first password."""

    def __init__(
        self,
        *,
        work: Work,
        hashing: Hashing,
        policy: PasswordPolicy,
        sessions: Sessions,
        journal: Journal,
        has_other: HasOther,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._work = work
        self._hashing = hashing
        self._policy = policy
        self._sessions = sessions
        self._journal = journal
        self._has_other = has_other
        self._clock = clock
        self._ids = ids

    async def __call__(self, caller: Caller, password: Hidden[str], description: str | None) -> Authenticator | Refused:
        """Return the new password's description."""
        user, held = await self._work.read(lambda rows: (users.find(rows, caller.uid), store.of_user(rows, caller.uid)))
        if user is None:
            return Refused(why=Why.INVALID_TOKEN)
        if held:
            return Refused(why=Why.ALREADY_EXISTS)
        if refused := self._policy.judge(password, bearer(user), "/secret"):
            return refused
        uid = self._ids.new()
        with self._hashing.seat() as seat:
            sealed = await self._hashing.sealed(seat, password, caller.uid, uid)
        kept = Kept(user=caller.uid, uid=uid, hash_sealed=sealed)
        return await self._work(lambda rows: self._record(rows, caller, kept, description))

    def _record(self, rows: Rows, caller: Caller, kept: Kept, description: str | None) -> Authenticator | Refused:
        if refused := self._sessions.refused(rows, caller):
            return refused
        # A newcomer is exempt from a fresh proof for the first one alone; another may have come since the gate looked.
        if not caller.fresh and self._has_other(rows, caller.uid):
            return Refused(why=Why.STEP_UP_REQUIRED, level=caller.level)
        if not store.insert(rows, kept, description, self._clock.now()):
            return Refused(why=Why.ALREADY_EXISTS)
        self._journal.did(rows, caller, Event.SECRET_CREATED, factor=Factor.PASSWORD, detail=kept.uid)
        return store.told(rows, caller.uid)


class ChangePassword:
    """Replaces a password by its owner, who gives the current one."""

    def __init__(
        self,
        *,
        work: Work,
        hashing: Hashing,
        policy: PasswordPolicy,
        sessions: Sessions,
        throttle: Throttle,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._work = work
        self._hashing = hashing
        self._policy = policy
        self._sessions = sessions
        self._throttle = throttle
        self._journal = journal
        self._clock = clock

    async def __call__(self, caller: Caller, wish: NewPassword) -> tuple[Authenticator, Granted] | Refused:
        """Return the password's description and new tokens for the caller's session; all others end."""
        user, held = await self._work.read(lambda rows: (users.find(rows, caller.uid), store.of_user(rows, caller.uid)))
        if user is None or held is None or held.told.uid != wish.uid:
            return Refused(why=Why.NOT_FOUND)
        if wish.version != held.told.version:
            return Refused(why=Why.VERSION_CONFLICT)
        if refused := self._policy.judge(wish.new, bearer(user), "/secret"):
            return refused
        with self._hashing.seat(reserve=True) as seat:  # a session is known, too
            tried = await self._work(lambda rows: self._count(rows, caller))
            if isinstance(tried, Refused):
                return tried
            async with self._throttle.judging(self._work, tried):
                sealed = await self._judged(seat, caller, held.kept, wish)
        if isinstance(sealed, Refused):
            return sealed
        recorded = await self._work(lambda rows: self._record(rows, caller, held, sealed, wish, tried))
        if isinstance(recorded, Refused):
            return recorded
        told, tokens = recorded
        return told, tokens()

    def _count(self, rows: Rows, caller: Caller) -> Try | Refused:
        tried = self._throttle.password(rows, "", caller.uid, caller.client, caller.login_client)
        return self._refused(rows, caller, tried) if isinstance(tried, Refused) else tried

    def _refused(self, rows: Rows, caller: Caller, refused: Refused) -> Refused:
        attempt = attempt_by(caller, Event.PASSWORD_CURRENT, Factor.PASSWORD)
        return self._journal.refused(rows, attempt, caller.client, refused)

    async def _judged(self, seat: Seat, caller: Caller, kept: Kept, wish: NewPassword) -> bytes | Refused:
        """Return the sealed hash of the new password, if the current one is right."""
        if not (await self._hashing.check(seat, wish.current, kept)).right:
            wrong = Refused(why=Why.CURRENT_WRONG, pointer="/current")
            return await self._work(lambda rows: self._refused(rows, caller, wrong))
        return await self._hashing.sealed(seat, wish.new, caller.uid, wish.uid)

    def _record(
        self, rows: Rows, caller: Caller, held: store.StoredPassword, sealed: bytes, wish: NewPassword, tried: Try
    ) -> tuple[Authenticator, Tokens] | Refused:
        if refused := self._sessions.refused(rows, caller, *tried.keys):
            return refused
        description = held.told.description if wish.keep_description else wish.description
        if not store.change(rows, held, sealed, description, self._clock.now()):
            return Refused(why=Why.VERSION_CONFLICT)
        self._throttle.succeeded(rows, tried)
        self._throttle.forget_other_clients(rows, caller)
        self._journal.did(rows, caller, Event.SECRET_CHANGED, factor=Factor.PASSWORD, detail=wish.uid)
        self._sessions.end_others(rows, caller.uid, caller)
        tokens = self._sessions.renew(rows, caller, None)
        return store.told(rows, caller.uid), tokens


def bearer(user: User) -> Bearer:
    """Return whom a password of this user is held against."""
    return Bearer(name=user.name_key, email=user.email_key, mfa=user.mfa)
