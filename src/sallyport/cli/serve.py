"""`sallyport serve`: check everything, then listen."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import distribution
from multiprocessing import parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

from sallyport.app import Application
from sallyport.cli.collector import look_as_usual
from sallyport.cli.logs import log_as_json
from sallyport.edge.heads import BoundedHead
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.settings import PREFIX, Settings, SettingsRefusedError, load
from sallyport.store.work import StorageUnavailableError
from sallyport.wiring import Machine, Service, build

log = structlog.get_logger()


class CanNotListenError(Exception):
    """The address is taken, or is none of this machine's."""


def run(flags: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status. Whatever is wrong is told at once, with what to do."""
    os.umask(0o077)  # whatever is written is for the owner's eyes alone
    try:
        settings = _settings(flags)
        sink = log_as_json(settings.log_level)
        with closing_on_fault(bound(settings)) as door:
            service = build(settings)
            admin = asyncio.run(service.first_start())
    except (
        SettingsRefusedError,
        KeysRefusedError,
        StorageUnavailableError,
        CanNotListenError,
    ) as no:
        sys.stderr.write(f"sallyport can't start:\n{_indented(str(no))}\n")
        return 1
    if admin and admin.drawn:
        _tell_password(admin.name, admin.drawn)
    service.meters.watch(sink.lost)
    _tell_state(service)
    if settings.workers == 1:
        return listen(_application(service), door)
    service.close()
    os.environ |= {PREFIX + name.upper(): value for name, value in flags.items()}
    with TemporaryDirectory(prefix="sallyport-") as numbers:
        return listen(partial(worker, Path(numbers)), door, factory=True, workers=settings.workers)


def _settings(flags: Mapping[str, str]) -> Settings:
    """Read the settings. Raises `SettingsRefusedError`, with what is wrong about the keys as well."""
    try:
        return load(flags, os.environ, Path.cwd())
    except SettingsRefusedError as no:
        from sallyport.wiring.host import faults_of_keys

        reasons = [str(no), *faults_of_keys(no.understood)]
        raise SettingsRefusedError("\n".join(reasons), no.understood) from None


def worker(numbers: Path) -> Application:
    """Build the application of one of several processes; the first process has checked and prepared everything."""
    settings = load({}, os.environ, Path.cwd())
    sink = log_as_json(settings.log_level)
    service = build(settings, Machine(numbers=numbers))
    service.meters.watch(sink.lost)
    Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    return _application(service)


def _end_with_parent() -> None:
    """End as at SIGTERM once the process that began this one is gone, killed: nobody is left to pass a signal on."""
    if parent := parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _application(service: Service) -> Application:
    service.prepare()
    application = Application(service)
    look_as_usual()
    return application


def bound(settings: Settings) -> socket.socket:
    """Take the address to listen on, before anything is made. Raises `CanNotListenError`."""
    door = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((settings.host, settings.port))
    except OSError as fault:
        door.close()
        message = f"can't listen on {settings.host}:{settings.port} ({fault.strerror}): choose another --host or --port"
        raise CanNotListenError(message) from fault
    door.set_inheritable(True)
    return door


@contextmanager
def closing_on_fault(door: socket.socket) -> Iterator[socket.socket]:
    """Give the address back if what is done inside fails."""
    try:
        yield door
    except BaseException:
        door.close()
        raise


class _Workers(Multiprocess):
    """Several processes behind one door."""

    def terminate_all(self) -> None:
        """Close the door, and let every process end what it has begun.

        The processes close theirs, but as long as this one stays open the kernel takes connections that nobody serves.
        """
        for door in self.sockets:
            door.close()
        super().terminate_all()


def listen(app: Any, door: socket.socket, **more: Any) -> int:  # noqa: ANN401  # as uvicorn takes them
    """Serve an ASGI application until a signal comes. The bench's bare application is served by it too."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHead,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        **more,
    )
    if config.workers > 1:
        _Workers(config, sockets=[door]).run()
        return 0
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: None)  # uvicorn raises it again after its work is done: that was all
    server = uvicorn.Server(config)
    server.run(sockets=[door])
    return 0 if server.started else 1


def _tell_password(name: str, password: Hidden[str]) -> None:
    """Print the first admin's password: the one moment in which it can be read."""
    sys.stdout.write(f"\n  First start. Log in as {name!r} with this password, and change it:\n\n")
    sys.stdout.write(f"      {password.reveal()}\n\n  It is not shown again.\n\n")
    if not sys.stdout.isatty():
        sys.stdout.write(
            "  Where this output is kept, as in a journal, the password is kept too until you change it.\n\n"
        )
    sys.stdout.flush()


def _tell_state(service: Service) -> None:
    if not service.settings.throttle:
        log.warning("SALLYPORT_THROTTLE is off: nobody slows down a guesser; never run like this in production")
    url = urlsplit(service.settings.public_url)
    if url.hostname == service.settings.host and url.port not in {None, service.settings.port}:
        log.warning("links and tokens name another port: set SALLYPORT_PUBLIC_URL", url=service.settings.public_url)
    build_name = "native" if distribution("argon2-cffi-bindings").read_text("direct_url.json") else "wheel"
    log.info("argon2", build=build_name, ms_per_hash=service.hashing.milliseconds(), threads=service.pool.threads)
    log.info("serving", host=service.settings.host, port=service.settings.port, url=service.settings.public_url)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
