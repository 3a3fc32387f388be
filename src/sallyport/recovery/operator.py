"""What the operator on the host asks of recovery. None of it is a route of the service: over HTTP it is not there."""

from typing import Any

import msgspec

from sallyport.edge.answers import Answer, Ask
from sallyport.edge.endpoint import Endpoint, Nothing, Who
from sallyport.kernel.clock import SECOND
from sallyport.kernel.outcomes import Refused, Why
from sallyport.notices.flow.tokens import LIFETIME, Purpose
from sallyport.notices.rules import link
from sallyport.recovery.flow.issue import IssueRecovery
from sallyport.recovery.rules import RECOVER_PAGE


class RecoveryToken(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What lets a user set a new password, once."""

    uid: str
    token: str
    url: str
    expires_in: int
    """Seconds."""


class RecoveryDesk:
    """One wish: a token for a user who can't be mailed to."""

    def __init__(self, issue: IssueRecovery, public_url: str) -> None:
        self._issue = issue
        self._public_url = public_url

    async def issue(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `POST /users/{id}/recovery-token`."""
        token = await self._issue(ask.me, ask.target)
        if isinstance(token, Refused):
            return token
        told = RecoveryToken(
            uid=ask.target,
            token=token.reveal(),
            url=link(self._public_url, RECOVER_PAGE, ask.target, token),
            expires_in=LIFETIME[Purpose.RECOVERY] // SECOND,
        )
        return Answer(told, status=201)

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare what the operator may ask, in the way of a route."""
        return [
            Endpoint(
                method="POST",
                path="/users/{id}/recovery-token",
                summary="Make a token that sets a user's password",
                who=Who.TRUSTED,
                body=Nothing,
                handle=self.issue,
                answers={201: RecoveryToken},
                refusals=(Why.LIMIT_REACHED,),
            )
        ]
