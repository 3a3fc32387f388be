"""What the doctor says of a PostgreSQL server: each thing that can be wrong, in its color."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sallyport.doctor import host, server
from sallyport.doctor.flow import CHECKS
from sallyport.doctor.rules import DatabaseSeen, Facts, Finding, KeysSeen, State, examined
from sallyport.kernel.serverstate import ServerState
from sallyport.settings import load

SOUND = ServerState(
    version="18.1",
    fsync=True,
    full_page_writes=True,
    synchronous_commit="on",
    connections=97,
    connections_of_a_process=16,
    size=1024**3,
    encrypted=True,
    verified=True,
    address="10.0.0.7",
    seconds_ahead=-0.1,
    other_collations=(),
    others=3,
)
SEEN = DatabaseSeen(version="0002", fits=True, started=True, epoch=1, journal_mode="", trusted=1, trusted_without_mfa=0)


def facts(state: ServerState | None = SOUND, workers: str = "1", **different: Any) -> Facts:
    environ = {"SALLYPORT_DATABASE_URL": "postgresql://sallyport@db/sallyport", "SALLYPORT_WORKERS": workers}
    healthy = Facts(
        settings=load({}, environ, Path("/nowhere")),
        newest_schema="0002",
        pragmas=(),
        database=SEEN,
        server=state,
        running=True,
        keys=KeysSeen(faults=(), ages={"sealing": 1}, epoch=1),
        files=(),
        file_systems={Path("/keys"): "nfs4"},
        free=0,
        size=0,
        clock_offset=0.0,
    )
    return replace(healthy, **different)


def test_a_sound_server_is_green_and_the_rules_of_files_are_silent() -> None:
    found = {one.check: one for one in examined(facts(), (*host.CHECKS, *server.CHECKS))}
    assert [name for name, one in found.items() if one.state is not State.OK] == []
    assert not {"disk", "key place"} & found.keys()
    assert found["durability"].told == "fsync=on, full_page_writes=on, synchronous_commit=on"
    assert found["database"].told == "readable, 0 bytes, in use by the service"


def test_without_a_server_its_rules_are_silent() -> None:
    assert examined(facts(None), server.CHECKS) == []


def test_the_doctor_has_all_of_them() -> None:
    assert set(server.CHECKS) <= set(CHECKS)


def test_a_database_that_came_back_by_hand_is_told_with_the_command_for_servers() -> None:
    finding = host.epoch(facts(database=replace(SEEN, epoch=0)))
    assert finding
    assert "sallyport restore --in-place" in finding.remedy


Rule = Callable[[Facts], Finding | None]
CASES: list[tuple[str, Rule, dict[str, Any], State, str]] = [
    ("no fsync", server.promises, {"fsync": False}, State.FAIL, "fsync=off"),
    ("commits that do not wait", server.promises, {"synchronous_commit": "off"}, State.FAIL, "synchronous_commit=off"),
    ("commits that wait for less", server.promises, {"synchronous_commit": "local"}, State.FAIL, "local"),
    ("commits that wait for more", server.promises, {"synchronous_commit": "remote_apply"}, State.OK, "remote_apply"),
    ("torn pages", server.promises, {"full_page_writes": False}, State.WARN, "full_page_writes=off"),
    ("room for two", server.connections, {"connections": 32}, State.OK, "room for 2"),
    ("room for one", server.connections, {"connections": 31}, State.WARN, "room for 1"),
    ("no room", server.connections, {"connections": 15}, State.FAIL, "room for 0"),
    ("a language's order", server.collation, {"other_collations": ("users.name",)}, State.FAIL, "users.name"),
    ("in the clear", server.encryption, {"encrypted": False}, State.FAIL, "10.0.0.7 is spoken to in the clear"),
    ("to whoever answers", server.encryption, {"verified": False}, State.WARN, "whoever answers"),
    ("a socket", server.encryption, {"address": "", "encrypted": False}, State.OK, "this machine's own"),
    ("loopback", server.encryption, {"address": "::1", "encrypted": False}, State.OK, "this machine's own"),
    ("a clock behind", server.clock, {"seconds_ahead": -2.1}, State.WARN, "2.1 s behind"),
    ("a clock ahead", server.clock, {"seconds_ahead": 2.1}, State.WARN, "2.1 s ahead of"),
    ("a clock that is near", server.clock, {"seconds_ahead": 2.0}, State.OK, "2.0 s ahead of"),
]


@pytest.mark.parametrize(
    ("rule", "different", "state", "told"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_each_thing_is_seen(rule: Rule, different: dict[str, Any], state: State, told: str) -> None:
    finding = rule(facts(replace(SOUND, **different)))
    assert finding
    assert finding.state is state
    assert told in finding.told
    assert bool(finding.remedy) == (state is not State.OK)


def test_each_worker_has_connections_of_its_own() -> None:
    finding = server.connections(facts(workers="4"))
    assert finding
    assert (finding.state, "up to 64" in finding.told) == (State.WARN, True)
