"""`tells`: whether an answer says by its bytes or its time what was wrong with a login.

Samples of all kinds are taken in random order, one after the other, so that whatever the machine does meanwhile meets
all kinds alike. The server has a core of its own, and the throttle is on: no name is tried more often than it allows,
and the requests come from as many addresses as that takes.
"""

import asyncio
import base64
import re
import socket
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory
from typing import Final

from bench.load import request
from bench.people import PASSWORD, Person, Town, environ_of, service_in
from bench.scenario import Bar, Finding
from bench.server import Server
from bench.stage import QUICK, Size
from sallyport.store.work import Rows, Sql

_REFERENCE: Final = "wrong password"
_HELD: Final = "429, known name"
_SAMPLES: Final = 300
_QUICK_SAMPLES: Final = 60
_TRIES_EACH: Final = 4
"""How often a name is tried, one that nobody has too: the throttle lets five pass."""
_TRIES_AN_ADDRESS: Final = 90
"""The throttle lets a hundred pass."""
_WARM_UP: Final = 40
_PERCENT: Final = 2.0
_MILLISECOND: Final = 1.0
_TRIES: Final = 12
_OWN: Final = re.compile(rb'(?im)^(?:date|x-request-id): .*?\r\n|(?<="requestId":")[^"]+|(?<=^retry-after: )\d+')
"""What two answers may differ in. The seconds of a wait run down while all kinds are sampled."""
_DISABLE: Final = Sql("UPDATE users SET disabled_at = :now WHERE id = :user")
_FORGET: Final = Sql("DELETE FROM passwords WHERE user_id = :user")
_random: Final = SystemRandom()

Ask = Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What was measured of one kind of login."""

    name: str
    seconds: list[float]
    faces: set[bytes]
    """The different answers, without what may differ."""

    @property
    def median(self) -> float:
        """The median in milliseconds."""
        return statistics.median(self.seconds) * 1e3


def play(size: Size) -> Finding:
    """Measure the 401s, then the 429s."""
    samples = _QUICK_SAMPLES if size == QUICK else _SAMPLES
    with TemporaryDirectory(prefix="sallyport-tells-") as name:
        directory = Path(name)
        asks = _settled(directory, samples // _TRIES_EACH + _WARM_UP)
        with _serving(directory) as server:
            refused = _sampled(server.port, asks, samples)
            held_back = _held_back(server.port, samples)
    reference, held = refused[_REFERENCE], held_back[_HELD]
    tables = [_table(reference, list(refused.values())), _table(held, list(held_back.values()))]
    bars = [*_bars(reference, list(refused.values()), 401), *_bars(held, list(held_back.values()), 429)]
    data = {
        kind.name: {"p50_ms": kind.median, "auc": auc(kind.seconds, against.seconds), "samples": len(kind.seconds)}
        for against, kinds in ((reference, refused), (held, held_back))
        for kind in kinds.values()
    }
    return Finding(table="\n\n".join(tables), bars=bars, data=data)


def auc(ours: list[float], theirs: list[float]) -> float:
    """Return how likely a sample of ours is above one of theirs: 0.5 tells nothing, 0 and 1 tell all.

    The U of Mann and Whitney over the product of the sizes; equal values share their ranks.
    """
    ranked = sorted([(value, 0) for value in theirs] + [(value, 1) for value in ours])
    total, at = 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        total += (at + end + 1) / 2 * sum(side for _, side in ranked[at:end])
        at = end
    return (total - len(ours) * (len(ours) + 1) / 2) / (len(ours) * len(theirs))


class Line:
    """One connection that waits for each answer."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(address, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, wanted: bytes) -> tuple[float, bytes]:
        """Return the seconds that an answer took, and the answer."""
        begun = time.perf_counter()
        self._socket.sendall(wanted)
        answer = self._socket.recv(65_536)
        while not _is_whole(answer):
            answer += self._socket.recv(65_536)
        return time.perf_counter() - begun, answer

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(end and length) and len(body) >= int(length[1] if length else 0)


