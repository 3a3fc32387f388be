"""The routes about authenticators."""

from collections.abc import Mapping
from typing import Any, Final

from sallyport.authenticators.catalog import KINDS
from sallyport.authenticators.creation import Create
from sallyport.authenticators.flow import (
    DescribeAuthenticator,
    Description,
    ReadAuthenticators,
    RemoveAuthenticator,
)
from sallyport.authenticators.password.flow import ChangePassword, NewPassword
from sallyport.authenticators.rules import Authenticator, Plea
from sallyport.authenticators.totp.flow import Enroll
from sallyport.authenticators.wire import (
    EnrollBody,
    Enrollment,
    NewSecret,
    Removal,
    Rewrite,
    SecretBody,
    SecretChange,
    as_stored,
    first_changed,
    parse_change,
    parse_creation,
    parse_enrollment,
    parse_removal,
    told,
)
from sallyport.edge.answers import Answer, Ask
from sallyport.edge.auth_token import auth_token
from sallyport.edge.counts import Count
from sallyport.edge.endpoint import Endpoint, Fresh, Nothing, Who
from sallyport.edge.paging import QUERY, only, page
from sallyport.edge.pending import PendingBody, done
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.text import UnfitError

_HASHING = (Why.FIELD_FORBIDDEN, Why.PASSWORD_REJECTED, Why.PASSWORD_REQUIRED, Why.OVERLOADED)
_CREATING = (*_HASHING, Why.ALREADY_EXISTS, Why.LIMIT_REACHED, Why.MFA_NOT_ENABLED)
_WRONG_CODE = (Why.WRONG_ENROLLMENT_CODE, Why.CODE_OUT_OF_STEP, Why.THROTTLED)
_ENROLLABLE = (Why.NOT_FOUND, Why.ALREADY_ENROLLED, Why.PASSWORD_REQUIRED, Why.LIMIT_REACHED)
_ENROLLING = (*_WRONG_CODE, *_ENROLLABLE, Why.OVERLOADED)
_FILTERS: Final = {"type": "secrets of one type alone, for example `mfa`"}
_CHANGING = (*_HASHING, *_ENROLLING, Why.CURRENT_WRONG, Why.VERSION_CONFLICT)


