"""Style, script and pictures, each under a path that names its content: fetched once, and never asked for again."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from sallyport.edge.answers import Answer

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
}
_NAMES: Final = ("style.css", "app.js", "icon.svg")
_FOREVER: Final = (
    ("cache-control", "public, max-age=31536000, immutable"),
    ("cross-origin-resource-policy", "same-origin"),
)


class Assets:
    """The files that pages refer to, in memory."""

    def __init__(self, more: Mapping[str, bytes]) -> None:
        given = {name: (files("sallyport.pages") / "static" / name).read_bytes() for name in _NAMES}
        self._by_path: dict[str, Answer] = {}
        self._paths: dict[str, str] = {}
        for name, content in (given | dict(more)).items():
            path = f"/ui/static/{hashlib.sha256(content).hexdigest()[:16]}/{name}"
            media_type = _TYPES[name.rpartition(".")[2]]
            self._by_path[path] = Answer(content, headers=_FOREVER, media_type=media_type)
            self._paths[name] = path

    def path(self, name: str) -> str:
        """Return where a file is."""
        return self._paths[name]

    def find(self, path: str) -> Answer | None:
        """Return a file by its path."""
        return self._by_path.get(path)
