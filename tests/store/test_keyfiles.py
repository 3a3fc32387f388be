"""Key rings on disk: made once, readable by their owner alone, refused when anything about them is odd."""

import json
import os
import stat
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import system_randomness
from sallyport.kernel.keyfiles import KeysRefusedError, RingPlan, change_ring, open_rings
from sallyport.kernel.vault import Ring
from tests.world import NOON

PLANS = [
    RingPlan(name="sealing", draw=lambda: system_randomness(32)),
    RingPlan(name="signing", draw=lambda: system_randomness(48), keys=2),
]


def opened(folder: Path, *, used: bool = False) -> dict[str, Ring]:
    return dict(open_rings(folder, PLANS, system_randomness, NOON, used_database=used))


def plain(rings: dict[str, Ring]) -> dict[str, Any]:
    return {
        name: (ring.active, {key_id: key.reveal() for key_id, key in ring.keys.items()}) for name, ring in rings.items()
    }


def faults(folder: Path, *, used: bool = True) -> list[str]:
    with pytest.raises(KeysRefusedError) as refused:
        opened(folder, used=used)
    return str(refused.value).splitlines()


def test_the_first_start_makes_the_rings_and_the_next_ones_read_them(tmp_path: Path) -> None:
    made = opened(tmp_path / "keys")
    assert {name: len(ring.keys) for name, ring in made.items()} == {"sealing": 1, "signing": 2}
    assert plain(opened(tmp_path / "keys", used=True)) == plain(made)
    assert len({key for _, keys in plain(made).values() for key in keys.values()}) == 3


def test_only_the_owner_reads_the_folder_and_its_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        opened(tmp_path / "keys")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    files = sorted((tmp_path / "keys").iterdir())
    assert [file.name for file in files] == ["sealing.json", "signing.json"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_missing_ring_beside_a_used_database_is_named_and_never_made_anew(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "sealing.json").unlink()
    (told,) = faults(tmp_path)
    assert "sealing.json is missing beside a database that is in use" in told
    assert "backup" in told
    assert not (tmp_path / "sealing.json").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_ring_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    opened(tmp_path)
    (tmp_path / "signing.json").chmod(mode)
    (told,) = faults(tmp_path)
    assert f"mode {mode:04o}" in told
    assert f"chmod 600 {tmp_path}/signing.json" in told


def ring(**changes: Any) -> str:
    key_id = "0011223344556677"
    return json.dumps({"ring": "sealing", "active": key_id, "keys": {key_id: b64encode(bytes(32)).decode()}} | changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "\x00",
        ring(ring="signing"),
        ring(active="ffffffffffffffff"),
        ring(active=None),
        ring(keys={}),
        ring(keys=[]),
        ring(keys={"0011223344556677": 7}),
        ring(keys={"0011223344556677": "not base64!"}),
        ring(active="short", keys={"short": ""}),
        ring(active="0011", keys={"0011": "AAAA"}),
        ring(active="zz11223344556677", keys={"zz11223344556677": "AAAA"}),
        ring(active="AA11223344556677", keys={"AA11223344556677": b64encode(bytes(32)).decode()}),
        ring(next="ffffffffffffffff"),
        ring(next="0011223344556677"),
        ring(made={"0011223344556677": "yesterday"}),
        ring(made={"0011223344556677": "2026-11-23T05:13:08"}),
        ring(left=["0011223344556677"]),
        ring(since=7),
    ],
)
def test_what_is_no_ring_is_refused(tmp_path: Path, text: str) -> None:
    opened(tmp_path)
    (tmp_path / "sealing.json").write_text(text)
    (told,) = faults(tmp_path)
    assert f"{tmp_path}/sealing.json is no sealing ring" in told


def test_all_faults_are_told_in_one_message(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "sealing.json").unlink()
    (tmp_path / "signing.json").chmod(0o644)
    assert len(faults(tmp_path)) == 2


def test_a_fault_never_tells_a_key(tmp_path: Path) -> None:
    opened(tmp_path)
    written = json.loads((tmp_path / "sealing.json").read_text())
    (key,) = written["keys"].values()
    (tmp_path / "sealing.json").write_text(json.dumps(written | {"active": "nothing"}))
    assert key not in "".join(faults(tmp_path))


def test_a_half_written_file_of_a_crashed_start_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".sealing.part").write_text("{")
    made = opened(tmp_path)
    assert plain(opened(tmp_path)) == plain(made)
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["sealing.json", "signing.json"]


def test_many_nodes_that_start_at_once_share_one_ring(tmp_path: Path) -> None:
    start = Barrier(4)

    def node(folder: Path) -> Any:
        start.wait(timeout=20)
        return plain(opened(folder))

    for number in range(25):
        folder = tmp_path / str(number)
        with ThreadPoolExecutor(4) as nodes:
            first, *others = nodes.map(node, [folder] * 4)
        assert others == [first] * 3


def test_a_folder_in_place_of_a_ring_is_a_clear_fault(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "sealing.json").unlink()
    (tmp_path / "sealing.json").mkdir(mode=0o700)
    (told,) = faults(tmp_path)
    assert "sealing.json" in told


