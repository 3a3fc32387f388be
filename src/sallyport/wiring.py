"""Builds every concrete thing, once."""

import runpy
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from sallyport import __version__
from sallyport.authenticators import catalog
from sallyport.authenticators.backup_codes.flow import DrawCodes, RegenerateCodes
from sallyport.authenticators.flow import DescribeAuthenticator, ReadAuthenticators, RemoveAuthenticator
from sallyport.authenticators.http import SecretRoutes
from sallyport.authenticators.password.flow import ChangePassword, PasswordPolicy, SetPassword
from sallyport.authenticators.password.hashing import Cost, Hashing
from sallyport.authenticators.totp.flow import BeginEnrollment, DrawQr, Enroll
from sallyport.backups.flow import Restore
from sallyport.edge.endpoint import Endpoint
from sallyport.edge.gate import Gate
from sallyport.edge.operation import OperationRoutes
from sallyport.kernel import epochs
from sallyport.kernel.clock import DAY, HOUR, Clock, SystemClock
from sallyport.kernel.durable import set_aside
from sallyport.kernel.hashpool import HashPool
from sallyport.kernel.ids import Ids, Randomness, system_randomness
from sallyport.kernel.keyfiles import KeysRefusedError, RingPlan, open_rings
from sallyport.kernel.vault import Ring, Vault
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
from sallyport.store.work import StorageUnavailableError
from sallyport.users.flow import ChangeUser, DeleteUser, ReadUsers
from sallyport.users.http import Users

_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the world outside gives: time, randomness, and the cost of a hash. Tests pass their own."""

    clock: Clock = field(default_factory=SystemClock)
    randomness: Randomness = system_randomness
    cost: Cost = field(default_factory=Cost)


class Service:
    """The running service: every use case wired to its stores and to the routes."""

    def __init__(self, settings: Settings, vault: Vault, keys: SigningKeys, machine: Machine) -> None:
        self.settings = settings
        self.clock = machine.clock
        self._randomness = machine.randomness
        self.ids = Ids(machine.clock, machine.randomness)
        self.work = SqliteWork(settings.database_path)
        self.pool = HashPool()
        self.vault = vault
        self.hashing = Hashing(self.pool, self.vault, machine.cost, machine.randomness)
        self.keys = keys
        self.mint = Mint(
            self.keys,
            issuer=settings.public_url,
            audience=settings.audience or settings.public_url,
            clock=machine.clock,
            ids=self.ids,
        )
        self.keeper = self._keeper()
        self.gate = Gate(
            tokens=self.mint,
            sessions=SessionReader(self.work, self.keeper, catalog.has_secret),
            policy=settings.policy,
            clock=machine.clock,
            registration_open=settings.registration == "open",
        )
        self.passwords = PasswordPolicy(shortest=settings.password_min_length, common=_common_passwords())
        self.sweeps = (
            SweepSessions(self.work, machine.clock, settings.session_idle),
            SweepChallenges(self.work, machine.clock),
        )

    def endpoints(self) -> list[Endpoint[Any]]:
        """Return every route of the service."""
        declared = [
            *self._login().endpoints(),
            *self._users().endpoints(),
            *self._secrets().endpoints(),
            *self._sessions().endpoints(),
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

    def _keeper(self) -> SessionKeeper:
        settings = self.settings
        ordinary = Limits(idle=settings.session_idle, absolute=settings.session_absolute)
        trusted = Limits(idle=min(HOUR, ordinary.idle), absolute=min(DAY, ordinary.absolute))
        return SessionKeeper(
            mint=self.mint,
            lifetimes=Lifetimes(ordinary=ordinary, trusted=trusted, policy=settings.policy),
            end_challenges=login_store.end_challenges,
            clock=self.clock,
            ids=self.ids,
            randomness=self._randomness,
        )

    def _login(self) -> LoginRoutes:
        judge = CodeJudge(vault=self.vault, pool=self.pool, clock=self.clock)
        return LoginRoutes(
            register=Register(
                work=self.work,
                hashing=self.hashing,
                policy=self.passwords,
                keeper=self.keeper,
                clock=self.clock,
                ids=self.ids,
            ),
            begin=BeginLogin(
                work=self.work,
                hashing=self.hashing,
                keeper=self.keeper,
                judge=judge,
                clock=self.clock,
                randomness=self._randomness,
                backup_code_login=self.settings.backup_code_login,
            ),
            answer=AnswerChallenge(work=self.work, judge=judge, keeper=self.keeper, clock=self.clock),
            elevate=Elevate(work=self.work, hashing=self.hashing, judge=judge, keeper=self.keeper, clock=self.clock),
        )

    def _users(self) -> Users:
        return Users(
            ReadUsers(self.work),
            ChangeUser(self.work, self.clock, self.keeper),
            DeleteUser(self.work, self.keeper),
        )

    def _secrets(self) -> SecretRoutes:
        work, clock, keeper = self.work, self.clock, self.keeper
        draw_codes = DrawCodes(pool=self.pool, vault=self.vault, ids=self.ids, randomness=self._randomness)
        return SecretRoutes(
            read=ReadAuthenticators(work, clock),
            describe=DescribeAuthenticator(work, keeper, clock),
            remove=RemoveAuthenticator(work=work, sessions=keeper, policy=self.settings.policy, clock=clock),
            set_password=SetPassword(
                work=work,
                hashing=self.hashing,
                policy=self.passwords,
                sessions=keeper,
                clock=clock,
                ids=self.ids,
            ),
            change_password=ChangePassword(
                work=work, hashing=self.hashing, policy=self.passwords, sessions=keeper, clock=clock
            ),
            begin_enrollment=BeginEnrollment(
                work=work,
                vault=self.vault,
                sessions=keeper,
                clock=clock,
                ids=self.ids,
                randomness=self._randomness,
                issuer=self.settings.issuer_name,
            ),
            enroll=Enroll(work=work, vault=self.vault, sessions=keeper, draw_codes=draw_codes, clock=clock),
            draw_qr=DrawQr(self.pool),
            regenerate=RegenerateCodes(work=work, draw_codes=draw_codes, sessions=keeper, clock=clock),
        )

    def _sessions(self) -> SessionRoutes:
        refresh = Refresh(
            work=self.work,
            keeper=self.keeper,
            vault=self.vault,
            clock=self.clock,
            randomness=self._randomness,
        )
        return SessionRoutes(refresh, ManageSessions(self.work, self.keeper), self.keys)


def build(settings: Settings, machine: Machine | None = None) -> Service:
    """Bring schema and key rings to where they must be, and build the service.

    Refuses a database that was copied back by hand.
    Raises `StorageUnavailableError`, `KeysRefusedError` or `SigningKeysRefusedError`, each with what to do.
    """
    machine = machine or Machine()
    path, directory = settings.database_path, settings.keys_dir
    proof = scalar(path, "SELECT keys_sealed FROM installation")
    rings = _rings(settings, machine, used_database=proof is not None)
    schema.migrate(path)
    vault = Vault(rings["sealing"], rings["pepper"], machine.randomness)
    if proof is not None and not vault.proves(proof):
        message = f"the keys in {directory} are not those of this database: restore the ones that belong to it"
        raise KeysRefusedError(message)
    if proof is not None:
        epochs.keep(directory, scalar(path, "SELECT epoch FROM installation"))
    return Service(settings, vault, SigningKeys(rings["signing"], settings.signing_algorithm), machine)


def key_faults(settings: Settings) -> list[str]:
    """Return why the key rings can't be used with the database; makes and changes nothing."""
    if not settings.keys_dir.is_dir():
        return [f"there is no key directory {settings.keys_dir}"]
    try:
        proof = scalar(settings.database_path, "SELECT keys_sealed FROM installation")
        rings = _rings(settings, Machine(), used_database=True)
    except (KeysRefusedError, StorageUnavailableError) as fault:
        return str(fault).splitlines()
    fits = proof is None or Vault(rings["sealing"], rings["pepper"], system_randomness).proves(proof)
    return [] if fits else [f"the keys in {settings.keys_dir} are not those of this database"]


