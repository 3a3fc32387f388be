"""What tests expect of answers: whole problem documents, whole AuthTokens, the claims inside a token."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import httpx2

AUTH_TOKEN = {"token", "refresh", "type", "userUid", "expiresIn", "mfa"}
USER = {
    "uid",
    "name",
    "email",
    "firstName",
    "lastName",
    "phone",
    "roles",
    "externalIds",
    "verified",
    "mfaEnabled",
    "disabled",
    "dateCreated",
    "dateModified",
    "version",
}
OWN = USER | {"mfa"}
"""What one sees of oneself."""
_PROBLEM = {"type", "title", "status", "code", "detail", "message", "requestId"}


def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Assert a problem document (RFC 9457) as api.md section 1 has it, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    document: dict[str, Any] = answer.json()
    assert document["code"] == code, document
    assert _PROBLEM <= set(document) <= _PROBLEM | {"errors", "clockOffsetSeconds"}
    assert document["status"] == status
    assert document["type"].partition(":")[1] == ":"
    assert document["title"]
    assert document["detail"] == document["message"] != ""
    assert document["requestId"] == answer.headers["x-request-id"] != ""
    for error in document.get("errors", ()):
        assert set(error) == {"pointer", "detail"}
        assert error["pointer"].startswith("/")
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert "basic" not in answer.headers["www-authenticate"].lower()
    return document


def step_up(answer: httpx2.Response, level: str) -> None:
    """Assert that a fresh proof is asked for, in the words of RFC 9470 section 3."""
    refused(answer, 401, "step_up_required")
    assert answer.headers["www-authenticate"] == (
        f'Bearer error="insufficient_user_authentication", acr_values="{level}", max_age="600"'
    )


def granted(answer: httpx2.Response, acr: str, amr: list[str], *, in_grace: bool = False) -> dict[str, Any]:
    """Assert a whole AuthToken of a level, and return it."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    # Only a full login makes its client known; `tests/attacks/test_e_known_clients.py` says when.
    assert set(body) - {"client"} == AUTH_TOKEN
    assert body["type"] == "ACCESS"
    assert set(body["mfa"]) == {"enabled", "backupCodesRemaining"} | ({"enrollBy"} if in_grace else set())
    said = claims(body["token"])
    assert (said["acr"], said["amr"]) == (acr, amr)
    assert body["userUid"] == said["sub"]
    return body


def header(token: str) -> dict[str, Any]:
    """Return the header of a JWT, unverified."""
    return _part(token.split(".", maxsplit=1)[0])


def claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT, unverified."""
    return _part(token.split(".")[1])


def _part(text: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return read
