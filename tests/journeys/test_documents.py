"""The documents keep their word: each test and each file that they name is there."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted((ROOT / "docs").rglob("*.md"))
TESTS = set(re.findall(r"def test_(\w+)", "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_a_document_names_is_there(path: Path) -> None:
    text = path.read_text()
    files = re.findall(r"`(tests/[\w./-]*)`", text)
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert set(re.findall(r"`test_(\w+)`", text)) <= TESTS


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_threat_model_names_every_file_of_the_attack_suite() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text()
    suite = {path.name for path in (ROOT / "tests" / "attacks").glob("test_*.py")}
    assert {name for name in suite if f"tests/attacks/{name}`" not in text} == set()


def test_every_seeded_bug_was_put_where_code_is_and_caught_by_a_test_that_is_there() -> None:
    table = (ROOT / "tests" / "attacks" / "mutants.md").read_text()
    rows = re.findall(r"^\| ([A-Z](?:, [A-Z])?) \| (.*?) \| .* \| (.*?) \|$", table, re.MULTILINE)
    assert len(rows) == table.count("\n| ") - 1  # its head
    seeded = Counter("".join(letters for letters, _, _ in rows))
    assert min(seeded[letter] for letter in "CDEFIKNO") >= 2
    for _, files, caught in rows:
        broken = re.findall(r"`([\w/]+\.(?:py|txt|html))`", files)
        assert broken
        assert [file for file in broken if not (ROOT / "src" / "sallyport" / file).exists()] == []
        named = re.findall(r"`(\w+)(?:\[.*?\])?`", caught)
        assert named
        assert set(named) <= TESTS
