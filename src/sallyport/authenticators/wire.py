"""How authenticators look on the wire, where each is called a secret: the one place of that translation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sallyport.authenticators.api_keys.rules import Wish, is_key
from sallyport.authenticators.codes import DIGITS, Code, parse_code
from sallyport.authenticators.devices.rules import SHORTEST, is_long_enough
from sallyport.authenticators.devices.rules import Wish as DeviceWish
from sallyport.authenticators.password.rules import parse_password
from sallyport.authenticators.rules import ApiKeyTraits, Authenticator, BackupTraits, Plea, TotpTraits
from sallyport.authenticators.totp.rules import ALGORITHM, PERIOD
from sallyport.edge.auth_token import AuthToken
from sallyport.edge.reason import Reasoned, reason_in
from sallyport.kernel.clock import rfc3339
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.scopes import Scope
from sallyport.kernel.text import UnfitError, moment, printable

_CALLER_CODE = re.compile(r"[0-9]{6}")
Field = Annotated[str, Meta(max_length=4096)]


class MfaValue(msgspec.Struct, frozen=True, kw_only=True):
    """What an authenticator app needs to know, shown once."""

    otpauth_url: str
    secret: str
    qr_svg: str | UnsetType = UNSET


class SecretBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A secret. Its value is there only in the answer that made it."""

    uid: str
    user_id: str
    type: str
    description: str | None
    date_created: str
    date_modified: str
    version: int
    last_used: str | None
    enrolled: bool | UnsetType = UNSET
    algorithm: str | UnsetType = UNSET
    digits: int | UnsetType = UNSET
    period: int | UnsetType = UNSET
    total: int | UnsetType = UNSET
    remaining: int | UnsetType = UNSET
    prefix: str | UnsetType = UNSET
    scopes: tuple[str, ...] | UnsetType = UNSET
    expires: str | UnsetType | None = UNSET
    suspended: bool | UnsetType = UNSET
    secret: MfaValue | str | UnsetType = UNSET
    codes: tuple[str, ...] | UnsetType = UNSET
    session: AuthToken | UnsetType = UNSET


