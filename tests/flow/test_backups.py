"""Backup and restore: what was spent since the backup stays spent, and nothing is replaced by what does not fit."""

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from sallyport.backups.flow import Restored, TakeBackup, Taken
from sallyport.backups.rules import Ended, Refusal
from sallyport.kernel.ids import system_randomness
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.settings import Settings, load
from sallyport.store import files, schema
from sallyport.store.database import SqliteFile
from sallyport.store.work import Sql, StorageUnavailableError
from sallyport.wiring import Machine
from sallyport.wiring.host import restore
from tests.engines import Sqlite
from tests.expect import granted, refused
from tests.surgery import count, fetch, operate, verify_email
from tests.world import CHEAP, PASSWORD, UNTHROTTLED, Person, TurnedClock, World, bearer, client_of, service_in

Start = Callable[..., Any]


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
async def start(tmp_path: Path, clock: TurnedClock) -> AsyncIterator[Start]:
    """Start the service of a folder; a test closes what it starts."""
    async with AsyncExitStack() as stack:

        async def started(folder: Path = tmp_path, **more: str) -> World:
            service = service_in(Sqlite().settle(folder), clock, UNTHROTTLED | more)
            await service.first_start()
            return World(service, await stack.enter_async_context(client_of(service)), clock)

        yield started


def settings_in(folder: Path) -> Settings:
    return load(
        {},
        {"SALLYPORT_DATABASE_URL": f"sqlite:///{folder}/sallyport.db", "SALLYPORT_KEYS_DIR": f"{folder}/keys"},
        folder,
    )


def backed_up(folder: Path, name: str = "backup.db") -> Path:
    taken = TakeBackup(folder / "sallyport.db")(folder / name)
    assert isinstance(taken, Taken)
    return taken.target


def put_back(folder: Path, clock: TurnedClock, name: str = "backup.db") -> Restored | Refusal:
    machine = Machine(clock=clock, randomness=system_randomness, cost=CHEAP)
    return restore(settings_in(folder), machine)(folder / name)


def restored(folder: Path, clock: TurnedClock, name: str = "backup.db") -> Restored:
    outcome = put_back(folder, clock, name)
    assert isinstance(outcome, Restored), outcome
    return outcome


def reason(outcome: Restored | Taken | Refusal) -> str:
    assert isinstance(outcome, Refusal)
    return outcome.reason


def as_seen(person: Person, world: World) -> Person:
    """The same person, before the service as it is now."""
    person.world = world
    return person


def names_in(folder: Path, word: str) -> list[str]:
    return [path.name for path in folder.iterdir() if word in path.name]


