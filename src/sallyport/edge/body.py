"""The tolerant body: strict JSON first, and only where that fails the two slips of the documented requests."""

import re
from typing import Final, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec

from sallyport.kernel.outcomes import Refused, Why

B = TypeVar("B")

MAX_BYTES: Final = 64 * 1024
_MOST_FIELDS: Final = 20

# What the reference shows and strict JSON refuses: `{"type": "mfa",}` and `{"token": 021589,}`.
_SLIPS = re.compile(
    rb"""
      "(?:[^"\\]++|\\.)*+(?:"|\\?\Z)                 # a string is left alone, and so is one without an end
    | (?<=["\d}\]el]) [ \t\r\n]* , (?=[ \t\r\n]*[}\]])   # a comma between a value and a closing brace
    | (?<![\w.+-]) (?P<run> 0[0-9]+ ) (?![\w.])          # a bare digit run with a leading zero
    """,
    re.VERBOSE | re.DOTALL,
)
_UNKNOWN: Final = "Object contains unknown field"
_NAME = re.compile(r"[a-z][A-Za-z0-9_]{0,23}")
_STEP = re.compile(r"[.\[\]]+")
"""What stands between two steps of a path of msgspec, or at its ends; a JSON pointer has slashes (RFC 6901)."""
_FIELD = re.compile(r"field `(?P<name>[^`]*)`|at `\$(?P<path>[^`]*)`")


class Body(Generic[B]):
    """Reads the bytes of a body into one declared type."""

    def __init__(self, wanted: type[B]) -> None:
        self._wanted = wanted
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

    def read_form(self, raw: bytes) -> B | Refused:
        """Return the fields of a form as the body, each once (RFC 6749 3.2), or why it can't be read. Never raises."""
        try:
            pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        except ValueError:
            return Refused(why=Why.INVALID_REQUEST, detail="The form can't be read.")
        fields = dict(pairs)
        if len(fields) < len(pairs):
            return Refused(why=Why.INVALID_REQUEST, detail="Give each parameter once.")
        try:
            return msgspec.convert(fields, self._wanted)
        except msgspec.ValidationError as fault:
            return _misfit(fault)


def _unknown(text: str) -> Refused:
    """Name a field back only where it looks like one: what stands in its place may be a password, or 60 KiB."""
    name = text.removeprefix(_UNKNOWN).strip(" `")
    if not _NAME.fullmatch(name):
        return Refused(why=Why.UNKNOWN_FIELD, pointer="/")
    return Refused(why=Why.UNKNOWN_FIELD, detail=f"{_UNKNOWN} '{name}'.", pointer=f"/{name}")


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
    if text.startswith(_UNKNOWN):
        return _unknown(text)
    found = [*_FIELD.finditer(text)]  # the last one is msgspec's own, whatever a quoted value looks like
    pointer = f"/{found[-1]['name'] or _STEP.sub('/', found[-1]['path'] or '').strip('/')}" if found else "/"
    # msgspec quotes what stands in the place of one of several words, and that may be a secret as well.
    told = "Invalid value" if text.startswith("Invalid ") else text.split(" - at ", maxsplit=1)[0].replace("`", "'")
    return Refused(why=Why.INVALID_REQUEST, detail=f"{told}.", pointer=pointer)
