"""Builds every concrete thing, once."""

import runpy
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from sallyport import __version__
from sallyport.audit.checkpoint import CheckpointFile
from sallyport.audit.flow.journal import Journal
from sallyport.audit.flow.read import ReadAudit
from sallyport.audit.flow.seal import SealAudit
from sallyport.audit.http import AuditRoutes
from sallyport.audit.keys import AuditKeys
from sallyport.authenticators import catalog
from sallyport.authenticators.password.flow import PasswordPolicy
from sallyport.authenticators.password.hashing import Cost, Hashing
from sallyport.authenticators.totp.flow import SwitchOff
from sallyport.edge.endpoint import Endpoint
from sallyport.edge.gate import Gate
from sallyport.edge.metrics import MetricsRoutes
from sallyport.edge.operation import OperationRoutes
from sallyport.kernel.clock import DAY, HOUR, Clock, SystemClock
from sallyport.kernel.hashpool import HashPool
from sallyport.kernel.ids import Ids, Randomness, system_randomness
from sallyport.kernel.keyfiles import KeysRefusedError, RingPlan, open_rings
from sallyport.kernel.meters import Meters, of_queue
from sallyport.kernel.sharing import Shared
from sallyport.kernel.vault import Vault
from sallyport.login import store as login_store
from sallyport.login.flow.answer import AnswerChallenge
from sallyport.login.flow.begin import BeginLogin
from sallyport.login.flow.codes import CodeJudge
from sallyport.login.flow.elevate import Elevate
from sallyport.login.flow.first_start import FirstAdmin, FirstStart
from sallyport.login.flow.register import Register
from sallyport.login.flow.sweep import SweepChallenges
from sallyport.login.http import LoginRoutes
from sallyport.sessions.flow.keeper import Lifetimes, SessionKeeper
from sallyport.sessions.flow.manage import ManageSessions, SweepSessions
from sallyport.sessions.flow.refresh import Refresh
from sallyport.sessions.flow.standing import SessionReader
from sallyport.sessions.http import SessionRoutes
from sallyport.sessions.mint import Mint
from sallyport.sessions.rules import Limits
from sallyport.sessions.signing import SigningKeys, draw_key
from sallyport.settings import Settings
from sallyport.store import schema
from sallyport.store.sqlite import SqliteWork, scalar
from sallyport.throttle.flow.known_clients import KnownClients, SweepThrottles
from sallyport.throttle.flow.throttle import Throttle
from sallyport.users.flow import ChangeUser, DeleteUser, ReadUsers
from sallyport.users.http import Users
from sallyport.wiring_authenticators import secret_routes

