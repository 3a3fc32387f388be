"""The words of the pages: every one of them stands in the catalogs, and none stands beside them."""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po

from sallyport.audit.rules import Event, Factor
from sallyport.authenticators.password.rules import Bearer, fault
from sallyport.edge.problems import FACES
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused, Why
from sallyport.pages import telling
from sallyport.pages.words import LANGUAGES, Words, chosen
from scripts import words as catalogs

TEMPLATES = sorted((catalogs.PAGES / "templates").rglob("*.html"))
OTHERS = sorted(set(LANGUAGES) - {"en"})

_CODE = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}|<style.*?</style>", re.DOTALL)
_VALUE = re.compile(r"%\(\w+\)s|{n}")
_NUMBER = re.compile(r"{[A-Za-z_]+}|[0-9]+")
_TAG = re.compile(r"<[^>]*>")
_SHOWN = re.compile(r'\b(?:alt|title|placeholder|aria-label|data-done|data-other)="([^"]*)"')


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_words_of_its_own(path: Path) -> None:
    plain = _CODE.sub("", path.read_text())
    attributes = " ".join(_SHOWN.findall(plain))
    assert re.findall(r"\w+", _TAG.sub(" ", plain) + attributes) == []


@pytest.mark.parametrize("language", OTHERS)
def test_every_word_is_translated(language: str) -> None:
    assert catalogs.untranslated(catalogs.updated(language)) == []


@pytest.mark.parametrize("language", OTHERS)
def test_the_compiled_catalog_is_the_one_that_is_written(language: str) -> None:
    with (catalogs.LOCALE / f"{language}.po").open("rb") as written:
        source = {one.id: one.string for one in read_po(written) if one.id}
    with (catalogs.LOCALE / f"{language}.mo").open("rb") as compiled:
        made = gettext.GNUTranslations(compiled)
    for text, said in source.items():
        if isinstance(text, str):
            assert made.gettext(text) == said
        else:
            assert tuple(made.ngettext(text[0], text[1], n) for n in (1, 2)) == said
    assert set(source) == {one.id for one in catalogs.updated(language) if one.id}


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_names_the_same_values(language: str) -> None:
    with (catalogs.LOCALE / f"{language}.po").open("rb") as written:
        for one in read_po(written):
            texts = {frozenset(_VALUE.findall(text)) for text in _all(one.id)}
            assert {frozenset(_VALUE.findall(text)) for text in _all(one.string)} == texts, one.id


def _all(text: Any) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.mark.parametrize("why", list(Why), ids=lambda why: why.name)
def test_every_refusal_is_said_in_every_language(why: Why) -> None:
    english = telling.refusal(Words("en"), Refused(why=why, retry_after=5, clock_offset_seconds=90))
    german = telling.refusal(Words("de"), Refused(why=why, retry_after=5, clock_offset_seconds=90))
    shown_by_no_page = {
        Why.MALFORMED_JSON,
        Why.INVALID_REQUEST,  # has a sentence of its own
        Why.UNKNOWN_FIELD,
        Why.PASSWORD_REJECTED,  # as above
        Why.UNAUTHENTICATED,
        Why.INVALID_TOKEN,
        Why.STEP_UP_REQUIRED,
        Why.FIELD_FORBIDDEN,
        Why.MFA_ENROLLMENT_REQUIRED,
        Why.ALREADY_EXISTS,
        Why.UNSUPPORTED_MEDIA_TYPE,
    }
    if why not in shown_by_no_page:
        assert english != german
        assert english == FACES[why].detail or why in {*telling._REFUSALS, Why.THROTTLED, Why.CODE_OUT_OF_STEP}


