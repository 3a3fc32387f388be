"""The vault: seals what must be read back, derives what must not be stored.

A sealed value is ``version | key id | salt | nonce | ciphertext and tag``. The key is HKDF-SHA-256 of a ring
key and the salt, the cipher AES-256-GCM. The place of a value (table, column, user, row) is its associated
data, so that a value moved elsewhere does not open.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Randomness
from sallyport.kernel.macs import Macs
from sallyport.kernel.meters import Tally

T = TypeVar("T")

VERSION: Final = b"\x01"
KEY_ID_BYTES: Final = 8
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_SALT_AT: Final = 1 + KEY_ID_BYTES
_NONCE_AT: Final = _SALT_AT + _SALT_BYTES
_TEXT_AT: Final = _NONCE_AT + _NONCE_BYTES


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sealed value lives. It opens nowhere else."""

    table: str
    column: str
    user: str
    row: str

    def bound(self) -> bytes:
        """Return the associated data of this place. No part can hold the separator."""
        return "\x1f".join((self.table, self.column, self.user, self.row)).encode()


class DoesNotOpenError(Exception):
    """A sealed value was altered, moved to another place, or names a key that the ring does not hold."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Keys for one purpose, as one file holds them. The active one seals; all of them open."""

    name: str
    active: str
    keys: Mapping[str, Hidden[bytes]]
    following: str | None = None
    """The key that is active next: readable everywhere before anything is made with it."""
    made: Mapping[str, int] = field(default_factory=dict)
    """When each key was made, in microseconds; files of the first release do not tell."""
    since: int | None = None
    """When the active key became so."""
    left: Mapping[str, int] = field(default_factory=dict)
    """When each older key stopped being active."""
    unfinished: bool = False
    """Whether a rotation has still to move what was made with older keys."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys."""
        return tuple(self.keys)

    def key(self, key_id: str) -> Hidden[bytes]:
        """Return a key by its id. Raises `DoesNotOpenError` if the ring does not hold it."""
        try:
            return self.keys[key_id]
        except KeyError:
            message = f"key {key_id} is not in the {self.name} ring: put its key file back"
            raise DoesNotOpenError(message) from None

    def announcing(self, key_id: str, key: Hidden[bytes], now: int) -> "Ring":
        """Return this ring with a new key that is active next."""
        return replace(self, following=key_id, keys={**self.keys, key_id: key}, made={**self.made, key_id: now})

    def turned(self, following: str, now: int, *, unfinished: bool) -> "Ring":
        """Return this ring with the announced key active."""
        left = {**self.left, self.active: now}
        return replace(self, active=following, following=None, since=now, left=left, unfinished=unfinished)

    def finished(self, active: str) -> "Ring":
        """Return this ring with its rotation at its end, if that key is still the active one."""
        return replace(self, unfinished=self.unfinished and self.active != active)

    def without(self, key_id: str) -> "Ring":
        """Return this ring without an older key."""
        return replace(self, keys=_but(self.keys, key_id), made=_but(self.made, key_id), left=_but(self.left, key_id))


def _but(held: Mapping[str, T], key_id: str) -> dict[str, T]:
    return {one: value for one, value in held.items() if one != key_id}


def sealing_key(sealed: bytes) -> bytes:
    """Return which key a value is sealed under, as it stands in it."""
    return sealed[1:_SALT_AT]


