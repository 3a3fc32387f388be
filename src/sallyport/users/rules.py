"""What a name, an address and a user are. Values come in, values go out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec
from precis_i18n import get_profile

from sallyport.kernel.ids import is_uid
from sallyport.kernel.text import UnfitError, bounded, printable

LONGEST_NAME: Final = 64
_MOST_SHRINKING: Final = 4
"""Preparation makes a name shorter at most so many times, and takes its time for a long one."""
_PRECIS = get_profile("UsernameCaseMapped")
# Of what is visible in ASCII the profile keeps everything, and lowers letters: RFC 8265 3.3, RFC 8264 9.11.
_ASCII = re.compile(r"[!-~]+")
_PHONE = re.compile(r"\+?[0-9 ().\-/]*[0-9][0-9 ().\-/]*")
_FEWEST_PHONE_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Name:
    """A user name, as it was typed and as it is compared."""

    shown: str
    key: str


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail address, as it was typed and as it is compared."""

    shown: str
    key: str


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user as stored."""

    uid: str
    name: str
    name_key: str
    email: str | None
    email_key: str | None
    verified: bool
    first_name: str | None
    last_name: str | None
    phone: str | None
    roles: tuple[str, ...]
    disabled: bool
    mfa: bool
    codes_left: int = 0
    """Backup codes that are good yet, where a user is read alone."""
    created_at: int
    modified_at: int
    version: int


class UserFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which users a list is to have: those of whom every field that is given is exactly that."""

    uid: str | None = None
    name_key: str | None = None
    email_key: str | None = None
    role_key: str | None = None
    """The prepared name of a role that they are in."""
    verified: bool | None = None
    mfa: bool | None = None
    disabled: bool | None = None

    def fits(self, user: User) -> bool:
        """Tell whether a user is one of them."""
        plain = (
            (self.uid, user.uid),
            (self.name_key, user.name_key),
            (self.email_key, user.email_key),
            (self.verified, user.verified),
            (self.mfa, user.mfa),
            (self.disabled, user.disabled),
        )
        if any(wanted is not None and wanted != found for wanted, found in plain):
            return False
        return self.role_key is None or any(role_key(role) == self.role_key for role in user.roles)


EVERYBODY: Final = UserFilter()
OPEN_FILTERS: Final = {"uid": "the user of that uid", "name": "the user of that name, in any case"}
"""What anybody may ask for, because everybody sees it of everybody."""
FILTERS: Final = OPEN_FILTERS | {
    "email": "who claims that address, verified or not; for trusted roles, like those below",
    "verified": "`true` or `false`",
    "mfaEnabled": "`true` or `false`",
    "disabled": "`true` or `false`",
    "role": "who is in the role of that name, in any case",
}
_IMPOSSIBLE: Final = ""
"""The key of what can't be a name: nobody has it."""


def parse_filter(query: Mapping[str, str]) -> UserFilter:
    """Read the filters in the query of a list of users. Raises `UnfitError`."""
    if "uid" in query and not is_uid(query["uid"]):
        raise UnfitError("/uid", "Give the uid of a user.")
    return UserFilter(
        uid=query.get("uid"),
        name_key=(name_key(query["name"]) or _IMPOSSIBLE) if "name" in query else None,
        email_key=email_key(query["email"]) if "email" in query else None,
        role_key=role_key(query["role"]) if "role" in query else None,
        verified=_switch(query, "verified"),
        mfa=_switch(query, "mfaEnabled"),
        disabled=_switch(query, "disabled"),
    )


def _switch(query: Mapping[str, str], name: str) -> bool | None:
    if query.get(name, "true") not in {"true", "false"}:
        raise UnfitError(f"/{name}", "`true` or `false` is wanted.")
    return query[name] == "true" if name in query else None


_TOLD: Final = ("name", "email", "first_name", "last_name", "phone")


def changed_fields(old: User, new: User) -> list[str]:
    """Return the names of the fields that a change of a user alters, never their values."""
    return [name for name in _TOLD if getattr(old, name) != getattr(new, name)]


def name_key(typed: str) -> str | None:
    """Return how a user name is compared (RFC 8265 UsernameCaseMapped), or None where it can't be one."""
    if len(typed) > LONGEST_NAME * _MOST_SHRINKING:
        return None
    try:
        key: str = typed.lower() if _ASCII.fullmatch(typed) else _PRECIS.enforce(typed)
    except UnicodeEncodeError:
        return None
    return key if len(key) <= LONGEST_NAME else None


def before(prefix: str) -> str:
    """Return what sorts before every prepared name that begins so, and behind all that sort before those."""
    return prefix[:-1] + chr(max(ord(prefix[-1]) - 1, 0)) + "\U0010ffff" if prefix else ""


def role_key(name: str) -> str:
    """Return how the name of a role is compared: as that of a user.

    A setting may name a role that can't be made over HTTP, with a space in it: without regard to case.
    """
    return name_key(name) or _askable(name.casefold())


def parse_name(typed: str) -> Name:
    """Read a user name. Raises `UnfitError` for what no name can be, or what looks like another identifier."""
    key = name_key(printable("/name", typed))
    if key is None:
        raise UnfitError("/name", "A name has 1 to 64 letters, digits or signs, and no spaces.")
    if ":" in key:
        # RFC 7617 2: user-id and password are split at the first colon.
        raise UnfitError("/name", "A name can't have a colon.")
    if "@" in key or _looks_like_uuid(key) or _looks_like_phone(key):
        raise UnfitError("/name", "A name can't look like an e-mail address, a phone number or a UUID.")
    return Name(typed, key)


def email_key(typed: str) -> str:
    """Return how an e-mail address is compared: without regard to case.

    Lowered and not folded: to fold makes ß an ss, and then who has a mailbox in the one domain has it in the other.
    """
    return _askable(typed.lower())


def parse_email(typed: str) -> Email:
    """Read an e-mail address. Raises `UnfitError` with what is wrong with it."""
    from sallyport.kernel.mailaddress import normalized  # noqa: PLC0415  # slow to import

    try:
        shown = normalized(bounded("/email", typed))
    except ValueError as fault:
        raise UnfitError("/email", str(fault)) from None
    return Email(shown, email_key(shown))


def _askable(key: str) -> str:
    """PostgreSQL keeps no NUL, and takes none in a question: what has one is nobody's."""
    return _IMPOSSIBLE if "\0" in key else key


def _looks_like_uuid(key: str) -> bool:
    try:
        UUID(key)
    except ValueError:
        return False
    return True


def _looks_like_phone(key: str) -> bool:
    digits = sum(character.isdigit() for character in key)
    return bool(_PHONE.fullmatch(key)) and (key.startswith("+") or digits >= _FEWEST_PHONE_DIGITS)
