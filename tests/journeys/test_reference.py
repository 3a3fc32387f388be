"""The reference pages are the ones that the code writes, and the index of the documents leads to all of them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import environment

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the script has written."""
    folder = tmp_path_factory.mktemp("docs")
    script = [sys.executable, str(ROOT / "scripts" / "reference.py"), str(folder)]
    subprocess.run(script, env=environment(folder), check=True, timeout=120)
    return folder


def test_every_page_is_the_one_of_the_code(written: Path) -> None:
    pages = sorted(path.relative_to(written) for path in written.rglob("*.md"))
    assert len(pages) == 8
    assert {DOCS / page for page in pages if page.parts[0] == "reference"} == set((DOCS / "reference").glob("*"))
    stale = [str(page) for page in pages if (DOCS / page).read_text() != (written / page).read_text()]
    assert stale == [], "run `make docs`"


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("reference/api.md", ["## POST /auth/totp", "Who may call", "`challenge_invalid`", "## UserBody"]),
        ("reference/cli.md", ["## sallyport users reset-mfa", "Example: sallyport", "--password-stdin"]),
        ("reference/problems.md", ["| 401 | `step_up_required` |"]),
        ("reference/audit-events.md", ["| `session.stolen` | A spent refresh token came back"]),
        ("reference/scopes.md", ["| `self:read` | read the own user |"]),
        ("reference/metrics.md", ["| `sallyport_attempts_total` | counter | `factor`, `outcome` |"]),
        ("reference/settings.md", ["| `SALLYPORT_PORT` | `8080` |"]),
        ("adr/README.md", ["- [3. Units of work and group commit](0003-units-of-work-and-group-commit.md)"]),
    ],
)
def test_a_page_tells_what_is_looked_up_there(page: str, says: list[str]) -> None:
    text = (DOCS / page).read_text()
    assert [one for one in says if one not in text] == []
    assert "||" not in text.replace("| |", "")
    assert "|  |" not in text or page in {"reference/api.md", "reference/metrics.md"}  # a field that need not be there


def test_the_index_leads_to_every_page() -> None:
    linked = {link for path in (DOCS / "README.md", DOCS / "adr" / "README.md") for link in _links(path)}
    pages = {path.resolve() for path in DOCS.rglob("*.md")} - {DOCS / "README.md"}
    assert pages - linked == set()
    assert "(docs/README.md)" in (ROOT / "README.md").read_text()


def _links(path: Path) -> set[Path]:
    return {(path.parent / link).resolve() for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())}
