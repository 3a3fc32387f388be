"""Carrying mail away, beside the requests: one carrier a mail, among all processes and nodes."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from sallyport.kernel.clock import Clock
from sallyport.kernel.meters import Meter, Reading, Tally
from sallyport.kernel.vault import DoesNotOpenError, Vault
from sallyport.notices import store
from sallyport.notices.carriers import Carrier, NotCarriedError
from sallyport.notices.flow.outbox import Outbox, decoded, place
from sallyport.notices.flow.tokens import MailedTokens, Purpose
from sallyport.notices.rules import LEASE, Letter, pause
from sallyport.notices.store import Parcel
from sallyport.store.work import Rows, Work

if TYPE_CHECKING:
    from sallyport.notices.composer import Composer

_AT_A_TIME: Final = 4
"""Mails on their way at once: a server that keeps one waiting does not keep all."""
_LOOK_SECONDS: Final = 0.5
"""For what other processes wrote; what this one wrote is heard of at once."""

log = structlog.get_logger()


class Postman:
    """Takes mail that is due, a lease at a time, and has it carried away.

    A mail is erased after it was handed over. Whoever dies between the two leaves it to another, who hands it over a
    second time, under the same Message-ID: better twice than never.
    """

    def __init__(
        self,
        *,
        work: Work,
        outbox: Outbox,
        tokens: MailedTokens,
        composer: Callable[[], "Composer"],
        carrier: Carrier,
        vault: Vault,
        clock: Clock,
        processes: int,
    ) -> None:
        self._work = work
        self._outbox = outbox
        self._tokens = tokens
        self._composer = composer
        self._carrier = carrier
        self._vault = vault
        self._clock = clock
        self.ending = False
        self._waits = 0
        self._sent = Tally("sallyport_mails_sent", "Mails that were handed over.")
        self._failed = Tally("sallyport_mails_put_off", "Tries of mails that failed, and are made again.")
        self._dead = Tally("sallyport_mails_dead", "Mails that nobody tries any more.")
        # All processes of a service see the same outbox, and their numbers are added up.
        waits = Reading("sallyport_mails_waiting", "Mails in the outbox.", "gauge", lambda: self._waits / processes)
        self.meters: tuple[Meter, ...] = (self._sent, self._failed, self._dead, waits)

    async def __call__(self) -> None:
        """Carry until nothing is due."""
        waiting = await self._work.read(store.waiting)
        self._waits = waiting.count
        if waiting.due_at is not None and waiting.due_at <= self._clock.now():
            await self.carry()

    async def carry(self) -> None:
        """Carry until nothing is due, without a look before."""
        await asyncio.gather(*(self._walk() for _ in range(_AT_A_TIME)))
        self._waits = (await self._work.read(store.waiting)).count

    async def rest(self) -> bool:
        """Wait until there may be something to carry; tells whether this process wrote something."""
        return await self._outbox.bell.heard(_LOOK_SECONDS)

    def end(self) -> None:
        """Let who waits in `rest` go on, to what is left."""
        self.ending = True
        self._outbox.bell.ring()

    async def _walk(self) -> None:
        while parcel := await self._claimed():
            await self._deliver(parcel)

    async def _claimed(self) -> Parcel | None:
        now = self._clock.now()
        return await self._work(lambda rows: store.claim(rows, now, now + LEASE))

    async def _deliver(self, parcel: Parcel) -> None:
        try:
            await self._carried(parcel)
        except DoesNotOpenError:
            await self._given_up(parcel, "does not open: altered, or moved from another row")
        except NotCarriedError as fault:
            await self._put_off(parcel, fault)
        else:
            await self._work(lambda rows: store.sent(rows, parcel))

    async def _carried(self, parcel: Parcel) -> None:
        letter = decoded(self._vault.open(parcel.sealed, place(parcel.user, parcel.uid)))
        user = parcel.user
        reader = await self._work.read(lambda rows: store.reader(rows, user)) if user else None
        to = letter.to or (reader.verified if reader else None)
        if reader is None or to is None:
            return  # about nobody, or who has left meanwhile
        if self._clock.now() >= parcel.expires_at:
            raise NotCarriedError("nobody took it in time", for_good=True)
        if letter.disown or letter.cancels:
            letter = await self._work(lambda rows: self._with_tokens(rows, letter, parcel))
        await self._carrier(self._composer().mail(letter, parcel, reader, to), parcel.uid)
        self._sent.count()

    def _with_tokens(self, rows: Rows, letter: Letter, parcel: Parcel) -> Letter:
        user, undo = parcel.user or "", None
        if letter.cancels:
            token = self._tokens.for_letter(rows, user, parcel.uid, Purpose.CANCEL, letter.cancels)
            return replace(letter, token=token)
        if letter.restores:
            undo = self._tokens.for_letter(rows, user, parcel.uid, Purpose.UNDO, letter.restores)
        return replace(letter, not_me=self._tokens.for_letter(rows, user, parcel.uid), undo=undo)

    async def _put_off(self, parcel: Parcel, fault: NotCarriedError) -> None:
        due_at = self._clock.now() + pause(parcel.tries)
        if fault.for_good or due_at >= parcel.expires_at:
            await self._given_up(parcel, str(fault))
            return
        self._failed.count()
        log.warning("mail put off", mail=parcel.uid, fault=str(fault), tries=parcel.tries)
        await self._work(lambda rows: store.put_off(rows, parcel, due_at, str(fault)))

    async def _given_up(self, parcel: Parcel, fault: str) -> None:
        self._dead.count()
        log.error("mail given up", mail=parcel.uid, fault=fault, tries=parcel.tries)
        await self._work(lambda rows: store.give_up(rows, parcel, fault))
