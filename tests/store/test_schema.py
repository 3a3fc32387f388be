"""The schema: migrations lead to the tables, and every statement finds an index."""

import importlib
import pkgutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import upgrade
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import sallyport
from sallyport.store import schema
from sallyport.store.database import SqliteFile
from sallyport.store.tables import metadata
from sallyport.store.work import Sql
from sallyport.users import counts

WITHOUT_INDEX = {
    "sallyport.keys.store.ANY_AUDIT_ROW": "stops at the first row",
    "sallyport.keys.store.AUDIT_ROWS_COUNT": "an index would cost every row; asked by two rare commands",
    "sallyport.keys.store.PROOF": "a table of one row at most",
    "sallyport.keys.store.SUCCESSORS_COUNT": "an index would cost every refresh; asked by two rare commands",
    "sallyport.backups.store.END_PENDING": "a restore, over all pending enrollments",
    "sallyport.backups.store.FORGET_DEVICES": "a restore, over all devices",
    "sallyport.backups.store.SUSPEND_KEYS": "a restore suspends every API key",
    "sallyport.backups.store.SPEND_STEPS": "a restore spends the steps of every authenticator",
    "sallyport.backups.store.VOID_CODES": "a restore voids every backup code",
    "sallyport.doctor.store.HOLDERS": "the doctor looks for admins among all users, for an operator who waits",
    "sallyport.audit.store.HAS_UNSEALED": "walks an index of unsealed rows alone, and stops at the first",
    "sallyport.login.store.HAD_FIRST_START": "a table of one row at most",
    "sallyport.store.schema.VERSION": "a table of one row",
    "sallyport.roles.store.COUNT": "roles are made by trusted people one by one: there are few",
    "sallyport.users.counts.COUNT": "a sum over some hundred rows, however many users there are",
    "sallyport.users.counts.CHANGES": "counts those rows",
    "sallyport.users.counts.TAKE_CHANGES": "walks them in their order, and stops at the limit",
    "sallyport.users.counts.COUNT_MFA": "as for all users",
    "sallyport.users.counts.MFA_CHANGES": "as for all users",
    "sallyport.users.counts.TAKE_MFA_CHANGES": "as for all users",
    "sallyport.users.store.LIST_NEWEST": "walks an index in its order, and stops at the limit",
}
SORTED_BY_HAND = {
    "sallyport.keys.store.AUDIT_NEXT_KEY": "sorts two rows at most",
    "sallyport.login.store.DROP_OLDEST": "sorts the challenges of one user, 21 at most",
    "sallyport.throttle.store.DROP_OLDEST_CLIENT": "sorts the known clients of one user, 21 at most",
    "sallyport.users.store.PART_OF_EMAIL_BY_NAME": "sorts those who claim one address, for a list of trusted roles",
    "sallyport.users.store.PART_OF_ROLE_BY_NAME": "sorts the people of one role, a thousand at most",
    "sallyport.sessions.store.OF_USER": "sorts the sessions of one user, for a list that people read",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("schema") / "test.db"
    schema.migrate(SqliteFile(path))
    return path


def statements() -> Iterator[tuple[str, Sql]]:
    for module in pkgutil.walk_packages(sallyport.__path__, "sallyport."):
        if "__main__" in module.name or ".migrations" in module.name or ".store.postgres" in module.name:
            continue  # the last has locks and transactions, and no table
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Sql):
                yield f"{module.name}.{name}", value


STATEMENTS = dict(statements())


def plan(database: Path, sql: Sql) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        values = [None] * len(sql.names)
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql.positional}", values)]


def test_the_head_is_the_one_of_the_migrations() -> None:
    script = ScriptDirectory.from_config(schema.alembic_config(SqliteFile(Path("unused.db"))))
    assert script.get_heads() == [schema.HEAD]


