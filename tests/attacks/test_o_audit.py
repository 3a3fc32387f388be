"""Class O: an audit log that somebody with the database, but without the keys, has had in their hands."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sallyport.store.postgres.link import RefusedError
from sallyport.store.work import Rows, Sql
from tests.attacks.surface import running
from tests.ledger import checkpoint_of, faults, rewrite, sealed, verified
from tests.surgery import fetch, give_roles
from tests.world import PASSWORD, TurnedClock, World

CHANGED = "the row does not fit its digest: it was changed, or written by another hand"
UNFOLLOWED = "the row does not follow from the one before it: one of them was changed, removed or moved"
COLUMNS = (
    ("created_at", "created_at + 1"),
    ("event", "'login.code'"),
    ("outcome", "'success'"),
    ("factor", "'totp'"),
    ("user_id", "NULL"),
    ("actor_id", "id"),
    ("session_id", "id"),
    ("ip", "'192.0.2.1'"),
    ("ip", "NULL"),
    ("ip_digest", "NULL"),
    ("ip_digest", "row_digest"),
    ("request_id", "'another'"),
    ("detail", "'another'"),
    ("row_digest", "ip_digest"),
    ("row_digest", "chain_digest"),
    ("chain_digest", "row_digest"),
    ("chain_digest", "NULL"),
    ("position", "-3"),
    ("position", "1000"),
    ("id", "'01a206db-9b32-77d2-9010-41e593f84fa4'"),
)


@pytest.fixture
async def log(world: World) -> World:
    """A log of seven rows, sealed."""
    alice = await world.register("alice")
    for password in ("wrong", "wrong again", PASSWORD):
        world.clock.advance(1)
        await world.password("alice", password)
    world.clock.advance(1)
    assert (await alice.call("POST", "/auth/logout")).status_code == 204
    await sealed(world)
    found, verdict = await verified(world)
    assert (found, verdict.sealed, verdict.unsealed, verdict.checkpoint) == ([], 7, 0, 7)
    return world


async def tamper(world: World, *statements: str, **values: int) -> None:
    """Write into the database, as one who can open it."""

    def write(rows: Rows) -> None:
        for statement in statements:
            rows.change(Sql(statement), **{name: value for name, value in values.items() if f":{name}" in statement})

    await world.service.work(write)


@pytest.mark.parametrize(("column", "value"), COLUMNS)
async def test_a_changed_column_is_found(log: World, column: str, value: str) -> None:
    await tamper(log, f"UPDATE audit_log SET {column} = {value} WHERE position = 4")  # noqa: S608  # from the table above
    assert await faults(log)


@pytest.mark.sqlite_only("where a column takes any type")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("outcome", "CAST(outcome AS BLOB)"), ("position", "'three'"), ("position", "''"), ("user_id", "X'ff'")),
        *(("row_digest", "'text'"), ("row_digest", "7"), ("chain_digest", "'text'"), ("ip_digest", "'text'")),
    ],
)
async def test_a_column_of_another_type_is_found(log: World, column: str, value: str) -> None:
    await tamper(log, f"UPDATE audit_log SET {column} = {value} WHERE position = 4")  # noqa: S608  # from the line above
    assert await faults(log)


async def test_a_change_names_the_row_and_no_other(log: World) -> None:
    (uid,) = (await fetch(log, "SELECT id FROM audit_log WHERE position = 4"))[0]
    await tamper(log, "UPDATE audit_log SET outcome = 'success' WHERE position = 4")
    found, _ = await verified(log)
    assert [(fault.position, fault.uid, fault.what) for fault in found] == [(4, uid, CHANGED)]


@pytest.mark.parametrize("place", range(1, 8))
async def test_a_removed_row_is_found_wherever_it_stood(log: World, place: int) -> None:
    await tamper(log, "DELETE FROM audit_log WHERE position = :place", place=place)
    assert await faults(log)


@pytest.mark.parametrize("place", range(1, 7))
async def test_a_removed_row_is_found_though_the_rest_moved_up(log: World, place: int) -> None:
    await tamper(
        log,
        "DELETE FROM audit_log WHERE position = :place",
        "UPDATE audit_log SET position = -position WHERE position > :place",
        "UPDATE audit_log SET position = -position - 1 WHERE position < 0",
        place=place,
    )
    assert UNFOLLOWED in await faults(log)


@pytest.mark.parametrize("kept", range(7))
async def test_a_log_cut_off_at_its_end_is_found(log: World, kept: int) -> None:
    await tamper(log, "DELETE FROM audit_log WHERE position > :kept", kept=kept)
    assert await faults(log) == [f"the log was cut off: it ends at position {kept}, and once reached 7"]


async def test_a_log_that_was_cut_off_and_went_on_is_found_however_long_it_grew(log: World) -> None:
    before = checkpoint_of(log).read_bytes()
    await tamper(log, "DELETE FROM audit_log WHERE position > 4")
    with capture_logs() as logged:
        for number in range(12):
            await log.register(f"newcomer{number}")
            await sealed(log)
    # The checkpoint stays: it is the evidence. And whoever watches the log of the service learns of it, once.
    assert checkpoint_of(log).read_bytes() == before
    told = [line for line in logged if line["event"] == "audit log"]
    assert len(told) == 1
    assert told[0]["log_level"] == "error"
    assert "cut off" in told[0]["fault"]
    (fault,) = (await verified(log))[0]
    assert "cut off here and went on" in fault.what
    assert fault.position == 7


async def test_rows_sealed_anew_after_one_was_removed_are_found(log: World) -> None:
    await tamper(
        log,
        "DELETE FROM audit_log WHERE position = 5",
        "UPDATE audit_log SET position = NULL, chain_digest = NULL WHERE position > 5",
    )
    await sealed(log)
    await log.register("bob")
    await sealed(log)
    found, verdict = await verified(log)
    assert verdict.sealed == 8
    assert len(found) == 1
    assert "cut off here" in found[0].what


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 5), (6, 7)])
async def test_two_rows_that_changed_places_are_found(log: World, one: int, other: int) -> None:
    await tamper(
        log,
        "UPDATE audit_log SET position = -1 WHERE position = :one",
        "UPDATE audit_log SET position = :one WHERE position = :other",
        "UPDATE audit_log SET position = :other WHERE position = -1",
        one=one,
        other=other,
    )
    assert UNFOLLOWED in await faults(log)


async def test_two_rows_whose_contents_changed_places_are_found(log: World) -> None:
    moved = """UPDATE audit_log SET (created_at, event, outcome, factor, user_id, session_id, detail, row_digest) =
                   (SELECT created_at, event, outcome, factor, user_id, session_id, detail, row_digest
                    FROM held WHERE held.position = :{}) WHERE position = :{}"""
    await tamper(
        log,
        "CREATE TEMP TABLE held AS SELECT * FROM audit_log",
        moved.format("one", "other"),
        moved.format("other", "one"),
        one=3,
        other=5,
    )
    assert CHANGED in await faults(log)


_COPY = """INSERT INTO audit_log (id, created_at, event, outcome, request_id, ip_digest, row_digest, position,
                                  chain_digest)
           SELECT '{uid}', created_at, event, outcome, request_id, ip_digest, row_digest, {position}, {chain}
           FROM audit_log WHERE position = {source}"""
FORGED = "01b3185c-5000-7000-8d9e-501f126de925"
EARLY = "00000000-5000-7000-8d9e-501f126de925"


async def test_a_row_of_another_hand_is_found_not_sealed_and_in_nobodys_way(log: World) -> None:
    await tamper(log, _COPY.format(uid=EARLY, position="NULL", chain="NULL", source=3))
    await log.register("bob")
    with capture_logs() as logged:
        for _ in range(3):
            await sealed(log)
    told = [line["fault"] for line in logged if line["event"] == "audit log"]
    assert told == [f"row {EARLY} was written by another hand, and is not sealed"]
    found, verdict = await verified(log)
    assert [(fault.uid, fault.what) for fault in found] == [(EARLY, CHANGED)]
    assert (verdict.sealed, verdict.unsealed, verdict.checkpoint) == (9, 1, 9)


async def test_more_forged_rows_than_a_batch_holds_keep_nothing_from_its_place(log: World) -> None:
    many = [EARLY[:-3] + f"{number:03x}" for number in range(450)]
    await tamper(log, *(_COPY.format(uid=uid, position="NULL", chain="NULL", source=3) for uid in many))
    await log.register("bob")
    await sealed(log)
    found, verdict = await verified(log)
    assert (len(found), verdict.sealed, verdict.unsealed) == (450, 9, 450)


@pytest.mark.parametrize("position", [8, 9, 0, -1])
async def test_a_row_that_another_hand_has_sealed_is_found(log: World, position: int) -> None:
    await tamper(log, _COPY.format(uid=FORGED, position=position, chain="chain_digest", source=7))
    assert CHANGED in await faults(log)


async def test_a_genuine_row_put_back_is_found(log: World) -> None:
    """A row can't stand twice, and one that was removed does not come back at another place."""
    await tamper(log, "CREATE TABLE held AS SELECT * FROM audit_log WHERE position = 2")
    with pytest.raises((sqlite3.IntegrityError, RefusedError)):
        await tamper(log, "UPDATE held SET position = NULL", "INSERT INTO audit_log SELECT * FROM held")
    await tamper(
        log,
        "DELETE FROM audit_log WHERE position = 2",
        "UPDATE held SET position = 8",
        "INSERT INTO audit_log SELECT * FROM held",
    )
    assert UNFOLLOWED in await faults(log)


