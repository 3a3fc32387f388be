"""SIGTERM: who is being served gets an answer, who comes later finds a closed door, and the end is an orderly one."""

import json
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server import HOST, Server, serving

CHOSEN = "an operator chose these words"
PATIENCE = 20


def begun(server: Server) -> socket.socket:
    """Send the head of a login and half of its body; returns the connection when the service waits for the rest."""
    body = json.dumps({"identifier": "admin", "password": CHOSEN})
    head = (
        f"POST /auth/password HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    connection = socket.create_connection((HOST, server.port), PATIENCE)
    # The service answers 100 when it asks for the body: from then on the request is in its hands.
    connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert connection.recv(1000).startswith(b"HTTP/1.1 100")
    connection.sendall(body[:9].encode())
    return connection


def rest() -> bytes:
    return json.dumps({"identifier": "admin", "password": CHOSEN})[9:].encode()


def refuses_new(server: Server) -> bool:
    """Knock until the door is closed."""
    for _ in range(PATIENCE * 20):
        try:
            socket.create_connection((HOST, server.port), PATIENCE).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("workers", ["1", "2"])
def test_who_is_being_served_at_the_end_is_answered_and_nobody_else(home: Path, workers: str) -> None:
    environ = {"SALLYPORT_ADMIN_PASSWORD": CHOSEN, "PYTHONWARNINGS": "default"}
    with serving(home, "--workers", workers, environ=environ) as server, ExitStack() as connected:
        connections = [connected.enter_context(begun(server)) for _ in range(4)]
        server.process.send_signal(signal.SIGTERM)
        assert refuses_new(server)
        assert server.process.poll() is None
        for connection in connections:
            connection.sendall(rest())
            with connection.makefile("rb") as answer:
                assert answer.readline().startswith(b"HTTP/1.1 200")
        assert server.process.wait(PATIENCE) == 0
        assert "Traceback" not in server.err.read_text()
    with serving(home, environ=environ) as server:
        token = server.log_in("admin", CHOSEN).body["token"]
        listed = server.call("GET", "/users/me/sessions", authorization=f"Bearer {token}").body
        assert len(listed) == 5


def test_workers_whose_parent_was_killed_end_as_at_sigterm(home: Path) -> None:
    # Out of memory, kill -9: nobody is left to pass a signal on, and a new start would find the port taken.
    environ = {"SALLYPORT_ADMIN_PASSWORD": CHOSEN}
    with serving(home, "--workers", "2", environ=environ) as server, begun(server) as connection:
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
        assert refuses_new(server)
        connection.sendall(rest())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
