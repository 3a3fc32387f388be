"""`pages`: how large each page is, and how soon a browser on this machine shows it, with nothing in its cache.

Of nine times the middle one counts, and the table has the best one too, because a browser that paints wants a quiet
machine. What the server takes is measured in the browser, and so has the database and the wire in it.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.people import PASSWORD, environ_of
from bench.scenario import Bar, Finding, percentile
from bench.server import Server
from bench.stage import QUICK, Size

_TIMES: Final = 9
_DOORS: Final = ("/ui/sign-in", "/ui/register", "/ui/forgot")
_PAGES: Final = (
    "/ui/account",
    "/ui/events",
    "/ui/profile",
    "/ui/password",
    "/ui/authenticators/new",
    "/ui/keys/new",
    "/ui/sessions",
    "/ui/admin",
    "/ui/admin/users",
    "/ui/admin/roles",
    "/ui/admin/audit",
    "/ui/admin/policy",
)
_SCAN: Final = "/ui/authenticators/new, the picture apart"
_LARGEST: Final = 60.0
_PAINT: Final = 150.0
_SERVER: Final = 5.0
_LOOK: Final = """async () => {
  const painted = await new Promise((found) => {
    const one = (list) => list.getEntriesByName('first-contentful-paint').forEach(found)
    new PerformanceObserver(one).observe({ type: 'paint', buffered: true })
  })
  const page = performance.getEntriesByType('navigation')[0]
  const parts = [page, ...performance.getEntriesByType('resource')]
  return {
    paint: painted.startTime,
    server: page.responseStart - page.requestStart,
    bytes: parts.reduce((sum, part) => sum + part.encodedBodySize, 0),
  }
}"""
_QR: Final = re.compile(r"<svg.*?</svg>", re.DOTALL)

Look = dict[str, float]


def play(size: Size) -> Finding:
    """Open each page in a browser."""
    times = _TIMES if size.patience > QUICK.patience else 3
    with TemporaryDirectory(prefix="sallyport-bench-") as folder, _opened(Path(folder)) as (page, url):
        seen = {path: _looked(page, url + path, times) for path in _DOORS}
        page.goto(f"{url}/ui/sign-in")
        page.fill("#name", "admin")
        page.fill("#password", PASSWORD)
        page.locator("main form button.main").click()
        page.wait_for_url(f"{url}/ui/account")
        seen |= {path: _looked(page, url + path, times) for path in _PAGES}
        page.goto(f"{url}/ui/authenticators/new")
        page.locator("main form button.main").click()
        page.wait_for_selector(".qr")
        looks = [page.evaluate(_LOOK)]
        looks[0]["bytes"] -= len(_QR.findall(page.content())[0])
        largest = max(_most(looks, "bytes") for looks in (*seen.values(), looks)) / 1000
    rows = [_row(path, found) for path, found in seen.items()]
    rows.append(f"| `{_SCAN}` | {_most(looks, 'bytes') / 1000:.1f} | | | | |")
    bars = [
        Bar(what="the largest page, with style, script and icon", found=largest, limit=_LARGEST, unit="kB"),
        Bar(what="first paint of the slowest page", found=_slowest(seen, "paint"), limit=_PAINT, unit="ms"),
        Bar(what="the server for the slowest page", found=_slowest(seen, "server"), limit=_SERVER, unit="ms"),
    ]
    head = [
        "| page | kB | first paint, best | middle, ms | server, best | middle, ms |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    return Finding(table="\n".join([*head, *rows]), bars=bars, data={"pages": seen})


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[Any, str]]:
    """Yield a page of a browser that caches nothing, and the address of a service."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # whoever measures something else needs no browser

    server = Server("sallyport", environ_of(folder), pinned=False)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
            yield page, f"http://127.0.0.1:{server.port}"
            browser.close()
    finally:
        server.stop()


def _looked(page: Any, address: str, times: int) -> list[Look]:
    looks = []
    for _ in range(times):
        page.goto(address)
        looks.append(page.evaluate(_LOOK))
    return looks


def _row(path: str, looks: list[Look]) -> str:
    figures = [f"{_most(looks, 'bytes') / 1000:.1f}"]
    for name in ("paint", "server"):
        values = [look[name] for look in looks]
        figures += [f"{min(values):.1f}", f"{percentile(values, 50):.1f}"]
    return f"| `{path}` | {' | '.join(figures)} |"


def _most(looks: list[Look], name: str) -> float:
    return max(look[name] for look in looks)


def _slowest(seen: dict[str, list[Look]], name: str) -> float:
    return max(percentile([look[name] for look in looks], 50) for looks in seen.values())
