"""The first door, by what somebody has: a device, or an API key, in the place of a password. At `aal1`, and never more.

What is shown there is a password, a device's value or a key, and only its form tells which it may be. What can be
neither is not looked for; what can be is looked for in the unit that finds the user, whoever that is.
"""

from collections.abc import Callable, Mapping

import msgspec

from sallyport.audit.decision import CHANGED, by_client
from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.api_keys import digest as api_key_digest
from sallyport.authenticators.api_keys import store as api_keys
from sallyport.authenticators.api_keys.rules import is_key
from sallyport.authenticators.devices import digest as device_digest
from sallyport.authenticators.devices import store as devices
from sallyport.authenticators.devices.rules import is_long_enough
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused, Tokens
from sallyport.kernel.vault import Vault
from sallyport.sessions.flow.keeper import Opening, SessionKeeper
from sallyport.sessions.rules import POSSESSION
from sallyport.store.work import Rows
from sallyport.throttle.flow.judging import Try
from sallyport.throttle.flow.known_clients import KnownClients
from sallyport.throttle.flow.throttle import Throttle


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What may be the value of a device, or an API key, by its digests under each pepper key."""

    is_key: bool
    pepper_id: str
    """The pepper that is active."""
    digests: Mapping[str, bytes]


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody has shown that they have."""

    what: devices.Found | api_keys.Found
    kept: tuple[str, bytes]
    """How it is kept from now on: the pepper, and the digest under it."""

    @property
    def is_key(self) -> bool:
        """Whether it is an API key."""
        return isinstance(self.what, api_keys.Found)


class Possession:
    """Finds devices and API keys, and opens their sessions, in the units of the first door."""

    def __init__(
        self,
        *,
        vault: Vault,
        keeper: SessionKeeper,
        throttle: Throttle,
        journal: Journal,
        clients: KnownClients,
        clock: Clock,
    ) -> None:
        self._vault = vault
        self._keeper = keeper
        self._throttle = throttle
        self._journal = journal
        self._clients = clients
        self._clock = clock

    def shown(self, typed: Hidden[str]) -> Shown | None:
        """Return what a value may be beside a password, by its form alone; None where that is nothing."""
        pepper_id = self._vault.pepper_id
        if is_key(typed.reveal()):
            return Shown(is_key=True, pepper_id=pepper_id, digests=api_key_digest.digests(self._vault, typed))
        if is_long_enough(typed.reveal()):
            return Shown(is_key=False, pepper_id=pepper_id, digests=device_digest.digests(self._vault, typed))
        return None

    def asked(self, rows: Rows, shown: Shown | None, user: str | None) -> Callable[[], Held | None]:
        """Ask for what is shown, also of a user who is not there; what is returned gives the answer."""
        if shown is None:
            return lambda: None
        kept = shown.pepper_id, shown.digests[shown.pepper_id]
        if not shown.is_key:
            asked = devices.find(rows, user or "", shown.digests)
            return lambda: _held(devices.found_in(asked, user or ""), kept)
        keys = api_keys.find(rows, shown.digests)
        return lambda: _held(self._good(api_keys.found_in(keys), user), kept)

    def _good(self, key: api_keys.Found | None, user: str | None) -> api_keys.Found | None:
        return key if key and key.user == user and key.is_good(self._clock.now()) else None

    def record(self, rows: Rows, held: Held, tried: Try, client: Client, wrong: Refused) -> Tokens | Refused:
        """Open the session of what is held, if that is still good."""
        now, what = self._clock.now(), held.what
        rows.alone(*tried.keys)
        owner = self._keeper.owner(rows, what.user)
        remember = self._clients.remembering(rows, what.user, POSSESSION, client)
        if isinstance(what, api_keys.Found):
            factor, scopes, used = Factor.API_KEY, what.scopes, api_keys.use(rows, what, *held.kept, now)
        else:
            factor, scopes, used = Factor.DEVICE, None, devices.use(rows, what, *held.kept, now)
        if not used.count():
            attempt = _attempt(what, factor, by_client(known=tried.known, why=CHANGED, secret=what.uid))
            return self._journal.refused(rows, attempt, client, wrong)
        # It says nothing about the password: what was counted of that still counts, but for this try.
        self._throttle.withdraw(rows, tried)
        known_as = None if held.is_key else remember()
        attempt = _attempt(what, factor, by_client(known=tried.known, secret=what.uid))
        opening = Opening(
            user=what.user, proven=POSSESSION, entry=attempt, known_as=known_as, secret=what.uid, scopes=scopes
        )
        return self._keeper.open(rows, opening, client, owner)


def _attempt(what: devices.Found | api_keys.Found, factor: Factor, told: str) -> Entry:
    return Entry(event=Event.LOGIN_PASSWORD, factor=factor, user=what.user, detail=told)


def _held(found: devices.Found | api_keys.Found | None, kept: tuple[str, bytes]) -> Held | None:
    return Held(what=found, kept=kept) if found else None
