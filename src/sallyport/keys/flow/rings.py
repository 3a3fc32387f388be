"""The rings in their files, and what the database says of their keys."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from sallyport.kernel.clock import Clock
from sallyport.kernel.ids import Randomness
from sallyport.kernel.keyfiles import KeysRefusedError, RingPlan, change_ring, read_ring
from sallyport.kernel.vault import DoesNotOpenError, Ring, Vault
from sallyport.keys import store
from sallyport.keys.rules import KeyTold, State
from sallyport.store.work import Rows, Work

PROOF: str = "installation.keys_sealed"

Sleep = Callable[[float], Awaitable[None]]
"""Waits so many seconds."""
Tell = Callable[[str], None]
"""Says how far a long command is, to whoever looks on."""


class Rings:
    """Reads and changes key files beside a service that runs."""

    def __init__(
        self, *, directory: Path, plans: Sequence[RingPlan], work: Work, clock: Clock, randomness: Randomness
    ) -> None:
        self.clock = clock
        self.randomness = randomness
        self._work = work
        self._directory = directory
        self._plans = {plan.name: plan for plan in plans}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all rings."""
        return tuple(self._plans)

    def plan(self, name: str) -> RingPlan:
        """Return the plan of a ring. Raises `KeysRefusedError` where there is none of that name."""
        if name not in self._plans:
            message = f"there is no {name} ring: the rings are {', '.join(self._plans)}"
            raise KeysRefusedError(message)
        return self._plans[name]

    def read(self, name: str) -> Ring:
        """Return a ring as its file holds it now. Raises `KeysRefusedError`."""
        return read_ring(self._directory, self.plan(name))

    def change(self, name: str, change: Callable[[Ring], Ring]) -> Ring:
        """Change a ring in its file, and return it. Raises `KeysRefusedError`."""
        return change_ring(self._directory, self.plan(name), change)

    def vault(self) -> Vault:
        """Return a vault over the rings as they stand now. Raises `KeysRefusedError`."""
        return Vault(self.read("sealing"), self.read("pepper"), self.randomness)

    async def told(self, name: str) -> list[KeyTold]:
        """Tell of every key of a ring, the oldest first, then of those that only rows know.

        Raises `KeysRefusedError` and `StorageUnavailableError`.
        """
        ring, vault = self.read(name), self.vault()
        return await self._work.read(lambda rows: _told(rows, ring, vault))


def _told(rows: Rows, ring: Ring, vault: Vault) -> list[KeyTold]:
    namings = [naming for naming in store.NAMINGS if naming.ring == ring.name]
    strangers = {key_id for naming in namings for key_id in store.keys_named(rows, naming)} - set(ring.keys)
    in_proof = _keys_of_proof(rows, vault).get(ring.name)
    told = []
    for key_id in [*sorted(ring.keys, key=lambda one: ring.made.get(one, 0)), *sorted(strangers)]:
        named = {naming.where: store.count(rows, naming, key_id) for naming in namings}
        if in_proof is not None:
            named[PROOF] = int(key_id == in_proof)
        made, left = ring.made.get(key_id), ring.left.get(key_id)
        told.append(KeyTold(ring=ring.name, key=key_id, state=_state(ring, key_id), made=made, left=left, rows=named))
    return told


def _keys_of_proof(rows: Rows, vault: Vault) -> dict[str, str]:
    """Return the keys that the proof of the rings was made with, by ring."""
    proof = store.proof(rows)
    if proof is None:
        return {}
    keys = {"sealing": store.proof_key(proof)}
    with suppress(DoesNotOpenError):  # rings of another database: a start tells, a list shows what it can
        keys["pepper"] = vault.proof_pepper(proof)
    return keys


def _state(ring: Ring, key_id: str) -> State:
    if key_id == ring.active:
        return State.ACTIVE
    if key_id == ring.following:
        return State.NEXT
    return State.OLD if key_id in ring.keys else State.MISSING
