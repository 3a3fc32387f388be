"""Sealing rows in batches, and the checkpoint that follows: among several processes, and where the disk fails."""

import asyncio
import os
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sallyport.audit import store
from sallyport.audit.chain import Mark
from sallyport.audit.checkpoint import CheckpointFile, CheckpointRefusedError
from sallyport.audit.flow.read import ReadAudit
from sallyport.audit.flow.seal import SEALED_AT_ONCE, SealAudit
from sallyport.audit.keys import AuditKeys
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.kernel.caller import Client
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.vault import Ring
from sallyport.store.work import Rows
from tests.attacks.surface import running
from tests.conftest import MakeWorld
from tests.ledger import checkpoint_of, faults, sealed, verified
from tests.surgery import fetch, operate
from tests.world import TurnedClock, World

CLIENT = Client(ip="192.0.2.7", user_agent="a browser", request_id="r-1")
NOTE = Entry(event=Event.LOGIN_PASSWORD, factor=Factor.PASSWORD)


async def write(world: World, count: int, client: Client | None = CLIENT) -> None:
    """Write rows that nothing else has caused."""

    def unit(rows: Rows) -> None:
        for _ in range(count):
            world.service.journal.note(rows, NOTE, client)

    await world.service.work(unit)


def position_on_disk(world: World) -> int:
    mark = CheckpointFile(world.service.settings.keys_dir, world.service.audit_keys).read()
    assert mark
    return mark.position


async def test_many_rows_are_sealed_in_batches_until_nothing_is_left(world: World) -> None:
    await write(world, 2 * SEALED_AT_ONCE + 50)
    await sealed(world)
    found, verdict = await verified(world)
    assert (found, verdict.sealed, verdict.unsealed) == ([], 2 * SEALED_AT_ONCE + 51, 0)


async def test_a_number_of_rows_that_fills_a_batch_is_sealed_too(world: World) -> None:
    await write(world, SEALED_AT_ONCE - 1)
    await sealed(world)
    await sealed(world)
    assert (await verified(world))[1].sealed == SEALED_AT_ONCE


async def test_a_row_that_was_undone_with_its_unit_is_not_there(world: World) -> None:
    def unit(rows: Rows) -> None:
        world.service.journal.note(rows, NOTE, CLIENT)
        raise KeyError

    with pytest.raises(KeyError):
        await world.service.work(unit)
    assert await fetch(world, "SELECT count(*) FROM audit_log") == [(1,)]


@pytest.mark.parametrize("client", [None, Client(ip="", user_agent="")])
async def test_where_there_is_no_address_none_is_written(world: World, client: Client | None) -> None:
    await write(world, 1, client)
    (row,) = await fetch(world, "SELECT ip, ip_digest, request_id FROM audit_log WHERE event = 'login.password'")
    assert row == (None, None, "")
    assert await faults(world) == []


@pytest.mark.on_disk("while a write waits for it, others come in between")
async def test_nodes_that_seal_at_once_make_one_chain(make_world: MakeWorld) -> None:
    one = await make_world()
    others = [one, *[await make_world(clock=one.clock) for _ in range(3)]]
    for _ in range(5):
        await asyncio.gather(*(write(node, 70) for node in others))
        await asyncio.gather(*(sealed(node) for node in others))
    # Whoever sealed last may have been passed at the checkpoint, and writes it at its next turn.
    for node in others:
        await sealed(node)
    found, verdict = await verified(one)
    assert (found, verdict.sealed, verdict.unsealed) == ([], 5 * 4 * 70 + 1, 0)
    assert verdict.checkpoint == verdict.sealed


async def test_the_checkpoint_is_for_its_owner_alone_and_leaves_nothing_beside(world: World) -> None:
    await sealed(world)
    path = checkpoint_of(world)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(one.name for one in path.parent.iterdir() if "audit" in one.name) == [path.name, "audit.json"]


async def test_the_checkpoint_is_written_once_a_second_at_most(world: World) -> None:
    await sealed(world)
    await write(world, 5)
    await world.service.seal()
    assert position_on_disk(world) == 1
    world.clock.advance(0.999_999)
    await world.service.seal()
    assert position_on_disk(world) == 1
    world.clock.advance(0.000_001)
    await world.service.seal()
    assert position_on_disk(world) == 6


async def test_the_end_of_a_process_waits_for_no_second(world: World) -> None:
    await sealed(world)
    await write(world, 5)
    await world.service.seal.finish()
    assert position_on_disk(world) == 6
    assert (await verified(world))[1].unsealed == 0


async def test_a_part_left_by_a_process_that_died_is_no_hindrance(world: World) -> None:
    part = checkpoint_of(world).with_name(".audit.checkpoint.part")
    part.write_text("half")
    await sealed(world)
    assert position_on_disk(world) == 1
    assert not part.exists()


def checkpoint_in(folder: Path) -> CheckpointFile:
    keys = AuditKeys(Ring(name="audit", active="aa" * 8, keys={"aa" * 8: Hidden(b"k" * 32)}))
    return CheckpointFile(folder, keys)


def test_a_checkpoint_is_never_lowered_and_yields_to_a_faster_process(tmp_path: Path) -> None:
    file, ten, five, twelve = (
        checkpoint_in(tmp_path),
        Mark(position=10, digest=b"ten"),
        Mark(position=5, digest=b"five"),
        Mark(position=12, digest=b"twelve"),
    )
    assert file.read() is None
    assert file.replace(None, ten)
    assert not file.replace(None, twelve)
    assert file.read() == ten
    assert file.replace(ten, five)
    assert file.read() == ten
    assert file.replace(ten, twelve)
    assert not file.replace(ten, Mark(position=13, digest=b"thirteen"))
    assert file.read() == twelve


