"""`sallyport doctor`: one screen, red and green, and an exit status."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap
from typing import Final

import typer

from sallyport import __version__
from sallyport.doctor.flow import Doctor
from sallyport.doctor.rules import Finding, State, worst
from sallyport.kernel.clock import SystemClock
from sallyport.settings import SettingsRefusedError, load
from sallyport.wiring.host import key_faults

_COLORS: Final = {State.OK: typer.colors.GREEN, State.WARN: typer.colors.YELLOW, State.FAIL: typer.colors.RED}
_WIDEST: Final = 120
_INDENT: Final = " " * 22


def run(output: str, flags: Mapping[str, str]) -> int:
    """Examine the host and print what was found; returns 1 where something is red."""
    findings = _findings(flags)
    sys.stdout.write(_as_json(findings) if output == "json" else _as_screen(findings, colored=_is_colored()))
    return 1 if worst(findings) is State.FAIL else 0


def _findings(flags: Mapping[str, str]) -> list[Finding]:
    folder = Path.cwd()
    try:
        settings = load(flags, os.environ, folder)
    except SettingsRefusedError as no:
        told = "; ".join(str(no).splitlines())
        return [Finding(check="settings", state=State.FAIL, told=told, remedy="nothing else can be looked at before")]
    doctor = Doctor(settings, key_faults=lambda: key_faults(settings), clock=SystemClock(), folder=folder)
    try:
        return doctor()
    except OSError as fault:
        remedy = "run it as the user of the service"
        return [Finding(check="access", state=State.FAIL, told=f"can't look: {fault}", remedy=remedy)]


def _as_json(findings: list[Finding]) -> str:
    checks = [
        {
            "check": one.check,
            "state": one.state.value,
            "told": one.told,
            "remedy": one.remedy or None,
            "clauses": list(one.clauses),
        }
        for one in findings
    ]
    return json.dumps({"version": __version__, "state": worst(findings).value, "checks": checks}, indent=2) + "\n"


def _as_screen(findings: list[Finding], *, colored: bool) -> str:
    lines = [line for finding in findings for line in _lines(finding, colored=colored)]
    counts = ", ".join(f"{sum(one.state is state for one in findings)} {state.value}" for state in State)
    return "\n".join([*lines, "", f"sallyport {__version__}: {counts}"]) + "\n"


def _lines(finding: Finding, *, colored: bool) -> Iterable[str]:
    state = f"{finding.state.value:<4}"
    if colored:
        state = typer.style(state, fg=_COLORS[finding.state], bold=finding.state is State.FAIL)
    clauses = f" [{', '.join(finding.clauses)}]" if finding.clauses and finding.state is not State.OK else ""
    first, *others = _folded(finding.told)
    yield f" {state}  {finding.check:<14} {first}"
    yield from (_INDENT + line for line in others)
    yield from (_INDENT + line for line in _folded(f"-> {finding.remedy}{clauses}") if finding.remedy)


def _folded(text: str) -> list[str]:
    width = min(_WIDEST, get_terminal_size((_WIDEST, 0)).columns)
    return wrap(text, max(width - len(_INDENT), len(_INDENT)), break_long_words=False, break_on_hyphens=False) or [""]


def _is_colored() -> bool:
    dumb = os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not dumb and not os.environ.get("NO_COLOR")
