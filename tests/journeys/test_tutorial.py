"""The tutorial keeps its word: its commands run as they stand there, one behind the other."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import environment, serving

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_URL = "http://127.0.0.1:8080"
CHOSEN = "an operator chose these words"


@pytest.fixture(scope="module")
def tutorial() -> str:
    return (ROOT / "docs" / "tutorial.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_its_commands_work_as_they_stand_there(home: Path, tutorial: str, tool: Callable[[str], str]) -> None:
    for name in ("curl", "oathtool"):
        tool(name)
    with serving(home, environ={"SALLYPORT_ADMIN_PASSWORD": CHOSEN}) as service:
        (application,) = blocks(tutorial, "python")
        (home / "app.py").write_text(application.replace(DEFAULT_URL, service.url))
        script = "\n".join(blocks(tutorial, "sh")).replace(DEFAULT_URL, service.url)
        given = environment(home, admin_password=CHOSEN, SALLYPORT_PUBLIC_URL=service.url)
        # The commands of the project are those beside this Python, as its `export PATH` makes them.
        given["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{given['PATH']}"
        shell = subprocess.run(
            ["sh", "-eu", "-c", script],
            cwd=home,
            env=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert (shell.returncode, shell.stderr) == (0, "")
    said = shell.stdout
    for sentence in (
        "you proved one factor only\nhello bob, your roles are ['staff']\n",
        "the log is whole",
        "is over\n",
        "user.created",
        "(host)",
    ):
        assert sentence in said, sentence
    assert said.endswith("invalid_token")
    assert (home / "key").read_text().startswith("spk_")
    assert len((home / "codes").read_text().splitlines()) == 10


def test_what_it_names_is_what_it_says(tutorial: str) -> None:
    assert "make serve" in blocks(tutorial, "console")[0]
    assert tutorial.count(DEFAULT_URL) == 3  # told, in the shell and in the application
