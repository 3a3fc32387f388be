"""One core for what is measured, the other for who measures, and an eye on strangers between them."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ALLOWED = sorted(os.sched_getaffinity(0))
SERVER = _ALLOWED[0]
LOAD = _ALLOWED[-1]
SHARED = SERVER == LOAD
"""There is one core only: load and server take time from each other, and no ratio means much."""

_TICK = 1 / os.sysconf("SC_CLK_TCK")


def stay_on_load_core() -> None:
    """Pin this process to the core of the load."""
    os.sched_setaffinity(0, {LOAD})


@contextmanager
def server_core(core: int = SERVER) -> Iterator[None]:
    """Pin what is started inside to the core of the server, or to another: a child inherits it."""
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {LOAD})


@contextmanager
def every_core() -> Iterator[None]:
    """Give what is started inside every core, that of the load too."""
    os.sched_setaffinity(0, set(_ALLOWED))
    try:
        yield
    finally:
        os.sched_setaffinity(0, {LOAD})


class Watch:
    """Sees how much of both cores went to processes that are not ours, or to another machine."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._theirs = _theirs()

    def strangers(self) -> float:
        """Return their share of a core since the watch began, of the one that they used more."""
        spent = time.perf_counter() - self._begun
        return max(0.0, *((now - then) / spent for now, then in zip(_theirs(), self._theirs, strict=True)))


def _theirs() -> tuple[float, float]:
    """Return how many seconds strangers have had of the server's core and of the load's.

    All our children, the living and the dead, run on the one; we run on the other.
    """
    dead = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = Path("/proc/thread-self/children").read_text().split()
    servers = dead.ru_utime + dead.ru_stime + sum(map(cpu_seconds, living))
    return _busy(SERVER) - servers, _busy(LOAD) - time.process_time()


def _busy(core: int) -> float:
    """Return how many seconds a core was not idle; time stolen by the hypervisor counts. See proc(5)."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, line.split()[1:9])
    return (user + nice + system + irq + softirq + steal) * _TICK


def cpu_seconds(pid: int | str) -> float:
    """Return how many seconds a process has run, in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK
