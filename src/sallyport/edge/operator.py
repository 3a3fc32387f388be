"""The declared routes without HTTP: for the operator at the command line of the host, on the same handlers.

Nothing here reads a request or a credential. Whoever may open the database and its keys is who they are: ADR 28.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final, assert_never

import msgspec

from sallyport.edge.answers import Answer, Ask
from sallyport.edge.body import Body
from sallyport.edge.endpoint import Endpoint, Nothing, Who, path_pattern
from sallyport.edge.problems import Problem, document
from sallyport.kernel.caller import ON_HOST, OPERATOR
from sallyport.kernel.outcomes import Overloaded, Refused, Why
from sallyport.kernel.text import UnfitError

Exists = Callable[[str], Awaitable[bool]]
"""Tells whether there is a user of this uid."""

_NOTHING: Final = Nothing()
_FOR_CLIENTS: Final = Refused(why=Why.FORBIDDEN, detail="That is for clients of the service, not for its host.")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asks for, in the words of a request."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes


class OperatorDesk:
    """Answers as the front answers a trusted caller, but for one who is above every trusted role."""

    def __init__(self, endpoints: Iterable[Endpoint[Any]], exists: Exists, close: Callable[[], None]) -> None:
        self._known: list[tuple[Endpoint[Any], re.Pattern[str]]] = []
        self._unknown = iter(endpoints)
        self._exists = exists
        self.close = close
        """Gives the database back."""

    async def ask(self, wish: Wish) -> Answer | Problem:
        """Return an answer, or the problem document of a refusal. Raises `StorageUnavailableError`."""
        try:
            outcome = await self._outcome(wish)
        except UnfitError as unfit:
            outcome = Refused(why=Why.INVALID_REQUEST, pointer=unfit.pointer, detail=unfit.detail)
        except Overloaded:
            outcome = Refused(why=Why.OVERLOADED)
        return document(outcome, request_id="") if isinstance(outcome, Refused) else outcome

    async def _outcome(self, wish: Wish) -> Answer | Refused:
        for endpoint, pattern in chain(self._known, self._found_out()):
            if endpoint.method == wish.method and (found := pattern.fullmatch(wish.path)):
                return await self._handled(endpoint, found.groupdict(), wish)
        return Refused(why=Why.NOT_FOUND)

    def _found_out(self) -> Iterator[tuple[Endpoint[Any], re.Pattern[str]]]:
        """Yield routes that no question has come to so far: they are built by then, and imported."""
        for endpoint in self._unknown:
            self._known.append((endpoint, path_pattern(endpoint.path)))
            yield self._known[-1]

    async def _handled(self, endpoint: Endpoint[Any], params: Mapping[str, str], wish: Wish) -> Answer | Refused:
        if refused := _reach(endpoint):
            return refused
        target = params.get("id", "") if endpoint.of_user else ""
        if target and not await self._exists(target):
            return Refused(why=Why.NOT_FOUND)
        read = _NOTHING if wish.method == "GET" else Body(endpoint.body).read(wish.body or b"{}")
        if isinstance(read, Refused):
            return read
        ask = Ask(
            caller=OPERATOR,
            credential=None,
            target=target,
            params=params,
            query=wish.query,
            path=wish.path,
            client=ON_HOST,
            body=endpoint.parse(read) if endpoint.parse else read,
        )
        return await endpoint.handle(ask)


def _reach(endpoint: Endpoint[Any]) -> Refused | None:
    """Judge whether a route is for the operator. That a user holds a trusted role too is no hindrance here."""
    if endpoint.path.startswith("/auth/"):
        return _FOR_CLIENTS
    match endpoint.who:
        case Who.SIGNED_IN | Who.VISITOR | Who.TRUSTED | Who.RULER:
            return None
        case Who.OWNER_OR_TRUSTED | Who.OWNER_OR_DESK | Who.OWNER_OR_DESK_OPEN | Who.DESK:
            return None
        case Who.OWNER:  # ASVS 6.4.6: nobody chooses a password for somebody else, or holds their authenticator
            return Refused(why=Why.FORBIDDEN, detail="Only the user does that: say --url, and log in as the user.")
        case Who.ANYONE | Who.LOCAL:
            return _FOR_CLIENTS
        case _:
            assert_never(endpoint.who)
