"""API keys made on a page, and pages that look as a team wants them."""

import re
from pathlib import Path

import pytest

from sallyport.pages.brand import read_brand
from sallyport.settings import SettingsRefusedError, load
from tests.conftest import MakeWorld
from tests.guest import Guest
from tests.world import World, bearer

LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'
TOML = """
name = "Example accounts"
accent = "#7a1fa2"
accent_dark = "#dba8f2"
[texts.en]
welcome = "Use the account of your <first> day."
help = "Trouble? Call 4711."
[texts.de]
help = "Hilfe: 4711."
"""


async def test_a_key_is_made_shown_once_used_and_removed(world: World) -> None:
    guest = Guest(world, "mira")
    await guest.register()
    await guest.get("/ui/keys/new")
    refused = await guest.post("/ui/keys/new", device="Backup", days="90")
    assert (refused.status_code, "Choose at least one" in refused.text) == (400, True)
    shown = await guest.post("/ui/keys/new", **{"device": "Backup", "days": "30", "scope self:read": "on"})
    (key,) = re.findall(r"spk_[\w-]{48}", shown.text)
    assert (await world.call("GET", "/users/me", headers=bearer(key))).json()["name"] == "mira"
    page = (await guest.get("/ui/account")).text
    assert key not in page
    assert key[:12] in page
    assert "Backup" in page
    (one,) = re.findall(r'href="(/ui/authenticators/[0-9a-f-]{36})"', page)
    assert "Whatever uses it is refused from then on." in (await guest.get(one)).text
    await guest.post(f"{one}/remove")
    assert (await world.call("GET", "/users/me", headers=bearer(key))).status_code == 401


@pytest.mark.parametrize(("days", "good"), [("30", 30), ("90", 90), ("365", 365), ("", None), ("soon", 90)])
async def test_a_key_is_good_as_long_as_was_chosen(world: World, days: str, good: int | None) -> None:
    guest = Guest(world, "mira")
    await guest.register()
    await guest.get("/ui/keys/new")
    shown = await guest.post("/ui/keys/new", **{"days": days, "scope self:read": "on"})
    (key,) = re.findall(r"spk_[\w-]{48}", shown.text)
    world.clock.advance((good or 4_000) * 86_400 - 1)
    assert (await world.call("GET", "/users/me", headers=bearer(key))).status_code == 200
    world.clock.advance(2)
    status = 401 if good else 200
    assert (await world.call("GET", "/users/me", headers=bearer(key))).status_code == status


@pytest.fixture
def brand(tmp_path: Path) -> Path:
    folder = tmp_path / "brand"
    folder.mkdir()
    (folder / "brand.toml").write_text(TOML)
    (folder / "logo.svg").write_bytes(LOGO)
    return folder


async def test_the_pages_look_as_the_folder_says(make_world: MakeWorld, brand: Path) -> None:
    world = await make_world({"SALLYPORT_BRAND_DIR": str(brand)})
    guest = Guest(world)
    page = (await guest.get("/ui/sign-in")).text
    assert "<title>Sign in · Example accounts</title>" in page
    assert "--accent: light-dark(#7a1fa2, #dba8f2)" in page
    assert "Use the account of your &lt;first&gt; day." in page
    assert "Trouble? Call 4711." in page
    (logo,) = set(re.findall(r'src="(/ui/static/[0-9a-f]+/logo.svg)"', page))
    assert re.findall(r'<link rel="icon" href="([^"]+)"', page) == [logo]
    answer = await guest.get(logo)
    assert (answer.content, answer.headers["content-type"]) == (LOGO, "image/svg+xml")
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "Hilfe: 4711." in (await guest.get("/ui/sign-in", **{"accept-language": "de"})).text


async def test_without_a_folder_the_pages_are_called_as_the_issuer(make_world: MakeWorld) -> None:
    world = await make_world({"SALLYPORT_ISSUER_NAME": "Harbor"})
    page = (await Guest(world).get("/ui/sign-in")).text
    assert "<title>Sign in · Harbor</title>" in page
    assert "<style" not in page


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("nam = 1", "there is no nam"),
        ("name = 1", "name is a text"),
        ("name = 'x", "SALLYPORT_BRAND_DIR"),
        (f"name = '{'x' * 61}'", "at most 60"),
        ("accent = 'red'\naccent_dark = '#ffffff'", "a color like"),
        ("accent = '#7a1fa2'", "set both"),
        ("accent = '#ffee00'\naccent_dark = '#ffffff'", "contrast of 1.2 on white"),
        ("accent = '#7a1fa2'\naccent_dark = '#7a1fa2'", "on a dark ground"),
        ("[texts.fr]\nhelp = 'x'", "no text help in fr"),
        ("[texts.en]\nhello = 'x'", "no text hello in en"),
        ("[texts.en]\nhelp = 1", "help is a text"),
        ("texts = 1", "below their language"),
    ],
)
def test_what_does_not_fit_is_refused_at_the_start(brand: Path, toml: str, said: str) -> None:
    (brand / "brand.toml").write_text(toml)
    with pytest.raises(SettingsRefusedError, match=re.escape(said)):
        load({}, {"SALLYPORT_BRAND_DIR": str(brand)}, brand)


def test_a_folder_that_is_none_and_a_logo_that_is_too_large_are_refused(brand: Path) -> None:
    with pytest.raises(ValueError, match="there is no folder"):
        read_brand(str(brand / "none"))
    (brand / "logo.svg").write_bytes(b"x" * 200_001)
    with pytest.raises(ValueError, match="at most 200000"):
        read_brand(str(brand))


def test_an_empty_folder_changes_nothing(tmp_path: Path) -> None:
    assert read_brand(str(tmp_path)) == read_brand("")
