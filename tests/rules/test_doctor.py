"""The doctor's rules: each thing that can be wrong is seen, in its color, and told with what to do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sallyport.doctor import host, network, policy
from sallyport.doctor.rules import (
    DatabaseSeen,
    Facts,
    FileSeen,
    Finding,
    Holds,
    KeysSeen,
    State,
    duration,
    examined,
    size,
    worst,
)
from sallyport.kernel.clock import DAY, HOUR, MINUTE, SECOND
from sallyport.kernel.loopback import is_loopback
from sallyport.settings import load

GIB = 1024**3

SAFE = {
    "SALLYPORT_PUBLIC_URL": "https://accounts.example.org",
    "SALLYPORT_TRUSTED_PROXIES": "127.0.0.1",
    "SALLYPORT_MAIL_URL": "smtps://mail.example.org",
    "SALLYPORT_MAIL_FROM": "accounts@example.org",
    "SALLYPORT_REQUIRE_MFA": "all",
    "SALLYPORT_PROFILE": "nist",
    "SALLYPORT_DATABASE_URL": "sqlite:////srv/sallyport/sallyport.db",
    "SALLYPORT_KEYS_DIR": "/etc/sallyport/keys",
    "SALLYPORT_TIME_SOURCE": "https://time.example.org",
}
DATABASE = DatabaseSeen(
    version="0002", fits=True, started=True, epoch=1, journal_mode="wal", trusted=2, trusted_without_mfa=0
)
KEYS = KeysSeen(faults=(), ages={"sealing": 30 * DAY, "signing": 10}, epoch=1)


def seen(path: str, mode: int, holds: Holds = Holds.SECRET, owner: int = 990) -> FileSeen:
    return FileSeen(path=Path(path), holds=holds, mode=mode, owner=owner)


def facts(environ: dict[str, str] | None = None, **different: Any) -> Facts:
    """A host on which all is well, but for what is said."""
    healthy = Facts(
        settings=load({}, SAFE | (environ or {}), Path("/nowhere")),
        newest_schema="0002",
        pragmas=("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"),
        database=DATABASE,
        running=True,
        keys=KEYS,
        files=(seen("/srv/sallyport/sallyport.db", 0o600), seen("/srv/sallyport", 0o755, Holds.FOLDER)),
        file_systems={Path("/srv/sallyport"): "ext4", Path("/etc/sallyport/keys"): "xfs"},
        free=100 * GIB,
        size=1 * GIB,
        clock_offset=0.2,
    )
    return replace(healthy, **different)


def found(check: Callable[[Facts], Finding | None], given: Facts) -> Finding:
    finding = check(given)
    assert finding is not None
    return finding


def test_where_all_is_well_but_one_all_is_green() -> None:
    findings = examined(facts(), (*host.CHECKS, *network.CHECKS, *policy.CHECKS))
    assert [one.check for one in findings if one.state is not State.OK] == ["phishing"]
    assert len(findings) == 23
    assert len({one.check for one in findings}) == 23
    assert all(not one.remedy for one in findings if one.state is State.OK)


def test_an_installation_of_this_machine_alone_has_nothing_red() -> None:
    # What `serve` makes with its defaults, on somebody's laptop.
    plain = dict.fromkeys(SAFE, "") | {
        "SALLYPORT_PUBLIC_URL": "http://127.0.0.1:8080",
        "SALLYPORT_REQUIRE_MFA": "none",
        "SALLYPORT_PROFILE": "standard",
        "SALLYPORT_MAIL_URL": "file:./data/outbox",
        "SALLYPORT_DATABASE_URL": "sqlite:///./data/sallyport.db",
        "SALLYPORT_KEYS_DIR": "./data/keys",
    }
    given = facts(plain, database=replace(DATABASE, trusted_without_mfa=1), clock_offset=None)
    findings = examined(given, (*host.CHECKS, *network.CHECKS, *policy.CHECKS))
    assert [one.check for one in findings if one.state is State.FAIL] == []
    assert {one.check for one in findings if one.state is State.WARN} == {
        "clock",
        "key place",
        "https",
        "throttle",
        "second factor",
        "trusted roles",
        "sessions",
        "phishing",
    }


HOST: list[tuple[str, Callable[[Facts], Finding | None], dict[str, Any], State, str]] = [
    ("a clock within 15 s", host.clock, {"clock_offset": 15.0}, State.OK, "ahead of https://time.example.org"),
    ("a clock ahead", host.clock, {"clock_offset": 15.1}, State.FAIL, "15.1 s ahead"),
    ("a clock behind", host.clock, {"clock_offset": -3600.0}, State.FAIL, "3600.0 s behind"),
    ("a clock without a source", host.clock, {"clock_offset": None}, State.WARN, "not checked"),
    ("a source that is silent", host.clock, {"clock_offset": "no answer"}, State.WARN, "not checked: no answer"),
    ("no database", host.database, {"database": "there is none"}, State.FAIL, "there is none"),
    ("a stopped service", host.database, {"running": False}, State.OK, "the service is stopped"),
    ("a running service", host.database, {}, State.OK, "sound, 1.0 GiB, in use"),
    ("an older schema", host.schema, {"database": replace(DATABASE, version="0001")}, State.WARN, "brings it to 0002"),
    ("a newer schema", host.schema, {"database": replace(DATABASE, version="0003")}, State.WARN, "and may run on it"),
    (
        "a schema that this release can't run on",
        host.schema,
        {"database": replace(DATABASE, version="0003", fits=False)},
        State.FAIL,
        "this one knows 0002",
    ),
    ("no version", host.schema, {"database": replace(DATABASE, version=None)}, State.WARN, "None"),
    ("less sync", host.durability, {"pragmas": ("PRAGMA synchronous = NORMAL",)}, State.FAIL, "less than FULL"),
    (
        "no log while it runs",
        host.durability,
        {"database": replace(DATABASE, journal_mode="delete")},
        State.FAIL,
        "journal_mode=delete",
    ),
    (
        "no log while it is stopped, as after a restore",
        host.durability,
        {"database": replace(DATABASE, journal_mode="delete"), "running": False},
        State.OK,
        "journal_mode=delete",
    ),
    ("a network disk", host.file_system, {"file_systems": {Path("/srv"): "nfs4"}}, State.FAIL, "/srv on nfs4"),
    ("a disk in memory", host.file_system, {"file_systems": {Path("/srv"): "tmpfs"}}, State.FAIL, "tmpfs"),
    ("a container's layer", host.file_system, {"file_systems": {Path("/srv"): "overlay"}}, State.WARN, "overlay"),
    ("a user's file system", host.file_system, {"file_systems": {Path("/srv"): "fuse.x"}}, State.WARN, "fuse.x"),
    ("an unknown file system", host.file_system, {"file_systems": {Path("/srv"): ""}}, State.OK, "unknown"),
    ("keys on a network disk", host.file_system, {"file_systems": {Path("/keys"): "cifs"}}, State.FAIL, "/keys"),
    ("a full disk", host.disk, {"free": 255 * 1024**2}, State.FAIL, "255.0 MiB free"),
    ("a narrow disk", host.disk, {"free": 1023 * 1024**2, "size": 1}, State.WARN, "1023.0 MiB free"),
    ("no room for a copy", host.disk, {"free": 19 * GIB, "size": 10 * GIB}, State.WARN, "19.0 GiB free"),
    ("room for a copy", host.disk, {"free": 20 * GIB, "size": 10 * GIB}, State.OK, "20.0 GiB free"),
    ("a readable file", host.modes, {"files": (seen("/a.db", 0o640),)}, State.FAIL, "/a.db is 0640"),
    ("a folder for all", host.modes, {"files": (seen("/a", 0o775, Holds.FOLDER),)}, State.FAIL, "/a is 0775"),
    ("a folder that is seen", host.modes, {"files": (seen("/a", 0o755, Holds.FOLDER),)}, State.OK, "1 files"),
    ("two owners", host.owner, {"files": (seen("/a", 0o600, owner=0), seen("/b", 0o600))}, State.FAIL, "0 and 990"),
    ("root", host.owner, {"files": (seen("/a", 0o600, owner=0),)}, State.WARN, "root"),
    ("a user of its own", host.owner, {}, State.OK, "uid 990"),
    ("wrong keys", host.keys, {"keys": replace(KEYS, faults=("one", "two"))}, State.FAIL, "one; two"),
    ("right keys", host.keys, {}, State.OK, "sealing, signing"),
    ("a key of a year", host.key_age, {"keys": replace(KEYS, ages={"pepper": 365 * DAY})}, State.OK, "pepper 365d"),
    ("an older key", host.key_age, {"keys": replace(KEYS, ages={"pepper": 366 * DAY})}, State.WARN, "pepper 366d"),
    ("a key of no age", host.key_age, {"keys": replace(KEYS, ages={"pepper": None})}, State.OK, "pepper unknown"),
    ("a copied database", host.epoch, {"database": replace(DATABASE, epoch=0)}, State.FAIL, "copied back by hand"),
    ("a restore that died late", host.epoch, {"database": replace(DATABASE, epoch=2)}, State.OK, "2"),
]


@pytest.mark.parametrize(
    ("check", "different", "state", "told"), [case[1:] for case in HOST], ids=[case[0] for case in HOST]
)
def test_the_host(check: Callable[[Facts], Finding | None], different: dict[str, Any], state: State, told: str) -> None:
    finding = found(check, facts(**different))
    assert (finding.state, told in finding.told) == (state, True), finding
    assert bool(finding.remedy) == (state is not State.OK)


@pytest.mark.parametrize(
    ("check", "different"),
    [
        (host.schema, {"database": "none"}),
        (host.durability, {"database": "none"}),
        (host.epoch, {"database": "none"}),
        (host.epoch, {"database": replace(DATABASE, started=False)}),
        (host.owner, {"files": ()}),
        (host.key_age, {"keys": replace(KEYS, ages={})}),
        (network.browsers, {}),
        (policy.trusted, {"database": "none"}),
        (policy.first_password, {}),
    ],
)
def test_nothing_is_judged_that_is_not_there(check: Callable[[Facts], Finding | None], different: Any) -> None:
    assert check(facts(**different)) is None


@pytest.mark.parametrize(
    ("keys", "state"),
    [("/srv/sallyport/keys", State.WARN), ("/srv/sallyport", State.WARN), ("/srv/keys", State.OK)],
)
def test_keys_in_the_folder_of_the_database_are_noticed(keys: str, state: State) -> None:
    assert found(host.key_place, facts({"SALLYPORT_KEYS_DIR": keys})).state is state


SETTINGS: list[tuple[Callable[[Facts], Finding | None], dict[str, str], State]] = [
    (network.https, {}, State.OK),
    (network.https, {"PUBLIC_URL": "http://accounts.example.org"}, State.FAIL),
    (network.https, {"PUBLIC_URL": "http://127.0.0.1:8080"}, State.WARN),
    (network.https, {"PUBLIC_URL": "http://localhost:8080"}, State.WARN),
    (network.https, {"PUBLIC_URL": "http://127.0.0.1:8080", "HOST": "0.0.0.0"}, State.FAIL),
    (network.listening, {"HOST": "::1"}, State.OK),
    (network.listening, {"HOST": "0.0.0.0"}, State.WARN),
    (network.proxies, {"TRUSTED_PROXIES": ""}, State.FAIL),
    (network.proxies, {"TRUSTED_PROXIES": "10.0.0.7,10.1.0.0/16"}, State.OK),
    (network.proxies, {"TRUSTED_PROXIES": "10.0.0.7,0.0.0.0/0"}, State.FAIL),
    (network.proxies, {"TRUSTED_PROXIES": "::/0"}, State.FAIL),
    (network.proxies, {"TRUSTED_PROXIES": "128.0.0.0/7"}, State.FAIL),
    (network.proxies, {"TRUSTED_PROXIES": "10.0.0.0/8"}, State.OK),
    (network.proxies, {"TRUSTED_PROXIES": "2000::/15"}, State.FAIL),
    (network.proxies, {"PUBLIC_URL": "http://127.0.0.1:8080"}, State.WARN),
    (network.proxies, {"PUBLIC_URL": "http://127.0.0.1:8080", "TRUSTED_PROXIES": ""}, State.OK),
    (network.browsers, {"CORS_ORIGINS": "https://app.example.org,http://localhost:3000"}, State.OK),
    (network.browsers, {"CORS_ORIGINS": "http://app.example.org"}, State.WARN),
    (network.mail, {"MAIL_URL": "file:./outbox"}, State.WARN),
    (network.mail, {"MAIL_URL": "file:./outbox", "PUBLIC_URL": "http://127.0.0.1:8080"}, State.OK),
    (network.mail, {"MAIL_URL": "file:./outbox", "ENV": "production"}, State.FAIL),
    (network.mail, {"MAIL_URL": "smtp://mail.example.org"}, State.OK),
    (network.mail, {"MAIL_URL": "smtp://mail.example.org?starttls=off"}, State.WARN),
    (network.mail, {"MAIL_URL": "smtp://me:secret@mail.example.org?starttls=off"}, State.FAIL),
    (network.mail, {"MAIL_URL": "smtp://localhost"}, State.OK),
    (policy.throttle, {}, State.OK),
    (policy.throttle, {"PROFILE": "standard"}, State.WARN),
    (policy.throttle, {"THROTTLE": "off"}, State.FAIL),
    (policy.password, {"PASSWORD_MIN_LENGTH": "14", "REQUIRE_MFA": "none"}, State.FAIL),
    (policy.password, {"PASSWORD_MIN_LENGTH": "14", "REQUIRE_MFA": "roles:admin"}, State.FAIL),
    (policy.password, {"PASSWORD_MIN_LENGTH": "15", "REQUIRE_MFA": "none"}, State.OK),
    (policy.password, {"PASSWORD_MIN_LENGTH": "8", "REQUIRE_MFA": "all"}, State.OK),
    (policy.second_factor, {"REQUIRE_MFA": "roles:admin"}, State.WARN),
    (policy.second_factor, {"REQUIRE_MFA": "none"}, State.WARN),
    (policy.one_step, {"BACKUP_CODE_LOGIN": "true"}, State.FAIL),
    (policy.sessions, {}, State.OK),
    (policy.sessions, {"SESSION_IDLE": "61m"}, State.WARN),
    (policy.sessions, {"SESSION_ABSOLUTE": "25h"}, State.WARN),
    (policy.sessions, {"PROFILE": "standard"}, State.WARN),
    (policy.sessions, {"SESSION_ABSOLUTE": "31d"}, State.WARN),
    (policy.first_password, {"ADMIN_PASSWORD": "an operator chose these words"}, State.WARN),
]


@pytest.mark.parametrize(("check", "environ", "state"), SETTINGS)
def test_the_settings(check: Callable[[Facts], Finding | None], environ: dict[str, str], state: State) -> None:
    finding = found(check, facts({f"SALLYPORT_{name}": value for name, value in environ.items()}))
    assert finding.state is state, finding
    assert bool(finding.remedy) == (state is not State.OK)


def test_sessions_beyond_thirty_days_miss_the_lower_level_too() -> None:
    assert "NIST 2.1.3" in policy.sessions(facts({"SALLYPORT_SESSION_ABSOLUTE": "31d"})).clauses
    assert "NIST 2.1.3" not in policy.sessions(facts({"SALLYPORT_SESSION_ABSOLUTE": "30d"})).clauses


@pytest.mark.parametrize(
    ("url", "state"), [("https://accounts.example.org", State.FAIL), ("http://127.0.0.1:8080", State.WARN)]
)
def test_an_admin_without_a_second_factor_is_red_where_others_reach_the_service(url: str, state: State) -> None:
    given = facts({"SALLYPORT_PUBLIC_URL": url}, database=replace(DATABASE, trusted_without_mfa=1))
    finding = found(policy.trusted, given)
    assert (finding.state, finding.told) == (state, "1 of 2 without a second factor")


def test_that_nobody_is_trusted_is_told_once_somebody_was() -> None:
    finding = found(policy.trusted, facts({}, database=replace(DATABASE, trusted=0)))
    assert (finding.state, finding.told) == (State.WARN, "nobody may act on others")
    assert "roles add-member" in finding.remedy
    assert found(policy.trusted, facts({}, database=replace(DATABASE, trusted=0, started=False))).state is State.OK


def test_a_chosen_password_before_the_first_start_is_no_fault() -> None:
    environ = {"SALLYPORT_ADMIN_PASSWORD": "an operator chose these words"}
    assert policy.first_password(facts(environ, database=replace(DATABASE, started=False))) is None
    assert policy.first_password(facts(environ, database="there is none")) is None


def test_the_worst_finding_is_the_state_of_the_whole() -> None:
    ok, warn, fail = (Finding(check="x", state=state, told="") for state in State)
    assert worst([]) is State.OK
    assert worst([ok]) is State.OK
    assert worst([ok, warn]) is State.WARN
    assert worst([fail, ok, warn]) is State.FAIL


@pytest.mark.parametrize(
    ("host_name", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("a.localhost", True),
        ("localhost.example.org", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("", False),
    ],
)
def test_the_machine_knows_its_own_names(host_name: str, own: bool) -> None:  # noqa: FBT001  # a column of the table
    assert is_loopback(host_name) is own


@pytest.mark.parametrize(
    ("micros", "text"), [(7 * DAY, "7d"), (36 * HOUR, "36h"), (90 * MINUTE, "90m"), (45 * SECOND, "45s")]
)
def test_times_are_written_in_their_largest_whole_unit(micros: int, text: str) -> None:
    assert duration(micros) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (GIB, "1.0 GiB")])
def test_sizes_are_written_for_people(count: int, text: str) -> None:
    assert size(count) == text
