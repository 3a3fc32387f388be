"""`sallyport doctor` as an operator meets it: one screen, an exit status, JSON for a program."""

import json
import os
import pty
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from sallyport.cli.doctor import run as doctor
from tests.places import a_disk
from tests.server import command, environment, run, serving

ENVIRON = {"SALLYPORT_ADMIN_PASSWORD": "an operator chose these words"}


@pytest.fixture(scope="module")
def used() -> Iterator[Path]:
    """A folder on a disk in which a service has been started, looked at, and ended."""
    with TemporaryDirectory(dir=a_disk()) as name:
        folder = Path(name)
        with serving(folder, environ=ENVIRON):
            beside = run(folder, "doctor", "--output", "json")
        (folder / "beside.json").write_text(beside.stdout)
        yield folder


def states(report: str) -> dict[str, Any]:
    told = json.loads(report)
    return {one["check"]: one["state"] for one in told["checks"]}


def test_it_looks_at_a_running_service_and_at_a_stopped_one(used: Path) -> None:
    beside = json.loads((used / "beside.json").read_text())
    after = run(used, "doctor", "--output", "json")
    assert (after.returncode, after.stderr) == (0, "")
    assert beside["state"] == json.loads(after.stdout)["state"] == "warn"
    told = {one["check"]: one for one in beside["checks"]}
    assert "in use by the service" in told["database"]["told"]
    assert told["durability"]["told"] == "journal_mode=wal, synchronous=FULL"
    assert told["sessions"]["clauses"] == ["NIST 2.2.3", "ASVS 7.1.1"]
    assert told["database"]["remedy"] is None
    assert "the service is stopped" in after.stdout


def test_red_is_exit_status_1_and_says_what_to_do(used: Path) -> None:
    environ = {"SALLYPORT_PUBLIC_URL": "http://accounts.example.org", "SALLYPORT_THROTTLE": "off"}
    (used / "keys" / "sealing.json").chmod(0o644)
    done = run(used, "doctor", environ=environ)
    as_json = run(used, "doctor", "--output", "json", environ=environ)
    (used / "keys" / "sealing.json").chmod(0o600)
    assert (done.returncode, as_json.returncode) == (1, 1)
    red = {check for check, state in states(as_json.stdout).items() if state == "fail"}
    assert {"https", "throttle", "file modes", "keys", "trusted roles"} <= red
    assert "chmod 600" in done.stdout
    assert "[NIST 3.2.2, ASVS 6.3.1]" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_settings_that_can_not_be_read_are_red_too(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", environ={"SALLYPORT_WORKERS": "many", "SALLYPORT_NOTHING": "x"})
    assert done.returncode == 1
    assert "SALLYPORT_WORKERS" in done.stdout
    assert "SALLYPORT_NOTHING" in done.stdout


def test_wrong_use_is_exit_status_2(tmp_path: Path) -> None:
    assert run(tmp_path, "doctor", "--output", "yaml").returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("more", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colors_are_for_people_who_want_them(
    used: Path,
    more: dict[str, str],
    colored: bool,  # noqa: FBT001  # a column of the table
) -> None:
    here, there = pty.openpty()
    environ = {"TERM": "xterm"} | more
    with subprocess.Popen(command("doctor"), cwd=used, env=environment(used, **environ), stdout=there) as process:
        os.close(there)
        shown = b""
        try:
            while chunk := os.read(here, 65_536):
                shown += chunk
        except OSError:
            pass  # the other side is closed
        assert process.wait() == 0
    os.close(here)
    assert (b"\x1b[" in shown) is colored
    assert b"second factor" in shown


def test_who_may_not_look_is_told_and_nothing_breaks(
    used: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("not run: only root can play somebody else")
    for name, value in environment(used).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir("/")
    with TemporaryDirectory() as name:  # pytest's own folders let nobody in
        copy = Path(shutil.copytree(used, Path(name) / "used"))
        for folder in (Path(name), copy):
            folder.chmod(0o711)
        os.seteuid(65_534)
        try:
            status = doctor("json", {"database_url": f"sqlite:///{copy}/sallyport.db"})
        finally:
            os.seteuid(0)
    assert status == 1
    assert states(capsys.readouterr().out) == {"access": "fail"}
