"""What holds for every command: it starts fast, teaches, completes, and takes no secret as an argument."""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sallyport.cli.main import app
from tests.server import command, environment

HEAVY = {"rich", "starlette", "msgspec", "uvicorn", "cryptography", "sqlalchemy", "structlog", "asyncio", "http.client"}
"""What no help text needs: each of these alone takes as long as all of it may."""
SECONDS = 0.3
SECRET = re.compile(r"password|secret|token|code|key")


def commands(path: tuple[str, ...] = (), found: Any = None) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command with the words that call it."""
    found = found or typer.main.get_command(app)
    yield path, found
    for name, inner in getattr(found, "commands", {}).items():
        yield from commands((*path, name), inner)


ALL: dict[tuple[str, ...], Any] = dict(commands())
ACCOUNTS: dict[tuple[str, ...], Any] = {
    path: found
    for path, found in ALL.items()
    if len(path) == 2 and path[0] in {"users", "sessions", "api-keys", "approvals", "mfa-resets"}
}


OVER_HTTP = {"--url", "--key-file", "--login", "--login-stdin"}
ONE_WAY: dict[tuple[str, ...], set[str]] = {
    ("users", "reset-password"): {"--database"},
    ("api-keys", "create"): OVER_HTTP,
    ("api-keys", "resume"): OVER_HTTP,
    ("approvals", "confirm"): OVER_HTTP,
}
"""What only the host may do, and what only somebody with a name does."""


def test_help_imports_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    for path in ((), ("users",), ("users", "create"), ("api-keys", "create"), ("keys", "retire"), ("serve",)):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "sallyport", *path, "--help"],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=True,
        )
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert imported & HEAVY == set(), path


def test_help_takes_less_than_three_tenths_of_a_second(tmp_path: Path) -> None:
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command("users", "create", "--help"), env=environment(tmp_path), capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # Of the processor: how many others run at the same time is not what this is about.
    assert min(took) < SECONDS


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_no_secret_is_an_argument(path: tuple[str, ...]) -> None:
    for parameter in ALL[path].params:
        for name in parameter.opts:
            takes_text = not getattr(parameter, "is_flag", False)
            if SECRET.search(name.lower()) and name.startswith("--") and takes_text:
                assert name.endswith("-file"), name


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_says_what_it_is_for(path: tuple[str, ...]) -> None:
    assert ALL[path].help
    if path in ACCOUNTS:
        example = re.search(rf"Example: sallyport {' '.join(path)}\b", ALL[path].help)
        assert example, "an example teaches more than all options"


@pytest.mark.parametrize("path", ACCOUNTS, ids=" ".join)
def test_every_command_about_accounts_works_both_ways_but_those_that_can_not(path: tuple[str, ...]) -> None:
    options = {name for parameter in ACCOUNTS[path].params for name in parameter.opts}
    ways = {"--database", "--url", "--key-file", "--login", "--login-stdin"}
    assert options & ways == ONE_WAY.get(path, ways)
    assert "--output" in options


def test_what_can_not_be_undone_is_asked_for() -> None:
    asking = {path for path, found in ALL.items() if any("--yes" in one.opts for one in found.params)}
    assert asking >= {("users", "delete"), ("users", "reset-mfa"), ("api-keys", "revoke"), ("keys", "retire")}


def test_output_to_a_pipe_has_no_colors(tmp_path: Path) -> None:
    done = subprocess.run(
        command("users", "--help"), env=environment(tmp_path, TERM="xterm-256color"), capture_output=True, check=True
    )
    assert b"\x1b" not in done.stdout + done.stderr


def test_bash_completes_what_is_typed(tmp_path: Path) -> None:
    folder = beside_the_command(tmp_path)
    script = f"""
    eval "$({folder}/sallyport --show-completion bash)"
    complete -p sallyport >/dev/null
    COMP_WORDS=(sallyport users re) COMP_CWORD=2
    _sallyport_completion sallyport
    echo "${{COMPREPLY[@]}}"
    """
    assert shell("bash", script, tmp_path, folder) == "reset-mfa reset-password"


def test_zsh_completes_what_is_typed(tmp_path: Path) -> None:
    folder = beside_the_command(tmp_path)
    if shutil.which("zsh"):
        script = (
            f'autoload -Uz compinit && compinit -u && eval "$({folder}/sallyport --show-completion zsh)" && echo ok'
        )
        assert shell("zsh", script, tmp_path, folder) == "ok"
    # What the function that zsh was given asks for, and evaluates.
    asked = f"_TYPER_COMPLETE_ARGS='sallyport users re' _SALLYPORT_COMPLETE=complete_zsh {folder}/sallyport"
    assert '"reset-mfa":' in shell("sh", asked, tmp_path, folder)


def test_fish_completes_what_is_typed(tmp_path: Path) -> None:
    folder = beside_the_command(tmp_path)
    if shutil.which("fish"):
        script = f"{folder}/sallyport --show-completion fish | source; complete -C 'sallyport users re' | cut -f1"
        assert shell("fish", script, tmp_path, folder).split() == ["reset-mfa", "reset-password"]
    # What the condition and the arguments that fish was given ask for.
    given = "_SALLYPORT_COMPLETE=complete_fish _TYPER_COMPLETE_ARGS='sallyport users re'"
    asked = f"{given} _TYPER_COMPLETE_FISH_ACTION={{}} {folder}/sallyport"
    assert shell("sh", asked.format("is-args"), tmp_path, folder) == ""
    told = shell("sh", asked.format("get-args"), tmp_path, folder).splitlines()
    assert [line.partition("\t")[0] for line in told] == ["reset-mfa", "reset-password"]


@pytest.mark.parametrize(("name", "file"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_completion_is_installed_into_the_home_of_who_asks(tmp_path: Path, name: str, file: str) -> None:
    folder = beside_the_command(tmp_path)
    said = shell("sh", f"{folder}/sallyport --install-completion {name}", tmp_path, folder)
    assert f"{name} completion installed" in said
    assert "ompletion" in (tmp_path / file).read_text()


def test_fish_finds_its_completion_where_it_looks(tmp_path: Path) -> None:
    folder = beside_the_command(tmp_path)
    assert "fish completion installed" in shell("sh", f"{folder}/sallyport --install-completion fish", tmp_path, folder)
    written = tmp_path / ".config" / "fish" / "completions" / "sallyport.fish"
    assert written.read_text().startswith("complete --command sallyport ")


def beside_the_command(home: Path) -> Path:
    """Return a folder with the command by its own name, as an installation has it."""
    folder = home / "bin"
    folder.mkdir()
    (folder / "sallyport").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sallyport "$@"\n')
    (folder / "sallyport").chmod(0o755)
    return folder


def shell(name: str, script: str, home: Path, folder: Path) -> str:
    given = environment(home, HOME=str(home), _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    given["PATH"] = f"{folder}{os.pathsep}{given['PATH']}"
    done = subprocess.run([name, "-c", script], cwd=home, env=given, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout.strip()
