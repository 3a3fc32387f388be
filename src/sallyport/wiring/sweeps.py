"""What erases, a few at a time, whatever has ended by itself, and tells of what is about to."""

from typing import TYPE_CHECKING, Any

from sallyport.authenticators.totp.flow import SweepRemoved
from sallyport.desk.flow import SweepDesk
from sallyport.login.flow.sweep import SweepChallenges
from sallyport.notices.flow.carry import SweepOutbox
from sallyport.notices.flow.tokens import SweepTokens
from sallyport.rescue.resets import SweepResets
from sallyport.sessions.flow.manage import SweepSessions
from sallyport.throttle.flow.known_clients import SweepThrottles
from sallyport.users.flow import SweepCounts

if TYPE_CHECKING:
    from sallyport.wiring.service import Service


def sweeps(service: "Service") -> tuple[Any, ...]:
    """Return every sweep of a service."""
    return (
        SweepSessions(service.work, service.clock, service.settings.session_idle),
        SweepChallenges(service.work, service.clock),
        SweepThrottles(service.work, service.clock),
        SweepCounts(service.work),
        SweepOutbox(service.work, service.clock),
        SweepTokens(service.work, service.clock),
        SweepDesk(service.work, service.clock),
        SweepRemoved(service.work, service.clock),
        service.desk.tell_of_resets,
        SweepResets(service.work, service.clock),
    )
