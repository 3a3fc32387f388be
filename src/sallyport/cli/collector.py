"""When Python looks for garbage. What a start makes lives as long as the process: looking is a fifth of the start."""

import gc
from typing import Final

_AS_USUAL: Final = gc.get_threshold()
_RARELY: Final = 100_000


def look_rarely() -> None:
    """Let a start, or a short command, be over before the collector has looked more than a few times."""
    gc.set_threshold(_RARELY)


def look_as_usual() -> None:
    """Pass over what is there by now, and look at what comes as Python does by itself: for a process that stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_AS_USUAL)
