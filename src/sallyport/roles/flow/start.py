"""At each start: the trusted roles of the settings are there."""

from collections.abc import Sequence

from msgspec.structs import replace

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event
from sallyport.kernel.clock import Clock
from sallyport.kernel.ids import Ids
from sallyport.roles import store
from sallyport.roles.rules import NOBODY, Role
from sallyport.store.work import Rows, Work
from sallyport.users.rules import role_key


class MakeTrustedRoles:
    """Makes the trusted roles that are missing. One that was spelled otherwise takes the spelling of the settings."""

    def __init__(self, *, work: Work, journal: Journal, clock: Clock, ids: Ids, names: Sequence[str]) -> None:
        self._work = work
        self._journal = journal
        self._clock = clock
        self._ids = ids
        # Of several spellings the first.
        self._names = {role_key(name): name for name in reversed(names)}
        self._first = role_key(names[0])

    async def __call__(self) -> None:
        """Make them, where one is missing; otherwise look, and change nothing."""
        if not await self._work.read(lambda rows: all(_is_there(rows, key, name) for key, name in self._names.items())):
            await self._work(self._record)

    def found(self, rows: Rows, admin: str) -> None:
        """Make them all, in the unit of the first start, and put the first admin into the first of them."""
        for role in self._missing(rows):
            store.insert(rows, role)
        store.admit(rows, self._first, admin)

    def _record(self, rows: Rows) -> None:
        named = [(name, store.find_named(rows, key)) for key, name in self._names.items()]
        spelled = [(name, role) for name, role in named if role and role.name != name]
        people = {role.uid: store.people_in(store.people(rows, role.uid)).all for _, role in spelled}
        rows.alone(*people, *frozenset[str]().union(*people.values()))
        for name, role in spelled:
            store.change(rows, role, replace(role, name=name, modified_at=self._clock.now()))
            store.tell_users(rows, people[role.uid])
        # Another node may have been faster.
        for made in [role for role in self._missing(rows) if store.insert(rows, role)]:
            self._journal.note(rows, Entry(event=Event.ROLE_CREATED, detail=f"{made.uid} {made.name}"), None)

    def _missing(self, rows: Rows) -> list[Role]:
        now = self._clock.now()
        return [
            Role(
                uid=self._ids.new(),
                name=name,
                name_key=key,
                description=None,
                created_at=now,
                modified_at=now,
                version=0,
                people=NOBODY,
            )
            for key, name in self._names.items()
            if store.find_named(rows, key) is None
        ]


def _is_there(rows: Rows, key: str, name: str) -> bool:
    found = store.find_named(rows, key)
    return found is not None and found.name == name