# An index over an expression can't be read back: the next test finds those by name.
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_migrations_make_the_tables_of_today(database: Path) -> None:
    engine = create_engine(f"sqlite:///{database}", poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_migrations_make_the_indexes_of_today(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        made = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert made >= {index.name for table in metadata.tables.values() for index in table.indexes}


def test_counting_users_does_not_read_the_users(database: Path) -> None:
    # A million took 20 ms, with the whole service waiting, and anybody who is signed in may ask.
    assert plan(database, counts.COUNT) == ["SCAN user_counts"]


def test_users_who_were_there_before_they_were_counted_count(tmp_path: Path, hasty: None) -> None:
    file = SqliteFile(tmp_path / "test.db")
    with file.turn():
        upgrade(schema.alembic_config(file), "0002")
    arrive = """INSERT INTO users (id, name, name_key, roles, created_at, modified_at, version)
                VALUES (:name, :name, :name, '[]', 0, 0, 0)"""
    with closing(sqlite3.connect(file.path, isolation_level=None)) as connection:
        for name in ("alice", "bob", "carol"):
            connection.execute(arrive, {"name": name})
        schema.migrate(file)
        connection.execute(arrive, {"name": "dave"})
        connection.execute(f"{arrive} ON CONFLICT DO NOTHING", {"name": "dave"})
        connection.execute("DELETE FROM users WHERE name IN ('alice', 'bob')")
        assert connection.execute(counts.COUNT.text).fetchone() == (2,)


def test_second_factors_are_counted_as_they_come_and_go(tmp_path: Path, hasty: None) -> None:
    file = SqliteFile(tmp_path / "test.db")
    with file.turn():
        upgrade(schema.alembic_config(file), "0016_from_0001")
    arrive = """INSERT INTO users (id, name, name_key, roles, created_at, modified_at, version, mfa_since)
                VALUES (:name, :name, :name, '[]', 0, 0, 0, :since)"""
    with closing(sqlite3.connect(file.path, isolation_level=None)) as connection:
        for name in ("alice", "bob", "carol"):
            connection.execute(arrive, {"name": name, "since": 1 if name == "alice" else None})
        schema.migrate(file)

        def counted(statement: str) -> int:
            connection.execute(statement)
            return int(connection.execute(counts.COUNT_MFA.text).fetchone()[0])

        assert counted("UPDATE users SET version = 7") == 1
        assert counted("UPDATE users SET mfa_since = 2") == 3
        assert counted("UPDATE users SET mfa_since = 3, version = 1") == 3
        assert counted("UPDATE users SET mfa_since = NULL WHERE name = 'bob'") == 2
        assert counted("DELETE FROM users WHERE name IN ('bob', 'carol')") == 1
        assert counted(arrive.replace(":name", "'dave'").replace(":since", "4")) == 2


def test_a_migrated_database_is_left_alone(database: Path) -> None:
    before = database.read_bytes()
    schema.migrate(SqliteFile(database))
    assert database.read_bytes() == before


def test_a_database_is_made_for_its_owner_alone(database: Path) -> None:
    assert database.stat().st_mode & 0o777 == 0o600


def test_there_are_statements_to_look_at() -> None:
    assert len(STATEMENTS) > 50
    assert set(WITHOUT_INDEX) | set(SORTED_BY_HAND) <= set(STATEMENTS)


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_finds_an_index(database: Path, name: str) -> None:
    steps = plan(database, STATEMENTS[name])
    scans = [step for step in steps if step.startswith("SCAN") and "CONSTANT ROW" not in step]
    assert bool(scans) == (name in WITHOUT_INDEX), scans
    sorts = [step for step in steps if "TEMP B-TREE" in step]
    assert bool(sorts) == (name in SORTED_BY_HAND), sorts


def test_every_foreign_key_is_followed_by_an_index(database: Path) -> None:
    # Without one, each erased user would be searched for in all rows of the other table.
    for table in metadata.tables.values():
        for key in table.foreign_keys:
            probe = Sql(f"SELECT 1 FROM {table.name} WHERE {key.parent.name} = :value")  # noqa: S608  # our own names
            assert plan(database, probe)[0].startswith(f"SEARCH {table.name} USING"), key
