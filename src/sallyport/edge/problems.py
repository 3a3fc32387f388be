"""Refusals become problem documents (RFC 9457) here, and nowhere else."""

from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from sallyport.kernel.outcomes import Refused, Why

MEDIA_TYPE: Final = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class Face:
    """How a refusal looks from outside."""

    status: int
    code: str
    title: str
    detail: str


class FieldError(msgspec.Struct, frozen=True):
    """One field that is at fault."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A problem document. `message` repeats `detail` for clients of the original service."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    message: str
    request_id: str
    errors: list[FieldError] | UnsetType = UNSET
    clock_offset_seconds: int | UnsetType = UNSET


FACES: Final = {
    Why.MALFORMED_JSON: Face(400, "malformed_json", "Malformed JSON", "The body is not JSON."),
    Why.INVALID_REQUEST: Face(400, "invalid_request", "Invalid request", "The request does not fit this route."),
    Why.UNKNOWN_FIELD: Face(
        400, "unknown_field", "Unknown field", "The body has a field that this route does not know."
    ),
    Why.WRONG_ENROLLMENT_CODE: Face(400, "code_invalid", "Wrong code", "The code is not right."),
    Why.CODE_OUT_OF_STEP: Face(
        400,
        "code_out_of_step",
        "Clock out of step",
        "The code is right for another time: set the clock of the phone.",
    ),
    Why.PASSWORD_REJECTED: Face(400, "password_rejected", "Password rejected", "Choose another password."),
    Why.CURRENT_WRONG: Face(400, "current_wrong", "Current password wrong", "The current password is not right."),
    Why.TOKEN_INVALID: Face(
        400, "token_invalid", "Invalid token", "The link is not good, or no longer: ask for a new one."
    ),
    Why.UNAUTHENTICATED: Face(401, "unauthenticated", "Not signed in", "Sign in first."),
    Why.INVALID_TOKEN: Face(401, "invalid_token", "Invalid token", "The token is not valid, or no longer."),
    Why.INVALID_CREDENTIALS: Face(401, "invalid_credentials", "Wrong credentials", "Name or password is not right."),
    Why.WRONG_LOGIN_CODE: Face(401, "code_invalid", "Wrong code", "The code is not right."),
    Why.CHALLENGE_INVALID: Face(401, "challenge_invalid", "Invalid challenge", "The login has to start again."),
    Why.STEP_UP_REQUIRED: Face(401, "step_up_required", "Fresh proof required", "Prove again that it is you."),
    Why.FORBIDDEN: Face(403, "forbidden", "Forbidden", "This is not yours to do."),
    Why.FIELD_FORBIDDEN: Face(403, "field_forbidden", "Field not yours", "The body changes a field that is not yours."),
    Why.MFA_ENROLLMENT_REQUIRED: Face(
        403, "mfa_enrollment_required", "Second factor required", "Set up multi-factor authentication first."
    ),
    Why.NOT_FOUND: Face(404, "not_found", "Not found", "There is nothing here."),
    Why.METHOD_NOT_ALLOWED: Face(405, "method_not_allowed", "Method not allowed", "This method is not for this route."),
    Why.NAME_TAKEN: Face(409, "name_taken", "Name taken", "Another user has this name."),
    Why.EMAIL_TAKEN: Face(409, "email_taken", "Address taken", "Another user has verified this address."),
    Why.PASSWORD_REQUIRED: Face(
        409, "password_required", "Password required", "Set a password first: one factor can't make two."
    ),
    Why.VERSION_CONFLICT: Face(409, "version_conflict", "Version conflict", "It has changed since you read it."),
    Why.ALREADY_EXISTS: Face(409, "already_exists", "Already exists", "There is one already; change it instead."),
    Why.ALREADY_ENROLLED: Face(409, "already_enrolled", "Already enrolled", "This authenticator is enrolled already."),
    Why.LIMIT_REACHED: Face(409, "limit_reached", "Limit reached", "Remove one before you add another."),
    Why.MFA_NOT_ENABLED: Face(409, "mfa_not_enabled", "MFA not enabled", "Enroll an authenticator first."),
    Why.LAST_AUTHENTICATOR: Face(409, "last_authenticator", "Last authenticator", "The account still needs this one."),
    Why.LAST_TRUSTED: Face(409, "last_trusted", "Last one trusted", "Nobody would be left who may act on others."),
    Why.PAYLOAD_TOO_LARGE: Face(413, "payload_too_large", "Body too large", "A body holds at most 64 KiB."),
    Why.UNSUPPORTED_MEDIA_TYPE: Face(
        415, "unsupported_media_type", "Unsupported media type", "Send the body as application/json."
    ),
    Why.THROTTLED: Face(429, "throttled", "Too many tries", "Too many wrong tries: wait a while, then try again."),
    Why.INTERNAL: Face(500, "internal", "Internal error", "This is our fault; the log has it under the request's id."),
    Why.OVERLOADED: Face(503, "overloaded", "Overloaded", "Too much to do at this moment: try again in a second."),
    Why.STORAGE_UNAVAILABLE: Face(
        503,
        "storage_unavailable",
        "Storage unavailable",
        "The database can't be reached: try again in a second.",
    ),
}


def document(refused: Refused, request_id: str) -> Problem:
    """Write a refusal as a problem document."""
    face = FACES[refused.why]
    detail = refused.detail or face.detail
    pointer, offset = refused.pointer, refused.clock_offset_seconds
    return Problem(
        type=f"urn:sallyport:problem:{face.code}",
        title=face.title,
        status=face.status,
        code=face.code,
        detail=detail,
        message=detail,
        request_id=request_id,
        errors=UNSET if pointer is None else [FieldError(pointer, detail)],
        clock_offset_seconds=UNSET if offset is None else offset,
    )


def headers(refused: Refused) -> list[tuple[bytes, bytes]]:
    """Return the headers that a refusal carries beside its document."""
    status = FACES[refused.why].status
    if status == 401:  # noqa: PLR2004  # a status is clearer as a number
        return [(b"www-authenticate", _challenge(refused).encode())]
    if refused.retry_after is not None:
        return [(b"retry-after", str(refused.retry_after).encode())]
    return [(b"retry-after", b"1")] if status == 503 else []  # noqa: PLR2004  # as above


def _challenge(refused: Refused) -> str:
    match refused.why:
        case Why.STEP_UP_REQUIRED:  # RFC 9470 3
            level = refused.level or "aal1"
            return f'Bearer error="insufficient_user_authentication", acr_values="{level}", max_age="600"'
        case Why.INVALID_TOKEN:  # RFC 6750 3.1
            return 'Bearer realm="sallyport", error="invalid_token"'
        case _:
            return 'Bearer realm="sallyport"'
