"""`sallyport audit` as an operator runs it: beside a running service, and on files that somebody had in their hands."""

import json
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.server import Server, run, serving

CHOSEN = "an operator chose these words"
ENVIRON = {"SALLYPORT_ADMIN_PASSWORD": CHOSEN}
WITHIN = 5.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Server]]:
    """A running service of two processes, with a few rows in its log."""
    folder = tmp_path_factory.mktemp("audited")
    with serving(folder, "--workers", "2", environ=ENVIRON) as server:
        for _ in range(3):
            assert server.log_in("admin", CHOSEN).status == 200
        assert server.log_in("nobody", "wrong").status == 401
        yield folder, server


def unsealed(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "sallyport.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM audit_log WHERE position IS NULL").fetchone()[0])


def test_rows_are_sealed_within_a_second_and_the_log_is_whole(service: tuple[Path, Server]) -> None:
    folder, server = service
    server.log_in("admin", CHOSEN)
    deadline = time.monotonic() + WITHIN
    while unsealed(folder):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1.2)  # the checkpoint follows once a second
    done = run(folder, "audit", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the log is whole" in done.stdout
    told = json.loads(run(folder, "audit", "verify", "--output", "json").stdout)
    assert (told["whole"], told["faultCount"], told["faults"], told["unsealed"]) == (True, 0, [], 0)
    assert told["sealed"] >= 6
    assert told["checkpoint"] == told["sealed"]


def test_the_log_is_written_out_as_lines(service: tuple[Path, Server], tmp_path: Path) -> None:
    folder, _ = service
    lines = [json.loads(line) for line in run(folder, "audit", "export").stdout.splitlines()]
    assert lines[0]["event"] == "installation.first_start"
    assert {"uid", "dateCreated", "event", "ip", "position", "rowDigest", "chainDigest", "ipDigest"} <= set(lines[0])
    target = tmp_path / "audit.jsonl"
    done = run(folder, "audit", "export", "--to", str(target))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert len(target.read_text().splitlines()) >= len(lines)
    assert run(folder, "audit", "export", "--since", "2100-01-01T00:00:00Z").stdout == ""
    again = run(folder, "audit", "export", "--to", str(target))
    assert again.returncode == 2
    assert "File exists" in again.stderr


def test_wrong_use_is_told_apart_from_faults(service: tuple[Path, Server], tmp_path: Path) -> None:
    folder, _ = service
    assert run(folder, "audit", "verify", "--output", "xml").returncode == 2
    assert run(folder, "audit", "export", "--since", "yesterday").returncode == 2
    nowhere = run(tmp_path, "audit", "verify")
    assert nowhere.returncode == 2
    assert "name the right one" in nowhere.stderr
    assert not list(tmp_path.glob("*.db*"))


def test_a_service_that_ends_leaves_no_row_without_its_place_and_a_fault_is_named(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON) as server:
        for _ in range(4):
            assert server.log_in("admin", CHOSEN).status == 200
        server.end()
    assert unsealed(tmp_path) == 0
    assert run(tmp_path, "audit", "verify").returncode == 0
    with closing(sqlite3.connect(tmp_path / "sallyport.db")) as connection:
        connection.execute("UPDATE audit_log SET ip = '192.0.2.1' WHERE position = 3")
        connection.execute("DELETE FROM audit_log WHERE position > 4")
        connection.commit()
    done = run(tmp_path, "audit", "verify")
    assert done.returncode == 1
    first, second, verdict = done.stdout.splitlines()
    assert first.startswith("position 3, row ")
    assert "the address does not fit its digest" in first
    assert "was cut off: it ends at position 4, and once reached 5" in second
    assert verdict.endswith("2 faults")
    told = json.loads(run(tmp_path, "audit", "verify", "--output", "json").stdout)
    assert (told["whole"], told["faultCount"], [fault["position"] for fault in told["faults"]]) == (False, 2, [3, 5])


@pytest.mark.parametrize(
    "change", ["created_at = 'x'", "created_at = 4e18", "ip_digest = 'x'", "row_digest = 7", "id = X'ff'"]
)
def test_what_another_hand_wrote_hides_no_other_row(tmp_path: Path, change: str) -> None:
    """Where a column of SQLite takes any type."""
    with serving(tmp_path, environ=ENVIRON) as server:
        for _ in range(4):
            assert server.log_in("admin", CHOSEN).status == 200
        server.end()
    with closing(sqlite3.connect(tmp_path / "sallyport.db")) as connection:
        connection.execute(f"UPDATE audit_log SET {change} WHERE position = 3")  # noqa: S608  # from the line above
        connection.commit()
    assert run(tmp_path, "audit", "verify").returncode == 1
    assert json.loads(run(tmp_path, "audit", "verify", "--output", "json").stdout)["faultCount"] >= 1
    done = run(tmp_path, "audit", "export")
    assert done.returncode == 1
    assert sorted(json.loads(line)["position"] for line in done.stdout.splitlines()) == [1, 2, 4, 5]
    (told,) = done.stderr.splitlines()
    assert told.startswith("sallyport audit: 1 row is left out")
    assert "sallyport audit verify" in told


def test_a_restored_backup_is_written_down_and_the_log_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON) as server:
        assert server.log_in("admin", CHOSEN).status == 200
        assert run(tmp_path, "backup", "--to", str(tmp_path / "copy")).returncode == 0
        for _ in range(3):
            assert server.log_in("admin", CHOSEN).status == 200
        server.end()
    assert run(tmp_path, "restore", str(tmp_path / "copy")).returncode == 0
    with serving(tmp_path, environ=ENVIRON) as server:
        assert server.log_in("admin", CHOSEN).status == 200
        server.end()
    assert run(tmp_path, "audit", "verify").returncode == 0
    told = [json.loads(line)["event"] for line in run(tmp_path, "audit", "export").stdout.splitlines()]
    assert told == ["installation.first_start", "login.password", "backup.restored", "login.password"]