@pytest.mark.sqlite_only("the file is exchanged")
async def test_an_older_copy_of_the_database_is_found(tmp_path: Path) -> None:
    clock, path, older = TurnedClock(), tmp_path / "sallyport.db", tmp_path / "older"
    async with running(tmp_path, clock) as world:
        await world.register("alice")
        await sealed(world)
    shutil.copy(path, older)
    async with running(tmp_path, clock) as world:
        await world.register("bob")
        await sealed(world)
    shutil.copy(older, path)
    async with running(tmp_path, clock) as world:
        (fault,) = await faults(world)
        assert "cut off: it ends at position 3, and once reached 5" in fault
        await world.register("carol")
        await world.register("dave")
        await sealed(world)
        (fault,) = await faults(world)
        assert "cut off here and went on" in fault


@pytest.mark.sqlite_only("the file is exchanged")
async def test_a_genuine_row_of_another_past_is_found(tmp_path: Path) -> None:
    """Whoever exchanges the file for an older copy gets genuine rows made for places that are taken."""
    clock, path, older, newer = TurnedClock(), tmp_path / "sallyport.db", tmp_path / "older", tmp_path / "newer"
    async with running(tmp_path, clock) as world:
        await world.register("alice")
        await sealed(world)
    shutil.copy(path, older)
    async with running(tmp_path, clock) as world:
        await world.password("alice", "what the attacker tried")
        await world.register("bob")
        await sealed(world)
        assert await faults(world) == []
    shutil.copy(path, newer)
    shutil.copy(older, path)
    async with running(tmp_path, clock) as world:
        await world.password("alice", PASSWORD)
        await sealed(world)
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("ATTACH ? AS other", (str(path),))
        connection.execute("DELETE FROM audit_log WHERE position = 4")
        moved = connection.execute("INSERT INTO audit_log SELECT * FROM other.audit_log WHERE position = 4")
        assert moved.rowcount == 1
        connection.commit()
    shutil.copy(newer, path)
    async with running(tmp_path, clock) as world:
        assert await faults(world) == [UNFOLLOWED]


