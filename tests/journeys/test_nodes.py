"""Two nodes as an operator runs them: two services on two ports, one PostgreSQL, one key directory."""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.engines import Server as PostgresServer
from tests.server import Server, run, serving

CHOSEN = "an operator chose these words"
WRONG = "not what the operator chose"
Nodes = tuple[Server, Server]
PATIENCE = 20
"""Seconds after which a node has not followed."""


def environment_of(home: Path, url: str) -> dict[str, str]:
    """Return what nodes have in common."""
    return {
        "SALLYPORT_DATABASE_URL": url,
        "SALLYPORT_KEYS_DIR": f"{home}/keys",
        "SALLYPORT_PUBLIC_URL": "http://sallyport.test",
        "SALLYPORT_ADMIN_PASSWORD": CHOSEN,
    }


@contextmanager
def two_nodes(home: Path, url: str) -> Iterator[Nodes]:
    """Start two nodes in the same moment, and end them."""
    with ThreadPoolExecutor(2) as operators, ExitStack() as running:

        def started(name: str) -> Server:
            (home / name).mkdir()
            return running.enter_context(serving(home / name, environ=environment_of(home, url)))

        one, other = operators.map(started, ("one", "other"))
        yield one, other
        assert [node.end() for node in (one, other)] == [0, 0]
        assert not any("Traceback" in node.err.read_text() for node in (one, other))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nodes")


@pytest.fixture(scope="module")
def url(server: PostgresServer) -> Iterator[str]:
    """A database without a schema."""
    name = server.empty()
    yield server.url_of(name)
    server.give_up(name)


@pytest.fixture(scope="module")
def nodes(home: Path, url: str) -> Iterator[Nodes]:
    """Two nodes that had their first start in the same moment."""
    with two_nodes(home, url) as made:
        yield made


def logged_in(node: Server) -> dict[str, Any]:
    answer = node.log_in("admin", CHOSEN)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.body
    return found


def key_id(token: str) -> str:
    header = token.partition(".")[0]
    return str(json.loads(urlsafe_b64decode(header + "=="))["kid"])


def test_a_first_start_of_two_nodes_at_once_makes_one_admin_and_one_schema(nodes: Nodes, url: str) -> None:
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT name FROM users").fetchall() == [("admin",)]
        assert len(connection.execute("SELECT version_num FROM alembic_version").fetchall()) == 1
    for node in nodes:
        assert node.call("GET", "/users/count", authorization=f"Bearer {logged_in(node)['token']}").body == {"count": 1}


def test_a_session_that_one_node_ended_is_over_at_the_other_at_once(nodes: Nodes) -> None:
    for here, there in (nodes, nodes[::-1]):
        opened = logged_in(here)
        bearer = f"Bearer {opened['token']}"
        assert there.call("GET", "/users/me", authorization=bearer).status == 200
        renewed = there.call("POST", "/auth/refresh", {"refresh": opened["refresh"]})
        assert renewed.status == 200
        assert here.call("POST", "/auth/logout", authorization=bearer).status == 204
        for token in (opened["token"], renewed.body["token"]):
            assert there.call("GET", "/users/me", authorization=f"Bearer {token}").status == 401
        assert there.call("POST", "/auth/refresh", {"refresh": renewed.body["refresh"]}).status == 401


@pytest.mark.parametrize("ring", ["signing", "sealing", "pepper", "audit"])
def test_a_key_that_turned_is_known_to_both(nodes: Nodes, home: Path, url: str, ring: str) -> None:
    before = [logged_in(node) for node in nodes]
    turned = run(home, "keys", "rotate", ring, "--wait", "3", environ=environment_of(home, url))
    assert turned.returncode == 0, turned.stderr
    after = [logged_in(node) for node in nodes]
    if ring == "signing":
        old, new = ({key_id(one["token"]) for one in opened} for opened in (before, after))
        for _ in range(PATIENCE):  # a node looks at its key files once a second
            if not old & new:
                break
            time.sleep(1)
            after = [logged_in(node) for node in nodes]
            new = {key_id(one["token"]) for one in after}
        assert len(old) == len(new) == 1
        assert old != new
    for opened in before + after:
        for node in nodes:
            assert node.call("GET", "/users/me", authorization=f"Bearer {opened['token']}").status == 200
    name = f"after-{ring}"
    made = nodes[0].call("POST", "/users", {"name": name, "password": CHOSEN})
    assert made.status == 201
    assert nodes[1].log_in(name, CHOSEN).status == 200


def test_the_log_of_both_is_one_chain(nodes: Nodes, home: Path, url: str) -> None:
    for node in nodes:
        logged_in(node)
    verified = run(home, "audit", "verify", environ=environment_of(home, url))
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_wrong_guesses_at_two_nodes_are_counted_together(nodes: Nodes) -> None:
    nodes[0].call("POST", "/users", {"name": "victim", "password": CHOSEN})
    with ThreadPoolExecutor(8) as guessers:
        words = [f"{WRONG} {number}" for number in range(40)]
        tried = list(guessers.map(lambda at: nodes[at % 2].log_in("victim", words[at]).status, range(40)))
    assert set(tried) == {401, 429}
    assert tried.count(401) <= 5
    for node in nodes:
        assert node.log_in("victim", CHOSEN).status == 429
