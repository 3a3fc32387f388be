"""Recovery and verification on the wire."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sallyport.authenticators.password.rules import parse_password
from sallyport.edge.answers import Answer, Ask
from sallyport.edge.endpoint import Endpoint, Nothing, Who
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import is_uid
from sallyport.kernel.opaque import digest_of
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.text import bounded
from sallyport.login.rules import By, Identifier, parse_identifier
from sallyport.recovery.flow.ask import AskRecovery
from sallyport.recovery.flow.disown import Disown
from sallyport.recovery.flow.reset import SetPasswordByMail
from sallyport.recovery.flow.verify import SendVerification, VerifyAddress

Field = Annotated[str, Meta(max_length=4096)]


class IdentifierBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who has forgotten a password: a name, a verified address, or a uid."""

    identifier: Field


class NewPasswordBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mailed token, and the password that it sets."""

    token: Field
    password: Field


class TokenBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mailed token."""

    token: Field


class RecoveryRoutes:
    """The routes of recovery and verification."""

    def __init__(
        self,
        *,
        ask: AskRecovery,
        reset: SetPasswordByMail,
        send: SendVerification,
        verify: VerifyAddress,
        disown: Disown,
    ) -> None:
        self._ask = ask
        self._reset = reset
        self._send = send
        self._verify = verify
        self._disown = disown

    async def ask_by_uid(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}/recover`."""
        if not is_uid(ask.target):  # `me` stands for a caller, and here is none
            return Refused(why=Why.NOT_FOUND)
        await self._ask(Identifier(By.UID, ask.target), ask.client)
        return Answer(status=202)

    async def ask_by_identifier(self, ask: Ask[IdentifierBody]) -> Answer | Refused:
        """Answer `POST /users/recover`."""
        await self._ask(parse_identifier(bounded("/identifier", ask.body.identifier)), ask.client)
        return Answer(status=202)

    async def reset(self, ask: Ask[NewPasswordBody]) -> Answer | Refused:
        """Answer `POST /users/{id}/recover`."""
        password = parse_password(ask.body.password, "/password")
        token = digest_of(Hidden(bounded("/token", ask.body.token)))
        known = await self._reset(ask.target, token, password, ask.client)
        if isinstance(known, Refused):
            return known
        return Answer(status=204, headers=(("x-sallyport-client", known.reveal()),))

    async def send(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `POST /users/{id}/verify/send`."""
        return await self._send(ask.me) or Answer(status=202)

    async def verify(self, ask: Ask[TokenBody]) -> Answer | Refused:
        """Answer `POST /users/{id}/verify`."""
        token = digest_of(Hidden(bounded("/token", ask.body.token)))
        return await self._verify(ask.target, token, ask.client) or Answer(status=204)

    async def disown(self, ask: Ask[TokenBody]) -> Answer | Refused:
        """Answer `POST /users/{id}/not-me`."""
        token = digest_of(Hidden(bounded("/token", ask.body.token)))
        return await self._disown(ask.target, token, ask.client) or Answer(status=204)

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        return [
            Endpoint(
                method="GET",
                path="/users/{id}/recover",
                summary="Have a link mailed that sets a new password",
                who=Who.ANYONE,
                body=Nothing,
                handle=self.ask_by_uid,
                answers={202: None},
                refusals=(Why.NOT_FOUND,),
            ),
            Endpoint(
                method="POST",
                path="/users/recover",
                summary="Have a link mailed that sets a new password",
                who=Who.ANYONE,
                body=IdentifierBody,
                handle=self.ask_by_identifier,
                answers={202: None},
            ),
            Endpoint(
                method="POST",
                path="/users/{id}/recover",
                summary="Set a new password with a mailed token; the answer has `X-Sallyport-Client`",
                who=Who.ANYONE,
                body=NewPasswordBody,
                handle=self.reset,
                answers={204: None},
                refusals=(Why.TOKEN_INVALID, Why.PASSWORD_REJECTED, Why.THROTTLED, Why.OVERLOADED),
            ),
            Endpoint(
                method="POST",
                path="/users/{id}/verify/send",
                summary="Have a link mailed that verifies the address",
                who=Who.OWNER,
                body=Nothing,
                handle=self.send,
                answers={202: None},
            ),
            Endpoint(
                method="POST",
                path="/users/{id}/verify",
                summary="Verify the address with a mailed token",
                who=Who.ANYONE,
                body=TokenBody,
                handle=self.verify,
                answers={204: None},
                refusals=(Why.TOKEN_INVALID, Why.EMAIL_TAKEN, Why.THROTTLED),
            ),
            Endpoint(
                method="POST",
                path="/users/{id}/not-me",
                summary="Say with the token of a notice that it was not you: sessions end, API keys are suspended",
                who=Who.ANYONE,
                body=TokenBody,
                handle=self.disown,
                answers={204: None},
                refusals=(Why.TOKEN_INVALID, Why.THROTTLED),
            ),
        ]
