"""Making, reading and suspending API keys."""

from contextlib import suppress
from typing import Final

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.api_keys import store
from sallyport.authenticators.api_keys.digest import digests
from sallyport.authenticators.api_keys.rules import MOST_KEYS, RANDOM_BYTES, Wish, is_key, key_of, prefix_of
from sallyport.authenticators.ports import HasSecret, Sessions
from sallyport.authenticators.rules import Authenticator
from sallyport.edge.gate import KeyStanding
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import MINUTE, Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids, Randomness
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.vault import Vault
from sallyport.store.work import Rows, StorageUnavailableError, Work

COARSE: Final = MINUTE
"""How old `lastUsed` may be: the first use of a key in a minute writes it, the others read and write nothing."""


class CreateApiKey:
    """Makes an API key for its owner."""

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
        randomness: Randomness,
    ) -> None:
        self._work = work
        self._vault = vault
        self._sessions = sessions
        self._journal = journal
        self._has_secret = has_secret
        self._clock = clock
        self._ids = ids
        self._randomness = randomness

    async def __call__(self, caller: Caller, wish: Wish) -> tuple[Authenticator, Hidden[str]] | Refused:
        """Return what may be told of the key, and the key, which is shown this once."""
        key, pepper_id = key_of(self._randomness(RANDOM_BYTES)), self._vault.pepper_id
        kept = store.Kept(
            user=caller.uid,
            uid=self._ids.new(),
            digest=digests(self._vault, key)[pepper_id],
            pepper_id=pepper_id,
            prefix=prefix_of(key.reveal()),
        )
        told = await self._work(lambda rows: self._record(rows, caller, kept, wish))
        return told if isinstance(told, Refused) else (told, key)

    def _record(self, rows: Rows, caller: Caller, kept: store.Kept, wish: Wish) -> Authenticator | Refused:
        if refused := self._sessions.refused(rows, caller):
            return refused
        # A newcomer is exempt from a fresh proof for the first one alone; another may have come since the gate looked.
        if not caller.fresh and self._has_secret(rows, caller.uid):
            return Refused(why=Why.STEP_UP_REQUIRED, level=caller.level)
        if store.count(rows, caller.uid) >= MOST_KEYS:
            return Refused(why=Why.LIMIT_REACHED)
        now = self._clock.now()
        if wish.expires_at is not None and wish.expires_at <= now:
            return Refused(why=Why.INVALID_REQUEST, pointer="/expires", detail="That moment is over.")
        maker = store.Maker(uid=caller.uid, amr=caller.amr, auth_time=caller.auth_time, trusted=caller.trusted)
        store.insert(rows, kept, wish, maker, now)
        self._journal.did(rows, caller, Event.SECRET_CREATED, factor=Factor.API_KEY, detail=kept.uid)
        return next(told for told in store.of_user(rows, caller.uid, now) if told.uid == kept.uid)


class ReadApiKey:
    """Answers the gate: which key is good, and what for. One read; no hash, because 256 random bits need none."""

    def __init__(self, *, work: Work, vault: Vault, clock: Clock) -> None:
        self._work = work
        self._vault = vault
        self._clock = clock
        self._writing: set[str] = set()

    async def standing(self, key: Hidden[str]) -> KeyStanding | None:
        """Return the standing of a key that is neither expired nor suspended, of a user not disabled, else None."""
        found = await self.found(key)
        if found is None:
            return None
        await self._note_use(found, key)
        return standing_of(found)

    async def found(self, key: Hidden[str]) -> store.Found | None:
        """Return such a key, without noting that it was used."""
        if not is_key(key.reveal()):
            return None
        kept = digests(self._vault, key)
        found = await self._work.read(lambda rows: store.found_in(store.find(rows, kept)))
        return found if found and found.is_good(self._clock.now()) else None

    async def _note_use(self, found: store.Found, key: Hidden[str]) -> None:
        now = self._clock.now()
        is_noted = found.last_used_at is not None and 0 <= now - found.last_used_at < COARSE
        if is_noted or found.uid in self._writing:
            return
        pepper_id = self._vault.pepper_id
        digest = digests(self._vault, key)[pepper_id]
        self._writing.add(found.uid)
        try:
            # Who only reads is served where nothing can be written.
            with suppress(StorageUnavailableError):
                await self._work(lambda rows: store.use(rows, found, pepper_id, digest, now).count())
        finally:
            self._writing.discard(found.uid)


def standing_of(found: store.Found) -> KeyStanding:
    """Return what the gate is told of a good key."""
    return KeyStanding(
        uid=found.user,
        name=found.name,
        roles=found.roles,
        mfa=found.mfa,
        met_at=found.met_at,
        reset=found.reset,
        scopes=frozenset(found.scopes),
        maker_amr=found.maker_amr,
        by_trusted=found.by_trusted,
    )


class SuspendApiKeys:
    """Suspends every key of a user, in the unit of work of whoever resets a password: what `recovery` asks for.

    The owner puts them back, each by itself and with a fresh proof: `PUT /users/{id}/secrets/{sid}` with
    `{"version": …, "suspended": false}`.
    """

    def __init__(self, *, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def __call__(self, rows: Rows, user: str, client: Client | None) -> int:
        """Suspend; returns how many keys were good until now. The unit has the user to itself."""
        suspended = store.suspend_all(rows, user, self._clock.now())
        if suspended:
            entry = Entry(event=Event.SECRET_SUSPENDED, factor=Factor.API_KEY, user=user, detail=f"{suspended} keys")
            self._journal.note(rows, entry, client)
        return suspended
