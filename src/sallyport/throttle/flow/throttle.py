"""Counting tries before they are judged, inside the units of the flows that judge them."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import SECOND, Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.meters import Throttled
from sallyport.kernel.opaque import digest_of
from sallyport.kernel.outcomes import TOLD, Refused, Why
from sallyport.kernel.vault import Vault
from sallyport.store.work import Rows, Unit, Work
from sallyport.throttle import store
from sallyport.throttle.flow.judging import Judging, Reason, Try
from sallyport.throttle.flow.known_clients import KnownClients
from sallyport.throttle.rules import (
    ADDRESS,
    BUCKETS,
    CLEARING,
    MOST_IN_A_ROW,
    NONE,
    SECOND_FACTOR,
    Lane,
    Tries,
    Window,
    address_key,
    address_wait,
    code_wait,
    counted,
    expires_at,
    mark_of,
    password_wait,
    remembered,
    settled,
    sooner,
    standing,
    uncounted,
)
from sallyport.throttle.store import Counted, Subject

SwitchOff = Callable[[Rows, str, int], None]
"""Lets no code of a user's TOTP authenticators be good any more; they live on a higher floor."""

_WINDOWS: Final[dict[Lane, tuple[Window, ...]]] = {
    Lane.SECOND_FACTOR: SECOND_FACTOR,
    Lane.ADDRESS: ADDRESS,
    Lane.ASKS: ADDRESS,
}


def _nothing(_rows: Rows) -> None: ...


def _no_reason() -> Reason:
    return lambda: None


def _address_wait(_subject: Subject, tries: Tries, now: int) -> int:
    return address_wait(tries, now)


