"""What a handler returns, and what it is given."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from sallyport.kernel.caller import Caller, Client

B = TypeVar("B")
Headers = tuple[tuple[str, str], ...]


class Answer(msgspec.Struct, frozen=True):
    """A granted request: what goes out, as a wire struct, or as text or bytes of the media type."""

    body: Any = None
    status: int = 200
    headers: Headers = ()
    media_type: str = "application/json"


class Credential(msgspec.Struct, frozen=True):
    """The Authorization header, split at its first space."""

    scheme: str
    value: str


class Ask(msgspec.Struct, Generic[B], frozen=True, kw_only=True):
    """A request that passed the gate, with everything parsed."""

    caller: Caller | None
    credential: Credential | None
    target: str
    """The user that the path names, `me` resolved; empty where the path names none."""
    params: Mapping[str, str]
    query: Mapping[str, str]
    path: str
    client: Client
    body: B

    @property
    def me(self) -> Caller:
        """The caller of a route that only signed-in users reach."""
        if self.caller is None:
            message = "this route is not declared for signed-in users"
            raise LookupError(message)
        return self.caller

    @property
    def own(self) -> bool:
        """Whether the path names the caller."""
        return self.me.uid == self.target
