"""A typed code, parsed once: a code parsed twice is how a replay guard was walked around elsewhere."""

import re
from typing import Final

import msgspec

from sallyport.kernel.text import UnfitError, bounded

DIGITS: Final = 6
"""RFC 4226 5.3: at least six; what every authenticator app shows."""
_TOTP = re.compile(r"[0-9]{6}")
_GAPS = str.maketrans("", "", " -")
# Crockford's base32 reads what people confuse as what was meant.
_CROCKFORD = str.maketrans("OIL", "011")
_BACKUP = re.compile(r"[0-9A-HJKMNP-TV-Z]{16}")


class TotpCode(msgspec.Struct, frozen=True):
    """Six digits, as an authenticator app shows them."""

    digits: bytes


class BackupCode(msgspec.Struct, frozen=True):
    """Sixteen Crockford base32 characters in canonical form."""

    symbols: str


class NoCode(msgspec.Struct, frozen=True):
    """Text that no code of this service can be: it is wrong, and counts as a try."""


Code = TotpCode | BackupCode | NoCode


def parse_code(typed: str | int) -> Code:
    """Read what was typed as a code; case, spaces and hyphens do not matter.

    A number is padded with zeros to the digits of a TOTP code. Raises `UnfitError` for what is not the text of
    any code: nothing at all, characters beyond ASCII, a negative number.
    """
    if isinstance(typed, int):
        if typed < 0:
            raise UnfitError("/token", "A code has no sign.")
        return TotpCode(b"%06d" % typed) if typed < 10**DIGITS else NoCode()
    text = bounded("/token", typed).translate(_GAPS)
    if not text or not text.isascii():
        raise UnfitError("/token", "A code consists of the digits 0 to 9, or of the letters of a backup code.")
    if _TOTP.fullmatch(text):
        return TotpCode(text.encode())
    return parse_backup_code(text) or NoCode()


def parse_backup_code(text: str) -> BackupCode | None:
    """Read text as a backup code, or return None where it can't be one."""
    symbols = text.translate(_GAPS).upper().translate(_CROCKFORD)
    return BackupCode(symbols) if _BACKUP.fullmatch(symbols) else None
