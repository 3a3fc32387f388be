"""The pictures of the documents: made from the pages themselves, by `SALLYPORT_TEST_PICTURES=write`.

Beside them stands what each was made of: a page that looks or reads otherwise since then fails a test.
"""

import hashlib
import json
import math
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

import pytest

from sallyport.audit.rules import oldest_uid
from sallyport.kernel.clock import HOUR, SECOND
from tests.browser.conftest import ADMIN_PASSWORD, Human, MakeHuman, MakeService, Running
from tests.server import environment
from tests.terminal import as_page, shown_by

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
NAMES: Final = ("sign-in", "enroll", "codes", "account", "desk", "desk-user")
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
DEMO: Final = "demo.png"
CHAPTERS = re.compile(r"\s*\n\n(?=  \x1b\[36m\x1b\[1m[1-9]  )")
LARGEST = 120_000
MADE_OF: Final = PICTURES / "made-of.json"
IS_WRITING: Final = os.environ.get("SALLYPORT_TEST_PICTURES") == "write"
# What is another one each time that a picture is taken.
CHANGING: Final = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r'nonce="[^"]*"|name="form" value="[^"]*"|\bd="[^"]*"|/ui/static/[0-9a-f]+/app\.js| style=""', ""),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
        (r"otpauth://[^\s\"]+|\b[A-Z2-7]{32}\b|(<span>[A-Z2-7]{4}</span>\s*)+", "KEY"),
        (r"\b[0-9A-Z]{4}(-[0-9A-Z]{4}){3}\b", "CODE"),
        (r"[\w.-]+…[\w.-]+|\S*/sallyport-demo-\S+|[█▀▄ ]{2,}", ""),
        (r"just now|[0-9]+ (second|minute|hour)s? ago", "AGO"),
        (r"<rect\b[^>]*></rect>|<tbody>(?s:.*?)</tbody>", ""),
    )
)
LOGIN = """INSERT INTO audit_log (id, created_at, event, outcome, session_id, request_id, row_digest)
           VALUES (?, ?, 'login.password', ?, 'x', '', x'00')"""


def place_of(name: str, shown: str, elsewhere: Path) -> Path:
    """Return where a picture of what is shown now belongs: among the documents where theirs is of something else."""
    for pattern, text in CHANGING:
        shown = pattern.sub(text, shown)
    style = re.findall(r"/ui/static/[^\"]+", shown)
    now = hashlib.sha256("\n".join([re.sub(r"[0-9]+", "0", shown), *style]).encode()).hexdigest()[:16]
    known = json.loads(MADE_OF.read_text())
    if known.get(name) == now:
        return elsewhere
    assert IS_WRITING, f"{name} looks otherwise now: SALLYPORT_TEST_PICTURES=write takes its picture anew"
    MADE_OF.write_text(json.dumps(known | {name: now}, indent=2, sort_keys=True) + "\n")
    return PICTURES


def taken(human: Human, name: str, elsewhere: Path) -> None:
    """Take a picture of a page in both schemes."""
    folder = place_of(name, human.page.content(), elsewhere)
    for scheme in SCHEMES:
        human.page.emulate_media(color_scheme=scheme)
        human.page.screenshot(path=folder / f"{name}-{scheme}.png")


def test_pictures_are_taken(make_human: MakeHuman, make_service: MakeService, tmp_path: Path) -> None:
    """Of an account that is gone with this test, key and codes and all."""
    human = make_human(service=make_service(), viewport={"width": 1000, "height": 860}, reduced_motion="reduce")
    human.open("/ui/sign-in")
    human.page.fill("#name", "mira")
    human.page.fill("#password", human.password)
    taken(human, "sign-in", tmp_path)
    human.register("mira")
    human.submit()
    human.scan()
    taken(human, "enroll", tmp_path)
    human.type_code(human.code())
    human.page.wait_for_selector("#codes")
    human.page.set_viewport_size({"width": 1000, "height": 860})
    taken(human, "codes", tmp_path)
    human.follow("I have kept them")
    human.open("/ui/account")
    human.page.set_viewport_size({"width": 1000, "height": 860})
    taken(human, "account", tmp_path)


def test_the_demo_is_taken_as_a_terminal_shows_it(
    make_human: MakeHuman, tool: Callable[[str], str], tmp_path: Path
) -> None:
    """Its key and codes are of a service that has ended, and its QR code can be scanned off the picture."""
    status, shown = shown_by("demo", environment(tmp_path) | {"TERM": "xterm-256color"})
    assert status == 0
    head, *chapters = CHAPTERS.split(shown)
    began = f"$ sallyport demo\n{head.partition('It listens')[0].rstrip()}"
    text = "\n\n  ⋮\n\n".join([began, chapters[2], chapters[7], ""])
    page = make_human(viewport={"width": 900, "height": 600}).page
    page.set_content(as_page("sallyport demo", text))
    picture = place_of("demo", text, tmp_path) / DEMO
    page.locator("main").screenshot(path=picture, omit_background=True)
    read = subprocess.run([tool("zbarimg"), "--raw", "-q", str(picture)], capture_output=True, text=True, check=True)
    assert read.stdout.startswith("otpauth://totp/Sallyport:alice?secret=")


def with_a_day_of_logins(service: Running) -> None:
    """Write what a day would have left in the audit log: more at noon than at night."""
    now = int(time.time() * SECOND)
    with closing(sqlite3.connect(service.folder / "sallyport.db", timeout=10)) as database, database:
        for hour in range(24):
            for number in range(4 + round(60 * math.sin(hour / 24 * math.pi) ** 2)):
                outcome = "failure" if number % 9 == 4 else "throttled" if number % 23 == 7 else "success"
                at = now - (23 - hour) * HOUR - number * SECOND
                uid = f"{oldest_uid(at)}7000-8000-{hour * 100 + number:012d}"
                database.execute(LOGIN, (uid, at, outcome))


def test_pictures_of_the_desk_are_taken(make_human: MakeHuman, make_service: MakeService, tmp_path: Path) -> None:
    service = make_service()
    human = make_human(service=service)
    human.register("mira")
    human.enroll()
    with_a_day_of_logins(service)
    desk = make_human(service=service, viewport={"width": 1000, "height": 1000}, reduced_motion="reduce")
    desk.name, desk.password = "admin", ADMIN_PASSWORD
    desk.give_password()
    desk.at("/ui/account")
    desk.follow("Desk")
    desk.at("/ui/admin")
    taken(desk, "desk", tmp_path)
    desk.open("/ui/admin/users?q=mira")
    desk.follow("mira")
    desk.page.wait_for_selector("#code-mfa")
    taken(desk, "desk-user", tmp_path)


@pytest.mark.parametrize("name", [*(f"{name}-{scheme}.png" for name in NAMES for scheme in SCHEMES), DEMO])
def test_the_pictures_of_the_documents_are_there(name: str) -> None:
    picture = (PICTURES / name).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < LARGEST
