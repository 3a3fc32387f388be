"""Writing mail, inside the units of work that cause it."""

import asyncio

import msgspec
from msgspec.structs import replace

from sallyport.kernel.clock import Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids
from sallyport.kernel.vault import Place, Vault
from sallyport.notices import store
from sallyport.notices.rules import PATIENCE, Letter, Written
from sallyport.store.work import Rows


class Bell:
    """Wakes who carries mail, from whichever thread a unit of work runs in."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def ring(self) -> None:
        """Wake who waits, if anybody does. The unit that rings is not committed yet: a claim waits for it."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._rung.set)

    async def heard(self, seconds: float) -> bool:
        """Wait so long at most; tells whether it rang."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Outbox:
    """Seals letters, and writes them in the unit of work of their cause."""

    def __init__(self, *, vault: Vault, clock: Clock, ids: Ids) -> None:
        self.bell = Bell()
        self._vault = vault
        self._clock = clock
        self._ids = ids

    def post(self, rows: Rows, user: str | None, letter: Letter, lifetime: int = PATIENCE) -> None:
        """Write a letter about a user, which is of no use any more after so long.

        One without an address goes to the one that the user has verified last; where there is none, nowhere. One about
        nobody goes nowhere either, and costs what every other costs.
        """
        uid, now = self._ids.new(), self._clock.now()
        sealed = self._vault.seal(_encoded(letter), place(user, uid))
        if letter.to is None and user is not None:
            store.add_for_verified(rows, uid, user, sealed, now, now + lifetime)
        else:
            store.add(rows, uid, user, sealed, now, now + lifetime)
        self.bell.ring()

    def pin(self, rows: Rows, user: str, to: str) -> None:
        """Address whatever waits for a user's verified address to the one that it is until now."""
        for uid, sealed in store.letters_of(rows, user):
            here = place(user, uid)
            letter = decoded(self._vault.open(sealed, here))
            if letter.to is None:
                pinned = self._vault.seal(_encoded(replace(letter, to=to)), here)
                store.readdress(rows, uid, sealed, pinned)


def place(user: str | None, uid: str) -> Place:
    """Return where a letter opens."""
    return Place(table="outbox", column="letter_sealed", user=user or "", row=uid)


def _encoded(letter: Letter) -> Hidden[bytes]:
    written = Written(
        template=letter.template,
        to=letter.to,
        facts=letter.facts,
        page=letter.page,
        token=letter.token.reveal() if letter.token else None,
        disown=letter.disown,
        restores=letter.restores,
        cancels=letter.cancels,
    )
    return Hidden(msgspec.json.encode(written))


def decoded(opened: Hidden[bytes]) -> Letter:
    """Read a letter back."""
    written = msgspec.json.decode(opened.reveal(), type=Written)
    return Letter(
        template=written.template,
        to=written.to,
        facts=written.facts,
        page=written.page,
        token=Hidden(written.token) if written.token else None,
        disown=written.disown,
        restores=written.restores,
        cancels=written.cancels,
    )
