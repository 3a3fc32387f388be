"""What a release has left behind is served by today's, and it goes on serving while today's schema is made."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sallyport.store import schema
from tests.releases.places import HERE, RELEASES, Place, statements
from tests.releases.record import people_in, write_rings
from tests.server import environment
from tests.world import Person, TurnedClock, World, client_of, service_in

FILL = 20_000
"""Users beside those of the recorded database, so that building an index takes a while."""
_SERIES = "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {})"
_DIGITS = "('00000000000' || CAST(n AS TEXT))"
_NAME = "'u' || CAST(n AS TEXT)"
_MADE = "created_at, modified_at, version"


def test_there_is_a_database_of_each_release() -> None:
    assert "0001" in RELEASES


def test_this_release_can_be_written_down_when_it_goes_out(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, HERE / "record.py", tmp_path],
        env=environment(tmp_path) | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert schema.HEAD in (tmp_path / "database.sql").read_text()
    moves = json.loads((tmp_path / "statements.json").read_text())
    assert all(moves.values())
    assert len(moves) > 5


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest, place: Place) -> str:
    name: str = request.param
    place.left_by(name)
    return name


@pytest.fixture
async def old_people(place: Place, release: str, hasty: None) -> Any:
    """The people of a release, whom today's service serves."""
    held = json.loads((HERE / release / "held.json").read_text())
    clock = TurnedClock()
    clock.micros = held["now"]
    write_rings(place.folder / "keys")
    service = service_in(place.folder, clock, {"SALLYPORT_DATABASE_URL": place.url})
    assert await service.first_start() is None
    async with client_of(service) as client:
        yield people_in(World(service, client, clock), held["people"])
    service.close()


async def test_people_of_before_log_in_with_what_they_hold(old_people: dict[str, Person]) -> None:
    for name in ("alice", "bob"):
        await old_people[name].login()
        assert (await old_people[name].call("GET", "/users/me")).json()["name"] == name


async def test_a_backup_code_of_before_is_good_once(old_people: dict[str, Person]) -> None:
    alice = old_people["alice"]
    code = alice.codes[3]
    assert (await alice.world.answer(await alice.challenge(), code)).status_code == 200
    assert (await alice.world.answer(await alice.challenge(), code)).status_code == 401


async def test_a_code_of_before_is_spent(old_people: dict[str, Person]) -> None:
    alice = old_people["alice"]
    assert alice.phone
    assert (await alice.world.answer(await alice.challenge(), alice.phone.code())).status_code == 401


async def test_a_refresh_token_of_before_is_good(old_people: dict[str, Person]) -> None:
    for name in ("alice", "bob"):
        person = old_people[name]
        answer = await person.world.call("POST", "/auth/refresh", {"refresh": person.refresh})
        assert answer.status_code == 200, answer.text
        person.hold(answer.json())
        assert (await person.call("GET", "/users/me/sessions")).status_code == 200


async def test_an_enrollment_that_was_begun_before_is_ended_now(old_people: dict[str, Person]) -> None:
    carol = old_people["carol"]
    assert carol.phone
    carol.hold((await carol.world.password("carol", carol.password)).json())
    pending = next(one["uid"] for one in (await carol.call("GET", "/users/me/secrets")).json() if one["type"] == "mfa")
    ended = await carol.call("PUT", f"/users/me/secrets/{pending}/enroll", {"token": carol.phone.code()})
    assert ended.status_code == 200, ended.text
    await carol.login()


async def test_a_release_goes_on_serving_while_the_schema_is_brought_up(place: Place, release: str) -> None:
    fill(place, FILL)
    with serving(place, release) as rounds:
        rounds.wait_for(2)
        schema.migrate(place.database)
        rounds.wait_for(2)
    assert rounds.faults == []
    assert schema.version_of(place.database) == schema.HEAD


def fill(place: Place, users: int) -> None:
    right = "substr({}, -12)" if place.is_sqlite else "right({}, 12)"
    uid = f"'00000000-0000-7000-8000-' || {right.format(_DIGITS)}"
    sealed = "X'016b65796964303031'" if place.is_sqlite else r"'\x016b65796964303031'::bytea"
    values = {
        "users (id, name, name_key, roles, created_at, modified_at, version)": f"{_NAME}, {_NAME}, '[]', n, n, 0",
        f"passwords (user_id, id, hash_sealed, generation, {_MADE})": f"{uid}, {sealed}, 0, 1, 1, 0",
        f"totp (user_id, id, seed_sealed, last_step, enrolled_at, expires_at, tries_left, {_MADE})": (
            f"{uid}, {sealed}, 0, 1, 1, 5, 1, 1, 0"
        ),
        f"backup_sets (user_id, id, salt, pepper_id, {_MADE})": f"{uid}, {sealed}, 'keyid001', 1, 1, 0",
    }
    series = _SERIES.format(users)
    with place.connected() as rows:
        for into, what in values.items():
            rows.execute(f"INSERT INTO {into} {series} SELECT {uid}, {what} FROM series")  # noqa: S608  # from above


class Rounds:
    """How often a release has done all that it does, and what has failed."""

    def __init__(self, place: Place, release: str) -> None:
        self.faults: list[str] = []
        self.ended = threading.Event()
        self._place = place
        self._moves = statements(release)
        self._done = 0
        self._next = threading.Condition()

    def wait_for(self, more: int) -> None:
        """Wait until everything was done so often again, or failed."""
        with self._next:
            goal = self._done + more
            assert self._next.wait_for(lambda: self._done >= goal or bool(self.faults), 60)

    def __call__(self) -> None:
        while not self.ended.is_set():
            try:
                self._round()
            except Exception as fault:  # noqa: BLE001  # whatever it is, the release would have failed
                self.faults.append(f"{type(fault).__name__}: {fault}")
            with self._next:
                self._done += 1
                self._next.notify_all()
            if self.faults:
                return

    def _round(self) -> None:
        """Do every move, and undo it: so that the same values fit again."""
        with self._place.connected() as rows:
            for name, heard in self._moves.items():
                rows.execute("BEGIN IMMEDIATE" if self._place.is_sqlite else "BEGIN")
                for one in heard:
                    self._do(rows, name, one)
                rows.execute("ROLLBACK")

    def _do(self, rows: Any, name: str, one: dict[str, Any]) -> None:
        ran = self._place.run(rows, one["sql"], one["values"])
        is_read = re.match("SELECT|WITH", one["sql"]) or "RETURNING" in one["sql"]
        met = len(ran.fetchall()) if is_read else ran.rowcount
        if one["met"] is not None and met != one["met"]:
            self.faults.append(f"{name}: {one['sql']} met {met} rows, not {one['met']}")


@contextmanager
def serving(place: Place, release: str) -> Iterator[Rounds]:
    """Have a release serve until the end of a `with`."""
    rounds = Rounds(place, release)
    thread = threading.Thread(target=rounds)
    thread.start()
    try:
        yield rounds
    finally:
        rounds.ended.set()
        thread.join()
