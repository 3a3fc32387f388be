"""The tolerant body: strict JSON first, and only where that fails the two slips of the documented requests."""

import re
from typing import Final, Generic, TypeVar

import msgspec

from sallyport.kernel.outcomes import Refused, Why

B = TypeVar("B")

MAX_BYTES: Final = 64 * 1024

# What the reference shows and strict JSON refuses: `{"type": "mfa",}` and `{"token": 021589,}`.
_SLIPS = re.compile(
    rb"""
      "(?:[^"\\]++|\\.)*+(?:"|\\?\Z)                 # a string is left alone, and so is one without an end
    | (?<=["\d}\]el]) [ \t\r\n]* , (?=[ \t\r\n]*[}\]])   # a comma between a value and a closing brace
    | (?<![\w.+-]) (?P<run> 0[0-9]+ ) (?![\w.])          # a bare digit run with a leading zero
    """,
    re.VERBOSE | re.DOTALL,
)
_FIELD = re.compile(r"field `(?P<name>[^`]*)`|at `\$(?P<path>[^`]*)`")


class Body(Generic[B]):
    """Reads the bytes of a body into one declared type."""

    def __init__(self, wanted: type[B]) -> None:
        self._typed = msgspec.json.Decoder(wanted)

    def read(self, raw: bytes) -> B | Refused:
        """Return the body, or why it can't be read. Never raises, whatever the bytes."""
        try:
            return self._typed.decode(raw)
        except (ValueError, RecursionError) as fault:
            if isinstance(fault, msgspec.ValidationError) and _is_json(raw):
                return _misfit(fault)
        try:
            return self._typed.decode(_SLIPS.sub(_mended, raw))
        except msgspec.ValidationError as fault:
            return _misfit(fault) if _is_json(_SLIPS.sub(_mended, raw)) else Refused(why=Why.MALFORMED_JSON)
        except (ValueError, RecursionError):
            return Refused(why=Why.MALFORMED_JSON)


def _is_json(raw: bytes) -> bool:
    """Tell whether the whole text is JSON: a misfit is reported before the rest of the text is read."""
    try:
        msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return False
    return True


def _mended(slip: re.Match[bytes]) -> bytes:
    if run := slip["run"]:
        return b'"' + run + b'"'
    return slip[0] if slip[0].startswith(b'"') else b""


def _misfit(fault: msgspec.ValidationError) -> Refused:
    text = str(fault)
    why = Why.UNKNOWN_FIELD if text.startswith("Object contains unknown field") else Why.INVALID_REQUEST
    found = _FIELD.search(text)
    pointer = "/" + (found["name"] or (found["path"] or "").lstrip(".")) if found else "/"
    return Refused(why=why, detail=text.split(" - at ", maxsplit=1)[0].replace("`", "'") + ".", pointer=pointer)