def sentences_of_use_cases() -> Iterator[str]:
    """Yield what use cases and their rules say: as they are, and with `{n}` for what they insert."""
    source = catalogs.PAGES.parent
    inside = re.compile(r"/(flow|rules)(\.py$|/)|/(codes|text|resets|recover|undo)\.py$")
    for path in source.rglob("*.py"):
        if not inside.search(path.as_posix()) or path.is_relative_to(source / "doctor"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                told = node.args[1:2] if node.func.id == "UnfitError" else []
                if node.func.id == "Refused":
                    told = [one.value for one in node.keywords if one.arg == "detail"]
                yield from (_NUMBER.sub("{n}", ast.unparse(one)) for one in told if _is_text(one))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


SHOWN_BY_NO_PAGE = {
    "A code has no sign.",
    "A moment like {n}-{n}-{n}T{n}:{n}:{n}Z is wanted (RFC {n}).",
    "Five tokens an hour for a user: wait, or use the last one.",
    "Give the uid of a user.",
    "That moment is over.",
    "That role is gone: begin the walk anew.",
    "That user is gone: begin the walk anew.",
    "The user is disabled: enable them first.",
    "There is a device with this value already.",
    "Two persons have names: confirm over HTTP, logged in. The host itself needs nobody's leave.",
    "`true` or `false` is wanted.",
}
"""They are of routes whose fields no form has, or of the command line."""


@pytest.mark.parametrize("language", OTHERS)
def test_what_use_cases_say_is_translated(language: str) -> None:
    said = {ast.literal_eval(text.removeprefix("f").replace("{{", "{")) for text in sentences_of_use_cases()}
    assert len(said) > 15
    assert {text for text in said if Words(language).told(text) == text} == SHOWN_BY_NO_PAGE


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("kurz", "Das Passwort ist zu kurz: Es braucht mindestens 15 Zeichen."),
        ("password123password123", "Das Passwort steht auf der Liste häufiger Passwörter."),
        ("mira und der Rest der Welt", "Das Passwort enthält den Namen oder die Adresse des Kontos."),
    ],
)
def test_what_is_wrong_with_a_password_is_said_in_german(password: str, said: str) -> None:
    wrong = fault(Hidden(password), Bearer(name="mira", email=None, mfa=False), 15, {"password123"})
    assert wrong
    assert telling.refusal(Words("de"), Refused(why=Why.PASSWORD_REJECTED, detail=wrong)) == said


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "de", "de"),
        ("", "DE-at", "de"),
        ("", "fr;q=1.0, en;q=0.7, de;q=0.8", "de"),
        ("", "de;q=0.2, en;q=0.7", "en"),
        ("", "de;q=0, en;q=0", "en"),
        ("", "de;q=high", "en"),
        ("", "*", "en"),
        ("", "de;level=1", "de"),
        ("en", "de", "en"),
        ("../de", "de", "de"),
        ("xx", "", "en"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_best_that_is_asked_for(
    cookie: str, accepted: str, language: str
) -> None:
    assert chosen(cookie, accepted) == language


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14.7; rv:140.0) Firefox/140.0", "Firefox on Mac"),
        ("curl/8.14.1", "curl"),
        ("", "Unknown program"),
        ("<script>", "Unknown program"),
    ],
)
def test_a_browser_is_named_as_people_call_it(agent: str, said: str) -> None:
    assert telling.browser(Words("en"), agent) == said


@pytest.mark.parametrize(
    ("ip", "said"),
    [
        ("127.0.0.1", "this computer"),
        ("::1", "this computer"),
        ("192.168.7.9", "your network, 192.168.7.9"),
        ("93.184.216.34", "93.184.216.34"),
        ("", "unknown place"),
    ],
)
def test_a_place_is_told_as_far_as_an_address_tells_it(ip: str, said: str) -> None:
    assert telling.place(Words("en"), ip) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "Wait 1 second,"), (119, "Wait 119 seconds,"), (120, "Wait 2 minutes,"), (3600, "Wait 60 minutes,")],
)
def test_a_wait_is_told_in_words(seconds: int, said: str) -> None:
    assert said in telling.refusal(Words("en"), Refused(why=Why.THROTTLED, retry_after=seconds))


@pytest.mark.parametrize(
    ("passed", "said"),
    [(0, "just now"), (61, "1 minute ago"), (3_600, "1 hour ago"), (90_000, "1 day ago"), (864_000, "10 days ago")],
)
def test_a_moment_is_told_by_how_long_ago_it_is(passed: int, said: str) -> None:
    assert telling.ago(Words("en"), 0, passed * 1_000_000) == said


def test_what_has_no_words_yet_is_told_by_its_name() -> None:
    assert telling.event(Words("de"), "login.password") == "Anmeldung mit Passwort"
    assert telling.event(Words("de"), "moon.eaten_up") == "moon: eaten up"


def test_every_event_is_told_in_words() -> None:
    assert set(telling.EVENTS) == set(Event)


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (Factor.PASSWORD, "Password set"),
        (Factor.API_KEY, "API key made"),
        (Factor.DEVICE, "Device made known"),
        (Factor.TOTP, "Set-up begun"),
        (None, "Set-up begun"),
    ],
)
def test_what_was_made_is_told_by_what_it_is(factor: Factor | None, said: str) -> None:
    assert telling.event(Words("en"), Event.SECRET_CREATED, factor) == said
    assert telling.event(Words("en"), Event.SECRET_REMOVED, factor) == "Removed"
