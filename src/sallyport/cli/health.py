"""`sallyport health`: ask the service of these settings whether it is ready, as a container's health check does."""

import os
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from sallyport.settings import SettingsRefusedError, load

_OK: Final = 200
_PATIENCE_SECONDS: Final = 2
_LONGEST_ANSWER: Final = 1_000


def run(flags: Mapping[str, str]) -> int:
    """Ask `/readyz` at the address in the settings; returns 0 where it answers 200, else 1 with the reason told."""
    try:
        settings = load(flags, os.environ, Path.cwd())
    except SettingsRefusedError as no:
        return _ill(str(no))
    try:
        # Where it listens on every address (0.0.0.0, ::), connecting there reaches the loopback one.
        status, body = _asked(settings.host, settings.port)
    except (OSError, HTTPException) as fault:
        return _ill(f"nobody answers at {settings.host}:{settings.port} ({str(fault) or type(fault).__name__})")
    return 0 if status == _OK else _ill(f"/readyz answers {status}: {body}")


def _asked(host: str, port: int) -> tuple[int, str]:
    """Raises `OSError` or `HTTPException`."""
    connection = HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", "/readyz", headers={"User-Agent": "sallyport-health"})
        answer = connection.getresponse()
        return answer.status, answer.read(_LONGEST_ANSWER).decode(errors="replace")
    finally:
        connection.close()


def _ill(reason: str) -> int:
    sys.stderr.write(f"sallyport health: {reason}\n")
    return 1
