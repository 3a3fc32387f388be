"""What the commands on the host work with, beside a service that may be running."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sallyport.edge.endpoint import Endpoint
from sallyport.edge.operator import OperatorDesk
from sallyport.kernel.ids import Ids, system_randomness
from sallyport.kernel.keyfiles import KeysRefusedError, RingPlan, read_ring, ring_path
from sallyport.kernel.outcomes import Refused
from sallyport.keys import start
from sallyport.keys.plans import ring_plans
from sallyport.settings import Settings
from sallyport.store import schema
from sallyport.store.database import SqliteFile, database_at
from sallyport.store.work import Rows
from sallyport.wiring import routes
from sallyport.wiring.parts import Machine
from sallyport.wiring.service import Service

if TYPE_CHECKING:
    from sallyport.audit.flow.journal import Journal
    from sallyport.backups.flow import Restore, RestoreInPlace
    from sallyport.keys.desk import KeyDesk
    from sallyport.keys.flow.rings import Sleep, Tell


def faults_of_keys(understood: Mapping[str, Any]) -> list[str]:
    """Return what is wrong about the keys, where settings were refused already and nothing may be made."""
    if not understood.keys() >= {"database_url", "keys_dir", "signing_algorithm"}:
        return []
    plans = ring_plans(understood["signing_algorithm"], system_randomness)
    return start.key_faults(database_at(understood["database_url"]), understood["keys_dir"], plans, system_randomness)


def key_faults(settings: Settings) -> list[str]:
    """Return why the key rings can't be used with the database; makes and changes nothing."""
    if not settings.keys_dir.is_dir():
        return [f"there is no key directory {settings.keys_dir}"]
    plans = ring_plans(settings.signing_algorithm, system_randomness)
    return start.key_faults(database_at(settings.database_url), settings.keys_dir, plans, system_randomness)


def key_desk(settings: Settings, sleep: "Sleep", tell: "Tell", machine: Machine | None = None) -> "KeyDesk":
    """Build what the commands about keys need, beside a service that may be running; makes nothing.

    Raises `KeysRefusedError` or `StorageUnavailableError` where keys and database do not fit each other.
    """
    from sallyport.keys.desk import KeyDesk

    machine = machine or Machine()
    return KeyDesk(
        database=database_at(settings.database_url),
        directory=settings.keys_dir,
        plans=ring_plans(settings.signing_algorithm, machine.randomness),
        clock=machine.clock,
        randomness=machine.randomness,
        sleep=sleep,
        tell=tell,
        journal=lambda: _journal(settings, machine),
    )


def operator_desk(settings: Settings, machine: Machine | None = None) -> OperatorDesk:
    """Build what the operator works on accounts with, beside a service that may be running; makes nothing.

    Raises `KeysRefusedError` or `StorageUnavailableError` where there is no installation, or one of another release.
    """
    machine = machine or Machine()
    database, plans = database_at(settings.database_url), ring_plans(settings.signing_algorithm, machine.randomness)
    schema.demand_fit(database)
    if faults := start.key_faults(database, settings.keys_dir, plans, machine.randomness):
        raise KeysRefusedError("\n".join(faults))
    rings = start.open_keys(database, settings.keys_dir, plans, machine.randomness, machine.clock.now())
    service = Service(settings, database, rings, machine)

    async def exists(uid: str) -> bool:
        return not isinstance(await service.flows.read_users.one(uid), Refused)

    return OperatorDesk(_routes(service), exists, service.close)


def _routes(service: Service) -> Iterator[Endpoint[Any]]:
    """Yield what the operator may ask for, each built when the search for a route reaches it."""
    yield from routes.for_operator(service)
    from sallyport.recovery.operator import RecoveryDesk

    yield from RecoveryDesk(service.flows.recovery.issue, service.settings.public_url).endpoints()


def restore(settings: Settings, machine: Machine | None = None) -> "Restore":
    """Build what restores a backup, under the keys at hand."""
    from sallyport.backups.flow import Restore
    from sallyport.kernel.durable import set_aside

    machine = machine or Machine()
    plans = ring_plans(settings.signing_algorithm, machine.randomness)
    return Restore(
        database=settings.database_path,
        keys=settings.keys_dir,
        doubts=lambda path: start.key_faults(SqliteFile(path), settings.keys_dir, plans, machine.randomness),
        note=lambda rows, epoch: _note_restored(settings, machine, rows, epoch),
        let_go=lambda ending: set_aside(settings.keys_dir / "audit.checkpoint", ending),
        clock=machine.clock,
    )


def restore_in_place(settings: Settings, machine: Machine | None = None) -> "RestoreInPlace":
    """Build what voids and ends in a database that was put back by other means."""
    from sallyport.backups.flow import RestoreInPlace
    from sallyport.kernel.durable import set_aside

    machine = machine or Machine()
    return RestoreInPlace(
        database=database_at(settings.database_url),
        keys=settings.keys_dir,
        doubts=lambda: key_faults(settings),
        note=lambda rows, epoch: _note_restored(settings, machine, rows, epoch),
        let_go=lambda ending: set_aside(settings.keys_dir / "audit.checkpoint", ending),
        clock=machine.clock,
    )


def _note_restored(settings: Settings, machine: Machine, rows: Rows, epoch: int) -> None:
    """Write the first row of what follows a backup, in the copy that is about to take the database's place."""
    from sallyport.audit.rules import Entry, Event

    # A backup of before the audit log, beside keys of before it: the next start makes the ring, and the first row.
    if ring_path(settings.keys_dir, "audit").exists():
        _journal(settings, machine).note(rows, Entry(event=Event.BACKUP_RESTORED, detail=f"epoch {epoch}"), None)


def _journal(settings: Settings, machine: Machine) -> "Journal":
    """Build what writes audit rows from outside the service. Raises `KeysRefusedError`."""
    from sallyport.audit.flow.journal import Journal
    from sallyport.audit.keys import AuditKeys
    from sallyport.kernel.meters import Attempts

    ring = read_ring(settings.keys_dir, RingPlan(name="audit", draw=bytes))
    ids = Ids(machine.clock, machine.randomness)
    return Journal(keys=AuditKeys(ring), attempts=Attempts(), clock=machine.clock, ids=ids)
