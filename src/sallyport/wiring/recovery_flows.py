"""The use cases of recovery, built once."""

from functools import cached_property
from typing import TYPE_CHECKING

from sallyport.kernel.caller import Client
from sallyport.store.work import Rows

if TYPE_CHECKING:
    from sallyport.authenticators.devices.flow import ForgetDevices
    from sallyport.recovery.flow.ask import AskRecovery
    from sallyport.recovery.flow.disown import Disown
    from sallyport.recovery.flow.issue import IssueRecovery
    from sallyport.recovery.flow.reset import SetPasswordByMail
    from sallyport.recovery.flow.verify import SendVerification, VerifyAddress
    from sallyport.wiring.service import Service


class RecoveryFlows:
    """What brings people back, and what vouches for their addresses."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    @cached_property
    def ask(self) -> "AskRecovery":
        """Mails a link that sets a new password."""
        from sallyport.recovery.flow.ask import AskRecovery

        service = self._service
        return AskRecovery(
            work=service.work,
            tokens=service.mailed,
            outbox=service.outbox,
            throttle=service.throttle,
            journal=service.journal,
        )

    @cached_property
    def issue(self) -> "IssueRecovery":
        """Gives the operator on the host a token."""
        from sallyport.recovery.flow.issue import IssueRecovery

        service = self._service
        return IssueRecovery(work=service.work, tokens=service.mailed, keeper=service.keeper, journal=service.journal)

    @cached_property
    def reset(self) -> "SetPasswordByMail":
        """Sets a password with a mailed token."""
        from sallyport.recovery.flow.reset import SetPasswordByMail

        service = self._service
        return SetPasswordByMail(
            work=service.work,
            hashing=service.hashing,
            policy=service.passwords,
            tokens=service.mailed,
            keeper=service.keeper,
            cut_off=self.cut_off,
            throttle=service.throttle,
            journal=service.journal,
            clock=service.clock,
            ids=service.ids,
        )

    @cached_property
    def send(self) -> "SendVerification":
        """Mails a link that verifies an address."""
        from sallyport.recovery.flow.verify import SendVerification

        service = self._service
        return SendVerification(
            work=service.work,
            tokens=service.mailed,
            outbox=service.outbox,
            keeper=service.keeper,
            journal=service.journal,
        )

    @cached_property
    def verify(self) -> "VerifyAddress":
        """Verifies an address with a mailed token."""
        from sallyport.recovery.flow.verify import VerifyAddress

        service = self._service
        return VerifyAddress(
            work=service.work,
            tokens=service.mailed,
            outbox=service.outbox,
            throttle=service.throttle,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def disown(self) -> "Disown":
        """Takes the word of one who says that it was somebody else."""
        from sallyport.recovery.flow.disown import Disown

        service = self._service
        return Disown(
            work=service.work,
            tokens=service.mailed,
            keeper=service.keeper,
            cut_off=self.cut_off,
            throttle=service.throttle,
            journal=service.journal,
        )

    @cached_property
    def _forget_devices(self) -> "ForgetDevices":
        from sallyport.authenticators.devices.flow import ForgetDevices

        return ForgetDevices(self._service.journal)

    def cut_off(self, rows: Rows, user: str, client: Client | None) -> None:
        """Let nothing log in by itself any more."""
        self._service.suspend_api_keys(rows, user, client)
        self._forget_devices(rows, user, client)
