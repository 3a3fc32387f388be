"""What a team sets of the pages in one folder: name, logo, colors, words. No code.

`brand.toml`, and beside it `logo.svg` or `logo.png`, all of it as one likes:

    name = "Example accounts"
    accent = "#7a1fa2"
    accent_dark = "#dba8f2"

    [texts.en]
    welcome = "Use the account that you got on your first day."
    help = "Trouble? Call 4711."
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sallyport.pages.words import LANGUAGES

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_TEXTS: Final = ("welcome", "help")
_LONGEST_TEXT: Final = 500
_LONGEST_NAME: Final = 60
_LARGEST_LOGO: Final = 200_000
# What a color is read on: the card in the light, and in the dark. WCAG 2.2 1.4.3 asks for 4.5; a tint takes some of it.
_GROUNDS: Final = {"accent": "#ffffff", "accent_dark": "#1b2326"}
_LEAST_CONTRAST: Final = 5.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """How the pages are called and colored."""

    name: str = ""
    """Empty where nothing is set: then the pages are called as the issuer is."""
    logo: str = "icon.svg"
    """The name of the asset that is shown beside the name."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    accent: str = ""
    accent_dark: str = ""
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def text(self, language: str, name: str) -> str:
        """Return a text in a language, else in English, else nothing."""
        said = self.texts.get(language, {}).get(name)
        return said or self.texts.get("en", {}).get(name, "")


def read_brand(text: str) -> Brand:
    """Read the folder of a brand. Raises `ValueError` with what is wrong and what would do, or `OSError`."""
    if not text:
        return Brand()
    folder = Path(text)
    if not folder.is_dir():
        message = f"there is no folder {folder}"
        raise ValueError(message)
    path = folder / "brand.toml"
    said = tomllib.loads(path.read_text()) if path.exists() else {}
    if unknown := sorted(said.keys() - {"name", "texts", *_GROUNDS}):
        message = f"brand.toml: there is no {', '.join(unknown)}"
        raise ValueError(message)
    logo = next((name for name in ("logo.svg", "logo.png") if (folder / name).exists()), None)
    colors = {name: _color(name, said[name]) for name in _GROUNDS if name in said}
    if len(colors) == 1:
        message = "brand.toml: set both, accent and accent_dark: one is read in the light, the other in the dark"
        raise ValueError(message)
    return Brand(
        name=_bounded("name", said.get("name", ""), _LONGEST_NAME),
        logo=logo or "icon.svg",
        files={logo: _logo(folder / logo)} if logo else {},
        texts=_texts(said.get("texts", {})),
        **colors,
    )


def _bounded(name: str, value: Any, longest: int) -> str:  # noqa: ANN401  # whatever stands in the file
    if not isinstance(value, str) or len(value) > longest:
        message = f"brand.toml: {name} is a text of at most {longest} characters"
        raise ValueError(message)
    return value


def _texts(said: Any) -> Mapping[str, Mapping[str, str]]:  # noqa: ANN401  # as above
    if not isinstance(said, dict) or not all(isinstance(one, dict) for one in said.values()):
        message = "brand.toml: texts stand below their language, as in [texts.en]"
        raise ValueError(message)
    known = {(language, name) for language in LANGUAGES for name in _TEXTS}
    for language, texts in said.items():
        for name, text in texts.items():
            if (language, name) not in known:
                message = f"brand.toml: there is no text {name} in {language}; there are {', '.join(_TEXTS)}"
                raise ValueError(message)
            _bounded(name, text, _LONGEST_TEXT)
    return said


def _logo(path: Path) -> bytes:
    content = path.read_bytes()
    if len(content) > _LARGEST_LOGO:
        message = f"{path.name} has {len(content)} bytes: at most {_LARGEST_LOGO} are sent with a page"
        raise ValueError(message)
    return content


def _color(name: str, value: Any) -> str:  # noqa: ANN401  # as above
    if not isinstance(value, str) or not _COLOR.fullmatch(value):
        message = f"brand.toml: {name} is a color like #0b6b63"
        raise ValueError(message)
    contrast = _contrast(value, _GROUNDS[name])
    if contrast < _LEAST_CONTRAST:
        ground = "white" if name == "accent" else "a dark ground"
        message = f"brand.toml: {name} has a contrast of {contrast:.1f} on {ground}, {_LEAST_CONTRAST} is wanted"
        raise ValueError(message)
    return value


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colors. WCAG 2.2, "contrast ratio"."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    """Return the relative luminance of a color. WCAG 2.2, "relative luminance"."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)  # noqa: PLR2004  # sRGB
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
