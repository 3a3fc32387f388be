"""The use cases of the help desk, and of one who lost every second factor."""

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sallyport.desk.flow import Approve, CallerCodes, DeskJudge
    from sallyport.rescue.ending import EndSecondFactors
    from sallyport.rescue.flow import LostDevice
    from sallyport.rescue.recover import RecoverSecondFactor
    from sallyport.rescue.resets import Resets, TellOfReset
    from sallyport.rescue.undo import UndoRemoval
    from sallyport.rescue.waiting import ResetByWaiting
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
            tokens=service.mailed,
            outbox=service.outbox,
            policy=service.settings.policy,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def recover(self) -> "RecoverSecondFactor":
        """Resets second factors, at once by a backup code, else by waiting."""
        from sallyport.rescue.recover import RecoverSecondFactor

        service = self._service
        return RecoverSecondFactor(
            work=service.work,
            hashing=service.hashing,
            judge=service.flows.login.judge,
            tokens=service.mailed,
            throttle=service.throttle,
            clients=service.clients,
            end=self._end,
            wait=self._wait,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def _end(self) -> "EndSecondFactors":
        from sallyport.rescue.ending import EndSecondFactors

        service = self._service
        cut_off = service.flows.recovery.cut_off
        return EndSecondFactors(keeper=service.keeper, cut_off=cut_off, throttle=service.throttle, clock=service.clock)

    @cached_property
    def _wait(self) -> "ResetByWaiting":
        from sallyport.rescue.waiting import ResetByWaiting

        service = self._service
        return ResetByWaiting(
            tell=self.tell_of_resets,
            policy=service.settings.policy,
            journal=service.journal,
            clock=service.clock,
            ids=service.ids,
            delay=service.settings.mfa_reset_delay,
        )

    @cached_property
    def resets(self) -> "Resets":
        """Shows and cancels resets that wait."""
        from sallyport.rescue.resets import Resets

        service = self._service
        return Resets(
            work=service.work,
            tokens=service.mailed,
            keeper=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def tell_of_resets(self) -> "TellOfReset":
        """Mails that a reset waits."""
        from sallyport.rescue.resets import TellOfReset

        return TellOfReset(work=self._service.work, outbox=self._service.outbox, clock=self._service.clock)

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
