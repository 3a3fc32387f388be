"""How the value of a device is digested: HMAC under the pepper, so that one look-up finds it.

A value may be one of two users: the look-up names the user.
"""

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.vault import Vault


def digests(vault: Vault, value: Hidden[str]) -> dict[str, bytes]:
    """Return what is kept of a value, under each pepper key."""
    return vault.every_peppered("device", value.reveal().encode())
