"""`sallyport health` as a container or a supervisor runs it: beside a real service, beside a sick one, beside none."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from tests.ports import free_port
from tests.server import HOST, environment, run, serving

SLOW_TO_IMPORT = {"sqlalchemy", "alembic", "uvicorn", "starlette", "msgspec", "cryptography", "structlog", "argon2"}


def test_a_service_that_is_ready_is_well_and_nothing_is_said(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", environ={"SALLYPORT_HOST": "0.0.0.0"}) as server:
        asked = run(tmp_path, "health", environ={"SALLYPORT_HOST": "0.0.0.0", "SALLYPORT_PORT": str(server.port)})
        by_flag = run(tmp_path, "health", "--host", HOST, "--port", str(server.port))
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "", "")
    assert by_flag.returncode == 0


def test_where_nobody_listens_it_says_where_it_asked(tmp_path: Path) -> None:
    port = str(free_port())
    asked = run(tmp_path, "health", environ={"SALLYPORT_PORT": port})
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr.startswith(f"sallyport health: nobody answers at {HOST}:{port} (")


def test_a_service_that_is_not_ready_is_not_well_and_its_words_are_passed_on(tmp_path: Path) -> None:
    sick = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 31\r\n\r\n" + b'{"code": "storage_unavailable"}'
    with answering(sick) as port:
        asked = run(tmp_path, "health", environ={"SALLYPORT_PORT": port})
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr == 'sallyport health: /readyz answers 503: {"code": "storage_unavailable"}\n'


def test_what_does_not_speak_http_is_not_well(tmp_path: Path) -> None:
    with answering(b"220 mail.example.org ESMTP\r\n") as port:
        asked = run(tmp_path, "health", environ={"SALLYPORT_PORT": port})
    assert asked.returncode == 1
    assert "nobody answers" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_one_that_accepts_and_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as silent:
        asked = run(tmp_path, "health", environ={"SALLYPORT_PORT": str(silent.getsockname()[1])})
    assert asked.returncode == 1
    assert "timed out" in asked.stderr


def test_settings_that_cannot_work_are_told(tmp_path: Path) -> None:
    asked = run(tmp_path, "health", environ={"SALLYPORT_PORT": "none"})
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "SALLYPORT_PORT: a whole number" in asked.stderr


def test_it_imports_nothing_that_is_slow(tmp_path: Path) -> None:
    asking = (
        "import sys; from sallyport.cli.main import app; app(['health'], standalone_mode=False); print(*sys.modules)"
    )
    environ = environment(tmp_path, SALLYPORT_PORT=str(free_port()))
    asked = subprocess.run(
        [sys.executable, "-c", asking],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert {name.partition(".")[0] for name in asked.stdout.split()} & SLOW_TO_IMPORT == set()


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Listen, and give this one answer to the first who asks; yields the port."""
    with socket.create_server((HOST, 0)) as listener:

        def give() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(answer)

        thread = Thread(target=give)
        thread.start()
        yield str(listener.getsockname()[1])
        thread.join()
