"""Writing rows, inside the units of work that they tell of."""

from typing import Protocol

from msgspec.structs import replace

from sallyport.audit import store
from sallyport.audit.chain import IP, ROW, bound_ip, canonical
from sallyport.audit.decision import Decision, written
from sallyport.audit.keys import AuditKeys
from sallyport.audit.rules import ATTEMPTS, BY_OPERATOR, Entry, Event, Factor, Outcome, Record
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.ids import Ids
from sallyport.kernel.meters import Attempts
from sallyport.kernel.outcomes import TOLD, Refused, Why
from sallyport.store.work import Rows


def attempt_by(caller: Caller, event: Event, factor: Factor) -> Entry:
    """Return what is to be written of an attempt of one who is signed in."""
    return Entry(event=event, factor=factor, user=caller.uid, actor=caller.uid, session=caller.session)


class Notices(Protocol):
    """Tells users what is written of them; on a higher floor."""

    def __call__(self, rows: Rows, record: Record) -> None:
        """Tell a user of a row, in its unit, where it is news to them."""
        ...


def _nobody(rows: Rows, record: Record) -> None: ...  # named as the protocol names them


class Journal:
    """Writes what happened, in the same unit as what it tells of: one INSERT, and nothing is read for it."""

    def __init__(
        self, *, keys: AuditKeys, attempts: Attempts, clock: Clock, ids: Ids, notices: Notices = _nobody
    ) -> None:
        self._notices = notices
        self._keys = keys
        self._attempts = attempts
        self._clock = clock
        self._ids = ids

    def note(self, rows: Rows, entry: Entry, client: Client | None) -> None:
        """Write a row. `client` is where the request came from; None for what is done on the host itself."""
        if entry.event in ATTEMPTS and entry.factor and entry.outcome is not Outcome.THROTTLED:
            self._attempts.count(str(entry.factor), str(entry.outcome))
        # The moment before the uid: the uid's own moment then bounds a search for it from below.
        now, uid = self._clock.now(), self._ids.new()
        ip = client.ip or None if client else None
        on_host = client is not None and client.host
        record = Record(
            uid=uid,
            created_at=now,
            event=entry.event,
            outcome=entry.outcome,
            factor=entry.factor,
            # The operator on the host is nobody's uid, and has no session.
            user=entry.user or None,
            actor=entry.actor or None,
            session=entry.session or None,
            ip=ip,
            ip_digest=self._keys.digest(IP, bound_ip(uid, ip)) if ip else None,
            request_id=client.request_id if client else "",
            detail=f"{entry.detail or ''} {BY_OPERATOR}".lstrip() if on_host else entry.detail,
        )
        store.insert(rows, record, self._keys.digest(ROW, canonical(record)))
        if not entry.silent:
            self._notices(rows, record)

    def did(
        self,
        rows: Rows,
        caller: Caller,
        event: Event,
        *,
        user: str | None = None,
        factor: Factor | None = None,
        detail: str | None = None,
        silent: bool = False,
    ) -> None:
        """Write that a signed-in caller changed something, of `user` or else of their own."""
        entry = Entry(
            event=event,
            factor=factor,
            user=user or caller.uid,
            actor=caller.uid,
            session=caller.session,
            detail=detail,
            silent=silent,
        )
        self.note(rows, entry, caller.client)

    def refused(self, rows: Rows, attempt: Entry, client: Client, refused: Refused) -> Refused:
        """Write that an attempt was refused, and return the refusal.

        Of a flood that is throttled the first is written, and again the first after each try that was judged.
        """
        if refused.why is not Why.THROTTLED:
            self.note(rows, replace(attempt, outcome=Outcome.FAILURE), client)
        elif refused.reason != TOLD:
            told = written(Decision(wait=refused.retry_after))
            self.note(rows, replace(attempt, outcome=Outcome.THROTTLED, detail=told), client)
        return refused

    def forget(self, rows: Rows, user: str) -> None:
        """Erase what tells of a user beyond their uid. The digests stay, and the chain with them."""
        store.erase_addresses(rows, user)