class Throttle:
    """Counts tries of passwords and second factors, and refuses those that come too soon."""

    def __init__(
        self,
        *,
        vault: Vault,
        clients: KnownClients,
        clock: Clock,
        switch_off: SwitchOff,
        refusals: Throttled,
        on: bool,
        hard_stop: bool,
    ) -> None:
        self._vault = vault
        self._clients = clients
        self._clock = clock
        self._switch_off = switch_off
        self._refusals = refusals
        self._on = on
        self._hard_stop = hard_stop

    def password(
        self, rows: Rows, claimed: str, user: str | None, client: Client, login_client: bytes | None = None
    ) -> Try | Refused:
        """Count a try of a password. Names that nobody has are counted as users are: 429 tells nobody who exists."""
        bucket = self._bucket(claimed)  # made for those who are there as well: its 20 µs would tell them apart
        subject = Subject(key=user or bucket, lane=Lane.PASSWORD)
        known = self._clients.known(rows, subject.key, client, login_client)  # nobody has one, asked for all the same
        if known is None:
            return self._try(rows, subject.key, (subject,), client, self._password_wait, known=False)
        own = Subject(key=known.digest.hex(), lane=Lane.CLIENT)
        # NIST's stop counts the account's failures in a row, whoever makes them.
        subjects = (own, subject) if self._hard_stop else (own,)
        return self._try(rows, subject.key, subjects, client, self._known_password_wait, known=True)

    def second_factor(
        self,
        rows: Rows,
        user: str,
        client: Client,
        login_client: bytes | None = None,
        *,
        unless: Callable[[], Reason] = _no_reason,
    ) -> Try | Refused:
        """Count a try of a second factor, whichever and by whichever route; nothing is counted where `unless` says so.

        It is called once the unit has the keys of the try, and may ask and write; for its reason it is asked later.
        """
        subject = Subject(key=user, lane=Lane.SECOND_FACTOR)
        known = self._clients.known(rows, user, client, login_client)
        with_code = known is not None and known.with_code

        def wait(subject: Subject, tries: Tries, now: int) -> int:
            if subject.lane is Lane.ADDRESS:
                return address_wait(tries, now)
            longest = code_wait(tries, now, known=with_code, kept=True)
            if not longest or with_code or self._clients.any_with_code(rows, user):
                return longest
            return code_wait(tries, now, known=False, kept=False)  # nobody is there to keep anything for

        tried = self._try(rows, user, (subject,), client, wait, known=with_code, unless=unless)
        if isinstance(tried, Try) and tried.in_a_row >= MOST_IN_A_ROW:
            self._switch_off(rows, user, tried.at)
        return tried

    def mailed_token(self, rows: Rows, user: str, client: Client) -> Try | Refused:
        """Count a try of a mailed token: by address alone, because nobody guesses 256 bits."""
        return self._try(rows, user, (), client, _address_wait, known=False)

    def may_ask(self, rows: Rows, client: Client) -> bool:
        """Count a mail that an address asks for; False where it has asked for too many. It is told nothing of that."""
        key = address_key(client.ip)
        if not key:
            return True
        asks, nowhere = Subject(key=key, lane=Lane.ASKS), replace(client, ip="")
        return isinstance(self._try(rows, f"asks {key}", (asks,), nowhere, _address_wait, known=False), Try)

    def succeeded(self, rows: Rows, tried: Try) -> None:
        """Stop counting what was counted for this user in these lanes; of the address, this one try."""
        self.succeeding(rows, tried)()

    def succeeding(self, rows: Rows, tried: Try) -> Callable[[], None]:
        """Return what settles a try that succeeds. The unit has the keys of the try to itself."""
        asked = store.find(rows, tried.subjects)

        def settle() -> None:
            found = asked()
            over = [tried.address] if tried.address and self._uncount(rows, tried, tried.address, found) else []
            for subject in tried.counted:
                if not (tries := found[subject]):
                    continue
                if tries.refused_at < tried.at:
                    over.append(subject)
                else:
                    # In the middle of a burst of guesses a success must not make room for more of them.
                    store.clear_later(rows, subject, self._clock.now() + CLEARING)
            if over:
                store.forget(rows, *over)

        return settle

    def settling(self, rows: Rows, tried: Try) -> Callable[[], None]:
        """Settle a try that succeeds, in a unit that is undone if it does not; what is returned brings it to its end.

        Mostly nobody has tried beside it, and then nothing need be read.
        """
        if not tried.address or len(tried.counted) != 1:
            return self.succeeding(rows, tried)
        gone = store.forget_untouched(rows, tried.counted[0], tried.address, tried.at)
        return lambda: None if gone.count() == len(tried.subjects) else self.succeeded(rows, tried)

    def judging(self, work: Work, tried: Try, *, also: Unit[None] = _nothing) -> Judging:
        """Take a try back, and do what else is to be done, where it comes to no judgement: nobody guessed."""
        return Judging(lambda: work(lambda rows: self._withdraw(rows, tried, also)))

    def withdraw(self, rows: Rows, tried: Try) -> None:
        """Take one try back that was no guess; what was counted beside it stands. The unit has the keys of the try."""
        found = store.find(rows, tried.subjects)()
        if over := [subject for subject in tried.subjects if self._uncount(rows, tried, subject, found)]:
            store.forget(rows, *over)

    def forget(self, rows: Rows, user: str, lane: Lane) -> None:
        """Forget what was counted of an authenticator that is no more."""
        store.forget(rows, Subject(key=user, lane=lane))

    def forget_other_clients(self, rows: Rows, caller: Caller) -> None:
        """Know no client of a user any more but the caller's: who knew the password before has no lane of their own."""
        token = caller.client.token
        store.forget_clients(rows, caller.uid, but=(digest_of(token) if token else b"", caller.login_client or b""))

    def invite(self, rows: Rows, user: str) -> Hidden[str]:
        """Know no client of a user any more but one that has shown a mailed link; returns its token."""
        return self._clients.invite(rows, user)

    def forget_user(self, rows: Rows, user: str) -> None:
        """Forget whatever was counted of a user who is about to be erased."""
        for digest in store.clients(rows, user):
            store.forget(rows, Subject(key=digest.hex(), lane=Lane.CLIENT))
        for lane in (Lane.PASSWORD, Lane.SECOND_FACTOR):
            self.forget(rows, user, lane)

    def _withdraw(self, rows: Rows, tried: Try, also: Unit[None]) -> None:
        rows.alone(*tried.keys)
        also(rows)
        self.withdraw(rows, tried)

    def _try(
        self,
        rows: Rows,
        owner: str,
        subjects: tuple[Subject, ...],
        client: Client,
        wait: Callable[[Subject, Tries, int], int],
        *,
        known: bool,
        unless: Callable[[], Reason] = _no_reason,
    ) -> Try | Refused:
        now = self._clock.now()
        if not self._on:
            return unless()() or Try(at=now, known=known, in_a_row=0, counted=(), address=None, keys=(owner,))
        # A known client has tries of its own, which no stranger behind the same address can use up.
        key = "" if known else address_key(client.ip)
        address = Subject(key=key, lane=Lane.ADDRESS) if key else None
        every, keys = ((*subjects, address), (owner, f"address {key}")) if address else (subjects, (owner,))
        rows.alone(*keys)
        reason_against, asked = unless(), store.find(rows, every)
        found = asked()
        if refused := reason_against():
            return refused
        before = {subject: self._standing(rows, subject, tries, now) for subject, tries in found.items()}
        waits = {subject: sooner(tries, now, wait(subject, tries, now)) for subject, tries in before.items() if tries}
        if longest := max(waits.values(), default=0):
            self._refusals.count(max(waits, key=lambda subject: waits[subject]).lane.value)
            reason = "" if self._refused(rows, before, now) else TOLD
            return Refused(why=Why.THROTTLED, retry_after=-(-longest // SECOND), reason=reason)
        self._count(rows, before, now, known=known)
        in_a_row = max(((before[subject] or NONE).in_a_row for subject in subjects), default=0)
        return Try(at=now, known=known, in_a_row=in_a_row, counted=subjects, address=address, keys=keys)

    def _standing(self, rows: Rows, subject: Subject, noted: Tries | None, now: int) -> Tries | None:
        if noted is None:
            return None
        found = settled(noted, now)
        if found is not noted:
            # Or the wait would begin anew with each look.
            store.write(rows, self._counted(subject, found))
        forgets = subject.lane in {Lane.PASSWORD, Lane.CLIENT} and not self._hard_stop
        return remembered(found, now) if forgets else standing(found, now)

    def _count(self, rows: Rows, before: dict[Subject, Tries | None], now: int, *, known: bool) -> None:
        first: list[Counted] = []
        for subject, tries in before.items():
            after = self._counted(subject, counted(tries or NONE, now, _WINDOWS.get(subject.lane, ()), known=known))
            if tries is None:
                first.append(after)
            else:
                store.write(rows, after)
        if first:
            store.add(rows, first)

    def _counted(self, subject: Subject, tries: Tries) -> Counted:
        expires = expires_at(subject.lane, tries, hard_stop=self._hard_stop)
        return Counted(subject=subject, tries=tries, expires_at=expires)

    def _refused(self, rows: Rows, before: dict[Subject, Tries | None], now: int) -> bool:
        """Mark what was refused; False where all of it was marked since the last try."""
        # Once after each try is enough for `succeeded`, and a flood of refusals writes nothing more.
        unmarked = [subject for subject, tries in before.items() if tries and tries.refused_at < tries.last_at]
        for subject in unmarked:
            store.refused(rows, subject, now)
        return bool(unmarked)

    def _uncount(self, rows: Rows, tried: Try, subject: Subject, found: dict[Subject, Tries | None]) -> bool:
        """Take one try back; True where none is left, and the subject is to be forgotten."""
        tries = found[subject]
        if tries is None:
            return False
        after = uncounted(tries, mark_of(tried.at, known=tried.known))
        if after.in_a_row:
            store.write(rows, self._counted(subject, after))
        return not after.in_a_row

    def _password_wait(self, subject: Subject, tries: Tries, now: int) -> int:
        if subject.lane is Lane.ADDRESS:
            return address_wait(tries, now)
        return password_wait(tries, now, hard_stop=self._hard_stop)

    def _known_password_wait(self, subject: Subject, tries: Tries, now: int) -> int:
        if subject.lane is Lane.PASSWORD:  # counted for the hard stop alone: strangers' waits are not the owner's
            return password_wait(tries, now, hard_stop=True) if tries.in_a_row >= MOST_IN_A_ROW else 0
        return password_wait(tries, now, hard_stop=self._hard_stop)

    def _bucket(self, claimed: str) -> str:
        digest = self._vault.peppered(self._vault.pepper_id, "throttle", claimed.encode())
        return f"?{int.from_bytes(digest[:8]) % BUCKETS:05x}"
