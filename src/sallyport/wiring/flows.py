"""Every use case that an edge calls, built once: the JSON routes and the pages share these very objects."""

from functools import cached_property
from typing import TYPE_CHECKING

from sallyport.audit.flow.read import ReadAudit
from sallyport.authenticators.backup_codes.flow import DrawCodes, RegenerateCodes
from sallyport.authenticators.devices import store as devices
from sallyport.authenticators.flow import DescribeAuthenticator, ReadAuthenticators, RemoveAuthenticator
from sallyport.authenticators.password.flow import ChangePassword, SetPassword
from sallyport.authenticators.totp.flow import BeginEnrollment, DrawQr, Enroll
from sallyport.login.flow.answer import AnswerChallenge
from sallyport.login.flow.begin import BeginLogin
from sallyport.login.flow.codes import CodeJudge
from sallyport.login.flow.elevate import Elevate
from sallyport.login.flow.register import Register
from sallyport.sessions.flow.browser import BindBrowser
from sallyport.sessions.flow.manage import ManageSessions
from sallyport.sessions.flow.refresh import Refresh
from sallyport.users.flow import ChangeUser, DeleteUser, ReadUsers
from sallyport.wiring.program_flows import ProgramFlows
from sallyport.wiring.recovery_flows import RecoveryFlows
from sallyport.wiring.role_flows import RoleFlows

if TYPE_CHECKING:
    from sallyport.wiring.service import Service


class Flows:
    """The use cases. One rule book, whatever speaks to it."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        self._judge = CodeJudge(vault=service.vault, pool=service.pool, clients=service.clients, clock=service.clock)
        self._draw_codes = DrawCodes(
            pool=service.pool, vault=service.vault, ids=service.ids, randomness=service.randomness
        )
        self.roles = RoleFlows(service)

    @cached_property
    def register(self) -> Register:
        """Makes an account."""
        service = self._service
        return Register(
            work=service.work,
            hashing=service.hashing,
            policy=service.passwords,
            keeper=service.keeper,
            journal=service.journal,
            clock=service.clock,
            ids=service.ids,
        )

    @cached_property
    def begin(self) -> BeginLogin:
        """Judges a password."""
        service = self._service
        return BeginLogin(
            work=service.work,
            hashing=service.hashing,
            keeper=service.keeper,
            judge=self._judge if service.settings.backup_code_login else None,
            possession=self.programs.possession,
            throttle=service.throttle,
            journal=service.journal,
            clients=service.clients,
            clock=service.clock,
            randomness=service.randomness,
        )

    @cached_property
    def answer(self) -> AnswerChallenge:
        """Judges a code against a challenge."""
        service = self._service
        return AnswerChallenge(
            work=service.work,
            judge=self._judge,
            keeper=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            clients=service.clients,
            clock=service.clock,
        )

    @cached_property
    def elevate(self) -> Elevate:
        """Renews a proof."""
        service = self._service
        return Elevate(
            work=service.work,
            hashing=service.hashing,
            judge=self._judge,
            keeper=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def read_users(self) -> ReadUsers:
        """Reads users."""
        return ReadUsers(self._service.work)

    @cached_property
    def change_user(self) -> ChangeUser:
        """Changes a user."""
        service = self._service
        return ChangeUser(work=service.work, sessions=service.keeper, journal=service.journal, clock=service.clock)

    @cached_property
    def delete_user(self) -> DeleteUser:
        """Erases a user."""
        service = self._service
        return DeleteUser(
            work=service.work,
            sessions=service.keeper,
            roles=self.roles.holders,
            throttle=service.throttle,
            journal=service.journal,
        )

    @cached_property
    def read_authenticators(self) -> ReadAuthenticators:
        """Reads what may be told of authenticators."""
        return ReadAuthenticators(self._service.work, self._service.clock)

    @cached_property
    def describe(self) -> DescribeAuthenticator:
        """Describes an authenticator anew."""
        service = self._service
        return DescribeAuthenticator(
            work=service.work, sessions=service.keeper, journal=service.journal, clock=service.clock
        )

    @cached_property
    def remove(self) -> RemoveAuthenticator:
        """Removes an authenticator."""
        service = self._service
        return RemoveAuthenticator(
            work=service.work,
            sessions=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            policy=service.settings.policy,
            desk=service.desk.judge,
            clock=service.clock,
        )

    @cached_property
    def set_password(self) -> SetPassword:
        """Gives an account its first password."""
        service = self._service
        return SetPassword(
            work=service.work,
            hashing=service.hashing,
            policy=service.passwords,
            sessions=service.keeper,
            journal=service.journal,
            has_other=devices.has_any,
            clock=service.clock,
            ids=service.ids,
        )

    @cached_property
    def change_password(self) -> ChangePassword:
        """Replaces a password."""
        service = self._service
        return ChangePassword(
            work=service.work,
            hashing=service.hashing,
            policy=service.passwords,
            sessions=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def begin_enrollment(self) -> BeginEnrollment:
        """Makes a pending authenticator."""
        service = self._service
        return BeginEnrollment(
            work=service.work,
            vault=service.vault,
            sessions=service.keeper,
            journal=service.journal,
            clock=service.clock,
            ids=service.ids,
            randomness=service.randomness,
            issuer=service.settings.issuer_name,
        )

    @cached_property
    def enroll(self) -> Enroll:
        """Takes the first code of an authenticator."""
        service = self._service
        return Enroll(
            work=service.work,
            vault=service.vault,
            sessions=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            draw_codes=self._draw_codes,
            clock=service.clock,
        )

    @cached_property
    def draw_qr(self) -> DrawQr:
        """Draws a key URI."""
        return DrawQr(self._service.pool)

    @cached_property
    def regenerate(self) -> RegenerateCodes:
        """Makes new backup codes."""
        service = self._service
        return RegenerateCodes(
            work=service.work,
            draw_codes=self._draw_codes,
            sessions=service.keeper,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def programs(self) -> ProgramFlows:
        """What programs log in with, and ask."""
        return ProgramFlows(self._service)

    @cached_property
    def recovery(self) -> RecoveryFlows:
        """Forgotten passwords, and addresses that are verified."""
        return RecoveryFlows(self._service)

    @cached_property
    def refresh(self) -> Refresh:
        """Rotates a refresh token."""
        service = self._service
        return Refresh(
            work=service.work,
            keeper=service.keeper,
            vault=service.vault,
            journal=service.journal,
            clock=service.clock,
            randomness=service.randomness,
        )

    @cached_property
    def bind_browser(self) -> BindBrowser:
        """Gives a browser the token of its session."""
        service = self._service
        return BindBrowser(work=service.work, clock=service.clock, randomness=service.randomness)

    @cached_property
    def manage_sessions(self) -> ManageSessions:
        """Lists and ends sessions."""
        service = self._service
        return ManageSessions(work=service.work, keeper=service.keeper, journal=service.journal)

    @cached_property
    def read_audit(self) -> ReadAudit:
        """Reads the audit log."""
        return ReadAudit(self._service.work)
