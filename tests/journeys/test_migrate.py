"""`sallyport migrate` as an operator of several nodes meets it: what waits, then the way, beside the service."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from alembic.command import upgrade

from sallyport.store import schema
from sallyport.store.database import SqliteFile
from tests.server import run, serving

ENVIRON = {"SALLYPORT_ADMIN_PASSWORD": "an operator chose these words"}


def older(folder: Path) -> None:
    upgrade(schema.alembic_config(SqliteFile(folder / "sallyport.db")), "0001")


def set_version(folder: Path, version: str) -> None:
    with closing(sqlite3.connect(folder / "sallyport.db", isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [version])


def test_what_waits_is_told_and_then_done(tmp_path: Path) -> None:
    older(tmp_path)
    waits = run(tmp_path, "migrate", "--check")
    assert (waits.returncode, waits.stderr) == (1, "")
    missing = [step["revision"] for step in json.loads(json_of_all(tmp_path))["steps"][1:]]
    assert waits.stdout.startswith(f"schema 0001; {len(missing)} to come, while the service runs\n  0002 ")
    assert "holds up: nobody on PostgreSQL" in waits.stdout
    assert schema.version_of(SqliteFile(tmp_path / "sallyport.db")) == "0001"
    done = run(tmp_path, "migrate")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(":")[0] for line in done.stdout.splitlines()[:-1]] == missing
    assert f"has the schema {schema.HEAD}" in done.stdout
    again = run(tmp_path, "migrate", "--check")
    assert (again.returncode, again.stdout) == (0, f"schema {schema.HEAD}: nothing to do\n")
    assert run(tmp_path, "migrate").returncode == 0


def json_of_all(folder: Path) -> str:
    """Return what would be told of a new database."""
    new = {"SALLYPORT_DATABASE_URL": f"sqlite:///{folder}/new.db"}
    told = run(folder, "migrate", "--check", "--output", "json", environ=new)
    assert told.returncode == 1
    assert not (folder / "new.db").exists()
    return told.stdout


def test_a_program_is_told_in_json(tmp_path: Path) -> None:
    told = json.loads(json_of_all(tmp_path))
    assert (told["schema"], told["newest"], told["whileServing"]) == (None, schema.HEAD, True)
    assert told["steps"][0].keys() == {"revision", "brings", "holdsUp"}


def test_a_database_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    assert run(tmp_path, "migrate").returncode == 0
    assert (tmp_path / "sallyport.db").stat().st_mode & 0o777 == 0o600
    with serving(tmp_path, environ=ENVIRON) as server:
        assert server.log_in("admin", ENVIRON["SALLYPORT_ADMIN_PASSWORD"]).status == 200
        assert run(tmp_path, "migrate").returncode == 0, "beside the service"


def test_wrong_use_and_what_can_not_be_looked_at_are_not_a_migration_that_waits(tmp_path: Path) -> None:
    for url in ("mysql://nobody/nothing", "postgresql://nobody:secret@127.0.0.1:1/nothing"):
        asked = run(tmp_path, "migrate", "--check", "--database", url)
        assert (asked.returncode, asked.stdout) == (2, "")
        assert "secret" not in asked.stderr
    assert run(tmp_path, "migrate", "--database", "mysql://nobody/nothing").returncode == 2
    assert run(tmp_path, "migrate", "--output", "xml").returncode == 2
    (tmp_path / "sallyport.db").write_text("this is a letter, and no database at all; " * 50)
    assert run(tmp_path, "migrate", "--check").returncode == 2
    assert run(tmp_path, "migrate").returncode == 1


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    older(tmp_path)
    set_version(tmp_path, "9999_from_9998")
    for asked, status in ((run(tmp_path, "migrate", "--check"), 2), (run(tmp_path, "migrate"), 1)):
        assert asked.returncode == status
        assert "start the newer release" in asked.stderr
    set_version(tmp_path, "9999_from_0001")
    assert run(tmp_path, "migrate", "--check").returncode == 0


def test_a_node_that_runs_already_stays_ready_when_the_next_release_migrates(tmp_path: Path) -> None:
    with serving(tmp_path, environ=ENVIRON) as server:
        set_version(tmp_path, "9999_from_0001")
        assert server.call("GET", "/readyz").status == 200
        set_version(tmp_path, "9999_from_9998")
        assert server.call("GET", "/readyz").status == 503
