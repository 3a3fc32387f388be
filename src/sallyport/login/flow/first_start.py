"""The very first start of a database makes one user `admin`, whose password is told once."""

import secrets
from dataclasses import dataclass

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.hashing import Hashing, Kept
from sallyport.authenticators.password.rules import parse_password
from sallyport.kernel.clock import Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids
from sallyport.kernel.vault import Vault
from sallyport.login import store
from sallyport.roles.flow.start import MakeTrustedRoles
from sallyport.store.work import Rows, Work
from sallyport.users import store as users
from sallyport.users.rules import User, parse_name


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAdmin:
    """The admin that the first start made; `drawn` is its password if nobody had chosen one."""

    name: str
    drawn: Hidden[str] | None


class FirstStart:
    """Makes the first admin."""

    def __init__(
        self,
        *,
        work: Work,
        hashing: Hashing,
        vault: Vault,
        journal: Journal,
        roles: MakeTrustedRoles,
        clock: Clock,
        ids: Ids,
        role: str,
    ) -> None:
        self._work = work
        self._hashing = hashing
        self._clock = clock
        self._ids = ids
        self._role = role
        self._roles = roles
        self._vault = vault
        self._journal = journal

    async def __call__(self, chosen: Hidden[str] | None) -> FirstAdmin | None:
        """Return the admin that was made, or None where the database had its first start before."""
        if await self._work.read(store.had_first_start):
            return None
        # ASVS 6.3.2: no default account. 192 random bits, told once.
        password = parse_password(chosen.reveal(), "/password") if chosen else Hidden(secrets.token_urlsafe(24))
        admin, uid = self._admin(), self._ids.new()
        with self._hashing.seat() as seat:
            sealed = await self._hashing.sealed(seat, password, admin.uid, uid)
        kept = Kept(user=admin.uid, uid=uid, hash_sealed=sealed)
        if not await self._work(lambda rows: self._record(rows, admin, kept)):
            return None
        return FirstAdmin(name=admin.name, drawn=None if chosen else password)

    def _record(self, rows: Rows, admin: User, kept: Kept) -> bool:
        if not store.claim_first_start(rows, self._vault.proof(), admin.created_at):
            return False
        users.insert(rows, admin)
        self._roles.found(rows, admin.uid)
        passwords.insert(rows, kept, None, admin.created_at)
        self._journal.note(rows, Entry(event=Event.FIRST_START, user=admin.uid, detail=self._role), None)
        return True

    def _admin(self) -> User:
        now, name = self._clock.now(), parse_name("admin")
        return User(
            uid=self._ids.new(),
            name=name.shown,
            name_key=name.key,
            email=None,
            email_key=None,
            verified=False,
            first_name=None,
            last_name=None,
            phone=None,
            roles=(self._role,),
            disabled=False,
            mfa=False,
            created_at=now,
            modified_at=now,
            version=0,
        )
