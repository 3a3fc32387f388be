"""What erases, a few at a time, whatever has ended by itself, and tells of what is about to."""

from typing import TYPE_CHECKING, Any, Final

from sallyport.authenticators.totp import store as totp
from sallyport.desk import store as desk
from sallyport.kernel.clock import HOUR
from sallyport.login import store as login
from sallyport.notices import store as notices
from sallyport.notices.rules import DEAD_LETTERS_KEPT
from sallyport.rescue import store as rescue
from sallyport.sessions import store as sessions
from sallyport.store.sweep import Sweep
from sallyport.throttle import store as throttle
from sallyport.throttle.flow.known_clients import LIFETIME
from sallyport.users.flow import SweepCounts

if TYPE_CHECKING:
    from sallyport.wiring.service import Service

_SESSIONS: Final = 50
"""Five milliseconds of the writer among a million users: each takes its refresh tokens along, a dozen pages in all."""


def sweeps(service: "Service") -> tuple[Any, ...]:
    """Return every sweep of a service."""
    work, clock = service.work, service.clock
    return (
        Sweep(work, clock, sessions.sweep, kept=service.settings.session_idle, most=_SESSIONS),
        Sweep(work, clock, login.sweep),
        Sweep(work, clock, throttle.sweep),
        Sweep(work, clock, throttle.sweep_clients, kept=LIFETIME),
        SweepCounts(work),
        Sweep(work, clock, notices.sweep, kept=DEAD_LETTERS_KEPT),
        # For an hour they count for the budget of mails.
        Sweep(work, clock, notices.sweep_tokens, kept=HOUR),
        Sweep(work, clock, desk.sweep),
        Sweep(work, clock, totp.sweep_removed),
        service.desk.tell_of_resets,
        Sweep(work, clock, rescue.sweep),
    )
