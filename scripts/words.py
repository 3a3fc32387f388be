"""Brings the catalogs of the pages up to date: gathers the words, keeps what is translated, compiles.

Names what has no translation yet; a test does not let it through.
"""

import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

PAGES = Path(__file__).parent.parent / "src" / "sallyport" / "pages"
LOCALE = PAGES / "locale"
METHODS = [("**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
ELSEWHERE = PAGES.parent / "audit" / "decision.py"
"""What it says of a login is said by a route in English, and by a page in each language."""
KEYWORDS = {"_": None, "N_": None, "words": None, "many": (1, 2), "said": None}


def gathered() -> Catalog:
    """Return every text that the pages say."""
    found = Catalog()
    for _, _, text, _, _ in extract_from_dir(
        PAGES, METHODS, options_map={"**.html": {"silent": "false"}}, keywords=KEYWORDS
    ):
        found.add(text)
    for _, text, _, _ in extract_from_file("python", ELSEWHERE, keywords=KEYWORDS):
        found.add(text)
    return found


def updated(language: str) -> Catalog:
    """Return the catalog of a language with the texts of today; what is said no more is gone."""
    path = LOCALE / f"{language}.po"
    catalog = Catalog(locale=language)
    if path.exists():
        with path.open("rb") as source:
            catalog = read_po(source, locale=language)
    catalog.update(gathered(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    return catalog


def compiled(catalog: Catalog) -> bytes:
    """Return what the service reads."""
    out = BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def untranslated(catalog: Catalog) -> list[str]:
    """Return the texts that are said in English only."""
    return [
        str(one.id)
        for one in catalog
        if one.id and not all([one.string] if isinstance(one.string, str) else one.string or [""])
    ]


def main() -> int:
    """Write the catalogs."""
    missing: list[str] = []
    for path in sorted(LOCALE.glob("*.po")):
        catalog = updated(path.stem)
        out = BytesIO()
        write_po(out, catalog, omit_header=True, sort_output=True, width=120)
        header = b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        header += f'"Plural-Forms: {catalog.plural_forms}\\n"\n\n'.encode()
        path.write_bytes(header + out.getvalue().strip() + b"\n")
        path.with_suffix(".mo").write_bytes(compiled(updated(path.stem)))
        missing += [f"{path.stem}: {text}" for text in untranslated(catalog)]
    sys.stdout.write("".join(f"{line}\n" for line in missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
