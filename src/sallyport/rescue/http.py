"""The way back on the wire."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from sallyport.authenticators.password.rules import parse_password
from sallyport.desk.rules import CODE_LIFETIME
from sallyport.edge.answers import Answer, Ask
from sallyport.edge.endpoint import Endpoint, Who
from sallyport.kernel.clock import SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused, Why
from sallyport.rescue.flow import LostDevice

_DOORS: Final = (Why.INVALID_CREDENTIALS, Why.THROTTLED, Why.OVERLOADED)


class LostBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /users/{id}/recover/mfa`."""

    password: Annotated[str, Meta(max_length=4096)]


class LostAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What to read out to the help desk."""

    caller_code: str
    expires_in: int


def _parse(body: LostBody) -> Hidden[str]:
    return parse_password(body.password, "/password")


class RescueRoutes:
    """The routes for one who lost their second factors."""

    def __init__(self, lost: LostDevice) -> None:
        self._lost = lost

    async def lost(self, ask: Ask[Hidden[str]]) -> Answer | Refused:
        """Answer `POST /users/{id}/recover/mfa`."""
        code = await self._lost(ask.target, ask.body, ask.client)
        if isinstance(code, Refused):
            return code
        return Answer(LostAnswer(caller_code=code.reveal(), expires_in=CODE_LIFETIME // SECOND), status=202)

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        return [
            Endpoint(
                method="POST",
                path="/users/{id}/recover/mfa",
                summary="Say that every second factor is lost, with the password",
                who=Who.ANYONE,
                body=LostBody,
                parse=_parse,
                handle=self.lost,
                answers={202: LostAnswer},
                refusals=_DOORS,
            ),
        ]
