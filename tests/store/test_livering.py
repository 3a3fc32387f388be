"""A ring that follows its file: what changes on disk reaches a running process, and a slip does not end it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from structlog.testing import capture_logs

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import system_randomness
from sallyport.kernel.keyfiles import RingPlan, change_ring, open_rings
from sallyport.kernel.livering import LiveRing
from sallyport.kernel.vault import DoesNotOpenError
from tests.world import NOON

PLAN = RingPlan(name="sealing", draw=lambda: system_randomness(32))
NEW = "ab" * 8


@pytest.fixture
def ring(tmp_path: Path) -> LiveRing:
    rings = open_rings(tmp_path, [PLAN], system_randomness, NOON, used_database=False)
    return LiveRing(tmp_path, PLAN, rings["sealing"])


def add(folder: Path, key_id: str = NEW) -> None:
    change_ring(folder, PLAN, lambda ring: ring.announcing(key_id, Hidden(bytes(32)), NOON))


def looked(ring: LiveRing) -> list[Any]:
    with capture_logs() as logs:
        ring.look()
    return list(logs)


def test_a_new_key_is_there_after_a_look(tmp_path: Path, ring: LiveRing) -> None:
    assert looked(ring) == []
    before = ring.now
    add(tmp_path)
    (told,) = looked(ring)
    assert (told["event"], told["next"], told["keys"]) == ("key ring changed", NEW, 2)
    assert set(ring.now.keys) == set(before.keys) | {NEW}
    assert set(before.keys) == {before.active}, "what was handed out stays as it was"
    assert looked(ring) == []


def readable(file: Path) -> None:
    file.chmod(0o644)


def broken(file: Path) -> None:
    file.write_text("{")


def gone(file: Path) -> None:
    file.unlink()


def alien(file: Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | {"ring": "pepper"}))


@pytest.mark.parametrize("slip", [readable, broken, gone, alien])
def test_a_file_that_can_not_be_used_is_told_once_a_change_and_the_keys_stay(
    tmp_path: Path, ring: LiveRing, slip: Callable[[Path], None]
) -> None:
    looked(ring)
    file, good = tmp_path / "sealing.json", (tmp_path / "sealing.json").read_bytes()
    before = ring.now
    slip(file)
    (told,) = looked(ring)
    assert (told["event"], told["log_level"], told["ring"]) == ("key file refused", "error", "sealing")
    assert str(file) in told["fault"]
    assert ring.now is before
    assert looked(ring) == []
    gone(file) if file.exists() else None
    handle = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(handle, good)
    os.close(handle)
    assert [line["event"] for line in looked(ring)] in ([], ["key file refused"])
    add(tmp_path)
    looked(ring)
    assert NEW in ring.now.keys, "and a mended file is taken"


def test_a_key_that_is_not_in_memory_is_looked_for_in_the_file_at_once(tmp_path: Path, ring: LiveRing) -> None:
    add(tmp_path)
    assert ring.key(NEW).reveal() == bytes(32)


def test_who_names_keys_that_nobody_has_does_not_make_it_read_all_day(tmp_path: Path, ring: LiveRing) -> None:
    with pytest.raises(DoesNotOpenError):
        ring.key("cd" * 8)
    add(tmp_path)
    with pytest.raises(DoesNotOpenError):
        ring.key(NEW)  # too soon after the last look; a key is in use only seconds after it is in the file
    ring._looked -= 0.1
    assert ring.key(NEW).reveal() == bytes(32)


def test_looks_from_many_threads_at_once_end_at_the_newest_file(tmp_path: Path, ring: LiveRing) -> None:
    start = Barrier(5)

    def look() -> None:
        start.wait(timeout=20)
        for _ in range(50):
            ring.look()

    threads = [Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    start.wait(timeout=20)
    for number in range(20):
        add(tmp_path, f"{number:016x}")
    for thread in threads:
        thread.join()
    ring.look()
    assert {f"{number:016x}" for number in range(20)} <= set(ring.now.keys)
