"""HMAC-SHA-256 under a key, each purpose apart from all others."""

from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from sallyport.kernel.hidden import Hidden

_BETWEEN: Final = b"\x1f"


class Macs:
    """Computes keyed digests.

    Key and purpose are taken in once and copied from then on: a third of the time of `hmac.digest`, in which OpenSSL
    looks its algorithm up again and again.
    """

    def __init__(self) -> None:
        self._begun: dict[tuple[str, str], tuple[Hidden[bytes], HMAC]] = {}

    def digest(self, key_id: str, key: Hidden[bytes], purpose: str, value: bytes) -> bytes:
        """Return the digest of a value. The key is its ring's, asked for now: what is kept here follows it."""
        of, begun = self._begun.get((key_id, purpose), (None, None))
        if begun is None or of is not key:
            begun = HMAC(key.reveal(), SHA256())
            begun.update(purpose.encode() + _BETWEEN)
            self._begun[key_id, purpose] = key, begun
        mac = begun.copy()
        mac.update(value)
        return mac.finalize()
