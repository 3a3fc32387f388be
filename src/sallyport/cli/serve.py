"""`sallyport serve`: check everything, then listen."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import structlog
import uvicorn

from sallyport.app import Application
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.sessions.signing import WrongAlgorithmError
from sallyport.settings import PREFIX, Settings, SettingsRefusedError, load
from sallyport.store.work import StorageUnavailableError
from sallyport.wiring import Service, build

log = structlog.get_logger()


def run(flags: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status. Whatever is wrong is told at once, with what to do."""
    _log_as_json()
    try:
        settings = load(flags, os.environ, Path.cwd())
        service = build(settings)
        admin = asyncio.run(service.first_start())
    except (SettingsRefusedError, KeysRefusedError, WrongAlgorithmError, StorageUnavailableError) as fault:
        sys.stderr.write(f"sallyport can't start:\n{_indented(str(fault))}\n")
        return 1
    if admin and admin.drawn:
        _tell_password(admin.name, admin.drawn)
    _tell_state(service)
    if settings.workers == 1:
        return listen(_application(service), settings)
    service.close()
    os.environ |= {PREFIX + name.upper(): value for name, value in flags.items()}
    return listen("sallyport.cli.serve:worker", settings, factory=True, workers=settings.workers)


def worker() -> Application:
    """Build the application of one of several processes; the first process has checked and prepared everything."""
    _log_as_json()
    return _application(build(load({}, os.environ, Path.cwd())))


def _application(service: Service) -> Application:
    application = Application(service)
    # What lives as long as the process is not looked at again by the collector.
    gc.collect()
    gc.freeze()
    return application


def listen(app: Any, settings: Settings, **more: Any) -> int:  # noqa: ANN401  # as uvicorn takes them
    """Serve an ASGI application until a signal comes. The bench's bare application is served by it too."""
    try:
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=10,
            **more,
        )
    except SystemExit as ended:  # uvicorn's way of saying that the port is taken
        return int(ended.code or 0)
    return 0


def _tell_password(name: str, password: Hidden[str]) -> None:
    """Print the first admin's password: the one moment in which it can be read."""
    sys.stdout.write(f"\n  First start. Log in as {name!r} with this password, and change it:\n\n")
    sys.stdout.write(f"      {password.reveal()}\n\n  It is not shown again.\n\n")
    sys.stdout.flush()


def _tell_state(service: Service) -> None:
    if not service.settings.throttle:
        log.warning("SALLYPORT_THROTTLE is off: nobody slows down a guesser; never run like this in production")
    else:
        log.warning("this version does not throttle guesses at passwords yet: put a rate limit in front of it")
    build_name = "native" if distribution("argon2-cffi-bindings").read_text("direct_url.json") else "wheel"
    log.info("argon2", build=build_name, ms_per_hash=service.hashing.milliseconds(), threads=service.pool.threads)
    log.info("serving", host=service.settings.host, port=service.settings.port, url=service.settings.public_url)


def _log_as_json() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, format="%(message)s")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
