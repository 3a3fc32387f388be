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
from sallyport.kernel.opaque import digest_of
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.text import bounded
from sallyport.login.rules import By, Identifier
from sallyport.rescue.flow import LostDevice
from sallyport.rescue.undo import UndoRemoval

_DOORS: Final = (Why.INVALID_CREDENTIALS, Why.THROTTLED, Why.OVERLOADED)


class LostBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /users/{id}/recover/mfa`."""

    password: Annotated[str, Meta(max_length=4096)]


class LostAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What to read out to the help desk."""

    caller_code: str
    expires_in: int


class UndoBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /users/{id}/undo`."""

    token: Annotated[str, Meta(max_length=4096)]
    password: Annotated[str, Meta(max_length=4096)]


def _parse(body: LostBody) -> Hidden[str]:
    return parse_password(body.password, "/password")


class RescueRoutes:
    """The routes for one who lost their second factors."""

    def __init__(self, lost: LostDevice, undo: UndoRemoval) -> None:
        self._lost = lost
        self._undo = undo

    async def lost(self, ask: Ask[Hidden[str]]) -> Answer | Refused:
        """Answer `POST /users/{id}/recover/mfa`."""
        code = await self._lost(Identifier(By.UID, ask.target), ask.body, ask.client)
        if isinstance(code, Refused):
            return code
        return Answer(LostAnswer(caller_code=code.reveal(), expires_in=CODE_LIFETIME // SECOND), status=202)

    async def undo(self, ask: Ask[UndoBody]) -> Answer | Refused:
        """Answer `POST /users/{id}/undo`."""
        token = digest_of(Hidden(bounded("/token", ask.body.token)))
        password = parse_password(ask.body.password, "/password")
        return await self._undo(ask.target, token, password, ask.client) or Answer(status=204)

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
            Endpoint(
                method="POST",
                path="/users/{id}/undo",
                summary="Bring back a removed authenticator app, with the token of the notice and the password",
                who=Who.ANYONE,
                body=UndoBody,
                handle=self.undo,
                answers={204: None},
                refusals=(*_DOORS, Why.TOKEN_INVALID, Why.LIMIT_REACHED),
            ),
        ]
