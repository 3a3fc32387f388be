"""Sees every request end: counts it, and writes the line that an operator will look for."""

import logging
from typing import Final

import structlog
from starlette.types import Scope

from sallyport.edge.answers import Answer
from sallyport.edge.client import Networks, client_ip
from sallyport.edge.problems import FACES
from sallyport.edge.resource import Allowed, peer_of
from sallyport.kernel.meters import Histogram
from sallyport.kernel.outcomes import Refused, Why

NO_ROUTE: Final = "none"
# Whatever a client makes up as a method or a path must not become a new line of the metrics each time.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
# Refused authentication and authorization, and faults: ASVS 5.0 16.3.1, 16.3.2, 16.3.4.
_TELLING: Final = frozenset({401, 403, 429})
_FAULTS: Final = 500

log = structlog.get_logger()


class Witness:
    """Counts every answer. Logs the telling refusals at `info`, and at `debug` every request.

    A line has nothing in it that a client wrote but the request id: no query, no path, no name, no header.
    """

    def __init__(self, requests: Histogram, *, level: str, proxies: Networks) -> None:
        self._requests = requests
        self._least = logging.getLevelNamesMapping()[level.upper()]
        self._proxies = proxies

    def saw(
        self, scope: Scope, route: str, outcome: Answer | Refused | Allowed, status: int, request_id: str, took: float
    ) -> None:
        """Note a request that is about to be answered; `took` is in seconds."""
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.observe(took, route, method, str(status))
        level = logging.INFO if status in _TELLING or status >= _FAULTS else logging.DEBUG
        if level < self._least:
            return
        log.log(
            level,
            "request",
            request_id=request_id,
            code=_code(outcome),
            route=route,
            method=method,
            status=status,
            ms=round(took * 1000, 1),
            ip=self._ip(scope),
        )

    def _ip(self, scope: Scope) -> str:
        return client_ip(peer_of(scope), scope["headers"], self._proxies)


def _code(outcome: Answer | Refused | Allowed) -> str:
    if isinstance(outcome, Answer):
        return "ok"
    return FACES[outcome.why if isinstance(outcome, Refused) else Why.METHOD_NOT_ALLOWED].code
