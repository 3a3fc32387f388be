"""Opaque tokens: 256 random bits behind a prefix that says what they are, kept only as digests."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NewType

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Randomness

Digest = NewType("Digest", bytes)
"""SHA-256 of an opaque token: enough at 256 random bits, and one index look-up finds it."""

REFRESH: Final = "spr_"
CHALLENGE: Final = "spc_"
CLIENT: Final = "spd_"
RESET: Final = "spx_"
VERIFY: Final = "spv_"
MAILED: Final = "spu_"
LOST: Final = "spm_"
API_KEY: Final = "spk_"
BROWSER: Final = "spw_"
"""Of a cookie: opens pages, and nothing else."""

_BYTES: Final = 32
_PREFIX: Final = 4


def new_token(prefix: str, randomness: Randomness) -> Hidden[str]:
    """Make a token of this kind with 256 random bits."""
    return written(prefix, randomness(_BYTES))


def written(prefix: str, bits: bytes) -> Hidden[str]:
    """Write bytes as a token of this kind."""
    return Hidden(prefix + urlsafe_b64encode(bits).rstrip(b"=").decode())


def bits_of(token: Hidden[str]) -> bytes:
    """Return the bytes behind the prefix of a token whose form is right."""
    text = token.reveal()[_PREFIX:]
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def digest_of(token: Hidden[str]) -> Digest:
    """Return what the database keeps of a token."""
    return Digest(hashlib.sha256(token.reveal().encode()).digest())