def restore(settings: Settings, machine: Machine | None = None) -> Restore:
    """Build what restores a backup, under the keys at hand. Raises `KeysRefusedError`."""
    machine = machine or Machine()
    rings = _rings(settings, machine, used_database=True)
    vault = Vault(rings["sealing"], rings["pepper"], machine.randomness)

    def doubts(path: Path) -> list[str]:
        fits = vault.proves(scalar(path, "SELECT keys_sealed FROM installation"))
        return [] if fits else [f"the keys in {settings.keys_dir} are not those that it was sealed under"]

    return Restore(
        database=settings.database_path,
        keys=settings.keys_dir,
        doubts=doubts,
        note=lambda _rows, _epoch: None,  # the place to write down that a backup was restored
        let_go=lambda ending: set_aside(settings.keys_dir / "audit.checkpoint", ending),
        clock=machine.clock,
    )


def _rings(settings: Settings, machine: Machine, *, used_database: bool) -> Mapping[str, Ring]:
    plans = [
        RingPlan(name="sealing", draw=lambda: machine.randomness(_KEY_BYTES)),
        RingPlan(name="pepper", draw=lambda: machine.randomness(_KEY_BYTES)),
        RingPlan(name="signing", draw=lambda: draw_key(settings.signing_algorithm), keys=2),
    ]
    return open_rings(settings.keys_dir, plans, machine.randomness, used_database=used_database)


def _common_passwords() -> frozenset[str]:
    """Return the 30,000 most common passwords: one file of zxcvbn, without its estimator and its other lists."""
    path = distribution("zxcvbn").locate_file("zxcvbn/frequency_lists.py")
    return frozenset(runpy.run_path(str(path))["FREQUENCY_LISTS"]["passwords"])
