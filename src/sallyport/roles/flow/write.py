"""Making, changing and deleting roles. `users.roles` follows in the same unit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Event
from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.ids import Ids
from sallyport.kernel.outcomes import Refused, Why
from sallyport.roles import store
from sallyport.roles.flow.holders import Holders
from sallyport.roles.ports import Sessions
from sallyport.roles.rules import NOBODY, People, Role, Shift, changed_fields, is_too_many, people_of, shift
from sallyport.store.work import Rows, Work

_TOLD: Final = {
    "members_added": Event.ROLE_MEMBER_ADDED,
    "members_removed": Event.ROLE_MEMBER_REMOVED,
    "owners_added": Event.ROLE_OWNER_ADDED,
    "owners_removed": Event.ROLE_OWNER_REMOVED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleWish:
    """What a role is to be."""

    fields: dict[str, Any]
    """Fields of `Role` that are given, parsed."""
    members: tuple[str, ...] | None
    """Uids as they were given; None to leave them as they are."""
    owners: tuple[str, ...] | None
    forbidden: Callable[[Role], str | None]
    """Names the first known field that the body would change and nobody may."""
    version: int = 0

    def people(self, old: People) -> People:
        """Return who is to be in the role."""
        members = old.members if self.members is None else self.members
        return people_of(members, old.owners if self.owners is None else self.owners)


class Roll:
    """Writes who is in a role: the rows, what users carry of it, sessions that end with it, and the log."""

    def __init__(self, *, sessions: Sessions, holders: Holders, journal: Journal) -> None:
        self.holders = holders
        self._sessions = sessions
        self._journal = journal

    def stands(self, rows: Rows, caller: Caller, *keys: str) -> Refused | None:
        """Take these keys for the rest of the unit, and judge whether the caller is still who the gate saw."""
        rows.alone(caller.uid, *keys)
        return self._sessions.refused(rows, caller)

    def fault(self, rows: Rows, wish: RoleWish, old: People, new: People) -> Refused | None:
        """Judge whether such people can be in a role."""
        if is_too_many(old, new):
            return Refused(why=Why.LIMIT_REACHED, detail="A role has a thousand members and owners at most.")
        known = store.present(rows, shift(old, new).came) | old.all
        for field, given in (("members", wish.members), ("owners", wish.owners)):
            for place, uid in enumerate(given or ()):
                if uid not in known:
                    return Refused(
                        why=Why.INVALID_REQUEST, pointer=f"/{field}/{place}", detail="There is no such user."
                    )
        return None

    def write(self, rows: Rows, caller: Caller, role: Role, moved: Shift) -> None:
        """Write people who come, go or change their place in a role."""
        for uid in sorted(moved.touched):
            store.place(rows, role.uid, uid, role.people or NOBODY)
        self.follow(rows, caller, role, moved, frozenset(moved.came + moved.went))

    def follow(self, rows: Rows, caller: Caller, role: Role, moved: Shift, touched: frozenset[str]) -> None:
        """Let users carry what they are now, end the sessions of who goes, and write it all down."""
        store.tell_users(rows, touched)
        for field, event in _TOLD.items():
            for uid in getattr(moved, field):
                self._journal.did(rows, caller, event, user=uid, detail=f"{role.uid} {role.name}")
        # An owner may put anybody in and out again: whoever may not end sessions must not be able to do it in this way.
        for uid in moved.went if caller.trusted or caller.host else ():
            self._sessions.end_all(rows, uid, caller)


class CreateRole:
    """Makes a role."""

    def __init__(self, *, work: Work, roll: Roll, journal: Journal, clock: Clock, ids: Ids) -> None:
        self._work = work
        self._roll = roll
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, caller: Caller, wish: RoleWish) -> Role | Refused:
        """Return the new role."""
        role = self._role(wish)
        if field := wish.forbidden(role):
            return Refused(why=Why.FIELD_FORBIDDEN, pointer=f"/{field}")
        return await self._work(lambda rows: self._record(rows, caller, wish, role))

    def _record(self, rows: Rows, caller: Caller, wish: RoleWish, role: Role) -> Role | Refused:
        people = role.people or NOBODY
        if refused := self._roll.stands(rows, caller, *people.all):
            return refused
        if refused := self._roll.fault(rows, wish, NOBODY, people):
            return refused
        if self._roll.holders.trusts(role) or not store.insert(rows, role):
            return Refused(why=Why.NAME_TAKEN, pointer="/name", detail="Another role has this name.")
        self._journal.did(rows, caller, Event.ROLE_CREATED, detail=f"{role.uid} {role.name}")
        self._roll.write(rows, caller, role, shift(NOBODY, people))
        return role

    def _role(self, wish: RoleWish) -> Role:
        now = self._clock.now()
        return Role(
            uid=self._ids.new(),
            **{"description": None, **wish.fields},
            created_at=now,
            modified_at=now,
            version=0,
            people=wish.people(NOBODY),
        )


class ChangeRole:
    """Changes a role, and who is in it."""

    def __init__(self, *, work: Work, roll: Roll, journal: Journal, clock: Clock) -> None:
        self._work = work
        self._roll = roll
        self._journal = journal
        self._clock = clock

    async def __call__(self, caller: Caller, uid: str, wish: RoleWish) -> Role | Refused:
        """Return the role as changed."""
        seen = await self._work.read(lambda rows: store.find(rows, uid))
        if seen is None:
            return Refused(why=Why.NOT_FOUND)
        if seen.version != wish.version:
            return Refused(why=Why.VERSION_CONFLICT)
        return await self._work(lambda rows: self._record(rows, caller, seen, wish))

    def _record(self, rows: Rows, caller: Caller, seen: Role, wish: RoleWish) -> Role | Refused:
        # Of the version that was seen these are the people, or it is refused below.
        before = seen.people or NOBODY
        after = wish.people(before)
        renamed = wish.fields.get("name", seen.name) != seen.name
        touched = before.all | after.all if renamed else shift(before, after).touched
        keys = self._roll.holders.keys(seen)
        if refused := self._roll.stands(rows, caller, seen.uid, *touched, *keys):
            return refused
        old = store.find(rows, seen.uid)
        if old is None:
            return Refused(why=Why.NOT_FOUND)
        new = replace(old, **wish.fields, modified_at=self._clock.now(), people=after)
        if refused := self._judged(rows, caller, old, new, wish):
            return refused
        if not store.change(rows, old, new):
            return Refused(why=Why.NAME_TAKEN, pointer="/name", detail="Another role has this name.")
        if changed := changed_fields(old, new):
            self._journal.did(rows, caller, Event.ROLE_CHANGED, detail=" ".join([new.uid, *changed]))
        moved = shift(before, after)
        self._roll.write(rows, caller, new, moved)
        if renamed:
            store.tell_users(rows, after.all)
        return replace(new, version=old.version + 1)

    def _judged(self, rows: Rows, caller: Caller, old: Role, new: Role, wish: RoleWish) -> Refused | None:
        before, after = old.people or NOBODY, new.people or NOBODY
        holders = self._roll.holders
        if wish.version != old.version:
            return Refused(why=Why.VERSION_CONFLICT)
        if not holders.policy.may_rule(old.name, trusted=caller.trusted, owns=caller.uid in before.owners):
            return Refused(why=Why.FORBIDDEN)
        if refused := self._roll.fault(rows, wish, before, after):
            return refused
        if field := wish.forbidden(old) or ("name" if holders.trusts(old) and new.name != old.name else None):
            return Refused(why=Why.FIELD_FORBIDDEN, pointer=f"/{field}")
        if not holders.trusts(old) and holders.trusts(new):
            return Refused(why=Why.NAME_TAKEN, pointer="/name", detail="Another role has this name.")
        return holders.refused_without(rows, caller, old, after)


class DeleteRole:
    """Erases a role."""

    def __init__(self, *, work: Work, roll: Roll, journal: Journal) -> None:
        self._work = work
        self._roll = roll
        self._journal = journal

    async def __call__(self, caller: Caller, uid: str) -> Refused | None:
        """Erase the role; None when it is done."""
        seen = await self._work.read(lambda rows: store.find(rows, uid))
        if seen is None:
            return Refused(why=Why.NOT_FOUND)
        return await self._work(lambda rows: self._record(rows, caller, seen))

    def _record(self, rows: Rows, caller: Caller, seen: Role) -> Refused | None:
        if refused := self._roll.stands(rows, caller, seen.uid, *(seen.people or NOBODY).all):
            return refused
        old = store.find(rows, seen.uid)
        if old is None:
            return Refused(why=Why.NOT_FOUND)
        if old.version != seen.version:
            return Refused(why=Why.VERSION_CONFLICT, detail="It has changed meanwhile: look again, then delete it.")
        people, policy = old.people or NOBODY, self._roll.holders.policy
        may_rule = policy.may_rule(old.name, trusted=caller.trusted, owns=caller.uid in people.owners)
        if self._roll.holders.trusts(old) or not may_rule:
            return Refused(why=Why.FORBIDDEN)
        store.delete(rows, old.uid)
        self._journal.did(rows, caller, Event.ROLE_DELETED, detail=f"{old.uid} {old.name}")
        self._roll.follow(rows, caller, old, shift(people, NOBODY), people.all)
        return None
