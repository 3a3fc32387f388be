"""How backup codes look. Crockford's base32: no letter that is mistaken for a digit."""

from typing import Final

HOW_MANY: Final = 10
BYTES: Final = 10
"""80 random bits a code. NIST SP 800-63B-4 4.2.1.1 asks for 64."""

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SYMBOLS: Final = 16
_GROUP: Final = 4


def symbols(bits: bytes) -> str:
    """Write 80 bits as sixteen Crockford base32 symbols."""
    number = int.from_bytes(bits)
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_SYMBOLS)))


def shown(code: str) -> str:
    """Write a code in groups of four, for people."""
    return "-".join(code[at : at + _GROUP] for at in range(0, _SYMBOLS, _GROUP))
