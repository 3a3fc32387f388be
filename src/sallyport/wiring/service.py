"""The running service: every use case wired to its stores."""

import time
from ast import literal_eval
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sallyport import __version__
from sallyport.audit import store as audit_store
from sallyport.audit.checkpoint import CheckpointFile
from sallyport.audit.flow.journal import Journal
from sallyport.audit.flow.seal import SealAudit
from sallyport.audit.http import AuditRoutes
from sallyport.audit.keys import AuditKeys
from sallyport.audit.logins import LoginsRoutes
from sallyport.authenticators import catalog
from sallyport.authenticators.api_keys.flow import ReadApiKey, SuspendApiKeys
from sallyport.authenticators.password.flow import PasswordPolicy
from sallyport.authenticators.password.hashing import Cost, Hashing
from sallyport.authenticators.totp.flow import SwitchOff
from sallyport.backups import store as backups_store
from sallyport.desk.http import DeskRoutes
from sallyport.edge.endpoint import Endpoint
from sallyport.edge.front import FindPage, Found
from sallyport.edge.gate import Gate
from sallyport.edge.metrics import MetricsRoutes
from sallyport.edge.operation import OperationRoutes
from sallyport.kernel import epochs
from sallyport.kernel.clock import DAY, HOUR, Clock, SystemClock
from sallyport.kernel.clockwatch import ClockWatch
from sallyport.kernel.hashpool import HashPool
from sallyport.kernel.ids import Ids, Randomness, system_randomness
from sallyport.kernel.livering import LiveRing
from sallyport.kernel.meters import Meters, of_queue
from sallyport.kernel.sharing import Shared
from sallyport.kernel.vault import Vault
from sallyport.keys.plans import ring_plans
from sallyport.keys.start import open_keys
from sallyport.login import store as login_store
from sallyport.login.flow.first_start import FirstAdmin
from sallyport.notices.carriers import carrier
from sallyport.notices.composer import Composer
from sallyport.notices.flow.carry import Postman
from sallyport.notices.flow.outbox import Outbox
from sallyport.notices.flow.tell import TellUsers
from sallyport.notices.flow.tokens import MailedTokens
from sallyport.notices.rules import TRY_SECONDS
from sallyport.rescue.http import RescueRoutes
from sallyport.roles.flow.read import RoleRulers
from sallyport.sessions.flow.keeper import Lifetimes, SessionKeeper
from sallyport.sessions.flow.standing import SessionReader
from sallyport.sessions.mint import Mint
from sallyport.sessions.rules import Limits
from sallyport.sessions.signing import SigningKeys
from sallyport.settings import Settings
from sallyport.store import schema
from sallyport.store.database import Database, database_at, scalar
from sallyport.store.readiness import Readiness
from sallyport.throttle.flow.known_clients import KnownClients
from sallyport.throttle.flow.throttle import Throttle
from sallyport.wiring import routes
from sallyport.wiring.desk import DeskFlows
from sallyport.wiring.first import first_start
from sallyport.wiring.flows import Flows
from sallyport.wiring.sweeps import sweeps

_LAST_ROWS: Final = 20
"""Audit rows in which every node of a few is likely to have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the world outside gives: time, randomness, the cost of a hash. Tests pass their own."""

    clock: Clock = field(default_factory=SystemClock)
    randomness: Randomness = system_randomness
    cost: Cost = field(default_factory=Cost)
    numbers: Path | None = None
    """Where the processes of one service leave their numbers for each other, if there are several."""


