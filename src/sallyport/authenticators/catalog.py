"""The one list of authenticator kinds: how each is found, described and erased."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sallyport.authenticators.api_keys import store as api_keys
from sallyport.authenticators.backup_codes import store as backup_codes
from sallyport.authenticators.devices import store as devices
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.rules import Authenticator
from sallyport.authenticators.totp import store as totp
from sallyport.store.work import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of authenticator."""

    type: str
    of_user: Callable[[Rows, str, int], list[Authenticator]]
    describe: Callable[[Rows, Authenticator, str | None, int], bool]


def _password(rows: Rows, user: str, _now: int) -> list[Authenticator]:
    held = passwords.of_user(rows, user)
    return [held.told] if held else []


def _backup_codes(rows: Rows, user: str, _now: int) -> list[Authenticator]:
    held = backup_codes.of_user(rows, user)
    return [held] if held else []


KINDS: Final = (
    Kind(type=passwords.TYPE, of_user=_password, describe=passwords.describe),
    Kind(type=totp.TYPE, of_user=totp.of_user, describe=totp.describe),
    Kind(type=backup_codes.TYPE, of_user=_backup_codes, describe=backup_codes.describe),
    Kind(type=api_keys.TYPE, of_user=api_keys.of_user, describe=api_keys.describe),
    Kind(type=devices.TYPE, of_user=devices.of_user, describe=devices.describe),
)


def of_user(rows: Rows, user: str, now: int) -> list[Authenticator]:
    """Return all authenticators of a user, oldest first, and by kind where they are of one age."""
    found = [told for kind in KINDS for told in kind.of_user(rows, user, now)]
    return sorted(found, key=lambda told: told.created_at)


def find(rows: Rows, user: str, uid: str, now: int) -> Authenticator | None:
    """Return one authenticator of a user."""
    return next((told for told in of_user(rows, user, now) if told.uid == uid), None)


def has_secret(rows: Rows, user: str) -> bool:
    """Tell whether a user has any authenticator; none of the other kinds is ever the first or the last one."""
    return passwords.of_user(rows, user) is not None or devices.has_any(rows, user) or api_keys.has_any(rows, user)


def describe(rows: Rows, told: Authenticator, description: str | None, now: int) -> bool:
    """Write a new description; False where the version has moved on."""
    kind = next(kind for kind in KINDS if kind.type == told.type)
    return kind.describe(rows, told, description, now)
