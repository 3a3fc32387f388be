"""Where log lines go: one JSON object each, to standard error, from this service and from its libraries alike."""

import logging
import os
from typing import Any

import structlog

from sallyport.kernel.meters import Tally


class Sink:
    """Writes whole lines to a file descriptor. What can't be written is counted and forgotten.

    A closed pipe or a full disk must not turn into refused logins: ASVS 5.0 16.5.2.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.lost = Tally("sallyport_log_lines_lost", "Log lines that could not be written.")

    def msg(self, line: str) -> None:
        """Write one line."""
        rest = line.encode() + b"\n"
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError:
            self.lost.count()

    log = debug = info = warning = error = critical = msg


class FromLibraries(logging.Handler):
    """Brings what libraries log into the same form."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink
        self._form = structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_processors()],
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._sink.msg(self._form.format(record))


def log_as_json(level: str, handle: int = 2) -> Sink:
    """Log everything from a level up as JSON lines; libraries from `warning` up, or from `debug`."""
    sink = Sink(handle)
    structlog.configure(
        processors=_processors(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [FromLibraries(sink)]
    logging.captureWarnings(capture=True)
    root.setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    return sink


def _processors() -> list[Any]:
    """Return the way of a line. The JSON is pure ASCII: no control character gets through, of whatever script."""
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
