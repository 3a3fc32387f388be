"""Text that came from outside: the checks that every field shares."""

import re
from datetime import datetime
from typing import Final

from sallyport.kernel.clock import SECOND

MAX_FIELD_BYTES: Final = 4096

# C0, C1, DEL, line and paragraph separators, and what turns the direction of writing (Trojan Source).
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# RFC 3339 5.6. A plus sign in a query reads as a space.
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,9})?(?:([Zz])|([+ -])(\d\d:\d\d))", re.ASCII)

_LAST_SECOND: Final = 253_402_300_799
"""Of the year 9999: what comes behind it can't be written as RFC 3339 again. An offset leads there."""


class UnfitError(ValueError):
    """A value from outside does not fit its field. `pointer` names the field, the text says what to do."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


def bounded(pointer: str, text: str) -> str:
    """Return `text` if it is at most 4 KiB in UTF-8, else raise `UnfitError`. api.md section 1."""
    if len(text) > MAX_FIELD_BYTES or len(text.encode()) > MAX_FIELD_BYTES:
        raise UnfitError(pointer, "A text field holds at most 4096 bytes.")
    return text


def printable(pointer: str, text: str) -> str:
    """Return `text` if it is bounded and has no control characters, else raise `UnfitError`."""
    if _UNPRINTABLE.search(bounded(pointer, text)):
        raise UnfitError(pointer, "Control characters are not allowed here.")
    return text


def moment(pointer: str, text: str) -> int:
    """Read a moment of RFC 3339 as microseconds since the epoch. Raises `UnfitError`."""
    unfit = UnfitError(pointer, "A moment like 2030-01-31T12:00:00Z is wanted (RFC 3339).")
    found = _MOMENT.fullmatch(text)
    if not found:
        raise unfit
    day, time, fraction, _, sign, offset = found.groups()
    zone = f"{sign.replace(' ', '+')}{offset}" if sign else "+00:00"
    try:
        seconds = int(datetime.fromisoformat(f"{day}T{time}{zone}").timestamp())
    except ValueError:
        raise unfit from None
    if seconds > _LAST_SECOND:
        raise unfit
    return max(0, seconds * SECOND + int(((fraction or ".")[1:] + "000000")[:6]))
