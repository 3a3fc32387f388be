"""What a start must find right about the keys, told in one message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sallyport.kernel.ids import Randomness
from sallyport.kernel.keyfiles import KeysRefusedError, RingPlan, look_over, open_rings
from sallyport.kernel.livering import LiveRing
from sallyport.kernel.vault import Ring, Vault
from sallyport.keys import store
from sallyport.store.database import Database
from sallyport.store.work import Rows, StorageUnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a database says of the keys that it was written with."""

    proof: bytes | None = None
    """Opens under the rings of this database alone; None before the first start."""
    keys: Sequence[tuple[store.Naming, str]] = ()
    """Each key id that a column names."""
    audited: bool = False
    """Whether there are audit rows, which only the audit ring can judge."""

    def fitting(self, plans: list[RingPlan]) -> list[RingPlan]:
        """Return the plans as this database needs them."""
        return [replace(plan, needed=True) for plan in plans] if self.audited else plans


def open_keys(
    database: Database, directory: Path, plans: list[RingPlan], randomness: Randomness, now: int
) -> Mapping[str, LiveRing]:
    """Open every ring, making the missing ones beside a new database.

    Raises `KeysRefusedError` or `StorageUnavailableError` with every fault in one message.
    """
    # First the database, then the files: a key that a rotation adds between the two is in the files before any row.
    named = database.ask(_named, Named())
    plans = named.fitting(plans)
    if faults := _faults(named, directory, plans, randomness):
        raise KeysRefusedError("\n".join(faults))
    rings = open_rings(directory, plans, randomness, now, used_database=named.proof is not None)
    return {plan.name: LiveRing(directory, plan, rings[plan.name]) for plan in plans}


def key_faults(database: Database, directory: Path, plans: list[RingPlan], randomness: Randomness) -> list[str]:
    """Return all that is wrong with database and keys; makes and changes nothing."""
    try:
        named = database.ask(_named, Named())
    except StorageUnavailableError as fault:
        return [str(fault), *look_over(directory, plans, used_database=False)[1]]
    return _faults(named, directory, named.fitting(plans), randomness)


def _faults(named: Named, directory: Path, plans: list[RingPlan], randomness: Randomness) -> list[str]:
    rings, faults = look_over(directory, plans, used_database=named.proof is not None)
    strangers = [
        f"rows of {naming.where} name the {naming.ring} key {key_id}, which {directory} lacks: put its key file back"
        for naming, key_id in named.keys
        if naming.ring in rings and key_id not in rings[naming.ring].keys
    ]
    if not faults and not strangers and named.proof is not None and not _proves(rings, named.proof, randomness):
        strangers.append(f"the keys in {directory} are not those of this database: restore the ones that belong to it")
    return [*faults, *strangers]


def _proves(rings: Mapping[str, Ring], proof: bytes, randomness: Randomness) -> bool:
    return Vault(rings["sealing"], rings["pepper"], randomness).proves(proof)


def _named(rows: Rows) -> Named:
    keys = [(naming, key_id) for naming in store.NAMINGS for key_id in store.keys_named(rows, naming)]
    return Named(proof=store.proof(rows), keys=keys, audited=store.audited(rows))