def test_a_file_of_the_first_release_is_read_and_its_second_signing_key_is_the_next(tmp_path: Path) -> None:
    keys = {"00" * 8: b64encode(bytes(32)).decode(), "11" * 8: b64encode(bytes(48)).decode()}
    for name, held in (("sealing", {"00" * 8: keys["00" * 8]}), ("signing", keys)):
        written = {"ring": name, "active": "00" * 8, "keys": held}
        (tmp_path / f"{name}.json").write_text(json.dumps(written))
        (tmp_path / f"{name}.json").chmod(0o600)
    made = opened(tmp_path, used=True)
    assert {name: (ring.active, ring.following, ring.since) for name, ring in made.items()} == {
        "sealing": ("00" * 8, None, None),
        "signing": ("00" * 8, "11" * 8, None),
    }
    assert not any(ring.made or ring.left or ring.unfinished for ring in made.values())


def test_a_file_of_today_is_one_that_the_first_release_reads(tmp_path: Path) -> None:
    opened(tmp_path)
    written = json.loads((tmp_path / "signing.json").read_text())
    assert written["ring"] == "signing"
    assert written["active"] in written["keys"]
    assert {type(key) for key in written["keys"].values()} == {str}


def test_a_changed_ring_is_read_as_it_was_written(tmp_path: Path) -> None:
    before = opened(tmp_path)["sealing"]
    key = Hidden(bytes(32))

    def rotated(ring: Ring) -> Ring:
        return ring.announcing("ab" * 8, key, NOON + 1).turned("ab" * 8, NOON + 2, unfinished=True)

    changed = change_ring(tmp_path, PLANS[0], rotated)
    read = opened(tmp_path, used=True)["sealing"]
    for ring in (changed, read):
        assert (ring.active, ring.following, ring.since, ring.unfinished) == ("ab" * 8, None, NOON + 2, True)
        assert (ring.made, ring.left) == ({before.active: NOON, "ab" * 8: NOON + 1}, {before.active: NOON + 2})
    assert plain({"sealing": read}) == plain({"sealing": changed})
    assert stat.S_IMODE((tmp_path / "sealing.json").stat().st_mode) == 0o600
    gone = change_ring(tmp_path, PLANS[0], lambda ring: ring.without(before.active))
    assert (set(gone.keys), set(gone.made), gone.left) == ({"ab" * 8}, {"ab" * 8}, {})


def test_a_change_that_changes_nothing_leaves_the_file_alone(tmp_path: Path) -> None:
    opened(tmp_path)
    before = (tmp_path / "sealing.json").stat()
    change_ring(tmp_path, PLANS[0], lambda ring: ring)
    assert (tmp_path / "sealing.json").stat() == before


def test_a_ring_that_is_no_use_is_never_written(tmp_path: Path) -> None:
    opened(tmp_path)
    before = (tmp_path / "sealing.json").read_bytes()

    def two_at_most(ring: Ring) -> None:
        if len(ring.keys) > 1:
            raise KeysRefusedError("too many")

    plan = replace(PLANS[0], accept=two_at_most)
    with pytest.raises(KeysRefusedError, match="too many"):
        change_ring(tmp_path, plan, lambda ring: ring.announcing("ab" * 8, Hidden(bytes(32)), NOON))
    assert (tmp_path / "sealing.json").read_bytes() == before


def test_a_half_written_file_of_a_crashed_rotation_is_no_hindrance(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / ".sealing.part").write_text("{")
    change_ring(tmp_path, PLANS[0], lambda ring: ring.announcing("ab" * 8, Hidden(bytes(32)), NOON))
    assert opened(tmp_path, used=True)["sealing"].following == "ab" * 8
    assert not (tmp_path / ".sealing.part").exists()


def test_changes_at_once_do_not_lose_each_other(tmp_path: Path) -> None:
    opened(tmp_path)
    ids = [f"{number:016x}" for number in range(24)]
    with ThreadPoolExecutor(8) as nodes:
        list(
            nodes.map(
                lambda one: change_ring(tmp_path, PLANS[0], lambda ring: ring.announcing(one, Hidden(bytes(32)), NOON)),
                ids,
            )
        )
    assert set(opened(tmp_path, used=True)["sealing"].keys) >= set(ids)


@pytest.mark.skipif(os.geteuid() != 0, reason="not run: only root can write in another's name")
def test_what_root_rotates_stays_the_file_of_the_service(tmp_path: Path) -> None:
    opened(tmp_path)
    os.chown(tmp_path / "sealing.json", 4711, 4712)
    change_ring(tmp_path, PLANS[0], lambda ring: ring.announcing("ab" * 8, Hidden(bytes(32)), NOON))
    made = (tmp_path / "sealing.json").stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (4711, 4712, 0o600)


def test_a_folder_that_is_not_there_is_not_made_by_a_change(tmp_path: Path) -> None:
    with pytest.raises(KeysRefusedError, match="missing"):
        change_ring(tmp_path / "keys", PLANS[0], lambda ring: ring)
    assert not (tmp_path / "keys").exists()


def test_a_key_of_no_length_is_no_key(tmp_path: Path) -> None:
    opened(tmp_path)
    key_id = "0011223344556677"
    (tmp_path / "sealing.json").write_text(ring(active=key_id, keys={key_id: ""}))
    (told,) = faults(tmp_path)
    assert "is no sealing ring" in told
