"""What tokens of recovery are bound to. Values come in, values go out."""

from typing import Final

RECOVER_PAGE: Final = "/ui/recover"
VERIFY_PAGE: Final = "/ui/verify"


def bound(address: bytes, password: str | None, generation: int) -> str:
    """Return what a reset token is made for: with another address, or another password, it is dead."""
    return f"{address.hex()} {password or 'none'} {generation}"