def rows_of(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  # our own names
        return found


async def test_what_was_spent_after_the_backup_stays_spent(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    world = await start()
    alice = await world.enrolled("alice")
    clock.advance(60)
    backed_up(tmp_path)
    assert alice.phone
    code = alice.phone.code()
    granted(await world.answer(await alice.challenge(), code), "aal2", ["pwd", "otp", "mfa"])
    granted(await world.answer(await alice.challenge(), alice.codes[0]), "aal2", ["pwd", "otp", "mfa"])
    world.service.close()

    restored(tmp_path, clock)
    world = await start()
    phone, alice = alice.phone, as_seen(alice, world)
    for spent in (code, *(phone.code(step) for step in (-1, 0, 1)), *alice.codes[:4]):
        refused(await world.answer(await alice.challenge(), spent), 401, "code_invalid")
    clock.advance(60)
    granted(await world.answer(await alice.challenge(), phone.code()), "aal2", ["pwd", "otp", "mfa"])
    world.service.close()


async def test_keys_and_devices_that_were_revoked_do_not_come_back(
    tmp_path: Path, clock: TurnedClock, start: Start
) -> None:
    world, value = await start(), "c0ffee00" * 4
    alice, bare = await world.register("alice"), await world.register("bare", password=None)
    key = (await alice.call("POST", "/users/me/secrets", {"type": "apikey"})).json()
    for person in (alice, bare):
        made = await person.call("POST", "/users/me/secrets", {"type": "device", "secret": value})
        assert made.status_code == 200
    backed_up(tmp_path)
    for secret in (await alice.call("GET", "/users/me/secrets")).json():
        if secret["type"] != "password":
            assert (await alice.call("DELETE", f"/users/me/secrets/{secret['uid']}")).status_code == 204
    world.service.close()

    outcome = restored(tmp_path, clock)
    assert (outcome.ended.api_keys, outcome.ended.devices) == (1, 1)
    world = await start()
    alice = as_seen(alice, world)
    refused(await world.call("GET", "/users/me", headers=bearer(key["secret"])), 401, "invalid_token")
    refused(await world.password("alice", value), 401, "invalid_credentials")
    # Who has nothing but a device would never come in again without it.
    granted(await world.password("bare", value), "aal1", ["swk"])
    await alice.login()
    back = {"version": 1, "suspended": False}
    assert (await alice.call("PUT", f"/users/me/secrets/{key['uid']}", back)).status_code == 200
    assert (await world.call("GET", "/users/me", headers=bearer(key["secret"]))).status_code == 200
    world.service.close()


async def test_an_app_that_waited_to_come_back_waits_no_more(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    world = await start()
    alice = await world.enrolled("alice")
    assert (await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")).status_code == 204
    backed_up(tmp_path)
    world.service.close()
    assert rows_of(tmp_path / "backup.db", "removed_totp") == 1
    restored(tmp_path, clock)
    assert rows_of(tmp_path / "sallyport.db", "removed_totp") == 0


async def test_a_reset_that_waited_waits_no_more(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    world = await start()
    alice = await world.register("alice", email="alice@example.org")
    await verify_email(alice)
    await alice.enroll()
    path, body = f"/users/{alice.uid}/recover/mfa", {"password": PASSWORD}
    await world.call("POST", path, body)
    (token,) = [mail.token for mail in await world.mails() if "are lost?" in mail.subject]
    assert (await world.call("POST", path, body | {"token": token})).status_code == 202
    backed_up(tmp_path)
    world.service.close()
    assert rows_of(tmp_path / "backup.db", "mfa_resets") == 1
    restored(tmp_path, clock)
    assert rows_of(tmp_path / "sallyport.db", "mfa_resets") == 0


async def test_a_mailed_link_that_was_used_since_is_not_good_again(
    tmp_path: Path, clock: TurnedClock, start: Start
) -> None:
    world = await start()
    alice = await world.register("alice", email="alice@example.org")
    await verify_email(alice)
    await world.call("POST", "/users/recover", {"identifier": "alice"})
    (token,) = [mail.token for mail in await world.mails() if mail.token.startswith("spx_")]
    backed_up(tmp_path)
    body = {"token": token, "password": "another set of plain words"}
    assert (await world.call("POST", f"/users/{alice.uid}/recover", body)).status_code == 204
    world.service.close()
    restored(tmp_path, clock)
    world = await start()
    refused(await world.call("POST", f"/users/{alice.uid}/recover", body), 400, "token_invalid")
    world.service.close()


async def test_what_waits_for_a_second_person_is_asked_for_anew(
    tmp_path: Path, clock: TurnedClock, start: Start
) -> None:
    world = await start(SALLYPORT_DESK_APPROVAL="two")
    admin, alice = await world.admin(), await world.enrolled("alice")
    assert (await admin.call("DELETE", f"/users/{alice.uid}/mfa", {"reason": "lost"})).status_code == 202
    await world.call("POST", f"/users/{alice.uid}/recover/mfa", {"password": PASSWORD})
    backed_up(tmp_path)
    world.service.close()
    tables = ("approvals", "caller_codes")
    assert [rows_of(tmp_path / "backup.db", table) for table in tables] == [1, 1]
    restored(tmp_path, clock)
    assert [rows_of(tmp_path / "sallyport.db", table) for table in tables] == [0, 0]


async def test_no_token_comes_back_to_life(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    world = await start()
    alice, bob = await world.enrolled("alice"), await world.register("bob")
    challenge = await alice.challenge()
    await bob.begin_enrollment()
    backed_up(tmp_path)
    old_access, old_refresh = bob.token, bob.refresh
    assert (await bob.call("POST", "/auth/logout")).status_code == 204
    world.service.close()

    outcome = restored(tmp_path, clock)
    assert outcome.ended == Ended(
        sessions=2, challenges=1, pending=1, codes=10, authenticators=1, api_keys=0, devices=0
    )
    world = await start()
    refused(await world.call("GET", "/users/me", headers={"authorization": f"jwt {old_access}"}), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": old_refresh}), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), 401, "invalid_token")
    refused(await world.answer(challenge, "000000"), 401, "challenge_invalid")
    for table in ("sessions", "refresh_tokens", "challenges"):
        assert await count(world, table) == 0
    bob = as_seen(bob, world)
    bob.phone = None  # its enrollment was never finished
    await bob.login()
    assert [one["type"] for one in (await bob.call("GET", "/users/me/secrets")).json()] == ["password"]
    alice = as_seen(alice, world)
    clock.advance(60)
    await alice.login()
    told = {one["type"]: one for one in (await alice.call("GET", "/users/me/secrets")).json()}
    assert (told["mfabackup"]["total"], told["mfabackup"]["remaining"]) == (10, 0)
    world.service.close()


async def test_counted_tries_and_known_clients_stay(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    world = await start()
    alice = await world.register("alice")
    await operate(
        world,
        """INSERT INTO throttles (subject, lane, in_a_row, last_at, recent, refused_at, cleared_at, expires_at)
           VALUES ('a', 'b', 7, 1, :recent, 0, 0, 9000000000000000)""",
        recent=b"",
    )
    await operate(
        world,
        """INSERT INTO known_clients (user_id, token_digest, proven, created_at, last_used_at)
           VALUES (:uid, :digest, 'pwd', 1, :now)""",
        uid=alice.uid,
        digest=b"d" * 32,
        now=clock.now(),
    )
    backed_up(tmp_path)
    world.service.close()
    restored(tmp_path, clock)
    world = await start()
    assert await fetch(world, "SELECT in_a_row FROM throttles") == [(7,)]
    assert await count(world, "known_clients") == 1
    world.service.close()


async def test_the_database_of_before_is_kept_whole(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    world = await start()
    backed_up(tmp_path)
    await world.register("alice")
    world.service.close()
    outcome = restored(tmp_path, clock)
    assert outcome.aside == tmp_path / "sallyport.db.before-restore-20270115T080000Z"
    assert rows_of(outcome.aside, "users") == 2
    assert rows_of(outcome.aside, "sessions") == 1
    assert rows_of(outcome.path, "users") == 1
    assert rows_of(tmp_path / "backup.db", "users") == 1
    assert not names_in(tmp_path, "restoring")
    assert outcome.path.stat().st_mode & 0o777 == 0o600


async def test_two_restores_in_one_second_keep_both_databases_of_before(
    tmp_path: Path, clock: TurnedClock, start: Start
) -> None:
    world = await start()
    backed_up(tmp_path)
    await world.register("alice")
    world.service.close()
    first, second = restored(tmp_path, clock), restored(tmp_path, clock)
    assert second.aside == tmp_path / "sallyport.db.before-restore-20270115T080001Z"
    assert [rows_of(one, "users") for one in (first.aside, second.aside) if one] == [2, 1]


async def test_what_vouches_for_the_log_of_the_replaced_database_is_kept_aside(
    tmp_path: Path, clock: TurnedClock, start: Start
) -> None:
    (await start()).service.close()
    backed_up(tmp_path)
    (tmp_path / "keys" / "audit.checkpoint").write_text("the end of another log")
    restored(tmp_path, clock)
    assert not (tmp_path / "keys" / "audit.checkpoint").exists()
    aside = tmp_path / "keys" / "audit.checkpoint.before-restore-20270115T080000Z"
    assert aside.read_text() == "the end of another log"


async def test_a_restored_database_is_told_as_such_where_the_keys_can_not_remember_it(
    tmp_path: Path, clock: TurnedClock, start: Start
) -> None:
    (await start()).service.close()
    backed_up(tmp_path)
    (tmp_path / "keys" / ".epoch.part").mkdir()
    outcome = restored(tmp_path, clock)
    assert outcome.left is not None
    assert "can't remember epoch 1" in outcome.left
    (tmp_path / "keys" / ".epoch.part").rmdir()
    (await start()).service.close()
    assert (tmp_path / "keys" / "epoch").read_text() == "1\n", "the start made up for it"


async def test_each_restore_raises_the_epoch_and_the_keys_remember_it(
    tmp_path: Path, clock: TurnedClock, start: Start
) -> None:
    world = await start()
    backed_up(tmp_path)
    world.service.close()
    for epoch in (1, 2, 3):
        clock.advance(1)
        assert restored(tmp_path, clock).epoch == epoch
        assert (tmp_path / "keys" / "epoch").read_text() == f"{epoch}\n"
    assert (tmp_path / "keys" / "epoch").stat().st_mode & 0o777 == 0o600
    (tmp_path / "keys" / "epoch").unlink()  # keys from their own backup
    clock.advance(1)
    assert restored(tmp_path, clock).epoch == 4, "the database that is replaced knows three"


async def test_a_database_that_was_copied_back_by_hand_does_not_start(
    tmp_path: Path, clock: TurnedClock, start: Start
) -> None:
    world = await start()
    backed_up(tmp_path)
    world.service.close()
    restored(tmp_path, clock)
    shutil.copy(tmp_path / "backup.db", tmp_path / "sallyport.db")
    with pytest.raises(KeysRefusedError, match=r"copied back by hand.*sallyport restore"):
        service_in(tmp_path, clock)
    clock.advance(1)
    assert restored(tmp_path, clock, "sallyport.db").epoch == 2, "the same file, restored as it should be"
    world = await start()
    world.service.close()


async def test_a_start_remembers_the_epoch_of_a_restore_that_died_before_its_last_step(
    tmp_path: Path, clock: TurnedClock, start: Start
) -> None:
    world = await start()
    await operate(world, "UPDATE installation SET epoch = 5")
    world.service.close()
    world = await start()
    world.service.close()
    assert (tmp_path / "keys" / "epoch").read_text() == "5\n"


@pytest.mark.parametrize("text", ["", "one", "-1", "1e3", "٣", "1" * 10])
async def test_an_epoch_that_is_no_number_is_refused(
    tmp_path: Path, clock: TurnedClock, start: Start, text: str
) -> None:
    (await start()).service.close()
    (tmp_path / "keys" / "epoch").write_text(text)
    with pytest.raises(KeysRefusedError, match="epoch is not a number"):
        service_in(tmp_path, clock)


async def test_an_epoch_that_can_not_be_read_is_refused(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    (await start()).service.close()
    (tmp_path / "keys" / "epoch").mkdir()
    with pytest.raises(KeysRefusedError, match="epoch can't be read"):
        service_in(tmp_path, clock)


async def test_an_epoch_that_can_not_be_written_is_told(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    world = await start()
    await operate(world, "UPDATE installation SET epoch = 5")
    world.service.close()
    (tmp_path / "keys" / ".epoch.part").mkdir()
    with pytest.raises(KeysRefusedError, match="can't remember epoch 5"):
        service_in(tmp_path, clock)


async def test_nothing_is_restored_under_a_running_service(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    world = await start()
    backed_up(tmp_path)
    await world.register("alice")
    assert "stop the service first" in reason(put_back(tmp_path, clock))
    assert await count(world, "users") == 2
    world.service.close()
    restored(tmp_path, clock)


async def test_a_backup_of_other_keys_is_refused(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (await start(tmp_path / name)).service.close()
    backed_up(tmp_path / "other")
    shutil.move(tmp_path / "other" / "backup.db", tmp_path / "one" / "backup.db")
    before = (tmp_path / "one" / "sallyport.db").read_bytes()
    told = reason(put_back(tmp_path / "one", clock))
    assert "put its key file back" in told
    assert (tmp_path / "one" / "sallyport.db").read_bytes() == before
    assert not (tmp_path / "one" / "keys" / "epoch").exists()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "backup.db",
        "keys",
        "sallyport.db",
        "sallyport.db.lock",
    ]


async def test_keys_that_are_missing_are_not_made_anew(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    (await start()).service.close()
    backed_up(tmp_path)
    shutil.rmtree(tmp_path / "keys")
    assert "sealing.json is missing" in reason(put_back(tmp_path, clock))
    assert not (tmp_path / "keys" / "sealing.json").exists()


async def test_a_backup_of_a_newer_release_is_refused(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    (await start()).service.close()
    backup = backed_up(tmp_path)
    with closing(sqlite3.connect(backup, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer release" in reason(put_back(tmp_path, clock))


async def test_a_backup_of_an_older_release_is_brought_to_the_schema_of_this_one(
    tmp_path: Path, clock: TurnedClock, start: Start, hasty: None
) -> None:
    (await start()).service.close()
    old = tmp_path / "backup.db"
    upgraded_to("0001", old)
    with closing(sqlite3.connect(tmp_path / "sallyport.db")) as connection:
        proof = connection.execute("SELECT keys_sealed FROM installation").fetchone()
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("INSERT INTO installation (id, first_start_at, keys_sealed) VALUES (1, 1, ?)", proof)
        connection.commit()
    before = old.read_bytes()
    outcome = restored(tmp_path, clock)
    assert (outcome.version, outcome.epoch) == ("0001", 1)
    assert old.read_bytes() == before, "the backup itself stays as it is"
    world = await start()
    assert await fetch(world, schema.VERSION.text) == [(schema.HEAD,)]
    world.service.close()


def upgraded_to(revision: str, path: Path) -> None:
    from alembic.command import upgrade  # noqa: PLC0415  # for this test alone

    path.touch()
    upgrade(schema.alembic_config(SqliteFile(path)), revision)


async def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    (await start()).service.close()
    assert "there is no file" in reason(put_back(tmp_path, clock, "nothing.db"))
    assert "there is no file" in reason(put_back(tmp_path, clock, "keys"))
    (tmp_path / "empty.db").touch()
    assert "no Sallyport database" in reason(put_back(tmp_path, clock, "empty.db"))
    schema.migrate(SqliteFile(tmp_path / "unused.db"))
    assert "never started" in reason(put_back(tmp_path, clock, "unused.db"))
    (tmp_path / "text.db").write_text("no database at all" * 100)
    with pytest.raises(StorageUnavailableError, match="not a database"):
        put_back(tmp_path, clock, "text.db")


async def test_a_damaged_backup_is_refused(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    world = await start()
    for number in range(30):
        await world.register(f"user{number}", password=None)
    world.service.close()
    backup = backed_up(tmp_path)
    with backup.open("r+b") as file:
        file.seek(backup.stat().st_size // 2)
        file.write(os.urandom(backup.stat().st_size // 3))
    before = (tmp_path / "sallyport.db").read_bytes()
    with pytest.raises(StorageUnavailableError):
        put_back(tmp_path, clock)
    assert (tmp_path / "sallyport.db").read_bytes() == before


async def test_a_lost_or_broken_database_does_not_stand_in_the_way(
    tmp_path: Path, clock: TurnedClock, start: Start
) -> None:
    world = await start()
    await world.register("alice")
    world.service.close()
    backed_up(tmp_path)
    (tmp_path / "sallyport.db").unlink()
    outcome = restored(tmp_path, clock)
    assert outcome.aside is None
    assert rows_of(outcome.path, "users") == 2
    (tmp_path / "sallyport.db").write_text("a disk has died here" * 100)
    clock.advance(1)
    outcome = restored(tmp_path, clock)
    assert outcome.aside
    assert outcome.aside.read_text() == "a disk has died here" * 100
    assert (rows_of(outcome.path, "users"), outcome.epoch) == (2, 2)


async def test_a_link_to_the_database_stays_a_link(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    (await start()).service.close()
    backed_up(tmp_path)
    (tmp_path / "disk").mkdir()
    (tmp_path / "sallyport.db").rename(tmp_path / "disk" / "real.db")
    (tmp_path / "sallyport.db").symlink_to(tmp_path / "disk" / "real.db")
    assert restored(tmp_path, clock).path == tmp_path / "disk" / "real.db"
    assert (tmp_path / "sallyport.db").is_symlink()


async def test_what_a_dead_restore_left_is_cleared(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    (await start()).service.close()
    backed_up(tmp_path)
    for ending in ("", "-wal", "-journal"):
        (tmp_path / f"sallyport.db.restoring{ending}").write_text("half")
    restored(tmp_path, clock)
    assert not names_in(tmp_path, "restoring")


async def test_what_can_not_be_cleared_is_told(tmp_path: Path, clock: TurnedClock, start: Start) -> None:
    (await start()).service.close()
    backed_up(tmp_path)
    (tmp_path / "sallyport.db.restoring").mkdir()
    with pytest.raises(StorageUnavailableError, match="can't remove"):
        put_back(tmp_path, clock)


async def test_a_backup_is_the_whole_moment_beside_a_running_service(tmp_path: Path, start: Start) -> None:
    world = await start()
    await world.enrolled("alice")
    backup = backed_up(tmp_path)
    await world.register("bob")
    files.check(backup)
    assert rows_of(backup, "users") == 2
    assert rows_of(backup, "backup_codes") == 10
    assert names_in(tmp_path, "backup") == ["backup.db"]
    world.service.close()


async def test_a_backup_overwrites_nothing(tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    world = await start()
    take = TakeBackup(tmp_path / "sallyport.db")
    (tmp_path / "taken").write_text("mine")
    assert "not overwritten" in reason(take(tmp_path / "taken"))
    (tmp_path / "other.part").write_text("of another one")
    assert "another backup is being written" in reason(take(tmp_path / "other"))
    copy = files.copy

    def copied_while_another_came(source: Path, target: Path) -> None:
        copy(source, target)
        (tmp_path / "late").write_text("mine")

    monkeypatch.setattr(files, "copy", copied_while_another_came)
    assert "came meanwhile" in reason(take(tmp_path / "late"))
    assert {(tmp_path / name).read_text() for name in ("taken", "late")} == {"mine"}
    assert not (tmp_path / "late.part").exists()
    world.service.close()


def test_a_backup_of_nothing_is_refused(tmp_path: Path) -> None:
    assert "there is no Sallyport database" in reason(TakeBackup(tmp_path / "sallyport.db")(tmp_path / "backup.db"))
    assert list(tmp_path.iterdir()) == []


async def test_a_backup_that_can_not_be_put_in_its_place_is_told(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    (await start()).service.close()

    def no_rename(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", no_rename)
    with pytest.raises(StorageUnavailableError, match="No space left"):
        TakeBackup(tmp_path / "sallyport.db")(tmp_path / "backup.db")


async def test_a_backup_of_before_the_audit_log_comes_back_beside_keys_of_before_it(
    tmp_path: Path, clock: TurnedClock, start: Start
) -> None:
    world = await start()
    await world.register("alice")
    await world.service.work(lambda rows: rows.change(Sql("DELETE FROM audit_log")))
    world.service.close()
    backed_up(tmp_path)
    (tmp_path / "keys" / "audit.json").unlink()
    restored(tmp_path, clock)
    world = await start()
    assert (await world.password("alice", PASSWORD)).status_code == 200
    world.service.close()
