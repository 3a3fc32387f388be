"""Why a trusted role acts on somebody: a line of text in the body, for the audit log and for whom it is about."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sallyport.kernel.text import printable


class Reasoned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body that may say why, and nothing else."""

    reason: Annotated[str, Meta(max_length=4096)] | UnsetType = UNSET


def reason_in(body: object) -> str | None:
    """Return the reason that a body gives, or None: blanks are none. Raises `UnfitError`."""
    text = getattr(body, "reason", UNSET)
    return (printable("/reason", text).strip() or None) if isinstance(text, str) else None


def parse_reasoned(body: Reasoned) -> Reasoned:
    """Read a body that may say why. Raises `UnfitError`."""
    reason_in(body)
    return body