class Service:
    """The running service: every use case wired to its stores and to the routes."""

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
        self.shared = Shared(machine.numbers, self.meters.families) if machine.numbers else None
        self.hashing = Hashing(self.pool, self.vault, machine.cost, machine.randomness)
        self.keys = SigningKeys(rings["signing"])
        self.audit_keys = AuditKeys(rings["audit"])
        self.outbox = Outbox(vault=self.vault, clock=machine.clock, ids=self.ids)
        self.journal = self._journal()
        self.seal = self._sealing()
        self.mailed = MailedTokens(vault=self.vault, clock=machine.clock, randomness=machine.randomness)
        self.postman = self._postman()
        self.clockwatch = self._clockwatch()
        self.meters.watch(*self.clockwatch.meters, *self.postman.meters)
        self.mint = Mint(
            self.keys,
            issuer=settings.public_url,
            audience=settings.audience or settings.public_url,
            clock=machine.clock,
            ids=self.ids,
        )
        self.clients = KnownClients(vault=self.vault, clock=machine.clock, randomness=machine.randomness)
        self.throttle = self._throttle()
        self.keeper = self._keeper()
        self.sessions = SessionReader(self.work, self.keeper, catalog.has_secret, machine.clock)
        self.api_keys = ReadApiKey(work=self.work, vault=self.vault, clock=machine.clock)
        self.gate = self._gate()
        self.passwords = PasswordPolicy(shortest=settings.password_min_length, common=_common_passwords())
        self.desk, self.flows = DeskFlows(self), Flows(self)
        self.sweeps = sweeps(self)

    def endpoints(self) -> list[Endpoint[Any]]:
        """Return every route of the service."""
        numbers = (self.shared or self.meters).families
        metrics = MetricsRoutes(numbers, to=self.settings.metrics, alone=self.shared is None)
        declared = [
            *routes.login(self).endpoints(),
            *routes.users(self).endpoints(),
            *routes.secrets(self).endpoints(),
            *routes.recovery(self).endpoints(),
            *routes.sessions(self).endpoints(),
            *routes.roles(self).endpoints(),
            *metrics.endpoints(),
            *AuditRoutes(self.flows.read_audit).endpoints(),
            *RescueRoutes(self.desk.lost_device, self.desk.undo).endpoints(),
            *DeskRoutes(self.desk.approve).endpoints(),
            *LoginsRoutes(self.flows.read_audit).endpoints(),
        ]
        operation = OperationRoutes(
            ready=Readiness(self.work), others=declared, version=__version__, server=self.settings.public_url
        )
        return [*declared, *operation.endpoints()]

    def page(self, path: str) -> Found | None:
        """Return the page of a path, where pages are served: over https, or on this machine itself.

        They are built when the first one is asked for: who serves none pays nothing for them.
        """
        if path not in {"/", "/ui"} and not path.startswith("/ui/"):
            return None
        return self._site(path) if is_safe(self.settings.public_url) else None

    @cached_property
    def _site(self) -> FindPage:
        from sallyport.wiring.pages import site  # noqa: PLC0415  # as said

        return site(self)

    @cached_property
    def suspend_api_keys(self) -> SuspendApiKeys:
        """Suspends every API key of a user, in the unit of work of whoever resets a password."""
        return SuspendApiKeys(journal=self.journal, clock=self.clock)

    def look_at_keys(self) -> None:
        """Take over key files that have changed: a rotation reaches this process while it serves."""
        for ring in self.rings.values():
            ring.look()

    async def first_start(self) -> FirstAdmin | None:
        """Make the first admin if this is the first start, and at each start the trusted roles that are missing."""
        return await first_start(self)

    def close(self) -> None:
        """Let what runs come to its end."""
        self.pool.close()
        self.work.close()

    def _clockwatch(self) -> ClockWatch:
        return ClockWatch(
            clock=self.clock,
            monotonic=time.monotonic,
            latest=lambda: self.work.read(lambda rows: audit_store.latest_moment(rows, _LAST_ROWS)),
        )

    def _journal(self) -> Journal:
        return Journal(
            keys=self.audit_keys,
            attempts=self.meters.attempts,
            clock=self.clock,
            ids=self.ids,
            notices=TellUsers(self.outbox),
        )

    def _sealing(self) -> SealAudit:
        checkpoint = CheckpointFile(self.settings.keys_dir, self.audit_keys)
        return SealAudit(work=self.work, keys=self.audit_keys, checkpoint=checkpoint, clock=self.clock)

    def _postman(self) -> Postman:
        settings = self.settings
        return Postman(
            work=self.work,
            outbox=self.outbox,
            tokens=self.mailed,
            composer=Composer(public_url=settings.public_url, service=settings.issuer_name, sender=settings.mail_from),
            carrier=carrier(settings.mail_url, TRY_SECONDS),
            vault=self.vault,
            clock=self.clock,
            processes=settings.workers,
        )

    def _throttle(self) -> Throttle:
        return Throttle(
            vault=self.vault,
            clients=self.clients,
            clock=self.clock,
            switch_off=SwitchOff(self.journal),
            refusals=self.meters.throttled,
            on=self.settings.throttle,
            hard_stop=self.settings.profile == "nist",
        )

    def _gate(self) -> Gate:
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

    def _keeper(self) -> SessionKeeper:
        settings = self.settings
        ordinary = Limits(idle=settings.session_idle, absolute=settings.session_absolute)
        trusted = Limits(idle=min(HOUR, ordinary.idle), absolute=min(DAY, ordinary.absolute))
        return SessionKeeper(
            mint=self.mint,
            lifetimes=Lifetimes(ordinary=ordinary, trusted=trusted, policy=settings.policy),
            end_challenges=login_store.end_challenges,
            journal=self.journal,
            clock=self.clock,
            ids=self.ids,
            randomness=self.randomness,
        )


def build(settings: Settings, machine: Machine | None = None) -> Service:
    """Bring schema and key rings to where they must be, and build the service.

    Refuses a database that was copied back by hand.
    Raises `StorageUnavailableError` or `KeysRefusedError`, with every reason and what to do.
    """
    machine = machine or Machine()
    database, plans = database_at(settings.database_url), ring_plans(settings.signing_algorithm, machine.randomness)
    rings = open_keys(database, settings.keys_dir, plans, machine.randomness, machine.clock.now())
    schema.migrate(database)
    if (epoch := scalar(database, backups_store.EPOCH)) is not None:
        epochs.keep(settings.keys_dir, epoch)
    return Service(settings, database, rings, machine)


def is_safe(public_url: str) -> bool:
    """Tell whether a cookie that opens an account may travel: to this machine itself, or over TLS."""
    url = urlsplit(public_url)
    return url.scheme == "https" or url.hostname in {"127.0.0.1", "localhost", "::1"}


def _common_passwords() -> frozenset[str]:
    """Return the 30,000 most common passwords: one line of zxcvbn, without its estimator and its other lists.

    The line is read and not run: to compile and split all lists takes three times as long. A test compares the two.
    """
    path = distribution("zxcvbn").locate_file("zxcvbn/frequency_lists.py")
    _, _, behind = Path(str(path)).read_text().partition('"passwords": ')
    written: str = literal_eval(behind.partition(".split")[0])
    return frozenset(written.split(","))
