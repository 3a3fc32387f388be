"""The routes of login."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sallyport.authenticators.codes import parse_code
from sallyport.authenticators.password.rules import parse_password
from sallyport.edge.answers import Answer, Ask, Credential
from sallyport.edge.auth_token import AuthToken, MfaState, auth_token
from sallyport.edge.client import client_cookie, client_cookie_header
from sallyport.edge.endpoint import Endpoint, Fresh, Nothing, Who
from sallyport.kernel.clock import SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import digest_of
from sallyport.kernel.outcomes import Granted, Refused, Why
from sallyport.kernel.text import UnfitError, bounded
from sallyport.login.flow.answer import AnswerChallenge
from sallyport.login.flow.begin import WRONG, BeginLogin, Challenged
from sallyport.login.flow.elevate import Elevate
from sallyport.login.flow.register import Register, Registered, Registration
from sallyport.login.rules import Credentials, parse_basic, parse_identifier
from sallyport.throttle.flow.known_clients import LIFETIME
from sallyport.users.http import UserBody, UserFields, Wanted, forbidden, view, wanted

Field = Annotated[str, Meta(max_length=4096)]
_REGISTERING: Final = (
    *(Why.UNAUTHENTICATED, Why.FORBIDDEN, Why.FIELD_FORBIDDEN),
    *(Why.NAME_TAKEN, Why.PASSWORD_REJECTED, Why.OVERLOADED),
)
_TOKEN_SCHEMES: Final = ("jwt", "bearer")


class NewUser(UserFields, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /users`."""

    name: Field
    password: Field | UnsetType = UNSET


class RegisteredBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A new account; tokens only for one who registered alone."""

    user_uid: str
    user: UserBody
    token: str | UnsetType = UNSET
    refresh: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    expires_in: int | UnsetType = UNSET
    mfa: MfaState | UnsetType = UNSET


class PasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /auth/password`, for clients that send no Basic header."""

    identifier: Field | UnsetType = UNSET
    password: Field | UnsetType = UNSET


class ChallengeBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a password gives where MFA is on: no session yet."""

    token: str
    type: str
    user_uid: str
    expires_in: int
    factors: tuple[str, ...]


class CodeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /auth/totp`; the challenge may stand in it or in the Authorization header."""

    token: Field | int | UnsetType = UNSET
    challenge: Field | UnsetType = UNSET


class ElevateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /auth/elevate`; `token` is wanted where MFA is on."""

    password: Field
    token: Field | int | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """The body of a registration, parsed."""

    wanted: Wanted[NewUser]
    password: Hidden[str] | None


def _newcomer(body: NewUser) -> Newcomer:
    password = None if isinstance(body.password, UnsetType) else parse_password(body.password, "/password")
    return Newcomer(wanted=wanted(body), password=password)


class LoginRoutes:
    """Registration, the two doors, and the fresh proof."""

    def __init__(
        self,
        *,
        register: Register,
        begin: BeginLogin,
        answer: AnswerChallenge,
        elevate: Elevate,
        https: bool,
    ) -> None:
        self._cookie = client_cookie(https=https)
        self._register = register
        self._begin = begin
        self._answer = answer
        self._elevate = elevate

    async def register(self, ask: Ask[Newcomer]) -> Answer | Refused:
        """Answer `POST /users`."""
        desk = ask.caller if ask.caller and ask.caller.trusted else None
        body, fields = ask.body.wanted.body, ask.body.wanted.fields
        wish = Registration(
            fields={**fields, "disabled": desk is not None and body.disabled is True},
            password=ask.body.password,
            forbidden=forbidden(body, frozenset({"disabled"}) if desk else frozenset()),
        )
        outcome = await self._register(desk, wish, ask.client)
        if isinstance(outcome, Refused):
            return outcome
        location = f"{ask.path}/{outcome.user.uid}"
        return Answer(_registered(outcome), status=201, headers=(("location", location),))

    async def begin(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /auth/password`."""
        return await self._judged(ask, UNSET, UNSET)

    async def begin_by_post(self, ask: Ask[PasswordBody]) -> Answer | Refused:
        """Answer `POST /auth/password`."""
        return await self._judged(ask, ask.body.identifier, ask.body.password)

    async def _judged(self, ask: Ask[Any], identifier: str | UnsetType, password: str | UnsetType) -> Answer | Refused:
        shown = _shown(ask.credential, identifier, password)
        if isinstance(shown, Refused):
            return shown
        typed = parse_password(shown.value.reveal(), "/password")
        claimed = parse_identifier(bounded("/identifier", shown.identifier))
        outcome = await self._begin(claimed, typed, ask.client)
        match outcome:
            case Refused():
                return outcome
            case Challenged():
                return Answer(_challenge(outcome))
            case _:
                return self._logged_in(outcome)

    async def answer(self, ask: Ask[CodeBody]) -> Answer | Refused:
        """Answer `POST /auth/totp`."""
        challenge = _challenge_shown(ask.credential, ask.body.challenge)
        if isinstance(challenge, Refused):
            return challenge
        if isinstance(ask.body.token, UnsetType):
            raise UnfitError("/token", "Send the code as 'token'.")
        granted = await self._answer(digest_of(challenge), parse_code(ask.body.token), ask.client)
        return granted if isinstance(granted, Refused) else self._logged_in(granted)

    def _logged_in(self, granted: Granted) -> Answer:
        if granted.client is None:
            return Answer(auth_token(granted))
        known = client_cookie_header(self._cookie, granted.client, seconds=LIFETIME // SECOND)
        return Answer(auth_token(granted), headers=(known,))

    async def elevate(self, ask: Ask[ElevateBody]) -> Answer | Refused:
        """Answer `POST /auth/elevate`."""
        code = None if isinstance(ask.body.token, UnsetType) else parse_code(ask.body.token)
        granted = await self._elevate(ask.me, parse_password(ask.body.password, "/password"), code)
        return granted if isinstance(granted, Refused) else Answer(auth_token(granted))

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        doors = (Why.INVALID_CREDENTIALS, Why.UNAUTHENTICATED, Why.THROTTLED, Why.OVERLOADED)
        return [
            Endpoint(
                method="POST",
                path="/users",
                summary="Register, or make an account for another",
                who=Who.VISITOR,
                body=NewUser,
                parse=_newcomer,
                fresh=Fresh.FOR_OTHERS,
                handle=self.register,
                answers={201: RegisteredBody},
                refusals=_REGISTERING,
            ),
            Endpoint(
                method="GET",
                path="/auth/password",
                summary="Log in with a Basic header",
                who=Who.ANYONE,
                body=Nothing,
                handle=self.begin,
                answers={200: (AuthToken, ChallengeBody)},
                refusals=doors,
                schemes=("basic",),
            ),
            Endpoint(
                method="POST",
                path="/auth/password",
                summary="Log in with a Basic header or a body",
                who=Who.ANYONE,
                body=PasswordBody,
                handle=self.begin_by_post,
                answers={200: (AuthToken, ChallengeBody)},
                refusals=doors,
                schemes=("basic",),
            ),
            Endpoint(
                method="POST",
                path="/auth/totp",
                summary="Answer a challenge with a code or a backup code",
                who=Who.ANYONE,
                body=CodeBody,
                handle=self.answer,
                answers={200: AuthToken},
                refusals=(Why.CHALLENGE_INVALID, Why.WRONG_LOGIN_CODE, Why.THROTTLED, Why.OVERLOADED),
                schemes=("challenge",),
            ),
            Endpoint(
                method="POST",
                path="/auth/elevate",
                summary="Renew the proof of this session",
                who=Who.SIGNED_IN,
                body=ElevateBody,
                handle=self.elevate,
                answers={200: AuthToken},
                refusals=(Why.INVALID_CREDENTIALS, Why.WRONG_LOGIN_CODE, Why.THROTTLED, Why.OVERLOADED),
                while_unenrolled=True,
            ),
        ]


def _shown(
    credential: Credential | None, identifier: str | UnsetType, password: str | UnsetType
) -> Credentials | Refused:
    """Return the credentials of a request, from its Basic header or its body; both must say the same."""
    in_body = None
    if not isinstance(identifier, UnsetType) and not isinstance(password, UnsetType):
        in_body = Credentials(identifier, Hidden(password))
    elif not (isinstance(identifier, UnsetType) and isinstance(password, UnsetType)):
        raise UnfitError("/", "Send 'identifier' and 'password' together.")
    if credential is None:
        return in_body or Refused(why=Why.UNAUTHENTICATED)
    in_header = parse_basic(credential.value) if credential.scheme == "basic" else None
    if in_header is None:
        return WRONG
    if in_body and (in_body.identifier, in_body.value.reveal()) != (
        in_header.identifier,
        in_header.value.reveal(),
    ):
        raise UnfitError("/", "The header and the body name different credentials.")
    return in_header


def _challenge_shown(credential: Credential | None, in_body: str | UnsetType) -> Hidden[str] | Refused:
    """Return the challenge of a request, from its header or its body; both must say the same."""
    in_header = credential.value if credential and credential.scheme in _TOKEN_SCHEMES else None
    if in_header is not None and not isinstance(in_body, UnsetType) and in_header != in_body:
        raise UnfitError("/challenge", "The header and the body name different challenges.")
    challenge = in_header if isinstance(in_body, UnsetType) else in_body
    return Refused(why=Why.CHALLENGE_INVALID) if challenge is None else Hidden(challenge)


def _challenge(challenged: Challenged) -> ChallengeBody:
    return ChallengeBody(
        token=challenged.token.reveal(),
        type="CHALLENGE",
        user_uid=challenged.user,
        expires_in=challenged.expires_in,
        factors=("totp", "backup_code"),
    )


def _registered(outcome: Registered) -> RegisteredBody:
    body = RegisteredBody(user_uid=outcome.user.uid, user=view(outcome.user, own=outcome.granted is not None))
    if outcome.granted is None:
        return body
    tokens = auth_token(outcome.granted)
    return msgspec.structs.replace(
        body,
        token=tokens.token,
        refresh=tokens.refresh,
        type=tokens.type,
        expires_in=tokens.expires_in,
        mfa=tokens.mfa,
    )
