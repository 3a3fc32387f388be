"""Migrations run while the release before serves: what they say, what they lock, and how they go on after a fault."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from alembic.script import Script, ScriptDirectory

from sallyport.kernel.hidden import Hidden
from sallyport.store import schema
from sallyport.store.database import database_at
from sallyport.store.work import StorageUnavailableError
from tests.releases.online import faults, listening
from tests.releases.places import Place
from tests.world import TurnedClock, client_of, service_in

_SCRIPTS = ScriptDirectory.from_config(schema.alembic_config(database_at(Hidden("sqlite:///unused.db"))))
REVISIONS = list(_SCRIPTS.walk_revisions())[::-1]
_INDEX = "passwords_by_sealing_key"
_CONCURRENTLY = f"CREATE INDEX CONCURRENTLY {_INDEX} ON passwords (substr(hash_sealed, 2, 8))"
_VALID = "SELECT indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = %s"
_FILES = "SELECT relname, relfilenode FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


pytestmark = pytest.mark.usefixtures("hasty")


def named(script: Script) -> str:
    return str(script.revision)


@pytest.mark.parametrize("script", REVISIONS, ids=named)
def test_every_revision_tells_what_it_locks(script: Script) -> None:
    assert script.doc
    assert isinstance(script.module.LOCKS, str)


@pytest.mark.parametrize("script", REVISIONS[1:], ids=named)
def test_the_release_before_may_run_on_every_revision(script: Script) -> None:
    # The first ones came before there was a release that asks.
    assert script.revision in {"0002", "0003"} or schema.bears(script.revision, str(script.down_revision))


def test_what_may_run_on_a_schema_never_grows_backwards() -> None:
    oldest = [str(script.revision).partition("_from_")[2] for script in REVISIONS[3:]]
    assert oldest == sorted(oldest)
    assert [str(script.revision) for script in REVISIONS] == sorted(str(script.revision) for script in REVISIONS)


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        (None, False),
        ("0001", False),
        ("0002", False),
        (schema.HEAD, True),
        ("9999", False),
        ("9999_from_0001", True),
        (f"9999_from_{schema.HEAD[:4]}", True),
        ("9999_from_9998", False),
    ],
)
def test_a_release_runs_on_its_own_schema_and_on_newer_ones_that_say_so(version: str | None, fits: bool) -> None:  # noqa: FBT001  # a column of the table
    assert schema.is_fit(version) is fits


@pytest.mark.parametrize("script", REVISIONS[1:], ids=named)
def test_no_revision_says_what_holds_others_up(place: Place, script: Script) -> None:
    place.take_to(str(script.down_revision))
    with listening() as said:
        place.take_to(script.revision)
    assert len(said) > 2
    assert faults(said, is_sqlite=place.is_sqlite) == []


@pytest.mark.parametrize(
    "said",
    [
        "CREATE INDEX i ON users (name)",
        "CREATE UNIQUE INDEX i ON users (name)",
        "ALTER TABLE users ADD COLUMN x TEXT NOT NULL",
        "ALTER TABLE users ADD COLUMN x TEXT DEFAULT gen_random_uuid() NOT NULL",
        "ALTER TABLE users ADD COLUMN x TEXT REFERENCES sessions (id)",
        "ALTER TABLE users ALTER COLUMN name TYPE VARCHAR(9)",
        "ALTER TABLE users ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (version > 0)",
        "ALTER TABLE users DROP COLUMN phone",
        "ALTER TABLE users RENAME TO people",
        "DROP TABLE challenges",
        "DROP INDEX users_by_creation",
        "UPDATE users SET version = 0",
        "LOCK TABLE users",
    ],
)
def test_what_holds_others_up_is_seen(said: str) -> None:
    assert faults(["CREATE TABLE new (id INTEGER)", said], is_sqlite=False) == [said]
    assert faults(["CREATE TABLE new (id INTEGER)", said], is_sqlite=True) == [said]


def test_no_table_is_written_anew(postgres: Place) -> None:
    postgres.take_to("0001")
    with psycopg.connect(postgres.url) as connection:
        before: dict[str, int] = dict(connection.execute(_FILES).fetchall())
        connection.commit()
        schema.migrate(postgres.database)
        after: dict[str, int] = dict(connection.execute(_FILES).fetchall())
    assert len(before) > 8
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("script", REVISIONS[:-1], ids=named)
def test_a_migration_goes_on_where_it_was_stopped(place: Place, script: Script) -> None:
    place.take_to(script.revision)
    told: list[str] = []
    schema.migrate(place.database, told.append)
    assert len(told) == len(schema_steps_after(script))
    assert schema.version_of(place.database) == schema.HEAD


def schema_steps_after(script: Script) -> list[Script]:
    return REVISIONS[REVISIONS.index(script) + 1 :]


def test_columns_that_were_added_before_it_was_stopped_are_left_alone(postgres: Place) -> None:
    postgres.take_to("0001")
    with psycopg.connect(postgres.url) as connection:
        connection.execute("ALTER TABLE installation ADD COLUMN epoch INTEGER DEFAULT 0 NOT NULL")
        connection.execute("ALTER TABLE sessions ADD COLUMN client_digest BYTEA")
    schema.migrate(postgres.database)
    assert schema.version_of(postgres.database) == schema.HEAD


def test_an_index_whose_build_has_failed_is_built_again(postgres: Place) -> None:
    postgres.take_to("0004_from_0001")
    with psycopg.connect(postgres.url) as old, psycopg.connect(postgres.url, autocommit=True) as building:
        old.execute("LOCK TABLE passwords IN ROW EXCLUSIVE MODE")  # a transaction that the build has to wait for
        building.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            building.execute(_CONCURRENTLY)
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute(_VALID, [_INDEX]).fetchone() == (False,)
    schema.migrate(postgres.database)
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute(_VALID, [_INDEX]).fetchone() == (True,)


def test_nobody_waits_behind_a_migration_that_waits(postgres: Place) -> None:
    postgres.left_by("0001")
    told: list[str] = []
    with psycopg.connect(postgres.url) as old, migrating(postgres, told):
        old.execute("SELECT count(*) FROM totp")  # a long look, as of a backup
        with psycopg.connect(postgres.url, autocommit=True, options="-c lock_timeout=1s") as service:
            for _ in range(500):
                service.execute("UPDATE totp SET last_step = last_step")
                service.execute("UPDATE users SET version = version")
                service.execute("SELECT pg_sleep(0.01)")
                if sum("trying again" in one for one in told) > 1:
                    break
        old.commit()
    assert sum("trying again" in one for one in told) > 1
    assert schema.version_of(postgres.database) == schema.HEAD


def test_a_build_that_waits_for_an_old_transaction_lets_others_write(postgres: Place) -> None:
    postgres.left_by("0001")
    postgres.take_to("0004_from_0001")
    told: list[str] = []
    with psycopg.connect(postgres.url) as old, psycopg.connect(postgres.url, autocommit=True) as service:
        old.execute("UPDATE passwords SET version = version WHERE user_id = 'nobody'")
        with migrating(postgres, told):
            service.execute("SET lock_timeout = '1s'")
            for _ in range(500):
                service.execute("SELECT pg_sleep(0.01)")
                if service.execute(_VALID, [_INDEX]).fetchone():
                    break
            service.execute("SELECT pg_sleep(0.5)")  # longer than a migration waits for other locks
            service.execute("UPDATE passwords SET version = version")
            old.commit()
    assert not any("trying again" in one for one in told)


def test_two_nodes_that_start_at_once_do_not_wait_for_each_other_for_good(postgres: Place) -> None:
    postgres.left_by("0001")
    told: list[str] = []
    with migrating(postgres, told), migrating(postgres, told):
        pass
    assert len(told) == len(REVISIONS) - 1, "one of them did it all"
    assert schema.version_of(postgres.database) == schema.HEAD


def test_a_schema_that_another_release_alone_knows_is_left_alone(place: Place) -> None:
    schema.migrate(place.database)
    set_version(place, "9999_from_9998")
    with pytest.raises(StorageUnavailableError, match="newer release"):
        schema.migrate(place.database)
    with pytest.raises(StorageUnavailableError, match="newer release"):
        schema.missing(place.database)
    set_version(place, "9999_from_0001")
    schema.migrate(place.database)
    assert schema.missing(place.database) == []
    assert schema.version_of(place.database) == "9999_from_0001"


def set_version(place: Place, version: str) -> None:
    with place.connected() as rows:
        place.run(rows, "UPDATE alembic_version SET version_num = :version", {"version": version})


@contextmanager
def migrating(place: Place, told: list[str]) -> Iterator[None]:
    """Migrate meanwhile; the end of the `with` waits for it, and it must come."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            schema.migrate(place.database, told.append)
        except BaseException as fault:  # noqa: BLE001  # told below
            failed.append(fault)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()
    assert failed == []


async def test_a_service_is_ready_on_a_newer_schema_that_bears_it(place: Place) -> None:
    given = {"SALLYPORT_DATABASE_URL": place.url}
    service_in(place.folder, TurnedClock(), given).close()
    set_version(place, "9999_from_0001")
    service = service_in(place.folder, TurnedClock(), given)
    async with client_of(service) as client:
        assert (await client.get("/readyz")).status_code == 200
        set_version(place, "9999_from_9998")
        assert (await client.get("/readyz")).status_code == 503
    service.close()
    with pytest.raises(StorageUnavailableError, match="newer release"):
        service_in(place.folder, TurnedClock(), given)
