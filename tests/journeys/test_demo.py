"""`sallyport demo` as a newcomer meets it: what it shows, and that nothing is left of it."""

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import sallyport
from tests.server import SECONDS_TO_START, command
from tests.terminal import shown_by

BLACK_ON_WHITE = "\x1b[38;5;16;48;5;231m"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
QR_LINE = re.compile(r" {4}([█▀▄ ]{25,})")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Variables of a terminal whose temporary folders are ours to look at; warnings are errors."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
    return inherited | {
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(Path(sallyport.__file__).resolve().parents[1]),
        "PYTHONWARNINGS": "error",
        "PYTHONUTF8": "1",
        "TERM": "xterm-256color",
        # Settings of the person who runs it: none of them may reach the demo's service.
        "SALLYPORT_DATABASE_URL": "sqlite:////nowhere/sallyport.db",
        "SALLYPORT_REGISTRATION": "closed",
        "SALLYPORT_NO_SUCH_SETTING": "1",
    }


def test_it_shows_the_journey_and_ends_with_status_0(tmp_path: Path, environ: dict[str, str]) -> None:
    shown = subprocess.run(
        command("demo"), env=environ, capture_output=True, text=True, check=False, timeout=SECONDS_TO_START
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\x1b" not in shown.stdout
    assert {line for line in shown.stdout.splitlines() if len(line) > 88 and str(tmp_path) not in line} == set()
    chapters = re.findall(r"^  ([0-9]+)  .* ─+$", shown.stdout, re.MULTILINE)
    assert chapters == [str(number) for number in range(1, len(chapters) + 1)]

    lines = [line.removeprefix("    ") for line in shown.stdout.splitlines()]
    text = "\n".join(lines)
    # The documented bodies, byte for byte.
    assert '\n\n{\n    "type": "mfa",\n}\n\n200 OK\nContent-Type: application/json\n\n{\n' in text
    assert re.search(r'\n\n\{\n    "token": [0-9]{6},\n\}\n\n200 OK\nContent-Type: application/json\n\n\{\n', text)
    answers = re.findall(r"^[1-5][0-9]{2} [A-Z][A-Za-z ]+$", text, re.MULTILINE)
    assert answers == ["201 Created", *["200 OK"] * 8, "401 Unauthorized"]
    assert re.findall(r'"backupCodesRemaining": ([0-9]+)', text) == ["0", "10", "9"]
    assert '"code": "code_invalid"' in text
    assert left(tmp_path) == []


def test_its_qr_code_is_the_otpauth_url(tmp_path: Path, environ: dict[str, str], tool: Callable[[str], str]) -> None:
    zbarimg = tool("zbarimg")
    shown = subprocess.run(command("demo"), env=environ, capture_output=True, text=True, check=True).stdout
    # Plain, blocks are the light parts.
    assert scanned(zbarimg, drawn(shown), block=255, directory=tmp_path) == printed_url(shown)


def test_its_qr_code_is_black_on_white_in_a_terminal(
    tmp_path: Path, environ: dict[str, str], tool: Callable[[str], str]
) -> None:
    zbarimg = tool("zbarimg")
    status, shown = shown_by("demo", environ)
    assert status == 0
    colored = [line for line in shown.splitlines() if BLACK_ON_WHITE in line]
    assert len(colored) > 20
    plain = STYLE.sub("", shown)
    assert drawn(plain) == drawn(STYLE.sub("", "\n".join(colored)))
    assert scanned(zbarimg, drawn(plain), block=0, directory=tmp_path) == printed_url(plain)
    assert re.search("\x1b\\[[0-9;]*m200 OK\x1b\\[0m", shown)


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_it_is_plain_where_color_is_not_wanted(environ: dict[str, str], variable: dict[str, str]) -> None:
    status, shown = shown_by("demo", environ | variable)
    assert status == 0
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("words", "number", "status"),
    [
        ("Starting a service", signal.SIGINT, 130),
        ("It listens on", signal.SIGINT, 130),
        ("The phone scans it", signal.SIGINT, 130),
        ("It listens on", signal.SIGTERM, 143),
    ],
)
def test_nothing_is_left_when_it_is_interrupted(
    tmp_path: Path, environ: dict[str, str], words: str, number: int, status: int
) -> None:
    with subprocess.Popen(
        command("demo"), env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    ) as demo:
        assert demo.stdout
        assert demo.stderr
        for line in demo.stdout:
            if words in line:
                break
        # As the terminal does for Ctrl-C: to the whole group of the foreground.
        os.killpg(demo.pid, number)
        demo.stdout.read()
        assert demo.wait(SECONDS_TO_START) == status
        assert demo.stderr.read() == ""
    assert left(tmp_path) == []


def test_nothing_is_left_when_nobody_reads_on(tmp_path: Path, environ: dict[str, str]) -> None:
    with subprocess.Popen(
        command("demo"), env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout
        assert demo.stderr
        demo.stdout.readline()
        demo.stdout.close()
        assert demo.wait(SECONDS_TO_START) == 1
        assert demo.stderr.read() == ""
    assert left(tmp_path) == []


def test_it_says_so_when_the_service_does_not_come_up(tmp_path: Path, environ: dict[str, str]) -> None:
    # A disk on which no file grows beyond a few blocks: the demo can start a service, and the service can't keep data.
    limited = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *command("demo")]
    failed = subprocess.run(
        limited, env=environ, capture_output=True, text=True, check=False, timeout=2 * SECONDS_TO_START
    )
    assert failed.returncode == 1
    assert "The service for the demo did not start. It ended with exit status 1:" in failed.stderr
    assert left(tmp_path) == []


def left(tmp_path: Path) -> list[str]:
    """Return the files below the temporary folder, and the processes that know of it."""
    return [*map(str, tmp_path.rglob("*")), *processes_with(f"TMPDIR={tmp_path}")]


def processes_with(variable: str) -> list[str]:
    """Return the command lines of processes that have this variable, where the system tells."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has ended meanwhile, or is not ours
    return found


def printed_url(shown: str) -> str:
    """Return the URL of the answer, which is broken into lines to fit."""
    found = re.search(r'"otpauth_url": "([^"]+)"', shown)
    assert found
    return re.sub(r"\s+", "", found[1])


def drawn(shown: str) -> list[str]:
    """Return the lines of the QR code."""
    lines = [found[1] for line in shown.splitlines() if (found := QR_LINE.fullmatch(line))]
    assert len({len(line) for line in lines}) == 1
    return lines


def scanned(zbarimg: str, lines: list[str], *, block: int, directory: Path) -> str:
    """Turn half blocks into a picture of gray values, and read it as a camera would."""
    halves = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}
    rows = [[halves[glyph][half] for glyph in line] for line in lines for half in (0, 1)]
    gray = bytes(block if ink else 255 - block for row in rows for _ in range(4) for ink in row for _ in range(4))
    picture = directory / "qr.pgm"
    picture.write_bytes(b"P5 %d %d 255\n" % (len(rows[0]) * 4, len(rows) * 4) + gray)
    read = subprocess.run([zbarimg, "-q", "--raw", str(picture)], capture_output=True, text=True, check=True)
    return read.stdout.strip()
