"""A terminal: what a command shows in one, and a page of HTML that looks like it."""

import os
import pty
import re
import subprocess
from collections.abc import Iterable, Mapping
from html import escape

from tests.server import SECONDS_TO_START, command

_STYLE = re.compile(r"\x1b\[([0-9;]*)m")
_CELLS = re.compile(r"[█▀▄ ]")
_HALVES = {"█": "b", "▀": "u", "▄": "l", " ": ""}
_PAPER = "paper"
_CLASSES = {
    "0": "",
    "1": "bold",
    "2": "dim",
    "7": "reverse",
    "32": "green",
    "33": "yellow",
    "36": "cyan",
    "38;5;16;48;5;231": _PAPER,
}
_PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title><style>
body {{ margin: 0; background: transparent; font: 13px/17px "DejaVu Sans Mono", ui-monospace, monospace }}
main {{ display: inline-block; background: #12181a; color: #d7dedc; border-radius: 12px; padding: 0 18px 18px }}
header {{ color: #8b9a9b; text-align: center; padding: 10px; font-size: 13px }}
pre {{ margin: 0; font: inherit }}
.bold {{ font-weight: 700; color: #fff }} .dim {{ color: #8b9a9b }} .reverse {{ background: #d7dedc; color: #12181a }}
.green {{ color: #7ed491 }} .yellow {{ color: #f2c078 }} .cyan {{ color: #63d2c2 }}
.paper {{ background: #fff; color: #000; display: inline-block; height: 17px }}
i {{ display: inline-block; width: 1ch; height: 17px; vertical-align: top }}
.b {{ background: currentColor }} .u {{ background: linear-gradient(currentColor 50%, transparent 50%) }}
.l {{ background: linear-gradient(transparent 50%, currentColor 50%) }}
</style><main><header>{title}</header><pre>{text}</pre></main>"""


def shown_by(name: str, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a command in a pseudo-terminal; returns its exit status and what the terminal got."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(name), env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        shown = b"".join(_chunks(ours))
        os.close(ours)
        return running.wait(SECONDS_TO_START), shown.decode().replace("\r\n", "\n")


def _chunks(handle: int) -> Iterable[bytes]:
    """Read a pseudo-terminal to its end, which Linux reports as an error."""
    try:
        while chunk := os.read(handle, 65_536):
            yield chunk
    except OSError:
        return


def as_page(title: str, text: str) -> str:
    """Return what a terminal got as a page. Raises `KeyError` at a style that it does not know."""
    parts, styles = [], ""
    for number, part in enumerate(_STYLE.split(text)):
        if number % 2:
            styles = "" if part == "0" else f"{styles} {_CLASSES[part]}"
        elif part:
            # Boxes, not letters: between the lines of a font there may be gaps, and cameras see them.
            is_drawn = _PAPER in styles
            drawn = _CELLS.sub(lambda found: f'<i class="{_HALVES[found[0]]}"></i>', part) if is_drawn else escape(part)
            parts.append(f'<span class="{styles.strip()}">{drawn}</span>')
    return _PAGE.format(title=title, text="".join(parts))
