"""Class N: what is no body, and never ends. uvicorn keeps whatever a client sends before its request is whole."""

import socket
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from tests.server import HOST, Server, serving

PIECE = 2**16
MOST = 2**26
"""Far beyond what the sockets between two processes hold."""
CHUNKED = (
    b"POST /auth/password HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
)
LINES = b"x: a\r\n" * (PIECE // 6)
ENDLESS = {
    "a header": (b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: ", b"a" * PIECE),
    "headers": (b"GET /healthz HTTP/1.1\r\nhost: x\r\n", LINES),
    "a path": (b"GET /", b"a" * PIECE),
    "the second head of a connection": (b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\n", LINES),
    "headers behind a body": (CHUNKED + b"2\r\n{}\r\n0\r\n", LINES),
    "the word behind the size of a chunk": (CHUNKED + b"2;", b"a" * PIECE),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("heads")) as server:
        yield server


@pytest.mark.parametrize("what", ENDLESS)
def test_what_never_ends_is_not_kept(server: Server, what: str) -> None:
    begin, piece = ENDLESS[what]
    with socket.create_connection((HOST, server.port)) as line:
        line.sendall(begin)
        with pytest.raises(OSError, match=r"reset|pipe"):
            line.sendall(piece * (MOST // PIECE))
    assert server.call("GET", "/healthz").status == 200


def test_a_long_head_and_the_longest_body_are_taken_piece_by_piece(server: Server) -> None:
    body = b'{"identifier": "%b", "password": "x"}' % (b"a" * 4000)
    long = b"".join(b"x-%d: %b\r\n" % (number, b"a" * 1000) for number in range(50))
    head = CHUNKED[:-2] + long + b"\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (b" " * 100,) * 600 + (body,))
    with socket.create_connection((HOST, server.port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            whole = head + chunks + b"0\r\n\r\n"
            for at in range(0, len(whole), 999):
                line.sendall(whole[at : at + 999])
            answer = HTTPResponse(line)
            answer.begin()
            assert (answer.status, b"invalid_credentials" in answer.read()) == (401, True)
