"""The tests' own ports: two processes of tests that start services at once must not meet at one."""

import os
import socket
import subprocess
import sys

from tests.ports import free_port


def test_one_that_somebody_listens_on_is_passed_over() -> None:
    first = free_port()
    with socket.create_server(("127.0.0.1", following(first))):
        assert free_port() not in (first, following(first))


def following(port: int) -> int:
    return port + int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def test_two_processes_have_none_in_common() -> None:
    assert some_of("gw0") & some_of("gw1") == set()


def some_of(worker: str) -> set[str]:
    """The ports of one of two processes: more than half of all that there are."""
    asking = "from tests.ports import free_port; print(*(free_port() for _ in range(5_000)))"
    environ = os.environ | {"PYTEST_XDIST_WORKER": worker, "PYTEST_XDIST_WORKER_COUNT": "2"}
    command = [sys.executable, "-c", asking]
    return set(subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split())
