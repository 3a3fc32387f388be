"""`GET /metrics`: the numbers of `kernel.meters`, for Prometheus."""

import asyncio
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from sallyport.edge.answers import Answer, Ask
from sallyport.edge.endpoint import Endpoint, Nothing, Who
from sallyport.kernel.meters import Family
from sallyport.kernel.outcomes import Refused

if TYPE_CHECKING:
    from sallyport.edge.exposition import Exposition


_WHO: Final = {"loopback": Who.LOCAL, "open": Who.ANYONE, "off": None}


class MetricsRoutes:
    """The one route, where it is served at all: for this machine alone, or for everybody."""

    def __init__(self, families: Callable[[], Iterable[Family]], *, to: str, alone: bool) -> None:
        self._families = families
        self._who = _WHO[to]
        self._alone = alone

    @cached_property
    def _exposition(self) -> "Exposition":
        from sallyport.edge.exposition import Exposition  # noqa: PLC0415  # 15 ms and 1 MB for those who scrape

        return Exposition(self._families, alone=self._alone)

    def _text(self) -> str:
        return self._exposition.text()

    async def metrics(self, ask: Ask[Nothing]) -> Answer | Refused:  # noqa: ARG002  # every handler is given the request
        """Answer `GET /metrics`."""
        # Tens of milliseconds of text: in a thread, so that nobody's login waits for all of them.
        text = await asyncio.to_thread(self._text)
        return Answer(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the route."""
        if self._who is None:
            return []
        return [
            Endpoint(
                method="GET",
                path="/metrics",
                summary="Numbers for Prometheus",
                who=self._who,
                body=Nothing,
                handle=self.metrics,
                answers={200: str},
                media_type="text/plain",
            )
        ]
