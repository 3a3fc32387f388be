"""The use cases of the help desk, and of one who lost every second factor."""

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sallyport.desk.flow import Approve, CallerCodes, DeskJudge
    from sallyport.rescue.flow import LostDevice
    from sallyport.rescue.undo import UndoRemoval
    from sallyport.wiring.service import Service


class DeskFlows:
    """Makes each of them once, when it is first wanted."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    @cached_property
    def caller_codes(self) -> "CallerCodes":
        """Makes and judges the codes of callers."""
        from sallyport.desk.flow import CallerCodes

        service = self._service
        return CallerCodes(vault=service.vault, clock=service.clock, randomness=service.randomness)

    @cached_property
    def lost_device(self) -> "LostDevice":
        """Gives a caller code to one who proves the password."""
        from sallyport.rescue.flow import LostDevice

        service = self._service
        return LostDevice(
            work=service.work,
            hashing=service.hashing,
            throttle=service.throttle,
            clients=service.clients,
            codes=self.caller_codes,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def undo(self) -> "UndoRemoval":
        """Brings a removed authenticator app back."""
        from sallyport.rescue.undo import UndoRemoval

        service = self._service
        return UndoRemoval(
            work=service.work,
            hashing=service.hashing,
            tokens=service.mailed,
            keeper=service.keeper,
            throttle=service.throttle,
            clients=service.clients,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def approve(self) -> "Approve":
        """Lets a second person confirm."""
        from sallyport.desk.flow import Approve

        service = self._service
        return Approve(
            work=service.work,
            sessions=service.keeper,
            remove=service.flows.remove,
            policy=service.settings.policy,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def judge(self) -> "DeskJudge":
        """Judges what takes a second factor from somebody else."""
        from sallyport.desk.flow import DeskJudge

        service = self._service
        return DeskJudge(
            rules=service.settings.desk,
            policy=service.settings.policy,
            codes=self.caller_codes,
            journal=service.journal,
            clock=service.clock,
            ids=service.ids,
        )
