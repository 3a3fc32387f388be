"""What a password may be. NIST SP 800-63B-4 3.1.1.2."""

import unicodedata
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.text import UnfitError, bounded

LONGEST: Final = 1_024
SHORTEST_WITH_MFA: Final = 8
_SHORTEST_TELLING: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """For whom a password is chosen."""

    name: str
    email: str | None
    mfa: bool


def parse_password(typed: str, pointer: str) -> Hidden[str]:
    """Read a password: any characters, in Unicode form NFC.

    Raises `UnfitError` over 4 KiB or 1,024 code points, before normalizing: NFC is quadratic on combining marks.
    """
    if len(bounded(pointer, typed)) > LONGEST:
        raise UnfitError(pointer, f"A password has at most {LONGEST} characters.")
    return Hidden(unicodedata.normalize("NFC", typed))


def fault(password: Hidden[str], bearer: Bearer, shortest: int, common: AbstractSet[str]) -> str | None:
    """Return what is wrong with a new password, as a sentence for its owner, or None.

    `shortest` counts where the password stands alone; with a second factor eight characters do.
    """
    plain = password.reveal()
    least = min(shortest, SHORTEST_WITH_MFA) if bearer.mfa else shortest
    if len(plain) < least:
        return f"The password is too short: it needs at least {least} characters."
    folded = plain.casefold()
    if folded in common or _is_repetition(folded, common):
        return "The password is on the list of common passwords."
    local_part = (bearer.email or "").partition("@")[0]
    for telling in (bearer.name, bearer.email or "", local_part):
        if len(telling) >= _SHORTEST_TELLING and telling.casefold() in folded:
            return "The password contains the name or the address of the account."
    return None


def _is_repetition(folded: str, common: AbstractSet[str]) -> bool:
    """Tell whether a text is one common password over and over. Mere runs of one character are not on any list."""
    for size in range(_SHORTEST_TELLING, len(folded)):
        unit = folded[:size]
        if unit in common and len(set(unit)) > 1 and (unit * (len(folded) // size + 1)).startswith(folded):
            return True
    return False
