"""The doctor gathers what is really the case, beside a running service and without one, and changes nothing."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from sallyport.doctor.flow import Doctor, file_system_of
from sallyport.doctor.rules import DatabaseSeen, Facts, State
from sallyport.doctor.timesource import seconds_ahead
from sallyport.kernel.clock import DAY, SECOND, SystemClock
from sallyport.settings import Settings, load
from sallyport.store import schema
from sallyport.store.database import SqliteFile
from sallyport.store.sqlite import SqliteWork
from sallyport.wiring.host import key_faults
from tests.conftest import MakeWorld
from tests.surgery import give_roles, operate
from tests.world import NOON, TurnedClock, World, service_in


def settings_in(folder: Path, **more: str) -> Settings:
    environ = {"SALLYPORT_DATABASE_URL": f"sqlite:///{folder}/sallyport.db", "SALLYPORT_KEYS_DIR": f"{folder}/keys"}
    return load({}, environ | more, folder)


def doctor_of(settings: Settings, folder: Path) -> Doctor:
    return Doctor(settings, key_faults=lambda: key_faults(settings), clock=TurnedClock(), folder=folder)


def facts_in(folder: Path, **more: str) -> Facts:
    return doctor_of(settings_in(folder, **more), folder).facts()


def database_in(folder: Path) -> DatabaseSeen:
    seen = facts_in(folder).database
    assert isinstance(seen, DatabaseSeen), seen
    return seen


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
async def stopped(tmp_path: Path) -> Path:
    """The folder of a service that was started and ended."""
    service = service_in(tmp_path, TurnedClock())
    await service.first_start()
    service.close()
    return tmp_path


async def test_a_running_service_is_seen_and_not_disturbed(make_world: MakeWorld, tmp_path: Path) -> None:
    world: World = await make_world()
    await world.enrolled("alice")
    for name in ("bob", "carol"):
        await give_roles(await world.register(name), "admin")
    await give_roles(await world.enrolled("dave"), "admin", "user")
    await give_roles(await world.register("frank"), "user")
    gone = await world.register("grace")
    await give_roles(gone, "admin")
    await operate(world, "UPDATE users SET disabled_at = created_at WHERE id = :uid", uid=gone.uid)
    given = facts_in(tmp_path / "one")
    assert given.database == DatabaseSeen(
        version=schema.HEAD, fits=True, started=True, epoch=0, journal_mode="wal", trusted=4, trusted_without_mfa=3
    )
    assert given.running
    assert given.keys.faults == ()
    assert sorted(given.keys.ages) == ["audit", "pepper", "sealing", "signing"]
    assert given.size > 0
    assert given.free > 0
    assert given.clock_offset is None
    assert (await world.call("GET", "/readyz")).status_code == 200
    await world.register("eve")


async def test_a_stopped_service_is_left_as_it_is(stopped: Path) -> None:
    before = contents(stopped)
    given = facts_in(stopped)
    assert not given.running
    assert isinstance(given.database, DatabaseSeen)
    assert contents(stopped) == before


@pytest.mark.on_disk("in memory would be a third thing that fails")
async def test_an_empty_folder_stays_empty(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    findings = {one.check: one for one in doctor_of(settings, tmp_path)()}
    assert names(tmp_path) == []
    assert {name for name, one in findings.items() if one.state is State.FAIL} == {"database", "keys"}
    assert "there is none" in findings["database"].told
    assert "there is no key directory" in findings["keys"].told


async def test_a_broken_database_is_told(stopped: Path) -> None:
    (stopped / "sallyport.db").write_text("a disk has died here" * 300)
    assert "not a database" in str(facts_in(stopped).database)


async def test_damage_in_the_middle_is_found(stopped: Path) -> None:
    path = stopped / "sallyport.db"
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(path.stat().st_size - 12_288))
    assert isinstance(facts_in(stopped).database, str)


async def test_an_older_schema_can_be_looked_at(stopped: Path) -> None:
    from alembic.command import upgrade  # noqa: PLC0415  # for this test alone

    old = stopped / "old"
    old.mkdir()
    (old / "sallyport.db").touch()
    upgrade(schema.alembic_config(SqliteFile(old / "sallyport.db")), "0001")
    seen = database_in(old)
    assert (seen.version, seen.started, seen.epoch) == ("0001", False, 0)
    with closing(sqlite3.connect(old / "sallyport.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO installation (id, first_start_at, keys_sealed) VALUES (1, 1, x'00')")
    assert database_in(old).started


async def test_a_database_before_its_first_start_is_not_started(tmp_path: Path) -> None:
    schema.migrate(SqliteFile(tmp_path / "sallyport.db"))
    assert not database_in(tmp_path).started


async def test_keys_that_do_not_belong_are_told(stopped: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    service = service_in(other, TurnedClock())
    await service.first_start()
    service.close()
    shutil.rmtree(stopped / "keys")
    shutil.copytree(other / "keys", stopped / "keys")
    assert "put its key file back" in " ".join(facts_in(stopped).keys.faults)
    (stopped / "keys" / "sealing.json").unlink()
    assert "sealing.json is missing" in " ".join(facts_in(stopped).keys.faults)


async def test_the_epoch_of_the_keys_is_read_and_nonsense_told(stopped: Path) -> None:
    (stopped / "keys" / "epoch").write_text("3\n")
    assert facts_in(stopped).keys.epoch == 3
    (stopped / "keys" / "epoch").write_text("three")
    assert "is not a number" in " ".join(facts_in(stopped).keys.faults)


async def test_the_age_of_a_key_is_that_of_the_active_one(stopped: Path) -> None:
    path = stopped / "keys" / "sealing.json"
    ring = json.loads(path.read_text())
    # NOON is 2027-01-15T08:00:00Z.
    ring["made"] = {ring["active"]: "2027-01-05T08:00:00.000000Z", "0011223344556677": "2020-01-01T00:00:00Z"}
    path.write_text(json.dumps(ring))
    (stopped / "keys" / "pepper.json").write_text("[]")
    ages = facts_in(stopped).keys.ages
    assert ages == {"pepper": None, "sealing": 10 * DAY, "signing": 0, "audit": 0}


async def test_every_file_that_matters_is_looked_at(stopped: Path) -> None:
    (stopped / "sallyport.toml").write_text('issuer_name = "ours"')
    assert "sallyport.toml" not in {seen.path.name for seen in facts_in(stopped).files}
    (stopped / "sallyport.toml").write_text('admin_password = "an operator chose these words"')
    (stopped / "sallyport.db.before-restore-1").touch(0o644)
    seen = {one.path.name: one.mode for one in facts_in(stopped).files}
    for name in ("sallyport.toml", "sallyport.db", "sallyport.db.before-restore-1", "sallyport.db.lock"):
        assert name in seen
    for name in ("keys", "sealing.json", "pepper.json", "signing.json"):
        assert name in seen
    findings = {one.check: one for one in doctor_of(settings_in(stopped), stopped)()}
    assert findings["file modes"].state is State.FAIL
    assert "sallyport.db.before-restore-1 is 0644" in findings["file modes"].told


async def test_a_lock_that_can_not_be_opened_is_no_crash(stopped: Path) -> None:
    (stopped / "sallyport.db.lock").unlink()
    (stopped / "sallyport.db.lock").symlink_to("sallyport.db.lock2")
    (stopped / "sallyport.db.lock2").symlink_to("nowhere")
    assert not facts_in(stopped).running
    (stopped / "sallyport.db.lock").unlink()
    work = SqliteWork(stopped / "sallyport.db")
    assert facts_in(stopped).running
    work.close()


MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 27 0:40 / /srv rw master:5 propagate_from:2 - nfs4 server:/export rw
31 30 0:41 / /srv/my\040disk rw - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/srv/sallyport", "nfs4"), ("/srv/my disk/a", "xfs"), ("/srvother", "ext4"), ("/proc/1", "proc"), ("/", "ext4")],
)
def test_the_nearest_mount_tells_the_file_system(tmp_path: Path, path: str, kind: str) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert file_system_of(Path(path), tmp_path / "mountinfo") == kind


def test_where_nobody_tells_the_file_system_is_unknown(tmp_path: Path) -> None:
    assert file_system_of(Path("/srv"), tmp_path / "mountinfo") == ""


@contextmanager
def telling(date: str | None) -> Iterator[str]:
    """A server whose clock shows this."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(302)
            if date is not None:
                self.send_header("Date", date)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))  # seconds in which it sees that it is to end
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("off", [0, 60, -3600])
def test_the_clock_is_compared_with_that_of_another(off: int) -> None:
    with telling(formatdate(NOON // SECOND - off, usegmt=True)) as url:
        ahead = seconds_ahead(url, lambda: NOON + SECOND // 2)
    assert ahead == off


def test_the_source_of_the_settings_is_asked(tmp_path: Path) -> None:
    with telling(formatdate(NOON // SECOND, usegmt=True)) as url:
        offset = facts_in(tmp_path, SALLYPORT_TIME_SOURCE=url).clock_offset
    assert offset == -0.5


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_a_source_without_a_date_does_not_tell_the_time(date: str | None) -> None:
    with telling(date) as url:
        assert seconds_ahead(url, SystemClock().now) == f"{url} does not tell the time"


def test_a_source_that_is_not_there_is_told() -> None:
    with telling(None) as url:
        pass
    told = seconds_ahead(url, SystemClock().now)
    assert isinstance(told, str)
    assert "does not answer" in told
