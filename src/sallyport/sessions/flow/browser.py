"""Sessions that a browser shows by a cookie: an opaque token, which opens pages and nothing else."""

from sallyport.kernel.clock import Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Randomness
from sallyport.kernel.opaque import BROWSER, digest_of, new_token
from sallyport.kernel.outcomes import Granted, Refused
from sallyport.sessions import store
from sallyport.sessions.flow.keeper import DEAD
from sallyport.store.work import Work


class BindBrowser:
    """Gives a browser the token of a session that was opened, or proven anew, for it."""

    def __init__(self, *, work: Work, clock: Clock, randomness: Randomness) -> None:
        self._work = work
        self._clock = clock
        self._randomness = randomness

    async def __call__(self, granted: Granted) -> Hidden[str] | Refused:
        """Return a new token for the cookie; the one before is dead. RFC 6265bis 8.4: no session id outlives a login.

        Access and refresh token of what was granted go nowhere: a page has no use for them.
        """
        token, now = new_token(BROWSER, self._randomness), self._clock.now()
        bound = await self._work(lambda rows: store.bind_browser(rows, digest_of(token), granted.session, now))
        return token if bound else DEAD