def test_a_checkpoint_of_another_installation_is_refused(tmp_path: Path) -> None:
    checkpoint_in(tmp_path).replace(None, Mark(position=1, digest=b"x"))
    other = AuditKeys(Ring(name="audit", active="bb" * 8, keys={"bb" * 8: Hidden(b"k" * 32)}))
    with pytest.raises(CheckpointRefusedError, match="was not written by this installation"):
        CheckpointFile(tmp_path, other).read()


class StubbornFile(CheckpointFile):
    """A checkpoint on a disk that fails, or beside a process that is always faster."""

    fault: OSError | None = None
    lost = 0

    def replace(self, known: Mark | None, new: Mark) -> bool:
        if self.fault:
            raise self.fault
        if self.lost:
            self.lost -= 1
            return False
        return super().replace(known, new)


@pytest.fixture
async def stubborn(world: World) -> tuple[World, StubbornFile, SealAudit]:
    """A world that seals over a stubborn file."""
    service = world.service
    file = StubbornFile(service.settings.keys_dir, service.audit_keys)
    seal = SealAudit(work=service.work, keys=service.audit_keys, checkpoint=file, clock=world.clock)
    return world, file, seal


async def test_a_checkpoint_that_cannot_be_written_is_told_once_and_sealing_goes_on(
    stubborn: tuple[World, StubbornFile, SealAudit],
) -> None:
    world, file, seal = stubborn
    file.fault = OSError("no space left")
    with capture_logs() as logged:
        for _ in range(3):
            world.clock.advance(1)
            await write(world, 1)
            await seal()
    assert [line["fault"] for line in logged] == ["the checkpoint can't be written: no space left"]
    assert not checkpoint_of(world).exists()
    assert (await verified(world))[1].unsealed == 0
    file.fault = None
    world.clock.advance(1)
    await seal()
    assert position_on_disk(world) == 4
    assert await faults(world) == []


async def test_where_another_process_is_faster_the_next_turn_writes(
    stubborn: tuple[World, StubbornFile, SealAudit],
) -> None:
    world, file, seal = stubborn
    file.lost = 1
    await seal()
    assert not checkpoint_of(world).exists()
    world.clock.advance(1)
    await seal()
    assert position_on_disk(world) == 1


async def test_a_key_directory_that_others_took_away_hinders_no_sealing(world: World) -> None:
    path = checkpoint_of(world)
    await sealed(world)
    path.unlink()
    path.mkdir()
    await write(world, 1)
    with capture_logs() as logged:
        await sealed(world)
    assert "can't be written" in logged[0]["fault"]
    assert any("can't be read" in fault for fault in await faults(world))
    assert (await verified(world))[1].sealed == 2


async def test_a_chain_goes_on_under_a_new_key(world: World) -> None:
    await sealed(world)
    ring = world.service.rings["audit"].now
    new = os.urandom(8).hex()
    world.service.audit_keys.ring = Ring(name="audit", active=new, keys={**ring.keys, new: Hidden(b"n" * 32)})
    await write(world, 3)
    await sealed(world)
    assert await faults(world) == []
    digests = await fetch(world, "SELECT substr(row_digest, 1, 8), substr(chain_digest, 1, 8) FROM audit_log")
    named = {bytes(key).hex() for row in digests for key in row}
    assert named == {ring.active, new}
    world.service.audit_keys.ring = Ring(name="audit", active=new, keys={new: Hidden(b"n" * 32)})
    assert len(await faults(world)) >= 2


async def test_the_log_is_read_to_its_end_in_pages(world: World) -> None:
    await write(world, 1_100)
    read = ReadAudit(world.service.work)
    every = [one.uid async for one in read.all(0)]
    assert len(every) == 1_101
    assert every == sorted(every)
    assert [one async for one in read.all(world.clock.now() + 1)] == []
    assert len([one async for one in read.all(world.clock.now())]) == 1_101


async def test_verifying_walks_over_more_than_a_page(world: World) -> None:
    await write(world, 1_100)
    await sealed(world)
    await write(world, 600)
    found, verdict = await verified(world)
    assert (found, verdict.sealed, verdict.unsealed) == ([], 1_101, 600)


async def test_a_log_without_a_row_in_the_chain_needs_no_checkpoint(world: World) -> None:
    found, verdict = await verified(world)
    assert (found, verdict.sealed, verdict.unsealed, verdict.checkpoint) == ([], 0, 1, None)


async def test_an_audit_ring_is_made_beside_a_database_of_before_it(tmp_path: Path) -> None:
    clock = TurnedClock()
    async with running(tmp_path, clock) as world:
        await operate(world, "DELETE FROM audit_log")
    ring = tmp_path / "keys" / "audit.json"
    ring.unlink()
    async with running(tmp_path, clock) as again:
        assert ring.exists()
        await write(again, 1)
        await sealed(again)
        assert await faults(again) == []


async def test_a_log_whose_first_row_was_removed_with_its_checkpoint_is_told_of(world: World) -> None:
    await sealed(world)
    await operate(world, "DELETE FROM audit_log")
    checkpoint_of(world).unlink()
    await write(world, 1)
    await operate(world, "UPDATE audit_log SET position = 7, chain_digest = row_digest")
    await write(world, 1)
    with capture_logs() as logged:
        await sealed(world)
    assert any("was missing" in line.get("fault", "") for line in logged)


async def test_positions_and_digests_are_what_is_given(world: World) -> None:
    await sealed(world)
    head = await world.service.work.read(store.head)
    assert head.position == 1
    assert await world.service.work.read(lambda rows: store.digest_at(rows, 1)) == head.digest
    assert await world.service.work.read(lambda rows: store.digest_at(rows, 2)) is None
