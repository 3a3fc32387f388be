"""`sallyport policy impact` as an operator runs it, beside a running service, before a rule is switched on."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.server import run, serving

ENVIRON = {"SALLYPORT_ADMIN_PASSWORD": "an operator chose these words"}
WORDS = "correct horse battery staple"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A running service with a clerk who is fine, one who is disabled, one without a password, and a cook."""
    folder = tmp_path_factory.mktemp("ruled")
    with serving(folder, environ=ENVIRON) as server:
        for name in ("fine", "disabled", "bare", "cook"):
            body = {"name": name} | ({"password": WORDS} if name != "bare" else {})
            assert server.call("POST", "/users", body).status == 201
        with closing(sqlite3.connect(folder / "sallyport.db", timeout=5)) as connection:
            connection.execute("UPDATE users SET roles = '[\"clerk\"]' WHERE name <> 'cook' AND name <> 'admin'")
            connection.execute("UPDATE users SET disabled_at = 1 WHERE name = 'disabled'")
            connection.commit()
        yield folder


def test_it_names_who_would_have_to_enroll_and_who_could_not(folder: Path) -> None:
    done = run(folder, "policy", "impact", "--require-mfa", "roles:clerk")
    assert (done.returncode, done.stderr) == (1, "")
    *lines, last = done.stdout.splitlines()
    assert [(line.split()[0], line.split()[3]) for line in lines] == [
        ("met", "fine"),
        ("stuck", "disabled"),
        ("stuck", "bare"),
    ]
    assert lines[2].endswith("(no password, no verified address)")
    assert last == (
        "roles:clerk: of 5 users 3 would have to enroll, 2 of them are stuck; 0 have a second factor already"
    )


def test_json_says_the_same(folder: Path) -> None:
    done = run(folder, "policy", "impact", "--require-mfa", "all", "--mfa-grace", "14d", "--output", "json")
    told = json.loads(done.stdout)
    assert told["rule"] == "all"
    assert told["totals"] == {"users": 5, "satisfied": 0, "met": 5, "stuck": 2}
    assert [one["name"] for one in told["met"]] == ["admin", "fine", "disabled", "bare", "cook"]
    assert told["met"][3] | {"uid": "", "enrollBy": ""} == {
        "uid": "",
        "name": "bare",
        "rule": "all",
        "enrollBy": "",
        "hindrances": ["no password", "no verified address"],
        "stuck": True,
    }


def test_it_writes_nothing(folder: Path) -> None:
    def seen() -> list[Any]:
        with closing(sqlite3.connect(folder / "sallyport.db", timeout=5)) as connection:
            return connection.execute("SELECT * FROM users ORDER BY id").fetchall()

    before = seen()
    assert run(folder, "policy", "impact", "--require-mfa", "all").returncode == 1
    assert seen() == before


def test_nobody_stuck_and_wrong_use_have_a_status_of_their_own(folder: Path, tmp_path: Path) -> None:
    assert run(folder, "policy", "impact", "--require-mfa", "roles:admin").returncode == 0
    assert run(folder, "policy", "impact").stdout.startswith("none: of 5 users 0 would")
    for wrong in (("--require-mfa", "some"), ("--mfa-grace", "soon"), ("--output", "xml")):
        assert run(folder, "policy", "impact", *wrong).returncode == 2
    nowhere = run(tmp_path, "policy", "impact")
    assert nowhere.returncode == 2
    assert "name the right one" in nowhere.stderr
    assert not list(tmp_path.glob("*.db*"))
