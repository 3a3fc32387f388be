"""The words of the pages: English as written, other languages from catalogs."""

import gettext
import re
from functools import cache
from importlib.resources import files
from typing import Final

LANGUAGES: Final = {"en": "English", "de": "Deutsch"}
"""In the words of each."""
_NUMBER = re.compile(r"[0-9]+")


@cache
def _catalog(language: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    with (files("sallyport.pages") / "locale" / f"{language}.mo").open("rb") as catalog:
        return gettext.GNUTranslations(catalog)


class Words:
    """Says things in one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._catalog = _catalog(language)

    def __call__(self, text: str, **values: object) -> str:
        """Return a text with its values."""
        said = self._catalog.gettext(text)
        return said % values if values else said

    def many(self, one: str, more: str, n: int) -> str:
        """Return a text for a number, which it names `%(n)s`."""
        return self._catalog.ngettext(one, more, n) % {"n": n}

    def told(self, sentence: str) -> str:
        """Return a sentence of a use case; a number in it stands as `{n}` in the catalog."""
        found, numbers = _NUMBER.sub("{n}", sentence), _NUMBER.findall(sentence)
        said = self._catalog.gettext(sentence)
        if said == sentence and numbers:
            said = self._catalog.gettext(found)
            for number in numbers:
                said = said.replace("{n}", number, 1)
        return said


def chosen(cookie: str, accepted: str) -> str:
    """Return the language of a visitor: the chosen one, else the best that the browser asks for. RFC 9110 12.5.4."""
    if cookie in LANGUAGES:
        return cookie
    best, weight = "en", 0.0
    for part in accepted.split(",")[:20]:
        tag, _, quality = part.partition(";")
        language = tag.strip().lower().partition("-")[0]
        wanted = _quality(quality)
        if language in LANGUAGES and wanted > weight:
            best, weight = language, wanted
    return best


def _quality(text: str) -> float:
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0
