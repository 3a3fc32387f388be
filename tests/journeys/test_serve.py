"""`sallyport serve` as an operator meets it: a process with files, signals, messages and an exit status."""

import json
import shutil
import signal
import socket
from base64 import urlsafe_b64decode
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.server import HOST, run, serving

CHOSEN = "an operator chose these words"


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a service has once been started and ended."""
    folder = tmp_path_factory.mktemp("used")
    with serving(folder, environ={"SALLYPORT_ADMIN_PASSWORD": CHOSEN}) as server:
        server.end(signal.SIGINT)
    return folder


@pytest.fixture
def used(first_start: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    copy: Path = shutil.copytree(first_start, tmp_path / "used")
    return copy


def test_the_first_start_prints_the_admin_password_once_and_a_restart_changes_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        told = server.out.read_text()
        password = printed_password(told)
        assert len(password) >= 32
        assert "It is not shown again" in told
        assert "until you change it" in told
        session = server.log_in("admin", password).body
        assert session["type"] == "ACCESS"
        assert password not in server.err.read_text()
    keys = {path: path.read_bytes() for path in (tmp_path / "keys").glob("*.json")}
    assert {path.name for path in keys} == {"sealing.json", "pepper.json", "signing.json", "audit.json"}

    with serving(tmp_path) as server:
        assert server.out.read_text() == ""
        assert server.log_in("admin", password).body["type"] == "ACCESS"
        assert password not in server.err.read_text()
        assert server.call("POST", "/auth/refresh", {"refresh": session["refresh"]}).status == 200
    assert {path: path.read_bytes() for path in (tmp_path / "keys").glob("*.json")} == keys


@pytest.mark.parametrize("way", ["variable", "file"])
def test_a_chosen_admin_password_is_taken_and_never_printed(tmp_path: Path, way: str) -> None:
    environ = {"SALLYPORT_ADMIN_PASSWORD": CHOSEN}
    if way == "file":
        (tmp_path / "password").write_text(CHOSEN + "\n")
        environ = {"SALLYPORT_ADMIN_PASSWORD_FILE": str(tmp_path / "password")}
    with serving(tmp_path, environ=environ) as server:
        assert server.log_in("admin", CHOSEN).body["type"] == "ACCESS"
        assert server.out.read_text() == ""
        assert CHOSEN not in server.err.read_text()


def test_a_chosen_admin_password_counts_at_the_first_start_only(used: Path) -> None:
    with serving(used, environ={"SALLYPORT_ADMIN_PASSWORD": "quite another lot of words"}) as server:
        assert server.log_in("admin", "quite another lot of words").status == 401
        assert server.log_in("admin", CHOSEN).status == 200


def test_the_files_of_the_service_are_for_its_owner_alone(used: Path) -> None:
    with serving(used):
        made = [*used.glob("sallyport.db*"), used / "keys", *(used / "keys").iterdir()]
        assert len(made) == 10
        assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "sallyport.toml").write_text('public_url = "https://the-file.example"\nregistration = "closed"\n')
    environ = {
        "SALLYPORT_PORT": "1",
        "SALLYPORT_PUBLIC_URL": "https://the-environment.example",
        "SALLYPORT_ADMIN_PASSWORD": CHOSEN,
    }
    with serving(tmp_path, environ=environ) as server:
        token = server.log_in("admin", CHOSEN).body["token"]
        assert claims(token)["iss"] == "https://the-environment.example"
        assert server.call("POST", "/users", {"name": "alice"}).status == 401


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, "1"), (signal.SIGTERM, "2")])
def test_a_signal_ends_it_with_status_0(used: Path, number: int, workers: str) -> None:
    with (
        serving(used, "--workers", workers, environ={"PYTHONWARNINGS": "default"}) as server,
        socket.create_connection((HOST, server.port)) as idle,
    ):
        # A client that keeps its connection open does not hold the end up.
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        assert server.end(number) == 0
        assert "Traceback" not in server.err.read_text()


def test_it_is_ready_when_it_says_so_and_logs_json_lines(used: Path) -> None:
    with serving(used) as server:
        assert server.call("GET", "/readyz").body == {"status": "ready"}
        assert server.call("GET", "/v1/readyz").status == 200
        assert server.call("GET", "/healthz").body == {"status": "ok"}
        server.log_in("admin", "a wrong password")
        server.call("GET", "/nowhere")
        server.end(signal.SIGINT)
        logged = server.log()
    assert all({"event", "level", "timestamp"} <= line.keys() for line in logged)
    by_event = {line["event"]: line for line in logged}
    assert by_event["serving"]["port"] == server.port
    assert by_event["serving"]["url"] == server.url
    assert by_event["argon2"]["build"] in {"native", "wheel"}
    assert by_event["argon2"]["ms_per_hash"] > 0


def test_a_throttle_that_is_off_is_warned_of(used: Path) -> None:
    with serving(used, environ={"SALLYPORT_THROTTLE": "off"}) as server:
        warnings = [line["event"] for line in server.log() if line["level"] == "warning"]
    assert any("SALLYPORT_THROTTLE is off" in warning for warning in warnings)


def test_links_that_name_another_port_than_the_one_served_are_warned_of(used: Path) -> None:
    with serving(used, environ={"SALLYPORT_PUBLIC_URL": "http://127.0.0.1:1"}) as server:
        warnings = [line["event"] for line in server.log() if line["level"] == "warning"]
    assert any("links and tokens name another port: set SALLYPORT_PUBLIC_URL" in warning for warning in warnings)


def test_every_wrong_setting_is_named_in_one_message(tmp_path: Path) -> None:
    environ = {
        "SALLYPORT_REGISTRATION": "maybe",
        "SALLYPORT_PROT": "8080",
        "SALLYPORT_ADMIN_PASSWORD": CHOSEN,
        "SALLYPORT_ADMIN_PASSWORD_FILE": "/nowhere",
    }
    (tmp_path / "sallyport.toml").write_text('session_idle = "a while"\n')
    refused = run(tmp_path, "serve", "--port", "65536", "--workers", "none", environ=environ)
    named = ("PORT:", "WORKERS:", "REGISTRATION:", "PROT:", "ADMIN_PASSWORD:", "SESSION_IDLE:")
    assert_refused(refused.returncode, refused.stdout, refused.stderr, *(f"SALLYPORT_{name}" for name in named))
    assert CHOSEN not in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["sallyport.toml"]


@pytest.mark.parametrize("url", ["postgresql://", "sqlite://", "sqlite:///:memory:", "mysql://db/x"])
def test_a_database_that_it_can_not_use_is_refused(tmp_path: Path, url: str) -> None:
    refused = run(tmp_path, "serve", "--database", url)
    assert_refused(refused.returncode, refused.stdout, refused.stderr, "SALLYPORT_DATABASE_URL:")


def test_an_admin_password_that_is_too_short_is_refused(tmp_path: Path) -> None:
    refused = run(tmp_path, "serve", environ={"SALLYPORT_ADMIN_PASSWORD": "tooshort"})
    assert_refused(refused.returncode, refused.stdout, refused.stderr, "SALLYPORT_ADMIN_PASSWORD:", "15")
    assert "tooshort" not in refused.stderr


def test_missing_rings_beside_a_used_database_are_named(used: Path) -> None:
    for ring in ("sealing", "pepper"):
        (used / "keys" / f"{ring}.json").unlink()
    refused = run(used, "serve")
    assert_refused(refused.returncode, refused.stdout, refused.stderr, "sealing.json", "pepper.json", "backup")
    assert sorted(path.name for path in (used / "keys").glob("*.json")) == ["audit.json", "signing.json"]


def test_every_key_file_that_others_can_read_is_named(used: Path) -> None:
    (used / "keys" / "sealing.json").chmod(0o644)
    (used / "keys" / "signing.json").chmod(0o640)
    refused = run(used, "serve")
    assert_refused(refused.returncode, refused.stdout, refused.stderr, "sealing.json", "signing.json", "chmod 600")


def test_a_key_file_that_is_none_is_refused(used: Path) -> None:
    (used / "keys" / "pepper.json").write_text("{}")
    refused = run(used, "serve")
    assert_refused(refused.returncode, refused.stdout, refused.stderr, "pepper.json", "backup")


def a_text_file(folder: Path) -> Path:
    (folder / "sallyport.db").write_text("This is not a database, but it is long enough to be taken for one.\n" * 99)
    return folder / "sallyport.db"


@pytest.mark.parametrize("place", [a_text_file])
def test_what_can_not_be_a_database_is_refused_and_left_alone(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    path = place(tmp_path)
    before = path.read_bytes() if path.is_file() else b""
    refused = run(tmp_path, "serve", "--database", f"sqlite:///{path}")
    assert_refused(refused.returncode, refused.stdout, refused.stderr, str(path))
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_it_tells_its_version(tmp_path: Path) -> None:
    told = run(tmp_path, "--version")
    assert (told.returncode, told.stdout, told.stderr) == (0, f"sallyport {version('sallyport')}\n", "")


def test_a_command_that_there_is_not_is_refused(tmp_path: Path) -> None:
    refused = run(tmp_path, "sevre")
    assert refused.returncode == 2
    assert "sevre" in refused.stderr


def claims(token: str) -> dict[str, Any]:
    """Read what an access token says, without verifying it."""
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def printed_password(told: str) -> str:
    """Return the password that stands alone in a line of its own."""
    (password,) = [line.strip() for line in told.splitlines() if line.startswith("      ")]
    return password


def assert_refused(status: int, out: str, err: str, *named: str) -> None:
    """Assert that a start was refused in one message that names all this, on standard error, without a traceback."""
    assert status == 1, err
    assert out == ""
    assert err.count("sallyport can't start:") == 1, err
    assert "Traceback" not in err
    for words in named:
        assert words in err
