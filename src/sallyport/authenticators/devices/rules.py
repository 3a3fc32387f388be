"""What the value of a device is. Values come in, values go out."""

from dataclasses import dataclass
from typing import Final

from sallyport.kernel.hidden import Hidden

SHORTEST: Final = 32
"""Characters: whoever draws them at random has 128 bits even in hexadecimal digits."""
MOST_DEVICES: Final = 100
"""Devices of a user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A device that is to be known."""

    value: Hidden[str]
    description: str | None


def is_long_enough(value: str) -> bool:
    """Tell whether a value is long enough for one of a device; what is not is never looked for."""
    return len(value) >= SHORTEST
