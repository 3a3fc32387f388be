"""Registering: anyone where that is open, else a trusted role for another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.flow import PasswordPolicy, bearer
from sallyport.authenticators.password.hashing import Hashing, Kept
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.sessions.flow.keeper import Opening, SessionKeeper
from sallyport.sessions.rules import NOTHING, PASSWORD
from sallyport.store.work import Rows, Work
from sallyport.users import store as users
from sallyport.users.rules import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A wish for a new account."""

    fields: dict[str, Any]
    """Fields of `User` that may be set, parsed."""
    password: Hidden[str] | None
    forbidden: Callable[[User], str | None]
    """Names the first known field that the body would set and the caller may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A new account; tokens only for one who registered alone."""

    user: User
    granted: Granted | None


class Register:
    """Makes an account."""

    def __init__(
        self,
        *,
        work: Work,
        hashing: Hashing,
        policy: PasswordPolicy,
        keeper: SessionKeeper,
        journal: Journal,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._work = work
        self._hashing = hashing
        self._policy = policy
        self._keeper = keeper
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, desk: Caller | None, wish: Registration, client: Client) -> Registered | Refused:
        """Return the new user. `desk` is the trusted caller who makes the account for another."""
        user = self._user(wish)
        if field := wish.forbidden(user):
            return Refused(why=Why.FIELD_FORBIDDEN, pointer=f"/{field}")
        if await self._work.read(lambda rows: users.name_taken(rows, user.name_key)):
            return Refused(why=Why.NAME_TAKEN, pointer="/name")
        if wish.password and (refused := self._policy.judge(wish.password, bearer(user), "/password")):
            return refused
        kept = await self._kept(user, wish.password)
        recorded = await self._work(lambda rows: self._record(rows, desk, user, kept, client))
        if isinstance(recorded, Refused):
            return recorded
        return Registered(user=user, granted=recorded() if recorded else None)

    async def _kept(self, user: User, password: Hidden[str] | None) -> Kept | None:
        if password is None:
            return None
        uid = self._ids.new()
        with self._hashing.seat() as seat:
            sealed = await self._hashing.sealed(seat, password, user.uid, uid)
        return Kept(user=user.uid, uid=uid, hash_sealed=sealed)

    def _record(
        self, rows: Rows, desk: Caller | None, user: User, kept: Kept | None, client: Client
    ) -> Tokens | Refused | None:
        if desk and (refused := self._keeper.refused(rows, desk)):
            return refused
        if not users.insert(rows, user):
            return Refused(why=Why.NAME_TAKEN, pointer="/name")
        if kept:
            passwords.insert(rows, kept, None, user.created_at)
        tokens = None
        if desk:
            self._journal.did(rows, desk, Event.USER_CREATED, user=user.uid)
        else:
            created = Entry(event=Event.USER_CREATED)
            opening = Opening(user=user.uid, proven=PASSWORD if kept else NOTHING, entry=created)
            tokens = self._keeper.open(rows, opening, client, self._keeper.owner(rows, user.uid))
        if kept:
            self._journal.note(rows, _first_secret(desk, kept), client)
        return tokens

    def _user(self, wish: Registration) -> User:
        now = self._clock.now()
        return User(
            uid=self._ids.new(),
            **{"email": None, "email_key": None, "first_name": None, "last_name": None, "phone": None, **wish.fields},
            verified=False,
            roles=(),
            mfa=False,
            created_at=now,
            modified_at=now,
            version=0,
        )


def _first_secret(desk: Caller | None, kept: Kept) -> Entry:
    return Entry(
        event=Event.SECRET_CREATED,
        factor=Factor.PASSWORD,
        user=kept.user,
        actor=desk.uid if desk else kept.user,
        session=desk.session if desk else None,
        detail=kept.uid,
    )
