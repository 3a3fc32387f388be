"""How an API key looks, so that whoever finds one can tell it from other text without asking us.

`spk_` and 48 characters of base64url: 32 random bytes, and their CRC-32 (zlib's, big-endian) behind them.
"""

import re
import zlib
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Final

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import API_KEY, written

MOST_KEYS: Final = 100
"""Keys of a user."""
RANDOM_BYTES: Final = 32
_SHOWN: Final = 12
_FORM = re.compile(rf"{API_KEY}[A-Za-z0-9_-]{{48}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a new key is wanted for."""

    scopes: tuple[str, ...]
    expires_at: int | None
    description: str | None


def key_of(bits: bytes) -> Hidden[str]:
    """Write 32 random bytes as a key."""
    return written(API_KEY, bits + _checksum(bits))


def is_key(text: str) -> bool:
    """Tell whether a text has the form of a key, its checksum included."""
    if not _FORM.fullmatch(text):
        return False
    raw = urlsafe_b64decode(text[len(API_KEY) :])
    return raw[RANDOM_BYTES:] == _checksum(raw[:RANDOM_BYTES])


def prefix_of(key: str) -> str:
    """Return the beginning of a key, by which its owner knows it: 208 of its random bits remain."""
    return key[:_SHOWN]


def is_good(*, expires_at: int | None, suspended_at: int | None, now: int) -> bool:
    """Tell whether a key that is there is good at this moment."""
    return suspended_at is None and (expires_at is None or now < expires_at)


def _checksum(bits: bytes) -> bytes:
    return zlib.crc32(bits).to_bytes(4)
