"""A page costs the same wherever in a list it is: counted in steps of SQLite's machine, which no noise changes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from sallyport.audit import store as audit
from sallyport.roles import store as roles
from sallyport.store import schema
from sallyport.store.database import SqliteFile
from sallyport.store.work import Sql
from sallyport.users import store as users

COUNT, LIMIT = 20_000, 100
LAST = COUNT - LIMIT - 1

_WORDS = {
    "SERIES": "WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n < MOST - 1)",
    "UID": "'01912345-0000-7000-8000-' || substr('000000000000' || n, -12)",
    # Names in another order than uids, so that no index stands in for another.
    "NAME": "'n' || substr('000000' || ((n * 7919) % MOST), -6)",
    "MOST": str(COUNT),
}
FILLS = (
    """INSERT INTO users (id, name, name_key, email_key, roles, created_at, modified_at, version)
       SERIES SELECT UID, NAME, NAME, 'shared@example.org', '["staff"]', n, n, 0 FROM series""",
    """INSERT INTO roles (id, name, name_key, created_at, modified_at, version)
       SERIES SELECT UID, NAME, NAME, n, n, 0 FROM series""",
    """INSERT INTO role_members (role_id, user_id, is_member, is_owner)
       SERIES SELECT (SELECT id FROM roles WHERE name_key = 'n000000'), UID, true, false FROM series""",
    """INSERT INTO audit_log (id, created_at, event, outcome, user_id, request_id, row_digest)
       SERIES SELECT UID, n, 'login.password', 'success', 'alice', '', x'00' FROM series""",
)


def uid(number: int) -> str:
    return f"01912345-0000-7000-8000-{number:012d}"


def name(number: int) -> str:
    return f"n{number:06d}"


def uid_of_name(number: int) -> str:
    """Return the uid of whoever has that name: 7919 and the count have no common factor."""
    return uid(number * pow(7919, -1, COUNT) % COUNT)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    file = SqliteFile(tmp_path_factory.mktemp("lists") / "test.db")
    schema.migrate(file)
    with closing(sqlite3.connect(Path(file.path), isolation_level=None)) as connection:
        for fill in FILLS:
            connection.execute(reduce(lambda text, word: text.replace(word, _WORDS[word]), _WORDS, fill))
        connection.execute("ANALYZE")
        yield connection


Asked = tuple[Sql, dict[str, Any], dict[str, Any]]
_PAGE = {"limit": LIMIT, "skip": 0}
_OF = {"limit": LIMIT, "key": "shared@example.org"}
_IN = {"limit": LIMIT, "key": "n000000"}
_TOLD = {"limit": LIMIT, "skip": 0, "since": 0, "oldest": "", "user": "alice", "event": "login.password"}
LISTS: dict[str, Asked] = {
    "users": (users.LIST, {"after": ""}, {"after": uid(LAST)}),
    "users by name": (users.LIST_BY_NAME, {"after": None}, {"after": uid_of_name(LAST)}),
    "users, newest": (users.LIST_NEWEST_AFTER, {"after": uid(COUNT - 1)}, {"after": uid(LIMIT)}),
    "a part": (users.PART, {"behind": ""}, {"behind": uid(LAST)}),
    "a part by name": (users.PART_BY_NAME, {"behind": ""}, {"behind": name(LAST)}),
    "a part, newest": (users.PART_NEWEST, {"behind": "g"}, {"behind": uid(LIMIT)}),
    "of an address": (users.PART_OF_EMAIL, {"behind": ""}, {"behind": uid(LAST)}),
    "of an address, newest": (users.PART_OF_EMAIL_NEWEST, {"behind": "g"}, {"behind": uid(LIMIT)}),
    "of a role": (users.PART_OF_ROLE, {"behind": ""}, {"behind": uid(LAST)}),
    "of a role, newest": (users.PART_OF_ROLE_NEWEST, {"behind": "g"}, {"behind": uid(LIMIT)}),
    "roles": (roles.LIST, {"after": ""}, {"after": uid(LAST)}),
    "roles by name": (roles.LIST_BY_NAME, {"after": None}, {"after": uid_of_name(LAST)}),
    "roles, newest": (roles.LIST_NEWEST, {"before": "g"}, {"before": uid(LIMIT)}),
    "the log": (audit.NEWEST, {"before": "g"}, {"before": uid(LIMIT)}),
    "the log of a user": (audit.NEWEST_OF_USER, {"before": "g"}, {"before": uid(LIMIT)}),
    "the log of an event": (audit.NEWEST_OF_EVENT, {"before": "g"}, {"before": uid(LIMIT)}),
    "the log of both": (audit.NEWEST_OF_USER_AND_EVENT, {"before": "g"}, {"before": uid(LIMIT)}),
}


def steps(town: sqlite3.Connection, sql: Sql, given: dict[str, Any]) -> int:
    """Return how many instructions a page takes; it has to be a full one."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    town.set_progress_handler(count, 1)
    found = town.execute(sql.positional, sql.values(given)).fetchall()
    town.set_progress_handler(None, 1)
    assert len(found) == LIMIT
    return taken


@pytest.mark.parametrize("which", LISTS)
def test_the_last_page_begins_in_an_index_as_the_first_does(town: sqlite3.Connection, which: str) -> None:
    sql, first, last = LISTS[which]
    more = {"key": None} | (_IN if "role" in which and sql in vars(users).values() else _OF) | _PAGE | _TOLD
    at_first, at_last = (steps(town, sql, more | where) for where in (first, last))
    assert at_last <= 2 * at_first
    # A page of a hundred reads a hundred rows, and not the list.
    assert at_first < COUNT
