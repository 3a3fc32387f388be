"""How the demo looks: chapters, requests and answers as the reference documents print them, a QR code."""

import json
import os
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, TextIO

import typer

WIDTH: Final = 88
_INDENT: Final = "    "
_QUIET_ZONE: Final = 4
"""Modules of margin that a QR code needs. ISO/IEC 18004 9.1."""
# Tokens and ids are told apart by their ends: those of one kind begin alike.
_LONG = re.compile(
    r"(?P<id>\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b)"
    r"|(?P<jwt>\beyJ[\w-]+\.[\w-]+\.[\w-]+)|(?P<opaque>\bsp[a-z]_[\w-]{43})"
)
# Fixed entries of the 256-color palette: themes redefine the first sixteen.
_BLACK_ON_WHITE: Final = "\x1b[38;5;16;48;5;231m"
_RESET: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request, with the headers worth showing."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, its body parsed."""

    status: int
    reason: str
    media_type: str
    body: dict[str, Any]


class Page:
    """Prints the demo. In color where a person looks, plain where a program or NO_COLOR does."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        dumb = os.environ.get("TERM") == "dumb"
        self._colored = out.isatty() and not dumb and not os.environ.get("NO_COLOR")

    def title(self, text: str, *lines: str) -> None:
        """Print the head of the page."""
        self._write("", "  " + self._styled(text, bold=True), *(self._dim(f"  {line}") for line in lines))

    def chapter(self, number: int, heading: str) -> None:
        """Begin a chapter."""
        head = f"{number}  {heading} "
        rule = "─" * (WIDTH - 2 - len(head))
        self._write("", "", "  " + self._styled(head, fg="cyan", bold=True) + self._dim(rule))

    def say(self, text: str) -> None:
        """Tell something in a paragraph. A no-break space keeps two words in one line."""
        lines = textwrap.wrap(text, WIDTH - 4, break_on_hyphens=False, break_long_words=False)
        self._write("", *(f"  {line}".replace("\xa0", " ") for line in lines))

    def request(self, request: Request) -> None:
        """Print a request."""
        first = self._styled(_shortened(f"{request.method} {request.path} HTTP/1.1"), bold=True)
        headers = [f"{name}: {_shortened(value)}" for name, value in request.headers.items()]
        body = ["", *_shortened(request.body).splitlines()] if request.body else []
        self._block([first, *map(self._header, headers), *body])

    def answer(self, answer: Answer, show: Iterable[str] = ()) -> None:
        """Print an answer; where only some fields are to be shown, dots stand for the others."""
        color = "green" if answer.status < 400 else "yellow"  # noqa: PLR2004  # refusals begin here
        first = self._styled(f"{answer.status} {answer.reason}", fg=color, bold=True)
        text = _shortened(_pretty(answer.body, frozenset(show)))
        body = [line for long in text.splitlines() for line in _folded(long)]
        self._block([first, self._header(f"Content-Type: {answer.media_type}"), "", *body])

    def code(self, code: str) -> None:
        """Show what the phone shows."""
        shown = f"{code[:3]} {code[3:]}"
        self._block([self._styled(f" {shown} ", bold=True, reverse=True) if self._colored else shown])

    def qr(self, modules: Sequence[Sequence[bool]]) -> None:
        """Draw a QR code: black on white in color; plain, blocks are its light parts, as a dark terminal has it."""
        lines = half_blocks(modules, ink=self._colored)
        paint: Callable[[str], str] = (lambda line: f"{_BLACK_ON_WHITE}{line}{_RESET}") if self._colored else str
        self._block([paint(line) for line in lines])

    def _block(self, lines: Iterable[str]) -> None:
        self._write("", *(f"{_INDENT}{line}" if line else "" for line in lines))

    def _write(self, *lines: str) -> None:
        self._out.write("\n".join(lines) + "\n")
        self._out.flush()

    def _header(self, header: str) -> str:
        name, value = header.split(": ", 1)
        return self._dim(f"{name}:") + f" {value}"

    def _dim(self, text: str) -> str:
        return self._styled(text, dim=True)

    def _styled(self, text: str, **style: Any) -> str:  # noqa: ANN401  # as Click takes it
        return typer.style(text, **style) if self._colored else text


def half_blocks(modules: Sequence[Sequence[bool]], *, ink: bool) -> list[str]:
    """Draw two rows of modules in one line of text, within a quiet zone. Modules equal to `ink` become blocks."""
    side = len(modules) + 2 * _QUIET_ZONE
    margin = [[False] * side] * _QUIET_ZONE
    edge = [False] * _QUIET_ZONE
    rows = [*margin, *([*edge, *map(bool, row), *edge] for row in modules), *margin]
    glyphs = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}
    nothing = [not ink] * side
    return [
        "".join(glyphs[upper is ink, lower is ink] for upper, lower in zip(above, below, strict=True))
        for above, below in zip_longest(rows[::2], rows[1::2], fillvalue=nothing)
    ]


def _shortened(text: str) -> str:
    return _LONG.sub(_short, text)


def _short(found: re.Match[str]) -> str:
    whole = found[0]
    return f"{whole[: 8 if found['id'] else 14]}…{whole[-6:]}"


def _pretty(body: Mapping[str, Any], show: frozenset[str]) -> str:
    """Write JSON as the documents do: `...` in front stands for the fields that are not shown."""
    shown = {name: value for name, value in body.items() if not show or name in show}
    left_out = {} if len(shown) == len(body) else {"...": None}
    return json.dumps(left_out | shown, indent=4, ensure_ascii=False).replace('"...": null,', "...")


def _folded(line: str) -> list[str]:
    """Break a line that is too long, which only a URL is, in front of its parameters."""
    room = WIDTH - len(_INDENT)
    if len(line) <= room:
        return [line]
    first, *parts = re.split(r"(?=[?&])", line)
    hang = " " * (first.find('": "') + 4)
    lines = [first]
    for part in parts:
        if len(lines) > 1 and len(lines[-1]) + len(part) <= room:
            lines[-1] += part
        else:
            lines.append(hang + part)
    return lines
