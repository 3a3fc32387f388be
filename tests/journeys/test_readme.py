"""The README keeps its word: its calls run as they stand there, its table is the one of the code."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sallyport.settings import table
from tests.server import environment, serving

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_URL = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text()


def test_its_six_calls_work_as_they_stand_there(tmp_path: Path, readme: str, tool: Callable[[str], str]) -> None:
    for name in ("curl", "oathtool"):
        tool(name)
    blocks = re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    script = "".join(blocks)
    assert len(re.findall(r"\bcurl -s ", script)) == 6
    assert script.count(DEFAULT_URL) == 1
    with serving(tmp_path) as server:
        shell = subprocess.run(
            ["sh", "-eu", "-c", script.replace(DEFAULT_URL, server.url)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (shell.returncode, shell.stderr) == (0, "")
    registered, created, enrolled, challenge, session, me = answers(shell.stdout)
    assert registered["user"]["name"] == "alice"
    assert created["secret"]["otpauth_url"].startswith("otpauth://totp/Sallyport:alice?")
    assert (enrolled["enrolled"], len(set(enrolled["codes"]))) == (True, 10)
    assert challenge["type"] == "CHALLENGE"
    assert (session["type"], session["mfa"]) == ("ACCESS", {"enabled": True, "backupCodesRemaining": 10})
    assert (me["name"], me["mfaEnabled"]) == ("alice", True)


def test_its_table_of_settings_is_the_one_of_the_code(tmp_path: Path, readme: str) -> None:
    assert readme.count(table()) == 1, "run scripts/settings-table.py"
    copy = tmp_path / "README.md"
    copy.write_text(readme.replace(table(), "| an old table |"))
    script = [sys.executable, str(ROOT / "scripts" / "settings-table.py"), str(copy)]
    subprocess.run(script, env=environment(tmp_path), check=True)
    assert copy.read_text() == readme


def test_every_make_target_and_path_that_it_names_is_there(readme: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b(?=`|\n)", readme))
    assert {"serve", "test", "demo", "check"} <= named <= targets
    paths = re.findall(r"\]\(([^)#:]+)\)", readme) + re.findall(r"scripts/[\w.-]+", readme)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def answers(printed: str) -> list[dict[str, Any]]:
    """Read JSON objects that stand one behind the other."""
    decoder, found, text = json.JSONDecoder(), [], printed.strip()
    while text:
        answer, end = decoder.raw_decode(text)
        found.append(answer)
        text = text[end:].lstrip()
    return found
