"""The use cases of recovery, built once."""

from functools import cached_property
from typing import TYPE_CHECKING

from sallyport.authenticators.devices.flow import ForgetDevices
from sallyport.kernel.caller import Client
from sallyport.recovery.flow.ask import AskRecovery
from sallyport.recovery.flow.disown import Disown
from sallyport.recovery.flow.issue import IssueRecovery
from sallyport.recovery.flow.reset import SetPasswordByMail
from sallyport.recovery.flow.verify import SendVerification, VerifyAddress
from sallyport.store.work import Rows

if TYPE_CHECKING:
    from sallyport.wiring.service import Service


class RecoveryFlows:
    """What brings people back, and what vouches for their addresses."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    @cached_property
    def ask(self) -> AskRecovery:
        """Mails a link that sets a new password."""
        service = self._service
        return AskRecovery(
            work=service.work,
            tokens=service.mailed,
            outbox=service.outbox,
            throttle=service.throttle,
            journal=service.journal,
        )

    @cached_property
    def issue(self) -> IssueRecovery:
        """Gives the operator on the host a token."""
        service = self._service
        return IssueRecovery(work=service.work, tokens=service.mailed, keeper=service.keeper, journal=service.journal)

    @cached_property
    def reset(self) -> SetPasswordByMail:
        """Sets a password with a mailed token."""
        service = self._service
        return SetPasswordByMail(
            work=service.work,
            hashing=service.hashing,
            policy=service.passwords,
            tokens=service.mailed,
            keeper=service.keeper,
            cut_off=self._cut_off,
            throttle=service.throttle,
            journal=service.journal,
            clock=service.clock,
            ids=service.ids,
        )

    @cached_property
    def send(self) -> SendVerification:
        """Mails a link that verifies an address."""
        service = self._service
        return SendVerification(
            work=service.work,
            tokens=service.mailed,
            outbox=service.outbox,
            keeper=service.keeper,
            journal=service.journal,
        )

    @cached_property
    def verify(self) -> VerifyAddress:
        """Verifies an address with a mailed token."""
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
    def disown(self) -> Disown:
        """Takes the word of one who says that it was somebody else."""
        service = self._service
        return Disown(
            work=service.work,
            tokens=service.mailed,
            keeper=service.keeper,
            cut_off=self._cut_off,
            throttle=service.throttle,
            journal=service.journal,
        )

    @cached_property
    def _forget_devices(self) -> ForgetDevices:
        return ForgetDevices(self._service.journal)

    def _cut_off(self, rows: Rows, user: str, client: Client | None) -> None:
        self._service.suspend_api_keys(rows, user, client)
        self._forget_devices(rows, user, client)
