"""What a role is, who sees its people, and what a change means for each of them. Values come in, values go out."""

from collections.abc import Iterable
from typing import Final

import msgspec

from sallyport.kernel.caller import Caller

MOST_PEOPLE: Final = 1_000
"""Members and owners of a role: so many still fit into a body of 64 KiB, which a client sends back as a whole."""


class People(msgspec.Struct, frozen=True, kw_only=True):
    """Who is in a role, by uid and in the order of uids. An owner may be named as a member too, and counts as one."""

    members: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[str]:
        """Everybody whose `roles` have the name of this role."""
        return frozenset(self.members) | frozenset(self.owners)


NOBODY: Final = People()


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A role as stored."""

    uid: str
    name: str
    name_key: str
    description: str | None
    created_at: int
    modified_at: int
    version: int
    people: People | None
    """None where they were not asked for, because the caller may not see them."""


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """What a change does to people, each time in the order of uids."""

    members_added: tuple[str, ...]
    members_removed: tuple[str, ...]
    owners_added: tuple[str, ...]
    owners_removed: tuple[str, ...]
    came: tuple[str, ...]
    """Who was not in the role before, in any way."""
    went: tuple[str, ...]
    """Who is not in the role any more, in any way."""

    @property
    def touched(self) -> frozenset[str]:
        """Everybody for whom something changes."""
        return frozenset(self.members_added + self.members_removed + self.owners_added + self.owners_removed)


def people_of(members: Iterable[str], owners: Iterable[str]) -> People:
    """Return people, each named once."""
    return People(members=tuple(sorted(set(members))), owners=tuple(sorted(set(owners))))


def shift(old: People, new: People) -> Shift:
    """Return what becomes of people."""
    return Shift(
        members_added=_beyond(new.members, old.members),
        members_removed=_beyond(old.members, new.members),
        owners_added=_beyond(new.owners, old.owners),
        owners_removed=_beyond(old.owners, new.owners),
        came=_beyond(new.all, old.all),
        went=_beyond(old.all, new.all),
    )


def sees_people(caller: Caller, role: Role) -> bool:
    """Tell whether a caller sees who is in a role: those who are, and trusted roles."""
    return caller.reads_all or role.name in caller.roles


def changed_fields(old: Role, new: Role) -> list[str]:
    """Return what a change of a role alters, by name and never by value."""
    told = [name for name in ("name", "description") if getattr(old, name) != getattr(new, name)]
    before, after = old.people or NOBODY, new.people or NOBODY
    return told + [name for name in ("members", "owners") if getattr(before, name) != getattr(after, name)]


def is_too_many(old: People, new: People) -> bool:
    """Tell whether a role would have too many people. One that has them already may lose some."""
    return len(new.all) > max(MOST_PEOPLE, len(old.all))


def _beyond(some: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(some) - set(others)))
