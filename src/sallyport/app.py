"""The ASGI application: every route, at / and at /v1, and what runs beside it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sallyport.edge.endpoint import Endpoint
from sallyport.edge.front import Front, request_id_of
from sallyport.edge.resource import Resource
from sallyport.edge.witness import Witness
from sallyport.kernel.pulse import EVERY_SECONDS
from sallyport.kernel.sharing import Shared
from sallyport.notices.flow.carry import Postman
from sallyport.settings import Settings
from sallyport.store.work import StorageUnavailableError
from sallyport.wiring import Service

_SWEEP_SECONDS: Final = 60
_SHARE_SECONDS: Final = 1
_KEYS_SECONDS: Final = 1
_SEAL_SECONDS: Final = 0.5
_CLOCK_SECONDS: Final = 1
_LAST_MAIL_SECONDS: Final = 10
_EXPOSED: Final = ("Link", "Location", "Retry-After", "WWW-Authenticate", "X-Request-ID", "X-Sallyport-Client")

log = structlog.get_logger()


class Application:
    """Speaks ASGI: HTTP goes to the front, a lifespan starts and stops what runs beside it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._http = _front(service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        shared = self.service.shared
        beside = asyncio.gather(
            _repeat(_SWEEP_SECONDS, "sweep", *self.service.sweeps),
            _repeat(_SEAL_SECONDS, "audit sealing", self.service.seal),
            _repeat(EVERY_SECONDS, "a look at the numbers", self.service.pulse),
            _repeat(_CLOCK_SECONDS, "a look at the clock", self.service.clockwatch),
            _follow_keys(self.service),
            *([_share(shared)] if shared else []),
        )
        mail = asyncio.create_task(_carry(self.service.postman))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        beside.cancel()
        with suppress(asyncio.CancelledError):
            await beside
        if shared:
            with suppress(OSError):
                shared.leave()
        await _carry_the_last(self.service.postman, mail)
        await _step("audit sealing", self.service.seal.finish)
        self.service.close()
        await send({"type": "lifespan.shutdown.complete"})


def _front(service: Service) -> ASGIApp:
    settings = service.settings
    by_path: dict[str, list[Endpoint[Any]]] = {}
    for endpoint in service.endpoints():
        by_path.setdefault(endpoint.path, []).append(endpoint)
    https = settings.public_url.startswith("https:")
    resources = {
        path: Resource(endpoints, service.gate, settings.trusted_proxies, https=https)
        for path, endpoints in by_path.items()
    }
    witness = Witness(service.meters.requests, level=settings.log_level, proxies=settings.trusted_proxies)
    front = Front(resources, witness, https=https, pages=service.page)
    return _with_cors(front, settings) if settings.cors_origins else front


def _with_cors(front: Front, settings: Settings) -> ASGIApp:
    """Speak CORS with the origins that are allowed; for all others there is no such thing."""
    from starlette.middleware.cors import CORSMiddleware  # noqa: PLC0415  # 3 % of a start, for those who allow some

    origins = {origin.encode() for origin in settings.cors_origins}
    cors = CORSMiddleware(
        front,
        allow_origins=settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
    )

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_usual(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = front.with_usual(message["headers"], request_id_of(scope["headers"]))
            await send(message)

        if any(name == b"origin" and value in origins for name, value in scope["headers"]):
            await cors(scope, receive, send_with_usual)
        else:
            await front(scope, receive, send)

    return serve


async def _repeat(seconds: float, name: str, *steps: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        for step in steps:
            await _step(name, step)


async def _step(name: str, step: Callable[[], Awaitable[None]]) -> None:
    try:
        await step()
    except StorageUnavailableError as fault:
        log.warning("put off", what=name, fault=str(fault))
    except Exception:
        log.exception("failed in the background", what=name)


async def _carry(postman: Postman) -> None:
    await _step("mail", postman)
    while not postman.ending:
        # What this process wrote may not be committed yet: a claim waits for it, a look would miss it.
        has_rung = await postman.rest()
        await _step("mail", postman.carry if has_rung else postman)


async def _carry_the_last(postman: Postman, carrying: asyncio.Task[None]) -> None:
    """Carry what the last requests wrote. What takes too long is another node's in two minutes."""
    postman.end()
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_MAIL_SECONDS):
            await carrying
            await _step("mail", postman.carry)


async def _share(shared: Shared) -> None:
    while True:
        await asyncio.sleep(_SHARE_SECONDS)
        try:
            shared.leave()
        except OSError as fault:
            log.warning("numbers not shared", fault=str(fault))


async def _follow_keys(service: Service) -> None:
    while True:
        await asyncio.sleep(_KEYS_SECONDS)
        await asyncio.to_thread(service.look_at_keys)