def _settled(directory: Path, each: int) -> dict[str, Ask]:
    """Write people of every kind; returns how to ask as one of each kind."""
    service = service_in(directory)
    town = Town(service)

    async def settle() -> list[list[Person]]:
        sizes = (2 * each, 2 * each, each, each)
        groups = [await town.settle(sizes[at], mfa=at == 3, first=at * 10_000) for at in range(4)]
        now = service.clock.now()

        def unit(rows: Rows) -> None:
            for person in groups[1]:
                rows.change(_DISABLE, user=person.uid, now=now)
            for person in groups[2]:
                rows.change(_FORGET, user=person.uid)

        await service.work(unit)
        return groups

    plain, disabled, bare, careful = asyncio.run(settle())
    service.close()
    wrong = "not " + PASSWORD
    return {
        _REFERENCE: _asks([person.name for person in plain[:each]], wrong),
        "wrong password, by uid": _asks([person.uid for person in plain[each:]], wrong),
        "wrong password, with MFA": _asks([person.name for person in careful], wrong),
        "unknown name": _asks([f"nobody{at}" for at in range(each)], wrong),
        "unknown address": _asks([f"nobody{at}@example.org" for at in range(each)], wrong),
        "unknown uid": _asks([str(uuid.uuid4()) for _ in range(each)], wrong),
        "no password": _asks([person.name for person in bare], wrong),
        "disabled, wrong password": _asks([person.name for person in disabled[:each]], wrong),
        "disabled, right password": _asks([person.name for person in disabled[each:]], PASSWORD),
    }


def _asks(identifiers: list[str], password: str) -> Ask:
    """Return what asks as each of them in turn: no kind is one row that is always in the cache."""
    turns = cycle(_random.sample(identifiers, len(identifiers)))
    return lambda: _basic(next(turns), password)


def _basic(identifier: str, password: str) -> bytes:
    value = base64.b64encode(f"{identifier}:{password}".encode()).decode()
    return request("GET", "/auth/password", {"authorization": f"Basic {value}"})


def _held_back(port: int, samples: int) -> dict[str, Kind]:
    """Use up the tries of some names, known and not; then measure the refusals that judge nothing."""
    people = {
        _HELD: [f"person{at}" for at in range(5)],
        "429, unknown name": [f"stranger{at}" for at in range(5)],
    }
    wrong = "not " + PASSWORD
    in_turns = [name for names in zip(*people.values(), strict=True) for name in names]
    for at, name in enumerate(in_turns):
        line = Line(port, f"127.0.2.{at + 1}")
        for _ in range(_TRIES):
            line.ask(_basic(name, wrong))
        line.close()
    return _sampled(port, {kind: _asks(names, wrong) for kind, names in people.items()}, samples)


def _sampled(port: int, asks: dict[str, Ask], samples: int) -> dict[str, Kind]:
    kinds = {name: Kind(name=name, seconds=[], faces=set()) for name in asks}
    order = [name for name in asks for _ in range(samples)]
    _random.shuffle(order)
    warm_up = [name for name in asks for _ in range(_WARM_UP // len(asks))]
    lines = [Line(port, f"127.0.3.{at + 1}") for at in range(len(warm_up + order) // _TRIES_AN_ADDRESS + 1)]
    for at, name in enumerate(warm_up + order):
        seconds, answer = lines[at % len(lines)].ask(asks[name]())
        if at >= len(warm_up):
            kinds[name].seconds.append(seconds)
        kinds[name].faces.add(_OWN.sub(b"", answer))
    for line in lines:
        line.close()
    return kinds


def _bars(reference: Kind, kinds: list[Kind], status: int) -> list[Bar]:
    faces = set[bytes]().union(*(kind.faces for kind in kinds))
    wrong = [face for face in faces if not face.startswith(b"HTTP/1.1 %d" % status)]
    # Two percent or a millisecond, whichever allows more: the difference in units of what is allowed.
    allowed = max(reference.median * _PERCENT / 100, _MILLISECOND)
    worst = max(kinds, key=lambda kind: abs(kind.median - reference.median))
    return [
        Bar(what=f"different {status}s", found=len(faces), limit=1, unit="faces"),
        Bar(what=f"answers that are not {status}", found=len(wrong), limit=0, unit="faces"),
        Bar(
            what=f"medians of {status}s apart, at most ({worst.name})",
            found=abs(worst.median - reference.median),
            limit=round(allowed, 2),
            unit="ms",
        ),
    ]


def _table(reference: Kind, kinds: list[Kind]) -> str:
    lines = ["| kind | median | apart | apart | AUC | same bytes |", "|---|---:|---:|---:|---:|---|"]
    for kind in kinds:
        apart = kind.median - reference.median
        likely = auc(kind.seconds, reference.seconds)
        same = "yes" if kind.faces == reference.faces else "NO"
        percent = apart / reference.median * 100
        lines.append(
            f"| {kind.name} | {kind.median:.3f} ms | {apart:+.3f} ms | {percent:+.2f} % | {likely:.2f} | {same} |"
        )
    return "\n".join(lines)


@contextmanager
def _serving(directory: Path) -> Iterator[Server]:
    server = Server("sallyport", {**environ_of(directory), "SALLYPORT_THROTTLE": "on"})
    try:
        yield server
    finally:
        server.stop()
