"""The pictures of the documents: made from the pages themselves, by `SALLYPORT_TEST_PICTURES=write`."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import pytest

from tests.browser.conftest import Human, MakeHuman, MakeService
from tests.server import environment
from tests.terminal import as_page, shown_by

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
NAMES: Final = ("sign-in", "enroll", "codes", "account")
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
DEMO: Final = "demo.png"
CHAPTERS = re.compile(r"\s*\n\n(?=  \x1b\[36m\x1b\[1m[1-9]  )")
LARGEST = 120_000


def taken(human: Human, path: Path) -> None:
    """Take a picture of a page in both schemes."""
    for scheme in SCHEMES:
        human.page.emulate_media(color_scheme=scheme)
        human.page.screenshot(path=path.with_name(f"{path.name}-{scheme}.png"))


def test_pictures_are_taken(make_human: MakeHuman, make_service: MakeService, tmp_path: Path) -> None:
    """Of an account that is gone with this test, key and codes and all."""
    folder = PICTURES if os.environ.get("SALLYPORT_TEST_PICTURES") == "write" else tmp_path
    human = make_human(service=make_service(), viewport={"width": 1000, "height": 860}, reduced_motion="reduce")
    human.open("/ui/sign-in")
    human.page.fill("#name", "mira")
    human.page.fill("#password", human.password)
    taken(human, folder / "sign-in")
    human.register("mira")
    human.submit()
    human.scan()
    taken(human, folder / "enroll")
    human.type_code(human.code())
    human.page.wait_for_selector("#codes")
    human.page.set_viewport_size({"width": 1000, "height": 860})
    taken(human, folder / "codes")
    human.follow("I have kept them")
    human.open("/ui/account")
    human.page.set_viewport_size({"width": 1000, "height": 860})
    taken(human, folder / "account")


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
    picture = (PICTURES if os.environ.get("SALLYPORT_TEST_PICTURES") == "write" else tmp_path) / DEMO
    page.locator("main").screenshot(path=picture, omit_background=True)
    read = subprocess.run([tool("zbarimg"), "--raw", "-q", str(picture)], capture_output=True, text=True, check=True)
    assert read.stdout.startswith("otpauth://totp/Sallyport:alice?secret=")


@pytest.mark.parametrize("name", [*(f"{name}-{scheme}.png" for name in NAMES for scheme in SCHEMES), DEMO])
def test_the_pictures_of_the_documents_are_there(name: str) -> None:
    picture = (PICTURES / name).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < LARGEST