class SecretRoutes:
    """Everything below `/users/{id}/secrets`."""

    def __init__(
        self,
        *,
        create: Create,
        read: ReadAuthenticators,
        describe: DescribeAuthenticator,
        remove: RemoveAuthenticator,
        change_password: ChangePassword,
        enroll: Enroll,
    ) -> None:
        self._create = create
        self._read = read
        self._describe = describe
        self._remove = remove
        self._change_password = change_password
        self._enroll = enroll

    async def change(self, ask: Ask[Enrollment | Rewrite]) -> Answer | Refused:
        """Answer `PUT /users/{id}/secrets/{sid}`."""
        wish = ask.body
        if not isinstance(wish, Rewrite):
            return await self._enrolled(ask, wish)
        if wish.passwords:
            return await self._password_changed(ask, wish, *wish.passwords)
        description = Description(
            uid=ask.params["sid"],
            version=wish.version,
            text=wish.description,
            keep=wish.keep_description,
            resume=wish.resume,
            forbidden=lambda stored: first_changed(wish.body, {**as_stored(stored), **_resumed(wish, stored)}),
        )
        outcome = await self._describe(ask.me, description)
        return outcome if isinstance(outcome, Refused) else Answer(told(outcome))

    async def enroll(self, ask: Ask[Enrollment]) -> Answer | Refused:
        """Answer `PUT /users/{id}/secrets/{sid}/enroll`."""
        return await self._enrolled(ask, ask.body)

    async def _enrolled(self, ask: Ask[Any], wish: Enrollment) -> Answer | Refused:
        found = await self._read.one(ask.target, ask.params["sid"])
        if not isinstance(found, Refused) and found.type != "mfa":
            raise UnfitError("/token", "Only a secret of type 'mfa' is enrolled.")
        outcome = await self._enroll(ask.me, ask.params["sid"], wish.code, keep_devices=wish.keep_devices)
        if isinstance(outcome, Refused):
            return outcome
        return Answer(told(outcome.told, codes=outcome.codes.reveal(), session=auth_token(outcome.granted)))

    async def _password_changed(
        self, ask: Ask[Any], wish: Rewrite, current: Hidden[str], new: Hidden[str]
    ) -> Answer | Refused:
        uid = ask.params["sid"]
        found = await self._read.one(ask.target, uid)
        if isinstance(found, Refused):
            return found
        if wish.version != found.version:
            return Refused(why=Why.VERSION_CONFLICT)
        if field := "secret" if found.type != "password" else first_changed(wish.body, as_stored(found)):
            return Refused(why=Why.FIELD_FORBIDDEN, pointer=f"/{field}")
        change = NewPassword(
            uid=uid,
            version=wish.version,
            current=current,
            new=new,
            description=wish.description,
            keep_description=wish.keep_description,
        )
        outcome = await self._change_password(ask.me, change)
        if isinstance(outcome, Refused):
            return outcome
        changed, granted = outcome
        return Answer(told(changed, session=auth_token(granted)))

    async def show_all(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}/secrets`."""
        wanted, type_ = page(ask.query, _FILTERS), _type(ask.query)
        found = wanted.cut(
            await self._read.all(ask.target, type_),
            key=lambda secret: secret.uid,
            name=lambda secret: (secret.description or "").casefold(),
        )
        kept = {} if type_ is None else {"type": type_}
        link = wanted.link(ask.path, found[-1].uid, len(found), kept) if found else ()
        return Answer([told(secret) for secret in found], headers=link)

    async def count(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}/secrets/count`."""
        return Answer(Count(len(await self._read.all(ask.target, _type(only(ask.query, _FILTERS))))))

    async def show(self, ask: Ask[Nothing]) -> Answer | Refused:
        """Answer `GET /users/{id}/secrets/{sid}`."""
        found = await self._read.one(ask.target, ask.params["sid"])
        return found if isinstance(found, Refused) else Answer(told(found))

    async def remove(self, ask: Ask[Plea]) -> Answer | Refused:
        """Answer `DELETE /users/{id}/secrets/{sid}`."""
        return done(await self._remove(ask.me, ask.target, ask.params["sid"], ask.body))

    async def remove_mfa(self, ask: Ask[Plea]) -> Answer | Refused:
        """Answer `DELETE /users/{id}/mfa`."""
        return done(await self._remove.every(ask.me, ask.target, ask.body))

    def endpoints(self) -> list[Endpoint[Any]]:
        """Declare the routes."""
        return [*self._readers(), *self._writers()]

    def _readers(self) -> list[Endpoint[Any]]:
        return [
            Endpoint(
                method="GET",
                path="/users/{id}/secrets",
                summary="List a user's secrets, without their values",
                who=Who.OWNER_OR_DESK,
                body=Nothing,
                handle=self.show_all,
                answers={200: list[SecretBody]},
                refusals=(Why.INVALID_REQUEST,),
                fresh=Fresh.FOR_OTHERS,
                while_unenrolled=True,
                query=QUERY | {"sort": "`name`, which is the description, or `-dateCreated`"} | _FILTERS,
            ),
            Endpoint(
                method="GET",
                path="/users/{id}/secrets/count",
                summary="Count a user's secrets",
                who=Who.OWNER_OR_DESK,
                body=Nothing,
                handle=self.count,
                answers={200: Count},
                refusals=(Why.INVALID_REQUEST,),
                query=_FILTERS,
                fresh=Fresh.FOR_OTHERS,
                while_unenrolled=True,
            ),
            Endpoint(
                method="GET",
                path="/users/{id}/secrets/{sid}",
                summary="Read a secret, without its value",
                who=Who.OWNER_OR_DESK,
                body=Nothing,
                handle=self.show,
                answers={200: SecretBody},
                refusals=(Why.NOT_FOUND,),
                fresh=Fresh.FOR_OTHERS,
                while_unenrolled=True,
            ),
        ]

    def _writers(self) -> list[Endpoint[Any]]:
        return [
            Endpoint(
                method="POST",
                path="/users/{id}/secrets",
                summary="Create a secret: password, authenticator app, new set of backup codes, API key, device",
                who=Who.OWNER,
                body=NewSecret,
                parse=parse_creation,
                handle=self._create,
                answers={200: SecretBody},
                refusals=_CREATING,
                fresh=Fresh.BUT_FIRST_SECRET,
                while_unenrolled=True,
                query={"qr": "`svg`: the answer for type `mfa` holds the QR code too"},
            ),
            Endpoint(
                method="PUT",
                path="/users/{id}/secrets/{sid}",
                summary="Change a password or a description, put back a suspended API key; with `token` alone enroll",
                who=Who.OWNER,
                body=SecretChange,
                parse=parse_change,
                handle=self.change,
                answers={200: SecretBody},
                refusals=_CHANGING,
                fresh=Fresh.ALWAYS,
                while_unenrolled=True,
            ),
            Endpoint(
                method="PUT",
                path="/users/{id}/secrets/{sid}/enroll",
                summary="Enroll an authenticator app with its first code",
                who=Who.OWNER,
                body=EnrollBody,
                parse=parse_enrollment,
                handle=self.enroll,
                answers={200: SecretBody},
                refusals=_ENROLLING,
                fresh=Fresh.ALWAYS,
                while_unenrolled=True,
            ),
            Endpoint(
                method="DELETE",
                path="/users/{id}/secrets/{sid}",
                summary="Remove a secret",
                who=Who.OWNER_OR_DESK,
                body=Removal,
                parse=parse_removal,
                handle=self.remove,
                answers={204: None, 202: PendingBody},
                refusals=(Why.NOT_FOUND, Why.LAST_AUTHENTICATOR, Why.WRONG_ENROLLMENT_CODE),
                fresh=Fresh.ALWAYS,
                reasoned=True,
                while_unenrolled=True,
            ),
            Endpoint(
                method="DELETE",
                path="/users/{id}/mfa",
                summary="Take every second factor of another user away, backup codes and all",
                who=Who.DESK,
                body=Removal,
                parse=parse_removal,
                handle=self.remove_mfa,
                answers={204: None, 202: PendingBody},
                refusals=(Why.MFA_NOT_ENABLED, Why.WRONG_ENROLLMENT_CODE),
                fresh=Fresh.ALWAYS,
                reasoned=True,
            ),
        ]


def _type(query: Mapping[str, str]) -> str | None:
    types = [kind.type for kind in KINDS]
    if query.get("type", types[0]) not in types:
        raise UnfitError("/type", f"The types are: {', '.join(types)}.")
    return query.get("type")


def _resumed(wish: Rewrite, stored: Authenticator) -> dict[str, bool]:
    """Return what the owner may change of a suspended API key."""
    return {"suspended": False} if wish.resume and stored.type == "apikey" else {}
