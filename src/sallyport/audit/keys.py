"""Digests under the audit ring."""

import hmac
from typing import Final

from sallyport.kernel.macs import Macs
from sallyport.kernel.vault import KEY_ID_BYTES, DoesNotOpenError, Keys

_DIGEST_BYTES: Final = KEY_ID_BYTES + 32


class AuditKeys:
    """Makes and checks digests that begin with the id of their key, so that they outlive a rotation."""

    def __init__(self, ring: Keys) -> None:
        self.ring = ring
        self._macs = Macs()

    def digest(self, purpose: str, value: bytes) -> bytes:
        """Return key id and HMAC-SHA-256 of a value under the active key; no purpose serves another."""
        key_id = self.ring.active
        return bytes.fromhex(key_id) + self._macs.digest(key_id, self.ring.key(key_id), purpose, value)

    def fits(self, digest: object, purpose: str, value: bytes) -> bool:
        """Tell whether a digest was made of this value under a key of the ring."""
        if not isinstance(digest, bytes) or len(digest) != _DIGEST_BYTES:
            return False
        key_id = digest[:KEY_ID_BYTES].hex()
        try:
            wanted = self._macs.digest(key_id, self.ring.key(key_id), purpose, value)
        except DoesNotOpenError:
            return False
        return hmac.compare_digest(digest[KEY_ID_BYTES:], wanted)
