"""Telling trusted callers whether a token is good at this moment: as the database has it, not only the signature."""

from typing import Final

import msgspec

from sallyport.authenticators.api_keys.flow import ReadApiKey
from sallyport.kernel.clock import SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import API_KEY, REFRESH, Digest, digest_of
from sallyport.sessions import store
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.sessions.flow.standing import SessionReader
from sallyport.sessions.mint import Mint
from sallyport.sessions.rules import POSSESSION, acr, amr
from sallyport.store.work import Rows, Work

BEARER: Final = "Bearer"
"""What opens routes: an access token, an API key."""
REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105  # the name of a kind
"""What is traded for those, and opens nothing: whoever lets somebody in by it is wrong."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a token that is good. Moments are seconds since the epoch."""

    kind: str
    user: str
    name: str
    acr: str
    amr: tuple[str, ...]
    expires: int | None = None
    issued: int | None = None
    token_id: str | None = None
    session: str | None = None
    auth_time: int | None = None
    scopes: tuple[str, ...] | None = None


class Introspect:
    """Judges any token of this service that stands for somebody: access token, refresh token, API key."""

    def __init__(
        self, *, work: Work, mint: Mint, sessions: SessionReader, keys: ReadApiKey, keeper: SessionKeeper
    ) -> None:
        self._work = work
        self._mint = mint
        self._sessions = sessions
        self._keys = keys
        self._keeper = keeper

    async def __call__(self, token: Hidden[str]) -> Told | None:
        """Return what is to be told of a token, or None where it is not good, or of no kind that stands for anybody."""
        text = token.reveal()
        if text.startswith(API_KEY):
            return await self._api_key(token)
        if text.startswith(REFRESH):
            digest = digest_of(token)
            return await self._work.read(lambda rows: self._refresh(rows, digest))
        return await self._access(text)

    async def _api_key(self, key: Hidden[str]) -> Told | None:
        found = await self._keys.found(key)
        if found is None:
            return None
        return Told(
            kind=BEARER,
            user=found.user,
            name=found.name,
            acr=acr(POSSESSION),
            amr=amr(POSSESSION),
            expires=None if found.expires_at is None else found.expires_at // SECOND,
            scopes=found.scopes,
        )

    async def _access(self, token: str) -> Told | None:
        said = self._mint.claims(token)
        standing = said and await self._sessions.standing(said.sid)
        if not said or not standing or standing.uid != said.sub:
            return None
        return Told(
            kind=BEARER,
            user=said.sub,
            name=standing.name,
            acr=said.acr,
            amr=said.amr,
            expires=said.exp,
            issued=said.iat,
            token_id=said.jti,
            session=said.sid,
            auth_time=said.auth_time,
            scopes=tuple(sorted(standing.key.scopes)) if standing.key else None,
        )

    def _refresh(self, rows: Rows, digest: Digest) -> Told | None:
        borne, known = store.bearer(rows, digest), store.token(rows, digest)
        if borne is None or known is None or known.state != "live":
            return None
        found = self._keeper.live(rows, *borne)
        if found is None:
            return None
        session, owner = found
        return Told(
            kind=REFRESH_TOKEN,
            user=session.user,
            name=owner.name,
            acr=acr(session.proven),
            amr=amr(session.proven),
            expires=self._keeper.ends_at(session, owner) // SECOND,
            session=session.uid,
            auth_time=session.auth_time // SECOND,
            scopes=session.scopes,
        )
