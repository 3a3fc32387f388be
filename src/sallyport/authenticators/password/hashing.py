"""Argon2id hashes, sealed: reading the database without the key ring gives nothing to guess against.

NIST SP 800-63B-4 3.1.1.2: salted, memory-hard, and a keyed step with a key kept apart from the hashes.
"""

import time
from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from sallyport.kernel.hashpool import HashPool, Seat
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Randomness
from sallyport.kernel.vault import Place, Vault

_SALT_BYTES: Final = 16
_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost of one Argon2id hash. The default is OWASP's second choice, 19 MiB and two passes."""

    memory_kib: int = 19 * 1024
    passes: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A password as stored: its row and the sealed hash."""

    user: str
    uid: str
    hash_sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Whether a password was right, and its hash at today's cost if the stored one is cheaper."""

    right: bool
    rehashed: bytes | None = None


class Hashing:
    """Hashes and checks passwords in the bounded pool."""

    def __init__(self, pool: HashPool, vault: Vault, cost: Cost, randomness: Randomness) -> None:
        self._pool = pool
        self._vault = vault
        self._randomness = randomness
        self._hasher = PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=1,
            hash_len=_DIGEST_BYTES,
            salt_len=_SALT_BYTES,
            type=Type.ID,
        )
        # Unknown users cost the same: a decoy with today's parameters. Its digest is drawn and not hashed, so that no
        # password is known to give it, and no thread has to hash before somebody logs in.
        self._decoy = vault.seal(_drawn(cost, randomness), _place("decoy", "decoy"))

    def seat(self, *, reserve: bool = False) -> Seat:
        """Take a seat in the queue, before anything is asked or counted. Raises `Overloaded` at once."""
        return self._pool.seat(reserve=reserve)

    async def sealed(self, seat: Seat, password: Hidden[str], user: str, uid: str) -> bytes:
        """Return the sealed hash of a new password for one row. Raises `Overloaded`."""
        return await seat.run(lambda: self._seal(password, user, uid))

    async def check(self, seat: Seat, password: Hidden[str], kept: Kept | None) -> Checked:
        """Check a password; without a stored one a decoy is checked, at the same cost. Raises `Overloaded`."""
        return await seat.run(lambda: self._check(password, kept))

    def milliseconds(self) -> float:
        """Return what one hash takes on this machine, for the operator's log.

        One alone: of the first hash a thread gives its 19 MiB back, and keeps those of the second for good.
        """

        def timed() -> float:
            begin = time.perf_counter()
            self._check(Hidden("measured"), None)
            return time.perf_counter() - begin

        return round(self._pool.soon(timed).result() * 1_000, 1)

    def _check(self, password: Hidden[str], kept: Kept | None) -> Checked:
        held = kept or Kept(user="decoy", uid="decoy", hash_sealed=self._decoy)
        written = self._vault.open(held.hash_sealed, _place(held.user, held.uid)).reveal().decode()
        try:
            self._hasher.verify(written, password.reveal())
        except VerifyMismatchError:
            return Checked(right=False)
        if kept is None:
            return Checked(right=False)
        stale = self._hasher.check_needs_rehash(written)
        return Checked(right=True, rehashed=self._seal(password, kept.user, kept.uid) if stale else None)

    def _seal(self, password: Hidden[str], user: str, uid: str) -> bytes:
        salt = self._randomness(_SALT_BYTES)
        written = self._hasher.hash(password.reveal(), salt=salt)
        return self._vault.seal(Hidden(written.encode()), _place(user, uid))


def _drawn(cost: Cost, randomness: Randomness) -> Hidden[bytes]:
    """Return an encoded hash of today's cost with a salt and a digest that were drawn."""
    salt, digest = (b64encode(randomness(size)).rstrip(b"=") for size in (_SALT_BYTES, _DIGEST_BYTES))
    return Hidden(b"$argon2id$v=%d$m=%d,t=%d,p=1$%b$%b" % (ARGON2_VERSION, cost.memory_kib, cost.passes, salt, digest))


def _place(user: str, uid: str) -> Place:
    return Place(table="passwords", column="hash_sealed", user=user, row=uid)
