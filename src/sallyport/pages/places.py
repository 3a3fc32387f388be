"""The paths of the pages: those that can be returned to are these, and no others."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from sallyport.edge.endpoint import path_pattern

_LONGEST: Final = 256


class Places:
    """Finds what is declared for a path; `{id}` and `{sid}` in one stand for uids."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(paths)
        self._plain = frozenset(path for path in self._paths if "{" not in path)
        self._patterns: list[tuple[re.Pattern[str], str]] = [
            (path_pattern(path), path) for path in self._paths if "{" in path
        ]

    def known(self, path: str) -> bool:
        """Tell whether a path is that of a page."""
        return self.find(path) is not None

    def find(self, path: str) -> tuple[str, Mapping[str, str]] | None:
        """Return the declared path and its parameters."""
        if path in self._plain:
            return path, {}
        if len(path) > _LONGEST:
            return None
        for pattern, declared in self._patterns:
            if found := pattern.fullmatch(path):
                return declared, found.groupdict()
        return None