@pytest.mark.parametrize("field", ["position", "digest", "seal"])
async def test_an_edited_checkpoint_is_found_and_left_as_evidence(log: World, field: str) -> None:
    path = checkpoint_of(log)
    written = json.loads(path.read_text())
    written[field] = 3 if field == "position" else "00" * 40
    rewrite(path, json.dumps(written).encode())
    assert any("was edited" in fault for fault in await faults(log))
    edited = path.read_bytes()
    await log.register("bob")
    with capture_logs() as logged:
        await sealed(log)
    assert any("was edited" in line.get("fault", "") for line in logged)
    assert path.read_bytes() == edited


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"position":"x","digest":"","seal":""}'])
async def test_a_checkpoint_that_is_none_is_found(log: World, content: bytes) -> None:
    rewrite(checkpoint_of(log), content)
    assert any("was edited" in fault for fault in await faults(log))


async def test_an_earlier_checkpoint_put_back_hides_nothing_that_it_saw(log: World) -> None:
    path = checkpoint_of(log)
    earlier = path.read_bytes()
    await log.register("bob")
    await sealed(log)
    rewrite(path, earlier)
    assert await faults(log) == []
    await tamper(log, "DELETE FROM audit_log WHERE position > 6")
    assert await faults(log)


async def test_a_last_row_moved_away_is_found_though_no_checkpoint_saw_it(log: World) -> None:
    path = checkpoint_of(log)
    earlier = path.read_bytes()
    await log.password("alice", PASSWORD)
    await sealed(log)
    rewrite(path, earlier)
    await tamper(log, "UPDATE audit_log SET position = 1000 WHERE position = 8")
    (fault,) = await faults(log)
    assert fault.startswith("position 8 was to follow")


