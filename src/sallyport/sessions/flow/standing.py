"""What the gate asks: which sessions stand, and what their users are."""

from collections.abc import Callable
from contextlib import suppress

from sallyport.authenticators.api_keys.flow import standing_of
from sallyport.edge.gate import Browsing, Claims, KeyStanding, Standing
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import MINUTE, SECOND, Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import digest_of
from sallyport.sessions import store
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.sessions.rules import Session, acr, amr
from sallyport.sessions.store import Owner
from sallyport.store.work import Rows, StorageUnavailableError, Work
from sallyport.users import store as users

HasSecret = Callable[[Rows, str], bool]
"""Tells whether a user has any authenticator."""


class SessionReader:
    """Answers the gate: which sessions stand, and what their users are."""

    def __init__(self, work: Work, keeper: SessionKeeper, has_secret: HasSecret, clock: Clock) -> None:
        self._work = work
        self._clock = clock
        self._keeper = keeper
        self._has_secret = has_secret

    async def standing(self, session: str) -> Standing | None:
        """Return the standing of a live session of a user who is not disabled, else None."""
        found = await self._work.read(lambda rows: self._found(rows, session))
        if found is None:
            return None
        return _standing(*found)

    async def browsing(self, token: Hidden[str]) -> Browsing | None:
        """Return what stands behind the cookie of a browser, if it is good.

        It counts as use of the session, as a refresh does of others: written once a minute at most.
        """
        found, now = await self._work.read(lambda rows: store.browsing(rows, digest_of(token))), self._clock.now()
        if found is None or not self._keeper.is_alive(*found):
            return None
        session = found[0]
        if now - session.last_used_at > MINUTE:
            # Who only reads is served where nothing can be written.
            with suppress(StorageUnavailableError):
                await self._work(lambda rows: store.used(rows, session.uid, now))
        return Browsing(claims=_claims(session), standing=_standing(*found))

    def _found(self, rows: Rows, uid: str) -> tuple[Session, Owner, KeyStanding | None] | None:
        found = store.standing(rows, uid)
        if found is None or not self._keeper.is_alive(*found):
            return None
        if found[0].scopes is None:
            return *found, None
        key = self._keeper.key_behind(rows, found[0])
        return (*found, standing_of(key)) if key else None

    async def meet(self, uid: str, client: Client) -> None:
        """Note that the rule about second factors has met a user, and tell it, the first time."""

        def unit(rows: Rows) -> None:
            rows.alone(uid)
            if owner := store.owner_in(store.owner(rows, uid)):
                self._keeper.meet(rows, uid, owner, client)

        await self._work(unit)

    async def is_bare(self, uid: str) -> bool:
        """Tell whether the account has no secret at all yet."""
        return not await self._work.read(lambda rows: self._has_secret(rows, uid))

    async def roles_of(self, uid: str) -> tuple[str, ...] | None:
        """Return the roles of a user, or None where there is no such user."""
        return await self._work.read(lambda rows: users.roles_of(rows, uid))


def _claims(session: Session) -> Claims:
    """Say of a session what an access token of it would say at this moment."""
    return Claims(
        uid=session.user,
        session=session.uid,
        auth_time=session.auth_time // SECOND,
        acr=acr(session.proven),
        amr=amr(session.proven),
    )


def _standing(session: Session, owner: Owner, key: KeyStanding | None = None) -> Standing:
    return Standing(
        uid=session.user,
        name=owner.name,
        roles=owner.roles,
        mfa=owner.mfa,
        met_at=owner.met_at,
        reset=owner.reset,
        client_digest=session.client_digest,
        key=key,
    )
