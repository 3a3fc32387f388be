"""What the gate asks: which sessions stand, and what their users are."""

from collections.abc import Callable

from sallyport.edge.gate import Standing
from sallyport.kernel.caller import Client
from sallyport.sessions import store
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.store.work import Rows, Work
from sallyport.users import store as users

HasSecret = Callable[[Rows, str], bool]
"""Tells whether a user has any authenticator."""


class SessionReader:
    """Answers the gate: which sessions stand, and what their users are."""

    def __init__(self, work: Work, keeper: SessionKeeper, has_secret: HasSecret) -> None:
        self._work = work
        self._keeper = keeper
        self._has_secret = has_secret

    async def standing(self, session: str) -> Standing | None:
        """Return the standing of a live session of a user who is not disabled, else None."""
        found = await self._work.read(lambda rows: store.standing(rows, session))
        if found is None or not self._keeper.is_alive(found[0], found[1].roles):
            return None
        owner = found[1]
        return Standing(
            uid=found[0].user,
            name=owner.name,
            roles=owner.roles,
            mfa=owner.mfa,
            met_at=owner.met_at,
            client_digest=found[0].client_digest,
        )

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
