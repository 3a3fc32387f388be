"""Ports for what the tests start."""

import os
import random
import socket
from collections.abc import Iterator
from itertools import cycle
from typing import Final

_FIRST: Final = 20_000
_END: Final = 32_000
"""Below the ports from which a system gives any to whoever asks for one (from 32,768 on Linux, from 49,152 elsewhere):
such a one could go to somebody else before it is listened on."""


def free_port() -> int:
    """Return a port that nobody listens on, at any address, and that no other process of this run returns."""
    return next(port for port in _SHARE if _is_free(port))


def _share() -> Iterator[int]:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = range(_FIRST + number, _END, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    # Two runs on one machine rarely begin at the same place.
    begin = random.randrange(len(share))
    return cycle((*share[begin:], *share[:begin]))


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("", port))
        except OSError:
            return False
    return True


_SHARE: Final = _share()