class Keys(Protocol):
    """A ring as the vault sees it: one that stands, or one that follows its file."""

    @property
    def active(self) -> str:
        """The id of the key that new values are made with."""
        ...

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys."""
        ...

    def key(self, key_id: str) -> Hidden[bytes]:
        """Return a key by its id. Raises `DoesNotOpenError` if the ring does not hold it."""
        ...


_PROOF: Final = Place(table="installation", column="keys_sealed", user="", row="")


class Vault:
    """Seals and derives under the key rings. Holds no state but the keys."""

    def __init__(self, sealing: Keys, pepper: Keys, randomness: Randomness) -> None:
        self._sealing = sealing
        self._pepper = pepper
        self._macs = Macs()
        self._randomness = randomness
        self.unopened = Tally("sallyport_sealed_values_unopened", "Sealed values that did not open.", "table")

    def seal(self, value: Hidden[bytes], place: Place) -> bytes:
        """Encrypt a value for one place."""
        key_id = self._sealing.active
        salt, nonce = self._randomness(_SALT_BYTES), self._randomness(_NONCE_BYTES)
        head = VERSION + bytes.fromhex(key_id) + salt + nonce
        cipher = _cipher(self._sealing.key(key_id), salt)
        return head + cipher.encrypt(nonce, value.reveal(), head[:_SALT_AT] + place.bound())

    def open(self, sealed: bytes, place: Place) -> Hidden[bytes]:
        """Decrypt a value that was sealed for this place. Raises `DoesNotOpenError`."""
        try:
            return self._opened(sealed, place)
        except DoesNotOpenError:
            self.unopened.count(place.table)
            raise

    def _opened(self, sealed: bytes, place: Place) -> Hidden[bytes]:
        head, salt = sealed[:_SALT_AT], sealed[_SALT_AT:_NONCE_AT]
        nonce, text = sealed[_NONCE_AT:_TEXT_AT], sealed[_TEXT_AT:]
        if sealed[:1] != VERSION or not text:
            message = f"{place.table}.{place.column} of row {place.row}: not a sealed value of a version known here"
            raise DoesNotOpenError(message, place)
        try:
            key = self._sealing.key(head[1:].hex())
            return Hidden(_cipher(key, salt).decrypt(nonce, text, head + place.bound()))
        except DoesNotOpenError as fault:
            raise DoesNotOpenError(str(fault), place) from None
        except InvalidTag:
            message = f"{place.table}.{place.column} of row {place.row}: altered, or moved from another place"
            raise DoesNotOpenError(message, place) from None

    def resealed(self, sealed: bytes, place: Place) -> bytes:
        """Seal a value anew under the active key. Raises `DoesNotOpenError`."""
        return self.seal(self.open(sealed, place), place)

    def proof(self) -> bytes:
        """Return a sealed value that tells these rings from all others."""
        return self.seal(Hidden(bytes.fromhex(self.pepper_id) + self._mark(self.pepper_id)), _PROOF)

    def proves(self, sealed: bytes) -> bool:
        """Tell whether a `proof` was made with these rings."""
        try:
            told = self.open(sealed, _PROOF).reveal()
            return hmac.compare_digest(told[KEY_ID_BYTES:], self._mark(told[:KEY_ID_BYTES].hex()))
        except DoesNotOpenError:
            return False

    def proof_pepper(self, sealed: bytes) -> str:
        """Return which pepper key a `proof` was made with. Raises `DoesNotOpenError`."""
        return self.open(sealed, _PROOF).reveal()[:KEY_ID_BYTES].hex()

    def _mark(self, key_id: str) -> bytes:
        return self.peppered(key_id, "installation", b"")

    @property
    def sealing_id(self) -> str:
        """The id of the key that values are sealed under."""
        return self._sealing.active

    @property
    def pepper_id(self) -> str:
        """The id of the pepper key that new digests are made with."""
        return self._pepper.active

    @property
    def pepper_ids(self) -> tuple[str, ...]:
        """The ids of all pepper keys."""
        return self._pepper.ids

    def peppered(self, key_id: str, purpose: str, value: bytes) -> bytes:
        """Return HMAC-SHA-256 of a value under a pepper key and a purpose, so that no purpose serves another."""
        return self._macs.digest(key_id, self._pepper.key(key_id), purpose, value)

    def every_peppered(self, purpose: str, value: bytes) -> dict[str, bytes]:
        """Return the digest of a value under each pepper key, by its id: under whichever it was kept, it is found."""
        return {key_id: self.peppered(key_id, purpose, value) for key_id in self._pepper.ids}


def _cipher(key: Hidden[bytes], salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt, b"sallyport seal").derive(key.reveal()))
