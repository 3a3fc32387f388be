"""All pages: finds the one of a path."""

from collections.abc import Iterable, Mapping
from typing import Final

from starlette.types import Receive, Scope

from sallyport.edge.answers import Answer
from sallyport.edge.front import Found
from sallyport.edge.resource import Allowed
from sallyport.kernel.outcomes import Refused, Why
from sallyport.pages.assets import Assets
from sallyport.pages.places import Places
from sallyport.pages.resource import Doorman, PageResource
from sallyport.pages.visit import Page, moved

_ASSETS: Final = "/ui/static/"
_NOTHING_HERE: Final = Page(path="/ui/{none}")


class Site:
    """Everything below `/ui`, and the way there for a browser that asks for `/`."""

    def __init__(self, pages: Iterable[Page], assets: Assets, doorman: Doorman) -> None:
        self._pages = {page.path: PageResource(page, doorman) for page in pages}
        self._places = Places(self._pages)
        self._files = AssetResource(assets)
        self._nothing = Nowhere(_NOTHING_HERE, doorman)
        self._root = Root()

    def __call__(self, path: str) -> Found | None:
        """Return what serves a path, or None where it is none of the pages'."""
        if path == "/":
            return self._root, {}
        if path != "/ui" and not path.startswith("/ui/"):
            return None
        if path.startswith(_ASSETS):
            return self._files, {"path": path}
        found = self._places.find(path)
        return (self._pages[found[0]], found[1]) if found else (self._nothing, {})


class Nowhere(PageResource):
    """Where there is no page."""

    async def answer(
        self,
        scope: Scope,  # noqa: ARG002  # as every page is asked
        receive: Receive,  # noqa: ARG002  # as above
        params: Mapping[str, str],  # noqa: ARG002  # as above
        request_id: str,  # noqa: ARG002  # as above
    ) -> Answer | Refused | Allowed:
        """Say that there is nothing."""
        return Refused(why=Why.NOT_FOUND)


class Root:
    """The bare address: people who open it in a browser are led to the pages; for clients it is as unknown as ever."""

    path = "/"

    async def answer(
        self,
        scope: Scope,
        receive: Receive,  # noqa: ARG002  # as everything that is served is asked
        params: Mapping[str, str],  # noqa: ARG002  # as above
        request_id: str,  # noqa: ARG002  # as above
    ) -> Answer | Refused | Allowed:
        """Answer one request."""
        wants_page = any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
        if scope["method"] in {"GET", "HEAD"} and wants_page:
            return moved("/ui")
        return Refused(why=Why.NOT_FOUND)

    def show(self, refused: Refused | Allowed, scope: Scope) -> Answer | Refused | Allowed:  # noqa: ARG002  # as above
        """Return a refusal as it is."""
        return refused


class AssetResource(Root):
    """Style, script, pictures."""

    path = "/ui/static"

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    async def answer(
        self,
        scope: Scope,
        receive: Receive,  # noqa: ARG002  # as above
        params: Mapping[str, str],
        request_id: str,  # noqa: ARG002  # as above
    ) -> Answer | Refused | Allowed:
        """Answer one request."""
        if scope["method"] not in {"GET", "HEAD"}:
            return Allowed("GET, HEAD")
        return self._assets.find(params["path"]) or Refused(why=Why.NOT_FOUND)
