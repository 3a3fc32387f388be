"""The way back on the wire."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sallyport.authenticators.codes import Code, NoCode, parse_backup_code
from sallyport.authenticators.password.rules import parse_password
from sallyport.desk.rules import CODE_LIFETIME
from sallyport.edge.answers import Answer, Ask
from sallyport.edge.auth_token import AuthToken, auth_token
from sallyport.edge.endpoint import Endpoint, Fresh, Nothing, Who
from sallyport.edge.paging import QUERY, page
from sallyport.edge.reason import Reasoned, parse_reasoned, reason_in
from sallyport.kernel.clock import SECOND, rfc3339
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import Digest, digest_of
from sallyport.kernel.outcomes import Granted, Refused, Why
from sallyport.kernel.text import UnfitError, bounded
from sallyport.login.rules import By, Identifier
from sallyport.rescue.flow import LostDevice
from sallyport.rescue.recover import Proofs, RecoverSecondFactor
from sallyport.rescue.resets import Resets
from sallyport.rescue.rules import Reset
from sallyport.rescue.undo import UndoRemoval

_DOORS: Final = (Why.INVALID_CREDENTIALS, Why.THROTTLED, Why.OVERLOADED)


class LostBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /users/{id}/recover/mfa`."""

    password: Annotated[str, Meta(max_length=4096)]
    token: Annotated[str, Meta(max_length=4096)] | UnsetType = UNSET
    """Of the mail that the password alone brings."""
    code: Annotated[str, Meta(max_length=4096)] | UnsetType = UNSET
    """A backup code; without it the reset waits."""


class ResetBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Second factors that are to be reset, because their owner says that all are lost."""

    uid: str
    user_id: str
    date_created: str
    ends: str
    """From when on it may be taken, with the password and a newly mailed token; until then any login with a second
    factor cancels it."""
    expires: str
    """Until when it may be taken."""


class CancelBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /users/{id}/recover/mfa/cancel`."""

    token: Annotated[str, Meta(max_length=4096)]


class LostAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What to read out to the help desk."""

    caller_code: str
    expires_in: int


class UndoBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /users/{id}/undo`."""

    token: Annotated[str, Meta(max_length=4096)]
    password: Annotated[str, Meta(max_length=4096)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What one shows who has lost every second factor."""

    password: Hidden[str]
    token: Digest | None
    code: Code | None


def parse_lost(body: LostBody) -> Lost:
    """Read what is shown. Raises `UnfitError`."""
    password = parse_password(body.password, "/password")
    if isinstance(body.token, UnsetType):
        if not isinstance(body.code, UnsetType):
            raise UnfitError("/token", "Beside a backup code the token of the mail is needed, too.")
        return Lost(password=password, token=None, code=None)
    token = digest_of(Hidden(bounded("/token", body.token)))
    if isinstance(body.code, UnsetType):
        return Lost(password=password, token=token, code=None)
    return Lost(password=password, token=token, code=parse_backup_code(bounded("/code", body.code)) or NoCode())


class RescueRoutes:
    """The routes for one who lost their second factors."""

    def __init__(self, *, lost: LostDevice, recover: RecoverSecondFactor, resets: Resets, undo: UndoRemoval) -> None:
        self._lost = lost
        self._recover = recover
        self._resets = resets
        self._undo = undo

    async def lost(self, ask: Ask[Lost]) -> Answer | Refused:
        """Answer `POST /users/{id}/recover/mfa`."""
        shown = ask.body
        if shown.token:
            proofs = Proofs(user=ask.target, token=shown.token, password=shown.password, code=shown.code)
            return _recovered(await self._recover(proofs, ask.client))
        code = await self._lost(Identifier(By.UID, ask.target), shown.password, ask.client)
        if isinstance(code, Refused):
            return code
        return Answer(LostAnswer(caller_code=code.reveal(), expires_in=CODE_LIFETIME // SECOND), status=202)

    async def undo(self, ask: Ask[UndoBody]) -> Answer | Refused:
        """Answer `POST /users/{id}/undo`."""
        token = digest_of(Hidden(bounded("/token", ask.body.token)))
        password = parse_password(ask.body.password, "/password")
        return await self._undo(ask.target, token, password, ask.client) or Answer(status=204)

    async def show(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}/recover/mfa`."""
        found = await self._resets.of(ask.target)
        return Answer(_told(found)) if found else Refused(why=Why.NOT_FOUND)

    async def show_all(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /mfa-resets`."""
        part = page(ask.query, sorts=())
        found = await self._resets.all(after=part.after, limit=part.limit, skip=part.skip)
        link = part.link(ask.path, found[-1].uid, len(found)) if found else ()
        return Answer([_told(reset) for reset in found], headers=link)

    async def cancel(self, ask: Ask[Reasoned]) -> Answer | Refused:
        """Answer `DELETE /users/{id}/recover/mfa`."""
        return await self._resets.cancel(ask.me, ask.target, reason_in(ask.body)) or Answer(status=204)

    async def cancel_by_mail(self, ask: Ask[CancelBody]) -> Answer | Refused:
        """Answer `POST /users/{id}/recover/mfa/cancel`."""
        token = digest_of(Hidden(bounded("/token", ask.body.token)))
        return await self._resets.cancel_by_mail(ask.target, token, ask.client) or Answer(status=204)

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        return [*self._ways_back(), *self._looks(), *self._cancelling()]

    def _ways_back(self) -> list[Endpoint[Any]]:
        return [
            Endpoint(
                method="POST",
                path="/users/{id}/recover/mfa",
                summary="Say that every second factor is lost: with the password, then the mailed token, and a code",
                who=Who.ANYONE,
                body=LostBody,
                parse=parse_lost,
                handle=self.lost,
                answers={202: (LostAnswer, ResetBody), 200: AuthToken},
                refusals=(*_DOORS, Why.TOKEN_INVALID, Why.WRONG_ENROLLMENT_CODE, Why.FORBIDDEN),
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

    def _looks(self) -> list[Endpoint[Any]]:
        return [
            Endpoint(
                method="GET",
                path="/users/{id}/recover/mfa",
                summary="Read the reset of second factors that waits for a user",
                who=Who.OWNER_OR_TRUSTED,
                body=Nothing,
                handle=self.show,
                answers={200: ResetBody},
                refusals=(Why.NOT_FOUND,),
            ),
            Endpoint(
                method="GET",
                path="/mfa-resets",
                summary="List resets of second factors that wait, oldest first",
                who=Who.TRUSTED,
                body=Nothing,
                handle=self.show_all,
                answers={200: list[ResetBody]},
                refusals=(Why.INVALID_REQUEST,),
                query={name: meaning for name, meaning in QUERY.items() if name != "sort"},
            ),
        ]

    def _cancelling(self) -> list[Endpoint[Any]]:
        return [
            Endpoint(
                method="DELETE",
                path="/users/{id}/recover/mfa",
                summary="Cancel the reset of second factors that waits for a user",
                who=Who.OWNER_OR_DESK,
                body=Reasoned,
                parse=parse_reasoned,
                handle=self.cancel,
                answers={204: None},
                refusals=(Why.NOT_FOUND, Why.STEP_UP_REQUIRED),
                fresh=Fresh.FOR_OTHERS,
                reasoned=True,
            ),
            Endpoint(
                method="POST",
                path="/users/{id}/recover/mfa/cancel",
                summary="Cancel the reset of second factors that a mail tells of, with its token",
                who=Who.ANYONE,
                body=CancelBody,
                handle=self.cancel_by_mail,
                answers={204: None},
                refusals=(Why.TOKEN_INVALID, Why.THROTTLED),
            ),
        ]


def _recovered(outcome: Granted | Reset | Refused) -> Answer | Refused:
    match outcome:
        case Granted():
            return Answer(auth_token(outcome))
        case Reset():
            return Answer(_told(outcome), status=202)
        case Refused():
            return outcome


def _told(reset: Reset) -> ResetBody:
    return ResetBody(
        uid=reset.uid,
        user_id=reset.user,
        date_created=rfc3339(reset.created_at),
        ends=rfc3339(reset.ends_at),
        expires=rfc3339(reset.expires_at),
    )
