"""The query of a list: `limit`, `skip`, `sort`, `after`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlencode

from sallyport.edge.answers import Headers
from sallyport.kernel.ids import is_uid
from sallyport.kernel.text import UnfitError

T = TypeVar("T")

SORTS: Final = ("name", "-dateCreated")
QUERY: Final = {
    "limit": "how many at most, 1 to 1000; 100 without it",
    "skip": "how many to pass over, 0 to 10000",
    "sort": "`name` or `-dateCreated`; oldest first without it",
    "after": "the `uid` behind which the page begins; the `Link` header of each page has the next",
}
_MAX_LIMIT: Final = 1_000
_MAX_SKIP: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is wanted."""

    limit: int
    skip: int
    sort: str
    after: str | None

    def cut(self, found: list[T], key: Callable[[T], str], name: Callable[[T], str] | None = None) -> list[T]:
        """Cut this page out of a short list, oldest first, that is there as a whole; `name` is what `name` sorts by."""
        ordered = found[::-1] if self.sort == "-dateCreated" else found
        if self.sort == "name" and name:
            ordered = sorted(found, key=name)
        if self.after:
            ordered = self._behind(ordered, self.after, key)
        return ordered[self.skip : self.skip + self.limit]

    def _behind(self, ordered: list[T], after: str, key: Callable[[T], str]) -> list[T]:
        place = next((place for place, one in enumerate(ordered, 1) if key(one) == after), None)
        if place is not None:
            return ordered[place:]
        if self.sort == "name":
            raise UnfitError("/after", "That one is gone: begin the walk anew.")
        # It went meanwhile. A uid begins with its moment, so that its place is still known.
        newest_first = self.sort == "-dateCreated"
        return [one for one in ordered if (key(one) < after) is newest_first]

    def link(self, path: str, last: str, found: int, filters: Mapping[str, str] | None = None) -> Headers:
        """Return the `Link` header to the page behind `last`, if this page is full. RFC 8288."""
        if found < self.limit:
            return ()
        query = {"limit": self.limit, "after": last} | ({"sort": self.sort} if self.sort else {}) | dict(filters or {})
        return (("link", f'<{path}?{urlencode(query)}>; rel="next"'),)


def page(query: Mapping[str, str], filters: Collection[str] = (), sorts: Sequence[str] = SORTS) -> Page:
    """Read the query of a list. Raises `UnfitError` for what is unknown, unreadable or out of range.

    `filters` are parameters that the list reads itself, `sorts` the orders that it knows.
    """
    only(query, {*QUERY, *filters})
    sort, after = query.get("sort"), query.get("after")
    if sort is not None and sort not in sorts:
        raise UnfitError("/sort", f"Sort by {' or by '.join(map(repr, sorts))}.")
    if after is not None and not is_uid(after):
        raise UnfitError("/after", "Give the uid of the last one that you have.")
    return Page(
        limit=_number(query, "limit", 100, 1, _MAX_LIMIT),
        skip=_number(query, "skip", 0, 0, _MAX_SKIP),
        sort=sort or "",
        after=after,
    )


def only(query: Mapping[str, str], known: Collection[str]) -> Mapping[str, str]:
    """Return a query of which every parameter is known. Raises `UnfitError` for the first that is not."""
    if unknown := sorted(set(query) - set(known)):
        raise UnfitError(f"/{unknown[0]}", "This list does not know that query parameter.")
    return query


def _number(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise UnfitError(f"/{name}", f"A whole number from {least} to {most} is wanted.")
    return int(text)
