"""`sallyport users | sessions | audit list` as an operator types them: on the host, and over HTTP with `--url`."""

import json
import os
import pty
import re
import select
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyotp
import pytest

from tests.server import Server, command, environment, serving

CHOSEN = "an operator chose these words"
PASSWORD = "correct horse battery staple"
ENVIRON = {"SALLYPORT_ADMIN_PASSWORD": CHOSEN}
SECONDS_AT_A_TERMINAL = 30
NOBODY = "01912345-0000-7000-8000-000000000000"


def run(folder: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command with that standard input, which is no terminal."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(folder),
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def told(folder: Path, *arguments: str, typed: str = "") -> Any:
    """Run a command that must succeed, and read its JSON."""
    done = run(folder, *arguments, "--output", "json", typed=typed)
    assert (done.returncode, done.stderr) == (0, ""), arguments
    return json.loads(done.stdout)


def as_admin(service: Server, *arguments: str) -> tuple[str, ...]:
    return (*arguments, "--url", service.url, "--login", "admin", "--login-stdin")


def enroll(service: Server, token: str) -> list[str]:
    """Switch MFA on; returns the backup codes."""
    auth = f"Bearer {token}"
    made = service.call("POST", "/users/me/secrets", {"type": "mfa"}, auth).body
    code = pyotp.TOTP(made["secret"]["secret"]).now()
    answer = service.call("PUT", f"/users/me/secrets/{made['uid']}/enroll", {"token": code}, auth)
    assert answer.status == 200, answer.body
    return list(answer.body["codes"])


@pytest.fixture
def service(home: Path) -> Iterator[Server]:
    with serving(home, environ=ENVIRON) as running:
        yield running


@pytest.mark.sqlite_only("what it is about is before the store")
def test_a_list_on_the_host_imports_neither_tokens_nor_mail_nor_hashes(home: Path, service: Server) -> None:
    listing = "import sys; from sallyport.cli.main import app; app(['users', 'list'], standalone_mode=False)"
    asked = [sys.executable, "-c", f"{listing}; print(*sys.modules, file=sys.stderr)"]
    done = subprocess.run(asked, cwd=home, env=environment(home), capture_output=True, text=True, check=True)
    assert "admin" in done.stdout
    dear = {"jwt", "argon2", "email_validator", "jinja2", "aiosmtplib", "segno", "sqlalchemy", "starlette", "pydantic"}
    assert dear & set(done.stderr.split()) == set()


def test_an_operator_works_on_the_host_beside_the_service(home: Path, service: Server) -> None:
    alice = told(home, "users", "create", "alice", "--password-stdin", typed=PASSWORD + "\n")["uid"]
    token = service.log_in("alice", PASSWORD).body["token"]
    listed = run(home, "sessions", "list", alice)
    assert listed.stdout.startswith("UID ")
    assert "127.0.0.1" in listed.stdout
    assert run(home, "sessions", "end", alice).stdout == f"every session of {alice} is over\n"
    assert service.call("GET", "/users/me", authorization=f"Bearer {token}").status == 401
    enroll(service, service.log_in("alice", PASSWORD).body["token"])
    assert service.log_in("alice", PASSWORD).body["type"] == "CHALLENGE"
    assert run(home, "users", "reset-mfa", alice).returncode == 2
    assert service.log_in("alice", PASSWORD).body["type"] == "CHALLENGE"
    assert told(home, "users", "reset-mfa", alice, "--reason", "lost phone", "--yes") == {"uid": alice}
    assert service.log_in("alice", PASSWORD).body["type"] == "ACCESS"
    assert told(home, "users", "disable", alice)["disabled"] is True
    assert service.log_in("alice", PASSWORD).status == 401
    assert run(home, "users", "enable", "Alice").stdout == "alice is enabled\n"
    assert run(home, "users", "delete", alice, "--yes").stdout == f"{alice} is erased\n"
    assert [one["name"] for one in told(home, "users", "list")] == ["admin"]
    rows = told(home, "audit", "list", "--all")[:3]
    assert [(row["event"], row["userId"], row["actorId"]) for row in rows] == [
        ("user.deleted", alice, None),
        ("user.enabled", alice, None),
        ("login.password", alice, None),
    ]


def test_an_operator_with_mfa_works_over_http_and_leaves_no_session(home: Path, service: Server) -> None:
    codes = enroll(service, service.log_in("admin", CHOSEN).body["token"])
    file = home / "password"
    file.write_text(PASSWORD + "\n")
    asked = as_admin(service, "users", "create", "bob", "--email", "bob@example.org", "--password-file", str(file))
    bob = told(home, *asked, typed=f"{CHOSEN}\n{codes[0]}\n")
    assert (bob["name"], bob["email"]) == ("bob", "bob@example.org")
    assert (
        run(home, *as_admin(service, "users", "disable", bob["uid"]), typed=f"{CHOSEN}\n{codes[1]}\n").returncode == 0
    )
    assert service.log_in("bob", PASSWORD).status == 401
    shown = told(home, *as_admin(service, "sessions", "list", "me"), typed=f"{CHOSEN}\n{codes[2]}\n")
    assert [one["userAgent"].startswith("sallyport-cli/") for one in shown if one["current"]] == [True]
    assert [one["userAgent"] for one in shown if not one["current"]] == [""]  # ours, of the enrollment
    spent = run(home, *as_admin(service, "users", "list"), typed=f"{CHOSEN}\n{codes[0]}\n")
    assert (spent.returncode, spent.stdout) == (1, "")
    assert spent.stderr == "sallyport users: The code is not right. (code_invalid)\n"


def test_a_key_is_made_by_its_owner_reads_and_is_revoked_by_the_host(home: Path, service: Server) -> None:
    of_a_day = ("--scope", "users:read", "--expires", "2126-01-31")
    made = run(home, *as_admin(service, "api-keys", "create", *of_a_day), typed=CHOSEN + "\n")
    assert (made.returncode, made.stderr) == (0, "")
    (home / "key").write_text(made.stdout)
    by_key = ("--url", service.url, "--key-file", "key")
    (admin,) = told(home, "users", "list", *by_key)
    (listed,) = told(home, "api-keys", "list", admin["uid"])
    assert made.stdout.startswith(listed["prefix"])
    assert (listed["scopes"], listed["expires"]) == (["users:read"], "2126-01-31T23:59:59.000000Z")
    writing = run(home, "users", "create", "eve", "--no-password", *by_key)
    assert (writing.returncode, "forbidden" in writing.stderr) == (1, True)
    here = run(home, "api-keys", "create")
    assert (here.returncode, here.stdout) == (2, "")
    assert run(home, "api-keys", "revoke", admin["uid"], "spk_nothing", "--yes").returncode == 1
    (password,) = (one for one in secrets_of(service) if one["type"] == "password")
    assert run(home, "api-keys", "revoke", admin["uid"], password["uid"], "--yes").returncode == 1
    assert run(home, "api-keys", "revoke", admin["uid"], listed["prefix"], "--yes").returncode == 0
    assert "invalid_token" in run(home, "users", "list", *by_key).stderr
    assert [one["type"] for one in secrets_of(service)] == ["password"]


def secrets_of(service: Server) -> Any:
    token = service.log_in("admin", CHOSEN).body["token"]
    return service.call("GET", "/users/me/secrets", authorization=f"Bearer {token}").body


@pytest.mark.sqlite_only("tests/flow/test_operator.py has the rules")
def test_a_password_is_recovered_on_the_host_by_a_token_and_not_from_elsewhere(home: Path, service: Server) -> None:
    admin = told(home, "users", "list")[0]["uid"]
    assert run(home, "users", "reset-password", admin).returncode == 2
    elsewhere = run(home, *as_admin(service, "users", "reset-password", admin, "--yes"), typed=CHOSEN + "\n")
    assert (elsewhere.returncode, "No such option: --url" in elsewhere.stderr) == (2, True)
    token = told(home, "users", "reset-password", admin, "--yes")["token"]
    chosen = {"token": token, "password": PASSWORD}
    assert service.call("POST", f"/users/{admin}/recover", chosen).status == 204
    assert service.log_in("admin", PASSWORD).body["type"] == "ACCESS"
    assert "within 30 minutes" in run(home, "users", "reset-password", admin, "--yes").stdout


def test_roles_are_made_filled_and_taken_away(home: Path, service: Server) -> None:
    alice = told(home, "users", "create", "alice", "--password-stdin", typed=PASSWORD + "\n")["uid"]
    bob = told(home, "users", "create", "bob", "--no-password")["uid"]
    made = told(home, "roles", "create", "staff", "--description", "who works here")
    assert told(home, "roles", "add-member", "staff", alice)["members"] == [alice]
    owned = told(home, "roles", "add-member", made["uid"], bob, "--owner")
    assert (owned["members"], owned["owners"]) == ([alice], [bob])
    assert told(home, "users", "show", alice)["roles"] == ["staff"]
    assert told(home, "roles", "change", "staff", "--name", "crew")["description"] == "who works here"
    assert told(home, "roles", "change", "crew", "--description", "")["description"] is None
    token = service.log_in("alice", PASSWORD).body["token"]
    assert run(home, "roles", "remove-member", "crew", alice).stdout == f"{alice} is not in crew\n"
    assert service.call("GET", "/users/me", authorization=f"Bearer {token}").status == 401
    assert told(home, "users", "show", alice)["roles"] == []
    assert told(home, "roles", "remove-member", "crew", bob)["owners"] == []
    assert run(home, "roles", "delete", "crew").returncode == 2
    assert run(home, "roles", "delete", "crew", "--yes").stdout == "crew is deleted\n"
    gone = run(home, "roles", "show", "crew")
    assert (gone.returncode, gone.stderr) == (1, "sallyport roles: There is no role crew. (not_found)\n")
    told(home, "roles", "add-member", "admin", alice)
    assert "admin, alice" in run(home, "roles", "list").stdout
    assert re.search(r"role.member_added +success +- +alice +- ", run(home, "audit", "list").stdout)


@pytest.mark.sqlite_only("tests/http/test_lists.py has the lists")
def test_a_list_is_whole_or_says_what_is_left(home: Path, service: Server) -> None:
    for name in ("bob", "carol"):
        told(home, "users", "create", name, "--no-password")
    part = run(home, "users", "list", "--limit", "2", "--output", "json")
    first = json.loads(part.stdout)
    assert (part.returncode, [one["name"] for one in first]) == (0, ["admin", "bob"])
    assert part.stderr == f"there is more: go on with --after {first[1]['uid']}, or say --all\n"
    assert [one["name"] for one in told(home, "users", "list", "--after", first[1]["uid"])] == ["carol"]
    assert [one["name"] for one in told(home, "users", "list", "--all", "--sort", "-dateCreated")] == [
        *("carol", "bob", "admin"),
    ]
    assert run(home, "users", "list", "--limit", "3").stderr == ""
    assert [one["name"] for one in told(home, "users", "list", "--role", "admin", "--mfa", "no")] == ["admin"]
    assert told(home, "users", "list", "--disabled", "yes") == []
    told(home, "users", "disable", "bob", "--reason", "left")
    assert "left (host)" in run(home, "audit", "list", "--limit", "1").stdout


@pytest.mark.sqlite_only("what it is about stands in the command")
def test_the_last_one_with_a_trusted_role_goes_only_where_that_is_said(home: Path, service: Server) -> None:
    ways = (("users", "disable", "admin"), ("users", "delete", "admin"), ("roles", "remove-member", "admin", "admin"))
    for asked in ways:
        assert run(home, *asked).returncode == 2, asked
    done = run(home, "users", "disable", "admin", "--yes")
    assert (done.returncode, "roles add-member admin NAME" in done.stderr) == (0, True)


@pytest.mark.sqlite_only("tests/http/test_desk.py has the rules")
def test_a_second_person_confirms_over_http_alone(home: Path) -> None:
    desk = {f"SALLYPORT_DESK_{name}": "required" for name in ("REASON", "CALLER_CODE")}
    desk["SALLYPORT_DESK_APPROVAL"] = "two"
    with serving(home, environ=ENVIRON | desk) as service:
        for name in ("alice", "bob"):
            told(home, "users", "create", name, "--password-stdin", typed=PASSWORD + "\n")
        told(home, "roles", "add-member", "admin", "bob")
        enroll(service, service.log_in("alice", PASSWORD).body["token"])
        reset = as_admin(service, "users", "reset-mfa", "alice", "--yes")
        assert "invalid_request" in run(home, *reset, typed=CHOSEN + "\n").stderr
        alice = told(home, "users", "show", "alice")["uid"]
        code = service.call("POST", f"/users/{alice}/recover/mfa", {"password": PASSWORD}).body["callerCode"]
        heard = (*reset, "--reason", "lost phone", "--caller-code")
        assert run(home, "users", "reset-mfa", "alice", "--yes", "--caller-code").returncode == 2
        waiting = told(home, *heard, typed=f"{CHOSEN}\n{code}\n")["uid"]
        assert re.search(rf"^{waiting} +alice +- +admin ", run(home, "approvals", "list").stdout, re.MULTILINE)
        confirm = ("approvals", "confirm", waiting, "--yes")
        assert run(home, *confirm).returncode == 2
        assert run(home, *as_admin(service, *confirm), typed=CHOSEN + "\n").returncode == 1
        as_bob = (*confirm, "--url", service.url, "--login", "bob", "--login-stdin")
        assert run(home, *as_bob, typed=PASSWORD + "\n").stdout == "confirmed, and done\n"
        assert service.log_in("alice", PASSWORD).body["type"] == "ACCESS"


def test_the_host_makes_a_second_admin(home: Path, service: Server) -> None:
    told(home, "users", "create", "alice", "--password-stdin", typed=PASSWORD + "\n")
    assert run(home, "roles", "add-member", "admin", "alice").returncode == 0
    as_alice = ("--url", service.url, "--login", "alice", "--login-stdin")
    assert told(home, "users", "show", "me", *as_alice, typed=PASSWORD + "\n")["roles"] == ["admin"]
    assert len(told(home, "audit", "list", *as_alice, "--all", typed=PASSWORD + "\n")) > 2


@pytest.mark.sqlite_only("what waits is written into the file")
def test_a_reset_that_waits_is_listed_and_cancelled_on_the_host(home: Path, service: Server) -> None:
    admin = told(home, "users", "show", "admin")["uid"]
    with closing(sqlite3.connect(home / "sallyport.db")) as database, database:
        database.execute("INSERT INTO mfa_resets VALUES (?, ?, 0, 3600000000, 4102444800000000, NULL)", (admin, NOBODY))
    (listed,) = told(home, "mfa-resets", "list")
    assert (listed["uid"], listed["userId"], listed["ends"]) == (NOBODY, admin, "1970-01-01T01:00:00.000000Z")
    assert told(home, *as_admin(service, "mfa-resets", "list"), typed=CHOSEN + "\n") == [listed]
    done = run(home, "mfa-resets", "cancel", "admin", "--reason", "asked for nothing", "--yes")
    assert done.stdout == "the second factors of admin stay as they are\n"
    assert told(home, "mfa-resets", "list") == []
    (row,) = told(home, "audit", "list", "--event", "mfa_reset.cancelled")
    assert row["detail"] == "asked for nothing (host)"
    assert run(home, "mfa-resets", "cancel", "admin", "--yes").returncode == 1


REFUSALS = [
    (("users", "show", NOBODY), "not_found"),
    (("users", "show", "no such"), "not_found"),
    (("users", "create", "admin", "--no-password"), "name_taken"),
    (("users", "create", "", "--no-password"), "invalid_request"),
    (("api-keys", "revoke", NOBODY, "spk_x", "--yes"), "not_found"),
    (("users", "list", "--after", "x"), "invalid_request"),
    (("sessions", "end", NOBODY), "not_found"),
    (("mfa-resets", "cancel", NOBODY, "--yes"), "not_found"),
    (("audit", "list", "--event", "no.such"), "invalid_request"),
    (("audit", "list", "--since", "yesterday"), "invalid_request"),
]


@pytest.mark.sqlite_only("what it is about ends before the store")
def test_both_ways_refuse_alike(home: Path, service: Server) -> None:
    for asked, code in REFUSALS:
        here = run(home, *asked, "--output", "json")
        there = run(home, *as_admin(service, *asked), "--output", "json", typed=CHOSEN + "\n")
        assert (here.returncode, here.stdout, there.returncode, there.stdout) == (1, "", 1, ""), asked
        problems = [json.loads(done.stderr) for done in (here, there)]
        assert [one["code"] for one in problems] == [code, code], asked
        assert problems[1].pop("requestId", "a list without it") != ""
        assert problems[0] == problems[1]


@pytest.mark.sqlite_only("who sees what does not depend on the store")
def test_one_who_sees_little_is_told_that_and_refused_the_rest(home: Path, service: Server) -> None:
    told(home, "users", "create", "bob", "--password-stdin", typed=PASSWORD + "\n")
    told(home, "roles", "create", "staff")
    as_bob = ("--url", service.url, "--login", "bob", "--login-stdin")
    listed = run(home, "roles", "list", *as_bob, typed=PASSWORD + "\n")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert re.search(r" staff +- +- +-\n", listed.stdout)
    for asked in (
        ("users", "disable", "admin"),
        ("users", "enable", "admin"),
        ("roles", "change", "staff", "--name", "crew"),
        ("roles", "add-member", "staff", "bob"),
        ("roles", "remove-member", "staff", "bob"),
    ):
        done = run(home, *asked, *as_bob, typed=PASSWORD + "\n")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"sallyport {asked[0]}: This is not yours to do. (forbidden)\n", asked


@pytest.mark.sqlite_only("what it is about ends before the store")
def test_who_erases_themselves_has_no_session_left_to_end(home: Path, service: Server) -> None:
    told(home, "users", "create", "bob", "--password-stdin", typed=PASSWORD + "\n")
    as_bob = ("--url", service.url, "--login", "bob", "--login-stdin")
    done = run(home, "users", "delete", "me", "--yes", *as_bob, typed=PASSWORD + "\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "me is erased\n", "")


@pytest.mark.sqlite_only("who is whose equal does not depend on the store")
def test_only_the_host_resets_an_equal(home: Path, service: Server) -> None:
    admin = told(home, "users", "list")[0]["uid"]
    refused = run(home, *as_admin(service, "users", "disable", admin), typed=CHOSEN + "\n")
    assert (refused.returncode, "field_forbidden" in refused.stderr) == (1, True)
    enroll(service, service.log_in("admin", CHOSEN).body["token"])
    assert run(home, "users", "reset-mfa", admin, "--yes").returncode == 0
    assert service.log_in("admin", CHOSEN).body["type"] == "ACCESS"


@pytest.mark.parametrize(
    ("asked", "typed", "says"),
    [
        (("users", "create", "eve"), "", "say --password-stdin or --password-file"),
        (("users", "create", "eve", "--password-stdin"), "", "standard input ends before the password"),
        (("users", "create", "eve", "--password-stdin", "--password-file", "x"), "", "not both"),
        (("users", "create", "eve", "--password-file", "nowhere"), "", "No such file"),
        (("users", "create", "eve", "--password-file", "/dev/null"), "", "the password is empty: say --no-password"),
        (("users", "create", "eve", "--password-stdin"), "\n", "the password is empty: say --no-password"),
        (("users", "create", "eve", "--no-password", "--password-stdin"), f"{PASSWORD}\n", "not both"),
        (("users", "create", "eve", "--no-password", "--password-file", "/dev/null"), "", "not both"),
        (("roles", "change", "staff"), "", "say --name, --description, or both"),
        (("users", "delete", NOBODY), "y\n", "say --yes"),
        (("users", "list", "--url", "http://192.0.2.1"), "", "https is wanted"),
        (("users", "list", "--url", "ftp://127.0.0.1"), "", "an address like https://"),
        (("users", "list", "--url", "http://127.0.0.1:1"), "", "say --login NAME, or --key-file"),
        (("users", "list", "--url", "http://127.0.0.1:1", "--login", "a"), "", "say --login-stdin"),
        (("users", "list", "--url", "http://127.0.0.1:1", "--login-stdin"), "", "--login NAME"),
        (("users", "list", "--url", "http://127.0.0.1:1", "--key-file", "/dev/null"), "", "its first line is empty"),
        (("users", "list", "--url", "http://127.0.0.1:1", "--key-file", "k", "--login", "a"), "", "not both"),
        (("users", "list", "--url", "http://127.0.0.1:1", "--database", "sqlite:///x"), "", "not both"),
        (("users", "list", "--login", "a"), "", "go with --url"),
        (("users", "list"), "", "name the right one, or start the service once"),
        (("users", "list", "--limit", "0"), "", "--limit"),
        (("users", "list", "--limit", "1", "--all"), "", "not both"),
        (("users", "list", "--output", "xml"), "", "--output"),
        (("users", "create", "a", "--login", "a", "--login-stdin", "--password-stdin", "--url", "http://127.0.0.1:1"),
         f"{PASSWORD}\n", "can't both read standard input"),
    ],
)  # fmt: skip
def test_wrong_use_says_what_to_give_and_asks_nobody(
    tmp_path: Path, asked: tuple[str, ...], typed: str, says: str
) -> None:
    done = run(tmp_path, *asked, typed=typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


def test_a_service_that_is_not_there_or_another_one_is_a_failure(tmp_path: Path, home: Path, service: Server) -> None:
    away = ("--url", "http://127.0.0.1:1", "--login", "a", "--login-stdin")
    done = run(tmp_path, "users", "list", *away, typed="x\n")
    assert (done.returncode, "nobody answers at http://127.0.0.1:1" in done.stderr) == (1, True)
    elsewhere = run(home, "users", "list", "--url", service.url + "/nowhere", *away[2:], typed="x\n")
    assert (elsewhere.returncode, "not_found" in elsewhere.stderr) == (1, True)


@pytest.mark.sqlite_only("terminals know no store")
def test_at_a_terminal_secrets_are_asked_for_and_not_shown(home: Path, service: Server) -> None:
    shown = at_terminal(
        home, ("users", "create", "carol"), "Password: ", PASSWORD, "Repeat for confirmation: ", PASSWORD
    )
    assert "carol is there" in shown
    assert PASSWORD not in shown
    carol = service.log_in("carol", PASSWORD).body["userUid"]
    assert "Aborted" in at_terminal(home, ("users", "delete", carol), "for good? [y/N]: ", "n")
    login = ("users", "show", "me", "--url", service.url)
    shown = at_terminal(home, login, "Name: ", "carol", "Password: ", PASSWORD)
    assert carol in shown
    assert PASSWORD not in shown


def at_terminal(folder: Path, asked: tuple[str, ...], *talk: str) -> str:
    """Run a command in a terminal of its own, in which questions are answered; returns what was seen there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])",
            *command(*asked),
        ],
        cwd=folder,
        env=environment(folder),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        seen, questions = "", list(talk)
        while chunk := _read(ours):
            seen += chunk
            if questions and questions[0] in seen:
                os.write(ours, (questions[1] + "\n").encode())
                del questions[:2]
        process.wait(60)
    os.close(ours)
    assert not questions, seen
    return seen


def _read(terminal: int) -> str:
    assert select.select([terminal], [], [], SECONDS_AT_A_TERMINAL)[0], "nothing more is said, and nothing ends"
    try:
        return os.read(terminal, 4096).decode()
    except OSError:  # nobody is at the other end any more
        return ""