class KnownFields(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The fields of a secret that nobody changes; a body may repeat them. Two of them are given with a new API key."""

    uid: Field | UnsetType = UNSET
    user_id: Field | UnsetType = UNSET
    date_created: Field | UnsetType = UNSET
    date_modified: Field | UnsetType = UNSET
    last_used: Field | UnsetType | None = UNSET
    enrolled: bool | UnsetType = UNSET
    algorithm: Field | UnsetType = UNSET
    digits: int | UnsetType = UNSET
    period: int | UnsetType = UNSET
    total: int | UnsetType = UNSET
    remaining: int | UnsetType = UNSET
    prefix: Field | UnsetType = UNSET
    scopes: tuple[Field, ...] | UnsetType = UNSET
    expires: Field | UnsetType | None = UNSET
    suspended: bool | UnsetType = UNSET


class NewSecret(KnownFields, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /users/{id}/secrets`."""

    type: Literal["password", "mfa", "mfabackup", "apikey", "device"]
    secret: Field | UnsetType = UNSET
    description: Field | UnsetType | None = UNSET
    version: int | UnsetType = UNSET


class SecretChange(KnownFields, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT /users/{id}/secrets/{sid}`: with `token` alone an enrollment, else a change with `version`."""

    type: Field | UnsetType = UNSET
    token: Field | int | UnsetType = UNSET
    version: int | UnsetType = UNSET
    secret: Field | UnsetType = UNSET
    current: Field | UnsetType = UNSET
    description: Field | UnsetType | None = UNSET
    keep_devices: bool | UnsetType = UNSET


class EnrollBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT /users/{id}/secrets/{sid}/enroll`. Where it switches MFA on, known devices go, or are kept."""

    token: Field | int
    keep_devices: bool = False


class Removal(Reasoned, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """The body of a removal, which may say why; the desk may add the code that the user has read out to it."""

    caller_code: Field | UnsetType = UNSET
    lost: bool | UnsetType = UNSET
    """Whoever has it may be somebody else: then it never comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """A wish for a new secret, parsed."""

    body: NewSecret
    password: Hidden[str] | None
    api_key: Wish | None
    device: DeviceWish | None
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """A wish to change a secret, parsed: a new password with the current one, or only the description."""

    body: SecretChange
    version: int
    passwords: tuple[Hidden[str], Hidden[str]] | None
    """The current one and the new one."""
    description: str | None
    keep_description: bool

    @property
    def resume(self) -> bool:
        """Whether a suspended API key is to be put back."""
        return self.body.suspended is False


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """The first code of an authenticator app, parsed."""

    code: Code
    keep_devices: bool


def parse_creation(body: NewSecret) -> Creation:
    """Read the body of a `POST`. Raises `UnfitError`."""
    password = None
    if body.type == "password":
        if isinstance(body.secret, UnsetType):
            raise UnfitError("/secret", "A password is given as 'secret'.")
        password = parse_password(body.secret, "/secret")
    api_key = _api_key(body) if body.type == "apikey" else None
    device = _device(body) if body.type == "device" else None
    return Creation(body=body, password=password, api_key=api_key, device=device, description=_description(body))


def _device(body: NewSecret) -> DeviceWish:
    # Read as a login reads it: what is normalized there has to be so here.
    value = None if isinstance(body.secret, UnsetType) else parse_password(body.secret, "/secret")
    if value is None or not is_long_enough(value.reveal()):
        raise UnfitError("/secret", f"A device is known by a 'secret' of {SHORTEST} characters or more.")
    if is_key(value.reveal()):
        raise UnfitError("/secret", "This is an API key: let the device draw a value of its own.")
    return DeviceWish(value=value, description=_description(body))


def _api_key(body: NewSecret) -> Wish:
    asked = (Scope.SELF_READ,) if isinstance(body.scopes, UnsetType) else body.scopes
    if not asked or not set(asked) <= set(Scope):
        raise UnfitError("/scopes", f"An API key has one or more of the scopes {', '.join(Scope)}.")
    until = None if isinstance(body.expires, UnsetType) else body.expires
    return Wish(
        scopes=tuple(scope for scope in Scope if scope in asked),
        expires_at=None if until is None else moment("/expires", until),
        description=_description(body),
    )


def parse_change(body: SecretChange) -> Enrollment | Rewrite:
    """Read the body of a `PUT`. Raises `UnfitError`."""
    if not isinstance(body.token, UnsetType):
        if any(getattr(body, field) is not UNSET for field in body.__struct_fields__ if field not in _ENROLLING):
            raise UnfitError("/token", "Enroll with 'token' alone, or change without it.")
        return Enrollment(code=parse_code(body.token), keep_devices=body.keep_devices is True)
    if not isinstance(body.keep_devices, UnsetType):
        raise UnfitError("/keepDevices", "Only who enrolls, with 'token', chooses whether devices are kept.")
    if isinstance(body.version, UnsetType):
        raise UnfitError("/version", "Send the version that you have read.")
    passwords = None
    if not isinstance(body.secret, UnsetType) and not isinstance(body.current, UnsetType):
        passwords = (parse_password(body.current, "/current"), parse_password(body.secret, "/secret"))
    elif not (isinstance(body.secret, UnsetType) and isinstance(body.current, UnsetType)):
        raise UnfitError("/current", "A new password needs 'secret', and 'current' beside it.")
    return Rewrite(
        body=body,
        version=body.version,
        passwords=passwords,
        description=_description(body),
        keep_description=isinstance(body.description, UnsetType),
    )


def parse_enrollment(body: EnrollBody) -> Enrollment:
    """Read the body of an enrollment. Raises `UnfitError`."""
    return Enrollment(code=parse_code(body.token), keep_devices=body.keep_devices)


def parse_removal(body: Removal) -> Plea:
    """Read the body of a removal. Raises `UnfitError`."""
    code = None if isinstance(body.caller_code, UnsetType) else body.caller_code.replace(" ", "")
    if code is not None and not _CALLER_CODE.fullmatch(code):
        raise UnfitError("/callerCode", "A caller code has six digits.")
    return Plea(reason=reason_in(body), caller_code=Hidden(code) if code else None, lost=body.lost is True)


def _description(body: NewSecret | SecretChange) -> str | None:
    text = body.description
    return None if isinstance(text, UnsetType) or text is None else printable("/description", text)


TRAITS: Final[Mapping[str, dict[str, Any]]] = {
    "password": {},
    "mfa": {"enrolled": False, "algorithm": ALGORITHM, "digits": DIGITS, "period": PERIOD},
    "mfabackup": {},
    "apikey": {"suspended": False},
    "device": {},
}
"""What is known of a new secret of each type before it is made."""

_ENROLLING: Final = ("token", "keep_devices")
_REPEATABLE: Final = (*KnownFields.__struct_fields__, "type")


def told(found: Authenticator, **once: Any) -> SecretBody:  # noqa: ANN401  # the fields that are shown once
    """Render an authenticator, and beside it what is shown this once."""
    match found.traits:
        case TotpTraits(enrolled=enrolled):
            once |= TRAITS["mfa"] | {"enrolled": enrolled}
        case BackupTraits(total=total, remaining=remaining):
            once |= {"total": total, "remaining": remaining}
        case ApiKeyTraits(prefix=prefix, scopes=scopes, expires_at=expires_at, suspended=suspended):
            expires = None if expires_at is None else rfc3339(expires_at)
            once |= {"prefix": prefix, "scopes": scopes, "expires": expires, "suspended": suspended}
        case None:
            pass
    return SecretBody(
        uid=found.uid,
        user_id=found.user,
        type=found.type,
        description=found.description,
        date_created=rfc3339(found.created_at),
        date_modified=rfc3339(found.modified_at),
        version=found.version,
        last_used=None if found.last_used_at is None else rfc3339(found.last_used_at),
        **once,
    )


def first_changed(body: NewSecret | SecretChange, stored: Mapping[str, Any]) -> str | None:
    """Name the first known field in which a body differs from what is stored, or would be."""
    for field, name in zip(body.__struct_fields__, body.__struct_encode_fields__, strict=True):
        if field in stored or field in _REPEATABLE:
            given = getattr(body, field)
            if given is not UNSET and (field not in stored or given != stored[field]):
                return name
    return None


def as_stored(found: Authenticator) -> Mapping[str, Any]:
    """Return what a body may repeat of an authenticator."""
    return {field: getattr(told(found), field) for field in _REPEATABLE}


def may_repeat(body: NewSecret) -> Mapping[str, Any]:
    """Return what is known of a new secret before it is made: what its body chooses, and what no body chooses."""
    known = {"type": body.type, "version": 0, **TRAITS[body.type]}
    return known | ({"scopes": body.scopes, "expires": body.expires} if body.type == "apikey" else {})
