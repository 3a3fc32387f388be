"""Identifiers, credentials and the numbers of a challenge."""

import binascii
import enum
from base64 import b64decode
from dataclasses import dataclass
from typing import Final

from sallyport.kernel.clock import MINUTE
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import is_uid
from sallyport.users.rules import email_key, name_key

CHALLENGE_LIFETIME: Final = 5 * MINUTE
CHALLENGE_TRIES: Final = 5
MOST_CHALLENGES: Final = 20


class By(enum.Enum):
    """What kind of identifier a user gave. A name can look like neither of the others."""

    UID = "uid"
    EMAIL = "email"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A claimed identity, as it is looked up."""

    by: By
    key: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What stands in a Basic header."""

    identifier: str
    value: Hidden[str]


def parse_identifier(typed: str) -> Identifier:
    """Read an identifier. What can't be one is looked up in vain, and costs what every other costs."""
    if is_uid(typed):
        return Identifier(By.UID, typed)
    if "@" in typed:
        return Identifier(By.EMAIL, email_key(typed))
    return Identifier(By.NAME, name_key(typed) or "")


def parse_basic(value: str) -> Credentials | None:
    """Read a Basic credential as UTF-8, split at its first colon; None where it can't be read. RFC 7617 2."""
    try:
        text = b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    identifier, colon, password = text.partition(":")
    return Credentials(identifier, Hidden(password)) if colon else None
