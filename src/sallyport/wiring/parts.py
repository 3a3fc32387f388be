"""What use cases are made of, wired to settings, stores and keys.

A part is built, and what it is made of imported, when somebody first wants it. `serve` wants all of them, before it
listens. A command on the host wants few, and is over in the time that the rest takes to import.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sallyport.audit.flow.journal import Journal
from sallyport.audit.keys import AuditKeys
from sallyport.audit.rules import Record
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import DAY, HOUR, Clock, SystemClock
from sallyport.kernel.hashpool import HashPool
from sallyport.kernel.ids import Ids, Randomness, system_randomness
from sallyport.kernel.livering import LiveRing
from sallyport.kernel.meters import Meters, of_queue
from sallyport.kernel.vault import Vault
from sallyport.settings import Settings
from sallyport.store.database import Database
from sallyport.store.work import Rows

if TYPE_CHECKING:
    from sallyport.audit.flow.seal import SealAudit
    from sallyport.authenticators.api_keys.flow import ReadApiKey, SuspendApiKeys
    from sallyport.authenticators.password.flow import PasswordPolicy
    from sallyport.authenticators.password.hashing import Cost, Hashing
    from sallyport.edge.gate import Gate
    from sallyport.kernel.clockwatch import ClockWatch
    from sallyport.kernel.sharing import Shared
    from sallyport.notices.composer import Composer
    from sallyport.notices.flow.carry import Postman
    from sallyport.notices.flow.outbox import Outbox
    from sallyport.notices.flow.tell import TellUsers
    from sallyport.notices.flow.tokens import MailedTokens
    from sallyport.sessions.flow.keeper import SessionKeeper
    from sallyport.sessions.flow.standing import SessionReader
    from sallyport.sessions.mint import Mint
    from sallyport.sessions.signing import SigningKeys
    from sallyport.throttle.flow.known_clients import KnownClients
    from sallyport.throttle.flow.throttle import Throttle

_LAST_ROWS: Final = 20
"""Audit rows in which every node of a few is likely to have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the world outside gives: time, randomness, the cost of a hash. Tests pass their own."""

    clock: Clock = field(default_factory=SystemClock)
    randomness: Randomness = system_randomness
    cost: "Cost | None" = None
    """Without it, what a `Cost` is by itself."""
    numbers: Path | None = None
    """Where the processes of one service leave their numbers for each other, if there are several."""


class Parts:
    """Each of them once."""

    def __init__(self, settings: Settings, database: Database, rings: Mapping[str, LiveRing], machine: Machine) -> None:
        self.settings = settings
        self.rings = rings
        self.clock = machine.clock
        self.randomness = machine.randomness
        self.ids = Ids(machine.clock, machine.randomness)
        self.work = database.work()
        self.pool = HashPool()
        self.vault = Vault(rings["sealing"], rings["pepper"], machine.randomness)
        self.meters = Meters(*of_queue(self.pool), *self.work.meters, self.vault.unopened)
        self.audit_keys = AuditKeys(rings["audit"])
        self.journal = Journal(
            keys=self.audit_keys,
            attempts=self.meters.attempts,
            clock=self.clock,
            ids=self.ids,
            notices=self._tell_user,
        )
        self._machine = machine

    @cached_property
    def shared(self) -> "Shared | None":
        """The numbers of several processes as those of one service."""
        from sallyport.kernel.sharing import Shared

        numbers = self._machine.numbers
        return Shared(numbers, self.meters.families) if numbers else None

    @cached_property
    def hashing(self) -> "Hashing":
        """Hashes and checks passwords."""
        from sallyport.authenticators.password.hashing import Cost, Hashing

        return Hashing(self.pool, self.vault, self._machine.cost or Cost(), self.randomness)

    @cached_property
    def keys(self) -> "SigningKeys":
        """The keys that sign access tokens."""
        from sallyport.sessions.signing import SigningKeys

        return SigningKeys(self.rings["signing"])

    @cached_property
    def seal(self) -> "SealAudit":
        """Gives audit rows their place in the chain."""
        from sallyport.audit.checkpoint import CheckpointFile
        from sallyport.audit.flow.seal import SealAudit

        checkpoint = CheckpointFile(self.settings.keys_dir, self.audit_keys)
        return SealAudit(work=self.work, keys=self.audit_keys, checkpoint=checkpoint, clock=self.clock)

    @cached_property
    def outbox(self) -> "Outbox":
        """Takes mail."""
        from sallyport.notices.flow.outbox import Outbox

        return Outbox(vault=self.vault, clock=self.clock, ids=self.ids)

    @cached_property
    def mailed(self) -> "MailedTokens":
        """Makes the tokens of links in mails."""
        from sallyport.notices.flow.tokens import MailedTokens

        return MailedTokens(vault=self.vault, clock=self.clock, randomness=self.randomness)

    @cached_property
    def postman(self) -> "Postman":
        """Carries mail."""
        from sallyport.notices.carriers import carrier
        from sallyport.notices.flow.carry import Postman
        from sallyport.notices.rules import TRY_SECONDS

        settings = self.settings
        return Postman(
            work=self.work,
            outbox=self.outbox,
            tokens=self.mailed,
            composer=lambda: self._composer,
            carrier=carrier(settings.mail_url, TRY_SECONDS),
            vault=self.vault,
            clock=self.clock,
            processes=settings.workers,
        )

    @cached_property
    def _composer(self) -> "Composer":
        """Puts letters into words. Imported when there is one: 3 % of a start, and 3 MB."""
        from sallyport.notices.composer import Composer

        settings = self.settings
        return Composer(public_url=settings.public_url, service=settings.issuer_name, sender=settings.mail_from)

    @cached_property
    def clockwatch(self) -> "ClockWatch":
        """Compares the clock with others."""
        from sallyport.audit import store
        from sallyport.kernel.clockwatch import ClockWatch

        return ClockWatch(
            clock=self.clock,
            monotonic=time.monotonic,
            latest=lambda: self.work.read(lambda rows: store.latest_moment(rows, _LAST_ROWS)),
        )

    @cached_property
    def mint(self) -> "Mint":
        """Makes and reads access tokens."""
        from sallyport.sessions.mint import Mint

        return Mint(
            self.keys,
            issuer=self.settings.public_url,
            audience=self.settings.audience or self.settings.public_url,
            clock=self.clock,
            ids=self.ids,
        )

    @cached_property
    def clients(self) -> "KnownClients":
        """Knows clients that have logged in before."""
        from sallyport.throttle.flow.known_clients import KnownClients

        return KnownClients(vault=self.vault, clock=self.clock, randomness=self.randomness)

    @cached_property
    def throttle(self) -> "Throttle":
        """Bounds tries."""
        from sallyport.throttle.flow.throttle import Throttle

        return Throttle(
            vault=self.vault,
            clients=self.clients,
            clock=self.clock,
            switch_off=self._switch_off,
            refusals=self.meters.throttled,
            on=self.settings.throttle,
            hard_stop=self.settings.profile == "nist",
        )

    @cached_property
    def keeper(self) -> "SessionKeeper":
        """Opens, renews and ends sessions."""
        from sallyport.sessions.flow.keeper import Lifetimes, SessionKeeper
        from sallyport.sessions.rules import Limits

        settings = self.settings
        ordinary = Limits(idle=settings.session_idle, absolute=settings.session_absolute)
        trusted = Limits(idle=min(HOUR, ordinary.idle), absolute=min(DAY, ordinary.absolute))
        enrolling = Limits(idle=trusted.idle, absolute=min(HOUR, ordinary.absolute))
        limits = {"ordinary": ordinary, "trusted": trusted, "enrolling": enrolling}
        return SessionKeeper(
            mint=self.mint,
            lifetimes=Lifetimes(**limits, policy=settings.policy),
            end_waiting=self._end_waiting,
            cancel_reset=self._cancel_reset,
            journal=self.journal,
            clock=self.clock,
            ids=self.ids,
            randomness=self.randomness,
        )

    @cached_property
    def sessions(self) -> "SessionReader":
        """Tells whether a session stands."""
        from sallyport.authenticators.catalog import has_secret
        from sallyport.sessions.flow.standing import SessionReader

        return SessionReader(self.work, self.keeper, has_secret, self.clock)

    @cached_property
    def api_keys(self) -> "ReadApiKey":
        """Tells whether an API key is good."""
        from sallyport.authenticators.api_keys.flow import ReadApiKey

        return ReadApiKey(work=self.work, vault=self.vault, clock=self.clock)

    @cached_property
    def suspend_api_keys(self) -> "SuspendApiKeys":
        """Suspends every API key of a user, in the unit of work of whoever resets a password."""
        from sallyport.authenticators.api_keys.flow import SuspendApiKeys

        return SuspendApiKeys(journal=self.journal, clock=self.clock)

    @cached_property
    def gate(self) -> "Gate":
        """Turns credentials into callers."""
        from sallyport.edge.gate import Gate
        from sallyport.roles.flow.read import RoleRulers

        return Gate(
            tokens=self.mint,
            sessions=self.sessions,
            keys=self.api_keys,
            roles=RoleRulers(self.work),
            policy=self.settings.policy,
            clock=self.clock,
            report=self.meters.reported.count,
            registration_open=self.settings.registration == "open",
            desk=self.settings.desk,
        )

    @cached_property
    def passwords(self) -> "PasswordPolicy":
        """Judges new passwords."""
        from sallyport.authenticators.password.flow import PasswordPolicy
        from sallyport.wiring.common_passwords import common_passwords

        return PasswordPolicy(shortest=self.settings.password_min_length, common=common_passwords())

    @cached_property
    def _notices(self) -> "TellUsers":
        from sallyport.notices.flow.tell import TellUsers

        return TellUsers(self.outbox)

    def _tell_user(self, rows: Rows, record: Record) -> None:
        self._notices(rows, record)

    def _switch_off(self, rows: Rows, user: str, now: int) -> None:
        from sallyport.authenticators.totp.flow import SwitchOff

        SwitchOff(self.journal)(rows, user, now)

    def _end_waiting(self, rows: Rows, user: str) -> None:
        from sallyport.login.store import end_challenges

        end_challenges(rows, user)
        self._cancel_reset(rows, user, None)

    def _cancel_reset(self, rows: Rows, user: str, client: Client | None) -> None:
        from sallyport.rescue.cancelling import CancelReset

        CancelReset(journal=self.journal, clock=self.clock)(rows, user, client)
