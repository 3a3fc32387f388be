"""Making a device known."""

from collections.abc import Mapping

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.devices import store
from sallyport.authenticators.devices.digest import digests
from sallyport.authenticators.devices.rules import MOST_DEVICES, Wish
from sallyport.authenticators.ports import HasSecret, Sessions
from sallyport.authenticators.rules import Authenticator
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.ids import Ids
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.vault import Vault
from sallyport.store.work import Rows, Work


class CreateDevice:
    """Makes a device known to its owner's account; it may be the account's first authenticator."""

    def __init__(
        self,
        *,
        work: Work,
        vault: Vault,
        sessions: Sessions,
        journal: Journal,
        has_secret: HasSecret,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._work = work
        self._vault = vault
        self._sessions = sessions
        self._journal = journal
        self._has_secret = has_secret
        self._clock = clock
        self._ids = ids

    async def __call__(self, caller: Caller, wish: Wish) -> Authenticator | Refused:
        """Return what may be told of the device: never its value."""
        made, kept = store.Found(user=caller.uid, uid=self._ids.new()), digests(self._vault, wish.value)
        pepper_id = self._vault.pepper_id
        return await self._work(lambda rows: self._record(rows, caller, made, (pepper_id, kept), wish.description))

    def _record(
        self,
        rows: Rows,
        caller: Caller,
        made: store.Found,
        kept: tuple[str, Mapping[str, bytes]],
        description: str | None,
    ) -> Authenticator | Refused:
        if refused := self._sessions.refused(rows, caller):
            return refused
        # A newcomer is exempt from a fresh proof for the first one alone; another may have come since the gate looked.
        if not caller.fresh and self._has_secret(rows, caller.uid):
            return Refused(why=Why.STEP_UP_REQUIRED, level=caller.level)
        if store.count(rows, caller.uid) >= MOST_DEVICES:
            return Refused(why=Why.LIMIT_REACHED)
        now = self._clock.now()
        if not store.insert(rows, made, *kept, description, now):
            return Refused(why=Why.ALREADY_EXISTS, detail="There is a device with this value already.")
        self._journal.did(rows, caller, Event.SECRET_CREATED, factor=Factor.DEVICE, detail=made.uid)
        return next(told for told in store.of_user(rows, caller.uid, now) if told.uid == made.uid)


class ForgetDevices:
    """Forgets every device of a user, in the unit of work of one who shows a mailed token: what `recovery` asks for.

    A thief who had the password may have made a device known: it would outlive the password and every session.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __call__(self, rows: Rows, user: str, client: Client | None) -> int:
        """Forget; returns how many there were. The unit has the user to itself."""
        gone = store.delete_all(rows, user)
        if gone:
            entry = Entry(event=Event.SECRET_REMOVED, factor=Factor.DEVICE, user=user, detail=f"{gone} devices")
            self._journal.note(rows, entry, client)
        return gone