_KEY_BYTES: Final = 32


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

    def __init__(
        self, settings: Settings, vault: Vault, keys: SigningKeys, audit_keys: AuditKeys, machine: Machine
    ) -> None:
        self.settings = settings
        self.clock = machine.clock
        self.randomness = machine.randomness
        self.ids = Ids(machine.clock, machine.randomness)
        self.work = SqliteWork(settings.database_path)
        self.pool = HashPool()
        self.vault = vault
        self.meters = Meters(*of_queue(self.pool), *self.work.meters, vault.unopened)
        self.shared = Shared(machine.numbers, self.meters.families) if machine.numbers else None
        self.hashing = Hashing(self.pool, self.vault, machine.cost, machine.randomness)
        self.keys = keys
        self.audit_keys = audit_keys
        self.journal = Journal(keys=audit_keys, attempts=self.meters.attempts, clock=machine.clock, ids=self.ids)
        self.seal = SealAudit(
            work=self.work,
            keys=audit_keys,
            checkpoint=CheckpointFile(settings.keys_dir, audit_keys),
            clock=machine.clock,
        )
        self.mint = Mint(
            self.keys,
            issuer=settings.public_url,
            audience=settings.audience or settings.public_url,
            clock=machine.clock,
            ids=self.ids,
        )
        self.clients = KnownClients(vault=self.vault, clock=machine.clock, randomness=machine.randomness)
        self.throttle = Throttle(
            vault=self.vault,
            clients=self.clients,
            clock=machine.clock,
            switch_off=SwitchOff(self.journal),
            on=settings.throttle,
            hard_stop=settings.profile == "nist",
        )
        self.keeper = self._keeper()
        self.gate = self._gate()
        self.passwords = PasswordPolicy(shortest=settings.password_min_length, common=_common_passwords())
        self.sweeps = (
            SweepSessions(self.work, machine.clock, settings.session_idle),
            SweepChallenges(self.work, machine.clock),
            SweepThrottles(self.work, machine.clock),
        )

    def endpoints(self) -> list[Endpoint[Any]]:
        """Return every route of the service."""
        numbers = (self.shared or self.meters).families
        metrics = MetricsRoutes(numbers, to=self.settings.metrics, alone=self.shared is None)
        declared = [
            *self._login().endpoints(),
            *self._users().endpoints(),
            *secret_routes(self).endpoints(),
            *self._sessions().endpoints(),
            *metrics.endpoints(),
            *AuditRoutes(ReadAudit(self.work)).endpoints(),
        ]
        operation = OperationRoutes(
            ready=self._ready, others=declared, version=__version__, server=self.settings.public_url
        )
        return [*declared, *operation.endpoints()]

    async def first_start(self) -> FirstAdmin | None:
        """Make the first admin, if this is the first start."""
        start = FirstStart(
            work=self.work,
            hashing=self.hashing,
            clock=self.clock,
            ids=self.ids,
            vault=self.vault,
            journal=self.journal,
            role=self.settings.trusted_roles[0],
        )
        return await start(self.settings.admin_password)

    def close(self) -> None:
        """Let what runs come to its end."""
        self.pool.close()
        self.work.close()

    async def _ready(self) -> bool:
        row = await self.work.read(lambda rows: rows.one(schema.VERSION))
        return row is not None and row[0] == schema.HEAD

    def _gate(self) -> Gate:
        return Gate(
            tokens=self.mint,
            sessions=SessionReader(self.work, self.keeper, catalog.has_secret),
            policy=self.settings.policy,
            clock=self.clock,
            registration_open=self.settings.registration == "open",
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

    def _login(self) -> LoginRoutes:
        judge = CodeJudge(vault=self.vault, pool=self.pool, clients=self.clients, clock=self.clock)
        return LoginRoutes(
            register=Register(
                work=self.work,
                hashing=self.hashing,
                policy=self.passwords,
                keeper=self.keeper,
                journal=self.journal,
                clock=self.clock,
                ids=self.ids,
            ),
            begin=BeginLogin(
                work=self.work,
                hashing=self.hashing,
                keeper=self.keeper,
                judge=judge,
                throttle=self.throttle,
                journal=self.journal,
                clients=self.clients,
                clock=self.clock,
                randomness=self.randomness,
                backup_code_login=self.settings.backup_code_login,
            ),
            answer=AnswerChallenge(
                work=self.work,
                judge=judge,
                keeper=self.keeper,
                throttle=self.throttle,
                journal=self.journal,
                clients=self.clients,
                clock=self.clock,
            ),
            elevate=Elevate(
                work=self.work,
                hashing=self.hashing,
                judge=judge,
                keeper=self.keeper,
                throttle=self.throttle,
                journal=self.journal,
                clock=self.clock,
            ),
            https=self.settings.public_url.startswith("https:"),
        )

    def _users(self) -> Users:
        return Users(
            ReadUsers(self.work),
            ChangeUser(work=self.work, sessions=self.keeper, journal=self.journal, clock=self.clock),
            DeleteUser(work=self.work, sessions=self.keeper, throttle=self.throttle, journal=self.journal),
        )

    def _sessions(self) -> SessionRoutes:
        refresh = Refresh(
            work=self.work,
            keeper=self.keeper,
            vault=self.vault,
            journal=self.journal,
            clock=self.clock,
            randomness=self.randomness,
        )
        manage = ManageSessions(work=self.work, keeper=self.keeper, journal=self.journal)
        return SessionRoutes(refresh, manage, self.keys)


def build(settings: Settings, machine: Machine | None = None) -> Service:
    """Bring schema and key rings to where they must be, and build the service.

    Raises `StorageUnavailableError`, `KeysRefusedError` or `SigningKeysRefusedError`, each with what to do.
    """
    machine = machine or Machine()
    path, directory = settings.database_path, settings.keys_dir
    plans = [
        RingPlan(name="sealing", draw=lambda: machine.randomness(_KEY_BYTES)),
        RingPlan(name="pepper", draw=lambda: machine.randomness(_KEY_BYTES)),
        RingPlan(name="signing", draw=lambda: draw_key(settings.signing_algorithm), keys=2),
        # No release before this one had it: a database without a single row has no need of it yet.
        RingPlan(
            name="audit",
            draw=lambda: machine.randomness(_KEY_BYTES),
            needed=scalar(path, "SELECT 1 FROM audit_log LIMIT 1") is not None,
        ),
    ]
    proof = scalar(path, "SELECT keys_sealed FROM installation")
    rings = open_rings(directory, plans, machine.randomness, used_database=proof is not None)
    schema.migrate(path)
    vault = Vault(rings["sealing"], rings["pepper"], machine.randomness)
    if proof is not None and not vault.proves(proof):
        message = f"the keys in {directory} are not those of this database: restore the ones that belong to it"
        raise KeysRefusedError(message)
    signing = SigningKeys(rings["signing"], settings.signing_algorithm)
    return Service(settings, vault, signing, AuditKeys(rings["audit"]), machine)


def _common_passwords() -> frozenset[str]:
    """Return the 30,000 most common passwords: one file of zxcvbn, without its estimator and its other lists."""
    path = distribution("zxcvbn").locate_file("zxcvbn/frequency_lists.py")
    return frozenset(runpy.run_path(str(path))["FREQUENCY_LISTS"]["passwords"])