async def test_a_missing_checkpoint_is_told_and_made_anew(log: World) -> None:
    checkpoint_of(log).unlink()
    assert any("is missing" in fault for fault in await faults(log))
    log.clock.advance(60)
    await log.register("bob")
    with capture_logs() as logged:
        await sealed(log)
    assert any("was missing" in line.get("fault", "") for line in logged)
    assert await faults(log) == []


async def test_an_address_erased_with_its_user_is_no_fault(log: World) -> None:
    bob, boss = await log.register("bob"), await log.register("boss")
    await give_roles(boss, "admin")
    await boss.login()
    assert (await boss.call("PUT", f"/users/{bob.uid}", {"version": 0, "disabled": True})).status_code == 200
    await sealed(log)
    # The second one was somewhere when they acted on the first.
    for one in (bob, boss):
        assert (await boss.call("DELETE", f"/users/{one.uid}")).status_code == 204
        assert await faults(log) == []
    await sealed(log)
    assert await faults(log) == []
    erased = "SELECT count(*) FROM audit_log WHERE ip IS NULL AND ip_digest IS NOT NULL AND position IS NOT NULL"
    assert await fetch(log, erased) == [(9,)]


GONE = "the address was removed, and no user was erased with it"


async def test_an_address_written_where_one_was_erased_is_found(log: World) -> None:
    bob = await log.register("bob")
    await bob.call("DELETE", "/users/me")
    await sealed(log)
    assert await faults(log) == []
    await tamper(log, "UPDATE audit_log SET ip = '192.0.2.1' WHERE ip IS NULL AND ip_digest IS NOT NULL")
    assert await faults(log) == ["the address does not fit its digest: it was changed"] * 3


async def test_an_address_removed_from_a_row_is_found_while_its_user_is_there(log: World) -> None:
    await log.password("nobody", PASSWORD)
    bob = await log.register("bob")
    await bob.call("DELETE", "/users/me")
    await tamper(log, "UPDATE audit_log SET ip = NULL WHERE position IS NULL")
    assert await faults(log) == [GONE]
    await sealed(log)
    assert await faults(log) == [GONE]


async def test_a_forged_end_of_a_user_excuses_no_removed_address(log: World) -> None:
    await tamper(log, "UPDATE audit_log SET ip = NULL WHERE position = 4")
    await tamper(log, "UPDATE audit_log SET event = 'user.deleted' WHERE position = 7")
    assert await faults(log) == [GONE, CHANGED]
