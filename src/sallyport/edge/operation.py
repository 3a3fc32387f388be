"""The routes for operators and machines: health, readiness, the API's own description."""

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

import msgspec

from sallyport.edge.answers import Answer, Ask
from sallyport.edge.docs import CSP, html
from sallyport.edge.endpoint import Endpoint, Nothing, Who
from sallyport.edge.openapi import document
from sallyport.kernel.outcomes import Refused, Why


class Health(msgspec.Struct, frozen=True):
    """That the process, or the whole service, is well."""

    status: str


class OperationRoutes:
    """Health, readiness, OpenAPI and the documentation page."""

    def __init__(
        self, *, ready: Callable[[], Awaitable[bool]], others: list[Endpoint[Any]], version: str, server: str
    ) -> None:
        self._ready = ready
        self._others = others
        self._version = version
        self._server = server

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document, made when it is first asked for."""
        return document([*self._others, *self.endpoints()], self._version, self._server)

    async def health(self, ask: Ask[Nothing]) -> Answer | Refused:  # noqa: ARG002  # every handler is given the request
        """Answer `GET /healthz`: the process answers."""
        return Answer(Health("ok"))

    async def ready(self, ask: Ask[Nothing]) -> Answer | Refused:  # noqa: ARG002  # as above
        """Answer `GET /readyz`: database, schema and keys are as they must be."""
        if await self._ready():
            return Answer(Health("ready"))
        return Refused(why=Why.STORAGE_UNAVAILABLE, detail="The schema of the database is not the one of this release.")

    async def openapi(self, ask: Ask[Nothing]) -> Answer | Refused:  # noqa: ARG002  # as above
        """Answer `GET /openapi.json`."""
        return Answer(self.document)

    async def docs(self, ask: Ask[Nothing]) -> Answer | Refused:  # noqa: ARG002  # as above
        """Answer `GET /docs`."""
        page = html(self.document)
        return Answer(page, headers=(("content-security-policy", CSP),), media_type="text/html; charset=utf-8")

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        return [
            _for_anyone("/healthz", "Tell whether the process answers", self.health, Health),
            _for_anyone("/readyz", "Tell whether database, schema and keys are ready", self.ready, Health),
            _for_anyone("/openapi.json", "This description", self.openapi, dict[str, Any]),
            _for_anyone("/docs", "This description for people", self.docs, str, "text/html"),
        ]


def _for_anyone(
    path: str,
    summary: str,
    handle: Callable[[Ask[Nothing]], Awaitable[Answer | Refused]],
    answer: Any,  # noqa: ANN401  # a wire type
    media_type: str = "application/json",
) -> Endpoint[Nothing]:
    return Endpoint(
        method="GET",
        path=path,
        summary=summary,
        who=Who.ANYONE,
        body=Nothing,
        handle=handle,
        answers={200: answer},
        media_type=media_type,
    )
