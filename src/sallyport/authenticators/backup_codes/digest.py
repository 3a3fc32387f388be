"""How a backup code is digested: Argon2id over an HMAC under the pepper, with the salt of its set.

Below 112 bits NIST asks for a salted password hash; 80 random bits need no cost beyond it.
"""

from argon2.low_level import Type, hash_secret_raw

from sallyport.authenticators.backup_codes.store import Recipe
from sallyport.authenticators.codes import BackupCode
from sallyport.kernel.vault import Vault


def digest(vault: Vault, recipe: Recipe, code: BackupCode) -> bytes:
    """Return what is kept of a code. Takes half a millisecond: run it in the hash pool."""
    peppered = vault.peppered(recipe.pepper_id, "backup code", code.symbols.encode())
    return hash_secret_raw(
        peppered, recipe.salt, time_cost=1, memory_cost=1024, parallelism=1, hash_len=32, type=Type.ID
    )
