"""What `sallyport serve` writes to standard error: JSON lines, whatever comes in, and no harm where nobody reads."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sallyport.cli.logs import Sink
from tests.server import HOST, Server, environment, serving

CHOSEN = "an operator chose these words"
ENVIRON = {"SALLYPORT_ADMIN_PASSWORD": CHOSEN}
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]")


def until(found: Callable[[], bool]) -> None:
    """Wait for what another process is about to do."""
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def send(server: Server, raw: bytes) -> bytes:
    """Send bytes that no HTTP client would."""
    with socket.create_connection((HOST, server.port), timeout=20) as wire:
        wire.sendall(raw)
        return wire.recv(65_536)


def test_every_line_is_json_in_plain_ascii_whatever_is_sent(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON | {"SALLYPORT_LOG_LEVEL": "debug"}) as server:
        send(server, b"GET /%0a%0d%1b%00%7f%e2%80%a8 HTTP/1.1\r\nHost: x\r\nX-Request-ID: red;\r\n\r\n")
        send(server, b"GET /users/me HTTP/1.1\r\nHost: x\r\nUser-Agent: \x9b31m\xe2\x80\xa8\r\n\r\n")
        send(server, b"\x16\x03\x01 no HTTP at all \x1b[31m\r\n\r\n")
        send(server, b"GET /users/me HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ::1%\x1b\nX: y\r\n\r\n")
        until(lambda: any("Invalid HTTP" in line["event"] for line in server.log()))
        lines = server.log()
        assert CONTROL.search(server.err.read_bytes()) is None
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    requests = [line for line in lines if line["event"] == "request"]
    assert {"none", "/users/{id}"} <= {line["route"] for line in requests}
    told, *_ = [line for line in lines if "Invalid HTTP" in line["event"]]
    assert (told["level"], told["logger"]) == ("warning", "uvicorn.error")


def test_by_default_only_refusals_and_faults_are_told_of(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON) as server:
        server.call("GET", "/healthz")
        server.log_in("admin", CHOSEN)
        server.log_in("admin", "a wrong password")
        requests = [line for line in server.log() if line["event"] == "request"]
    assert [(line["route"], line["code"], line["level"]) for line in requests] == [
        ("/auth/password", "invalid_credentials", "info")
    ]


def test_at_warning_nothing_of_a_quiet_service_is_told(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON | {"SALLYPORT_LOG_LEVEL": "warning"}) as server:
        server.log_in("admin", "a wrong password")
        assert {line["level"] for line in server.log()} <= {"warning"}


def test_a_full_disk_under_the_log_fails_no_request(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("not run: this system has no /dev/full")
    (tmp_path / "err").symlink_to("/dev/full")
    with serving(tmp_path, environ=ENVIRON) as server:
        for _ in range(3):
            assert server.log_in("admin", "a wrong password").status == 401
        assert server.log_in("admin", CHOSEN).status == 200
        told = re.search(r"^sallyport_log_lines_lost_total (.*)$", numbers(server), re.MULTILINE)
        assert told
        assert float(told[1]) >= 3
        assert server.end() == 0


def numbers(server: Server) -> str:
    """Return what /metrics says."""
    whole = b""
    with socket.create_connection((HOST, server.port), timeout=20) as wire:
        wire.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while part := wire.recv(65_536):
            whole += part
    return whole.decode()


def test_no_control_character_of_any_script_gets_through(tmp_path: Path) -> None:
    text = "".join(map(chr, [*range(32), *range(127, 160), 0x2028, 0x202E, 0xFEFF, 0xD800])) + '"\\'
    script = f"""
from sallyport.cli.logs import log_as_json
import logging, structlog
log_as_json("debug")
structlog.get_logger().info({text!r}, field={text!r})
logging.getLogger("library").debug("%s", {text!r})
"""
    written = subprocess.run([sys.executable, "-c", script], env=environment(tmp_path), capture_output=True, check=True)
    assert CONTROL.search(written.stderr) is None
    ours, theirs = map(json.loads, written.stderr.splitlines())
    assert (ours["event"], ours["field"], ours["level"]) == (text, text, "info")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == (text, "library", "debug")


def lost(sink: Sink) -> float:
    return sink.lost.family().rows[()][0]


def test_a_line_that_can_not_be_written_is_counted_and_forgotten() -> None:
    reader, writer = os.pipe()
    sink = Sink(writer)
    sink.info("one")
    assert os.read(reader, 100) == b"one\n"
    os.close(reader)
    sink.warning("two")
    os.close(writer)
    sink.error("three")
    assert lost(sink) == 2


def test_a_line_is_written_to_its_end_where_the_system_takes_it_in_parts(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    sink = Sink(writer)
    # More than the pipe holds: a part goes through, the rest would block and is given up.
    sink.info(json.dumps("x" * 1_000_000))
    assert lost(sink) == 1
    os.read(reader, 1_000_000)
    sink.info("next")
    assert os.read(reader, 100) == b"next\n"
    os.close(reader)
    os.close(writer)
