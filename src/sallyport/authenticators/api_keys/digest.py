"""How an API key is digested: HMAC under the pepper. 256 random bits need no slow hash."""

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.vault import Vault


def digests(vault: Vault, key: Hidden[str]) -> dict[str, bytes]:
    """Return what is kept of a key, under each pepper key."""
    return vault.every_peppered("api key", key.reveal().encode())
