"""What a request costs, in numbers that no neighbor changes: statements, commits, pages of log, instructions.

Each route is played twice: its requests one after the other, and 24 at once, as a busy service meets them. Instructions
are counted by valgrind, where that is installed: of the event loop, and of the thread that writes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.scenario import Finding
from bench.stage import Size

_ROUTES: Final = {
    "totp": 24,
    "totp, statements": 24,
    "row, sealed": 24,
    "password": 8,
    "challenge": 8,
    "refresh": 24,
    "me": 24,
    "me, new": 24,
    "bare": 24,
}
"""And how many at once under valgrind, where more logins would wait for longer than the pool allows."""
_PEOPLE: Final = 1_500
_ASKED: Final = 200
_AT_ONCE: Final = 24
_TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)


def play(_: Size) -> Finding:
    """Count, and print a table; there is no bar."""
    with TemporaryDirectory(prefix="sallyport-costs-") as folder:
        town = Path(folder) / "town"
        town.mkdir()
        _inside(town, "settle", _PEOPLE, 1, "settle")
        counted = {route: _costs(town, route, at_once) for route, at_once in _ROUTES.items()}
    return Finding(table=_table(counted), bars=[], data=counted)


def _costs(town: Path, route: str, slowly: int) -> dict[str, Any]:
    alone = json.loads(_in_copy(town, route, 1, "counted"))
    crowd = json.loads(_in_copy(town, route, _AT_ONCE, "counted"))
    found = {f"{name} alone": count / _ASKED for name, count in alone.items()}
    found |= {f"{name} of {_AT_ONCE}": count / _ASKED for name, count in crowd.items()}
    return found | _instructions(town, route, slowly)


def _instructions(town: Path, route: str, at_once: int) -> dict[str, float]:
    """Return what the first two threads did, the event loop and the writer; nothing without valgrind."""
    if not shutil.which("valgrind"):
        return {}
    _in_copy(town, route, at_once, "instructions")
    totals = [int(_TOTALS.findall(path.read_text())[-1]) for path in sorted(town.parent.glob("callgrind-0*"))]
    for path in town.parent.glob("callgrind*"):
        path.unlink()
    return {"loop": totals[0] / _ASKED, "writer": totals[1] / _ASKED}


def _in_copy(town: Path, route: str, at_once: int, mode: str) -> str:
    copy = town.with_name("copy")
    shutil.copytree(town, copy)
    told = _inside(copy, route, _ASKED, at_once, mode)
    shutil.rmtree(copy)
    return told


def _inside(directory: Path, route: str, count: int, at_once: int, mode: str) -> str:
    command = [sys.executable, "-m", "bench.inside", str(directory), route, str(count), str(at_once), mode]
    if mode == "instructions":
        out = directory.with_name("callgrind")
        under = ["--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", f"--callgrind-out-file={out}"]
        command = ["valgrind", "-q", *under, *command]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONHASHSEED": "0"}
    )
    return done.stdout


def _table(counted: dict[str, dict[str, Any]]) -> str:
    columns = list(counted["totp"])
    lines = ["| route | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for route, found in counted.items():
        lines.append(f"| {route} | " + " | ".join(_cell(found.get(column)) for column in columns) + " |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value / 1000:,.0f}k" if value > 10_000 else f"{value:g}"
