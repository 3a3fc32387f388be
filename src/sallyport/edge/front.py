"""The front of the ASGI application: prefix, request id, static paths by look-up, rendering, and the last net."""

import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from sallyport.edge import problems
from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import path_pattern
from sallyport.edge.resource import Allowed, Resource
from sallyport.edge.witness import NO_ROUTE, Witness
from sallyport.kernel.outcomes import Overloaded, Refused, Why
from sallyport.kernel.vault import DoesNotOpenError
from sallyport.store.work import StorageUnavailableError

_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_ENCODER = msgspec.json.Encoder()
_NO_PARAMS: Final[Mapping[str, str]] = {}
_JSON: Final = (b"content-type", b"application/json")
_ALWAYS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)

Header = tuple[bytes, bytes]


class Served(Protocol):
    """One path, as the front sees it: of the JSON routes, or a page."""

    path: str

    async def answer(
        self, scope: Scope, receive: Receive, params: Mapping[str, str], request_id: str
    ) -> Answer | Refused | Allowed:
        """Answer one request."""
        ...

    def show(self, refused: Refused | Allowed, scope: Scope) -> Answer | Refused | Allowed:
        """Return how a refusal looks here: as it is for a problem document, or as a page for people."""
        ...


Found = tuple[Served, Mapping[str, str]]
FindPage = Callable[[str], Found | None]
"""Finds the page of a whole path."""

log = structlog.get_logger()


class Front:
    """Finds the resource of a path, at / and at /v1 alike, and sends what it answers."""

    def __init__(
        self, resources: Mapping[str, Resource], witness: Witness, *, https: bool, pages: FindPage | None = None
    ) -> None:
        self._witness = witness
        self._page = pages or (lambda _: None)
        self._static: dict[str, Found] = {
            path: (found, _NO_PARAMS) for path, found in resources.items() if "{" not in path
        }
        # `me` is by far the most frequent id: one look-up instead of a walk over the routes.
        self._static |= {
            path.replace("{id}", "me"): (found, {"id": "me"})
            for path, found in resources.items()
            if path.count("{") == 1
        }
        self._patterns = [(path_pattern(path), found) for path, found in resources.items() if "{" in path]
        hsts = ((b"strict-transport-security", b"max-age=31536000"),) if https else ()
        self._always = _ALWAYS + hsts
        self._usual = frozenset({b"x-request-id", *(name for name, _ in self._always)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request. Expected refusals, faults and unknown paths become problem documents."""
        begun = time.perf_counter()
        request_id = request_id_of(scope["headers"])
        found = self._find(scope["path"])
        route = found[0].path if found else NO_ROUTE
        outcome = await self._outcome(found, scope, receive, request_id.decode())
        shown = outcome if found is None or isinstance(outcome, Answer) else found[0].show(outcome, scope)
        status, headers, body = _rendered(shown, request_id)
        headers.append((b"content-length", str(len(body)).encode()))
        headers = self.with_usual(headers, request_id)
        self._witness.saw(scope, route, outcome, status, request_id.decode(), time.perf_counter() - begun)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def with_usual(self, headers: list[Header], request_id: bytes) -> list[Header]:
        """Return headers with those added that every answer carries."""
        given = self._usual.intersection([name for name, _ in headers])
        usual = ((b"x-request-id", request_id), *self._always)
        if not given:
            return [*headers, *usual]
        return [*headers, *(header for header in usual if header[0] not in given)]

    async def _outcome(
        self, found: Found | None, scope: Scope, receive: Receive, request_id: str
    ) -> Answer | Refused | Allowed:
        if found is None:
            return Refused(why=Why.NOT_FOUND)
        resource, params = found
        try:
            return await resource.answer(scope, receive, params, request_id)
        except StorageUnavailableError as fault:
            log.warning("storage unavailable", request_id=request_id, route=resource.path, fault=str(fault))
            return Refused(why=Why.STORAGE_UNAVAILABLE)
        except Overloaded:
            return Refused(why=Why.OVERLOADED)
        except DoesNotOpenError as fault:
            # Somebody has altered the database, or moved a value in it: never a plain mistake of a caller.
            place = {} if fault.place is None else msgspec.structs.asdict(fault.place)
            told = {"request_id": request_id, "route": resource.path, "fault": str(fault)} | place
            log.error("sealed value does not open", **told)  # noqa: TRY400  # the place is the message, not our stack
            return Refused(why=Why.INTERNAL)
        except Exception:
            log.exception("internal error", request_id=request_id, route=resource.path)
            return Refused(why=Why.INTERNAL)

    def _find(self, path: str) -> Found | None:
        plain = path[3:] if path.startswith("/v1/") else path
        return self._static.get(plain) or self._walk(plain) or self._page(path)

    def _walk(self, path: str) -> Found | None:
        for pattern, resource in self._patterns:
            if found := pattern.fullmatch(path):
                return resource, found.groupdict()
        return None


def _rendered(outcome: Answer | Refused | Allowed, request_id: bytes) -> tuple[int, list[Header], bytes]:
    if isinstance(outcome, Answer):
        headers = [(name.encode(), value.encode()) for name, value in outcome.headers]
        if outcome.body is None:
            return outcome.status, headers, b""
        if isinstance(outcome.body, str | bytes):
            raw = outcome.body if isinstance(outcome.body, bytes) else outcome.body.encode()
            return outcome.status, [*headers, (b"content-type", outcome.media_type.encode())], raw
        return outcome.status, [*headers, _JSON], _ENCODER.encode(outcome.body)
    if isinstance(outcome, Allowed):
        refused, extra = Refused(why=Why.METHOD_NOT_ALLOWED), [(b"allow", outcome.methods.encode())]
    else:
        refused, extra = outcome, problems.headers(outcome)
    document = problems.document(refused, request_id.decode())
    return document.status, [*extra, (b"content-type", problems.MEDIA_TYPE)], _ENCODER.encode(document)


def request_id_of(headers: list[Header]) -> bytes:
    """Return the client's request id where it is sane, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return value
    return secrets.token_hex(16).encode()
