"""How many tries there are, and how long the next one waits: a pure function of what was counted and of the time.

A mark is the moment of one try in microseconds, doubled; its lowest bit says that a known client made it.
"""

import enum
import re
import struct
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import msgspec

from sallyport.kernel.clock import DAY, HOUR, MINUTE, SECOND

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}")
"""What most addresses are, in the one form that they have: parsing one takes ten times as long."""

NEVER: Final = 0
FOREVER: Final = 2**62
"""A moment that does not come: what expires then is kept until a success erases it."""

FREE_TRIES: Final = 5
_FIRST_WAIT: Final = 30 * SECOND
_LONGEST_WAIT: Final = HOUR
PASSWORD_MEMORY: Final = DAY
"""How long failures of a password count when nobody tries any more."""

MOST_IN_A_ROW: Final = 100
"""NIST SP 800-63B-4 3.2.2: at most 100 consecutive failures of one authenticator."""

CLEARING: Final = 5 * SECOND
"""How much later a success takes effect that came in the middle of a burst of guesses."""

BUCKETS: Final = 2**20
"""Counters there are for names that nobody has. Invented names share them, so that a flood of names fills no table."""


class Lane(enum.StrEnum):
    """What is counted, each for itself."""

    PASSWORD = "password"  # noqa: S105  # the name of a lane
    CLIENT = "client"
    SECOND_FACTOR = "second_factor"
    ADDRESS = "address"
    ASKS = "asks"
    """Mails that an address has asked for. Its failures are counted for themselves."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """So many tries in so long a time, wherever it begins."""

    span: int
    most: int

    @property
    def kept(self) -> int:
        """How many of the tries are kept for known clients."""
        return self.most // 5


SECOND_FACTOR: Final = (
    Window(span=5 * MINUTE, most=5),
    Window(span=HOUR, most=20),
    Window(span=DAY, most=50),
)
ADDRESS: Final = (Window(span=5 * MINUTE, most=100),)


class Tries(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted of one subject in one lane."""

    in_a_row: int = 0
    last_at: int = NEVER
    marks: tuple[int, ...] = ()
    """Oldest first."""
    refused_at: int = NEVER
    """When somebody was refused since the last try."""
    cleared_at: int = NEVER
    """When all this stops counting, because of a success in the middle of a burst."""


NONE: Final = Tries()


def settled(tries: Tries, now: int) -> Tries:
    """Return the tries as made by now at the latest.

    What lies ahead was noted by a clock that is ahead of ours, or by ours before it was set back. Nobody waits until
    our clock has come there: that may take a year.
    """
    latest = max(tries.last_at, tries.refused_at, max(tries.marks, default=NEVER) >> 1)
    if latest <= now and tries.cleared_at <= now + CLEARING:
        return tries
    return msgspec.structs.replace(
        tries,
        last_at=min(tries.last_at, now),
        marks=tuple(min(mark, mark_of(now, known=bool(mark & 1))) for mark in tries.marks),
        refused_at=min(tries.refused_at, now),
        cleared_at=min(tries.cleared_at, now + CLEARING),
    )


def standing(tries: Tries, now: int) -> Tries:
    """Return what still counts at this moment of what was counted for a user."""
    return NONE if NEVER < tries.cleared_at <= now else tries


def sooner(tries: Tries, now: int, wait: int) -> int:
    """Return a wait, cut off where all that it rests on stops counting before it is over."""
    return min(wait, tries.cleared_at - now) if tries.cleared_at > now else wait


def remembered(tries: Tries, now: int) -> Tries:
    """Return what still counts at this moment of the failures of a password."""
    return NONE if now - tries.last_at >= PASSWORD_MEMORY else standing(tries, now)


def password_wait(tries: Tries, now: int, *, hard_stop: bool) -> int:
    """Return how long the next try of a password waits: five are free, then 30 s, 1, 2, 4 … 60 min after the last."""
    if hard_stop and tries.in_a_row >= MOST_IN_A_ROW:
        return _LONGEST_WAIT
    if tries.in_a_row < FREE_TRIES:
        return 0
    doubled = min(tries.in_a_row - FREE_TRIES, 10)  # far beyond the longest wait
    return max(0, tries.last_at + min(_FIRST_WAIT << doubled, _LONGEST_WAIT) - now)


def code_wait(tries: Tries, now: int, *, known: bool, kept: bool) -> int:
    """Return how long the next try of a second factor waits.

    Unknown clients have what is not kept for known ones; `kept` says that there are any. Known ones have all that is
    left, and their fifth whatever strangers did.
    """
    theirs = [mark for mark in tries.marks if mark & 1]
    waits = []
    for window in SECOND_FACTOR:
        if known:
            rest = _until(tries.marks, now, window.span, window.most)
            waits.append(min(rest, _until(theirs, now, window.span, window.kept)))
        else:
            most = window.most - window.kept if kept else window.most
            waits.append(_until(tries.marks, now, window.span, most))
    return max(waits)


def address_wait(tries: Tries, now: int) -> int:
    """Return how long the next try from an address waits."""
    return max(_until(tries.marks, now, window.span, window.most) for window in ADDRESS)


def counted(tries: Tries, now: int, windows: Sequence[Window], *, known: bool) -> Tries:
    """Return the tries with one more; marks that no window sees any more are gone."""
    longest = max((window.span for window in windows), default=0)
    seen = tuple(mark for mark in tries.marks if now - (mark >> 1) < longest)
    return Tries(
        in_a_row=tries.in_a_row + 1,
        last_at=now,
        marks=(*seen, mark_of(now, known=known)) if windows else (),
        refused_at=tries.refused_at,
        cleared_at=tries.cleared_at,
    )


def uncounted(tries: Tries, mark: int) -> Tries:
    """Return the tries without one of them."""
    marks = list(tries.marks)
    if mark in marks:
        marks.remove(mark)
    return msgspec.structs.replace(tries, in_a_row=max(0, tries.in_a_row - 1), marks=tuple(marks))


def mark_of(now: int, *, known: bool) -> int:
    """Return the mark of a try."""
    return now << 1 | known


def expires_at(lane: Lane, tries: Tries, *, hard_stop: bool) -> int:
    """Return when a counter says nothing any more, and may be swept."""
    if lane in {Lane.ADDRESS, Lane.ASKS}:
        return tries.last_at + ADDRESS[0].span
    # A hundred in a row may take months.
    return FOREVER if hard_stop or lane is Lane.SECOND_FACTOR else tries.last_at + PASSWORD_MEMORY


def address_key(ip: str) -> str:
    """Return what is counted as one address: an IPv4 address, or the /64 that one customer has of IPv6.

    What is no address at all (a socket of this machine) is empty, and not counted.
    """
    if _IPV4.fullmatch(ip):
        return ip
    try:
        address = ip_address(ip.partition("%")[0])  # a zone names an interface of ours, and is any text
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, 64), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)


def packed(marks: Sequence[int]) -> bytes:
    """Write marks as the database keeps them."""
    return struct.pack(f">{len(marks)}Q", *marks)


def unpacked(raw: bytes) -> tuple[int, ...]:
    """Read marks as the database keeps them."""
    return struct.unpack(f">{len(raw) // 8}Q", raw)


def _until(marks: Sequence[int], now: int, span: int, most: int) -> int:
    """Return how long it takes until fewer than `most` of the marks lie within the span."""
    within = [mark >> 1 for mark in marks if now - (mark >> 1) < span]
    if len(within) < most:
        return 0
    return within[len(within) - most] + span - now
