"""Operating a service on PostgreSQL: doctor, keys, audit log, and a backup that comes back by pg_restore."""

import asyncio
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from sallyport.backups.flow import PutRight
from sallyport.backups.rules import Refusal
from sallyport.doctor.flow import Doctor
from sallyport.doctor.rules import DatabaseSeen, Facts
from sallyport.kernel.clock import SystemClock
from sallyport.settings import load
from sallyport.store import schema
from sallyport.store.database import database_at
from sallyport.wiring import build
from sallyport.wiring.host import key_faults, restore_in_place
from tests.failures.conftest import new_database, running
from tests.failures.people import Somebody, ask
from tests.postgres import NEWEST, SAFE, Cluster, _installed
from tests.server import Server, run, serving


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server that keeps its promises."""
    with running(settings=SAFE) as made:
        yield made


def dump(cluster: Cluster, name: str, to: Path) -> None:
    tool = _installed(NEWEST) / "bin" / "pg_dump"
    subprocess.run([tool, "--format=custom", f"--file={to}", cluster.url(name)], check=True)


def put_back(cluster: Cluster, name: str, dumped: Path) -> None:
    """Do what docs/operate.md says."""
    tool = _installed(NEWEST) / "bin" / "pg_restore"
    how = ["--clean", "--if-exists", "--no-owner", "--single-transaction"]
    subprocess.run([tool, *how, f"--dbname={cluster.url(name)}", dumped], check=True)


def told_by_doctor(folder: Path, environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    done = run(folder, "doctor", "--output", "json", environ=environ)
    assert done.stdout, done.stderr
    return {one["check"]: (one["state"], one["told"]) for one in json.loads(done.stdout)["checks"]}


def test_a_backup_comes_back_by_other_tools_and_what_was_spent_since_stays_spent(
    tmp_path: Path, cluster: Cluster
) -> None:
    name = new_database(cluster)
    environ = {"SALLYPORT_DATABASE_URL": cluster.url(name)}
    dumped = tmp_path / "dump"
    with serving(tmp_path, environ=environ) as server:
        anna = Somebody(server, "anna")
        anna.enroll()
        dump(cluster, name, dumped)
        code = anna.next_code()
        assert anna.answer(anna.challenge(), code).status == 200
        demand_refused(run(tmp_path, "backup", "--to", "file", environ=environ), "pg_dump")
        demand_refused(run(tmp_path, "restore", "file", environ=environ), "--in-place")
        demand_refused(run(tmp_path, "restore", "--in-place", environ=environ), "stop the service")
    put_back(cluster, name, dumped)
    done = run(tmp_path, "restore", "--in-place", environ=environ)
    assert done.returncode == 0, done.stderr
    assert "epoch 1" in done.stdout
    assert "10 backup codes" in done.stdout
    with serving(tmp_path, environ=environ) as server:
        demand_forgotten(server, anna, code)
    put_back(cluster, name, dumped)
    demand_refused(run(tmp_path, "serve", environ=environ), "copied back by hand")
    assert told_by_doctor(tmp_path, environ)["epoch"][0] == "fail"
    assert "epoch 2" in run(tmp_path, "restore", "--in-place", environ=environ).stdout
    with serving(tmp_path, environ=environ) as server:
        demand_forgotten(server, anna, code)
        assert run(tmp_path, "audit", "verify", environ=environ).returncode == 0


def demand_refused(done: subprocess.CompletedProcess[str], why: str) -> None:
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def demand_forgotten(server: Server, anna: Somebody, code: str) -> None:
    anna.server = server
    assert ask(server, "POST", "/auth/refresh", {"refresh": anna.refresh}).status == 401
    assert anna.answer(anna.challenge(), code).status == 401


def test_the_doctor_and_the_desks_work_beside_the_service(tmp_path: Path, cluster: Cluster) -> None:
    environ = {"SALLYPORT_DATABASE_URL": cluster.url(new_database(cluster))}
    with serving(tmp_path, environ=environ) as server:
        anna = Somebody(server, "anna")
        anna.enroll()
        told = told_by_doctor(tmp_path, environ)
        for check in (
            "database",
            "schema",
            "server",
            "durability",
            "collation",
            "database tls",
            "server clock",
            "keys",
        ):
            assert told[check][0] == "ok", told[check]
        assert told["durability"][1] == "fsync=on, full_page_writes=on, synchronous_commit=on"
        assert told["connections"][0] in {"ok", "warn"}
        assert "in use by the service" in told["database"][1]
        assert not {"disk", "key place"} & told.keys()
        before = json.loads(run(tmp_path, "keys", "list", "--output", "json", environ=environ).stdout)
        old = next(one["key"] for one in before if one["ring"] == "sealing")
        done = run(tmp_path, "keys", "rotate", "sealing", "--wait", "2", environ=environ)
        assert done.returncode == 0, done.stderr
        assert "rows are sealed anew" in done.stdout
        done = run(tmp_path, "keys", "retire", "sealing", old, "--yes", "--wait", "2", environ=environ)
        assert done.returncode == 0, done.stderr
        assert run(tmp_path, "keys", "rotate", "pepper", "--wait", "2", environ=environ).returncode == 0
        assert anna.answer(anna.challenge(), anna.next_code()).status == 200
        verified = run(tmp_path, "audit", "verify", environ=environ)
        assert (verified.returncode, "the log is whole" in verified.stdout) == (0, True), verified
        exported = run(tmp_path, "audit", "export", environ=environ).stdout.splitlines()
        assert {"key_activated", "key_retired"} & {json.loads(line)["event"].replace(".", "_") for line in exported}
    assert "stopped" in told_by_doctor(tmp_path, environ)["database"][1]


def facts_of(folder: Path, url: str) -> Facts:
    settings = load({}, {"SALLYPORT_DATABASE_URL": url, "SALLYPORT_KEYS_DIR": f"{folder}/keys"}, folder)
    doctor = Doctor(settings, key_faults=lambda: key_faults(settings), clock=SystemClock(), folder=folder)
    return doctor.facts()


def test_what_the_doctor_sees_of_a_server_is_the_case(tmp_path: Path, cluster: Cluster) -> None:
    url = cluster.url(new_database(cluster))
    strange = facts_of(tmp_path, url)
    assert "there is none of ours" in str(strange.database)
    assert strange.server
    started(tmp_path, url)
    facts = facts_of(tmp_path, url)
    assert facts.database == DatabaseSeen(
        version=schema.HEAD, fits=True, started=True, epoch=0, journal_mode="", trusted=1, trusted_without_mfa=1
    )
    state = facts.server
    assert state
    assert (state.version.split(".")[0], state.fsync, state.synchronous_commit) == ("18", True, "on")
    assert (state.connections, state.connections_of_a_process, state.others) == (97, 16, 0)
    assert (state.address, state.encrypted, state.other_collations) == ("", False, ())
    assert abs(state.seconds_ahead) < 1
    assert facts.size == state.size > 0
    assert not facts.running
    assert [path.name for path in facts.file_systems] == ["keys"]
    assert "sallyport.db" not in " ".join(str(one.path) for one in facts.files)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute('ALTER TABLE users ALTER COLUMN first_name TYPE text COLLATE "default"')
        busy = facts_of(tmp_path, url)
        assert busy.running
        assert busy.server
        assert busy.server.other_collations == ("users.first_name",)
    away = facts_of(tmp_path, cluster.url("nothing"))
    assert "does not exist" in str(away.database)
    assert away.server is None


def in_place(folder: Path, url: str) -> PutRight | Refusal:
    environ = {"SALLYPORT_DATABASE_URL": url, "SALLYPORT_KEYS_DIR": f"{folder}/keys"}
    return asyncio.run(restore_in_place(load({}, environ, folder))())


def started(folder: Path, url: str) -> None:
    environ = {"SALLYPORT_DATABASE_URL": url, "SALLYPORT_KEYS_DIR": f"{folder}/keys"}
    service = build(load({}, environ, folder))
    asyncio.run(service.first_start())
    service.close()


def test_what_can_not_be_put_right_is_refused(tmp_path: Path, cluster: Cluster) -> None:
    name = new_database(cluster)
    url = cluster.url(name)
    refused = in_place(tmp_path, url)
    assert isinstance(refused, Refusal)
    assert "no Sallyport database" in refused.reason
    schema.migrate(database_at(load({}, {"SALLYPORT_DATABASE_URL": url}, tmp_path).database_url))
    refused = in_place(tmp_path, url)
    assert isinstance(refused, Refusal)
    assert "never started" in refused.reason
    started(tmp_path, url)
    with psycopg.connect(url, autocommit=True) as other:
        refused = in_place(tmp_path, url)
        assert isinstance(refused, Refusal)
        assert "in use" in refused.reason
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    refused = in_place(tmp_path, url)
    assert isinstance(refused, Refusal)
    assert "newer release" in refused.reason
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("UPDATE alembic_version SET version_num = %s", (schema.HEAD,))
    (tmp_path / "strange").mkdir()
    started(tmp_path / "strange", cluster.url(new_database(cluster)))
    refused = in_place(tmp_path / "strange", url)
    assert isinstance(refused, Refusal)
    assert "put its key file back" in refused.reason
    with psycopg.connect(url) as other:
        assert other.execute("SELECT epoch FROM installation").fetchone() == (0,)


def test_what_the_keys_can_not_remember_is_told(tmp_path: Path, cluster: Cluster) -> None:
    url = cluster.url(new_database(cluster))
    started(tmp_path, url)
    (tmp_path / "keys" / "audit.checkpoint").mkdir()
    (tmp_path / "keys" / ".epoch.part").mkdir()
    restored = in_place(tmp_path, url)
    assert isinstance(restored, PutRight)
    assert restored.epoch == 1
    assert restored.left


def test_wrong_use_has_a_status_of_its_own(tmp_path: Path) -> None:
    assert run(tmp_path, "restore", "file", "--in-place").returncode == 2
    refused = run(tmp_path, "restore", "--in-place")
    assert (refused.returncode, "name the file" in refused.stderr) == (1, True)
