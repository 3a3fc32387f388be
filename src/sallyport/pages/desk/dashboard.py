"""The first page of the desk: how logins went, who has a second factor, and how busy this machine is."""

import asyncio

from sallyport.audit.flow.hours import CountLogins
from sallyport.edge.answers import Answer
from sallyport.edge.endpoint import Who
from sallyport.kernel.clock import MINUTE, Clock
from sallyport.kernel.outcomes import Refused
from sallyport.kernel.pulse import MINUTES, Pulse
from sallyport.pages.desk.plots import stacked
from sallyport.pages.views import Views
from sallyport.pages.visit import DESK, Page, Visit
from sallyport.users.flow import ReadUsers


class Dashboard:
    """The page of plots."""

    def __init__(self, *, logins: CountLogins, users: ReadUsers, pulse: Pulse, clock: Clock, views: Views) -> None:
        self._logins = logins
        self._users = users
        self._pulse = pulse
        self._clock = clock
        self._view = views.page

    async def show(self, visit: Visit) -> Answer | Refused:
        """Draw what there is to know."""
        hours, (users, enrolled) = await asyncio.gather(self._logins(), self._users.enrolled())
        lived = {minute.begins_at: minute for minute in self._pulse.minutes()}
        minutes = [lived.get(at) for at in self._last_minutes()]
        return self._view(
            visit,
            "admin/dashboard.html",
            hours=hours,
            logins=stacked([hour.counts for hour in hours]),
            users=users,
            enrolled=enrolled,
            percent=100 * enrolled // users if users else 0,
            minutes=[minute for minute in minutes if minute],
            throttled=stacked([[minute.throttled] if minute else [] for minute in minutes]),
            waiting=stacked([[minute.waiting] if minute else [] for minute in minutes]),
        )

    def _last_minutes(self) -> list[int]:
        this = self._clock.now() // MINUTE * MINUTE
        return list(range(this - (MINUTES - 1) * MINUTE, this + 1, MINUTE))

    def pages(self) -> list[Page]:
        """Declare the pages."""
        return [Page(path=DESK, who=Who.TRUSTED, get=self.show, while_unenrolled=False)]
