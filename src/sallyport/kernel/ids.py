"""Identifiers (UUIDv7) and the source of randomness."""

import os
import re
from collections.abc import Callable
from typing import Final

from sallyport.kernel.clock import Clock

# ASVS 11.5.1: unguessable values come from the system's CSPRNG; tests pass a seeded source.
Randomness = Callable[[int], bytes]
system_randomness: Randomness = os.urandom

UID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_CANONICAL = re.compile(UID)


class Ids:
    """Makes UUIDv7 identifiers, which sort by the moment they were made."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock = clock
        self._randomness = randomness

    def new(self) -> str:
        """Return a fresh identifier in canonical form. RFC 9562 5.7, with method 3 of 6.2 for order."""
        milliseconds, micros = divmod(self._clock.now(), 1_000)
        fraction = micros * 4096 // 1_000
        tail = int.from_bytes(self._randomness(8)) & (2**62 - 1)
        number = milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | tail
        digits = f"{number:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_uid(text: str) -> bool:
    """Tell whether `text` is a UUID in canonical (lower-case, hyphenated) form. RFC 9562 4."""
    return _CANONICAL.fullmatch(text) is not None
