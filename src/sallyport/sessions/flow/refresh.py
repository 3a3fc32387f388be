"""Rotating refresh tokens."""

from typing import Final

from msgspec.structs import replace

from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Randomness
from sallyport.kernel.opaque import REFRESH, digest_of, written
from sallyport.kernel.outcomes import Granted, Refused, Tokens
from sallyport.kernel.vault import KEY_ID_BYTES, Vault
from sallyport.sessions import store
from sallyport.sessions.flow.keeper import DEAD, SessionKeeper
from sallyport.sessions.rules import Session, Turn, turn
from sallyport.store.work import Rows, Work

_SALT_BYTES: Final = 16


class Refresh:
    """Rotates a refresh token."""

    def __init__(
        self,
        *,
        work: Work,
        keeper: SessionKeeper,
        vault: Vault,
        journal: Journal,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._work = work
        self._keeper = keeper
        self._vault = vault
        self._journal = journal
        self._clock = clock
        self._randomness = randomness

    async def __call__(self, token: Hidden[str], client: Client) -> Granted | Refused:
        """Spend the token and return its successor with a new access token of the same proof."""
        tokens = await self._work(lambda rows: self._record(rows, token, client))
        return tokens if isinstance(tokens, Refused) else tokens()

    def _record(self, rows: Rows, token: Hidden[str], client: Client) -> Tokens | Refused:
        now, digest = self._clock.now(), digest_of(token)
        salt = bytes.fromhex(self._vault.pepper_id) + self._randomness(_SALT_BYTES)
        borne = store.bearer(rows, digest)
        if borne is None:
            return DEAD
        user, uid = borne
        rows.alone(user)
        spent = store.spend_token(rows, digest, salt, now)
        live = self._keeper.live(rows, user, uid)
        if not spent.count():
            known = store.token(rows, digest)
            return DEAD if known is None else self._once_more(rows, token, known, live, client)
        if live is None:
            return DEAD
        session, owner = live
        successor = self._successor(token, salt)
        store.add_token(rows, digest_of(successor), uid, now)
        store.used(rows, uid, now)
        self._keeper.meet(rows, user, owner, client)
        return self._keeper.tokens(replace(session, last_used_at=now), owner, successor)

    def _once_more(
        self,
        rows: Rows,
        token: Hidden[str],
        known: store.Token,
        live: tuple[Session, store.Owner] | None,
        client: Client,
    ) -> Tokens | Refused:
        successor = self._successor(token, known.salt) if known.salt else token
        next_one = store.token(rows, digest_of(successor))
        state = next_one.state if next_one else "spent"
        match turn(spent_at=known.spent_at, retired=known.retired, successor=state, now=self._clock.now()):
            case Turn.AGAIN if live:
                return self._keeper.tokens(*live, successor)
            case Turn.STOLEN if live:
                store.end(rows, known.session, live[0].user)
                stolen = Entry(event=Event.SESSION_STOLEN, user=live[0].user, session=known.session)
                self._journal.note(rows, stolen, client)
        return DEAD

    def _successor(self, token: Hidden[str], salt: bytes) -> Hidden[str]:
        """Derive the next token from the last one: it is the same for a second try, and stands nowhere."""
        key_id, value = salt[:KEY_ID_BYTES].hex(), salt + token.reveal().encode()
        return written(REFRESH, self._vault.peppered(key_id, "refresh successor", value))
