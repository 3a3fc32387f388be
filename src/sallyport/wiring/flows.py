"""Every use case that an edge calls, built once: the JSON routes and the pages share these very objects."""

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sallyport.audit.flow.read import ReadAudit
    from sallyport.authenticators.backup_codes.flow import DrawCodes, RegenerateCodes
    from sallyport.authenticators.flow import DescribeAuthenticator, ReadAuthenticators, RemoveAuthenticator
    from sallyport.authenticators.password.flow import ChangePassword, SetPassword
    from sallyport.authenticators.totp.flow import BeginEnrollment, DrawQr, Enroll
    from sallyport.sessions.flow.browser import BindBrowser
    from sallyport.sessions.flow.manage import ManageSessions
    from sallyport.sessions.flow.refresh import Refresh
    from sallyport.users.flow import ChangeUser, DeleteUser, ReadUsers
    from sallyport.wiring.login_flows import LoginFlows
    from sallyport.wiring.program_flows import ProgramFlows
    from sallyport.wiring.recovery_flows import RecoveryFlows
    from sallyport.wiring.role_flows import RoleFlows
    from sallyport.wiring.service import Service


class Flows:
    """The use cases. One rule book, whatever speaks to it."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    @cached_property
    def login(self) -> "LoginFlows":
        """The login story."""
        from sallyport.wiring.login_flows import LoginFlows

        return LoginFlows(self._service)

    @cached_property
    def roles(self) -> "RoleFlows":
        """What is done with roles."""
        from sallyport.wiring.role_flows import RoleFlows

        return RoleFlows(self._service)

    @cached_property
    def read_users(self) -> "ReadUsers":
        """Reads users."""
        from sallyport.users.flow import ReadUsers

        return ReadUsers(self._service.work)

    @cached_property
    def change_user(self) -> "ChangeUser":
        """Changes a user."""
        from sallyport.users.flow import ChangeUser

        service = self._service
        return ChangeUser(work=service.work, sessions=service.keeper, journal=service.journal, clock=service.clock)

    @cached_property
    def delete_user(self) -> "DeleteUser":
        """Erases a user."""
        from sallyport.users.flow import DeleteUser

        service = self._service
        return DeleteUser(
            work=service.work,
            sessions=service.keeper,
            roles=self.roles.holders,
            throttle=service.throttle,
            journal=service.journal,
        )

    @cached_property
    def read_authenticators(self) -> "ReadAuthenticators":
        """Reads what may be told of authenticators."""
        from sallyport.authenticators.flow import ReadAuthenticators

        return ReadAuthenticators(self._service.work, self._service.clock)

    @cached_property
    def describe(self) -> "DescribeAuthenticator":
        """Describes an authenticator anew."""
        from sallyport.authenticators.flow import DescribeAuthenticator

        service = self._service
        return DescribeAuthenticator(
            work=service.work, sessions=service.keeper, journal=service.journal, clock=service.clock
        )

    @cached_property
    def remove(self) -> "RemoveAuthenticator":
        """Removes an authenticator."""
        from sallyport.authenticators.flow import RemoveAuthenticator

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
    def set_password(self) -> "SetPassword":
        """Gives an account its first password."""
        from sallyport.authenticators.devices import store as devices
        from sallyport.authenticators.password.flow import SetPassword

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
    def change_password(self) -> "ChangePassword":
        """Replaces a password."""
        from sallyport.authenticators.password.flow import ChangePassword

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
    def begin_enrollment(self) -> "BeginEnrollment":
        """Makes a pending authenticator."""
        from sallyport.authenticators.totp.flow import BeginEnrollment

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
    def enroll(self) -> "Enroll":
        """Takes the first code of an authenticator."""
        from sallyport.authenticators.totp.flow import Enroll

        service = self._service
        return Enroll(
            work=service.work,
            vault=service.vault,
            sessions=service.keeper,
            throttle=service.throttle,
            clients=service.clients,
            journal=service.journal,
            draw_codes=self._draw_codes,
            clock=service.clock,
        )

    @cached_property
    def draw_qr(self) -> "DrawQr":
        """Draws a key URI."""
        from sallyport.authenticators.totp.flow import DrawQr

        return DrawQr(self._service.pool)

    @cached_property
    def regenerate(self) -> "RegenerateCodes":
        """Makes new backup codes."""
        from sallyport.authenticators.backup_codes.flow import RegenerateCodes

        service = self._service
        return RegenerateCodes(
            work=service.work,
            draw_codes=self._draw_codes,
            sessions=service.keeper,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def _draw_codes(self) -> "DrawCodes":
        from sallyport.authenticators.backup_codes.flow import DrawCodes

        service = self._service
        return DrawCodes(pool=service.pool, vault=service.vault, ids=service.ids, randomness=service.randomness)

    @cached_property
    def programs(self) -> "ProgramFlows":
        """What programs log in with, and ask."""
        from sallyport.wiring.program_flows import ProgramFlows

        return ProgramFlows(self._service)

    @cached_property
    def recovery(self) -> "RecoveryFlows":
        """Forgotten passwords, and addresses that are verified."""
        from sallyport.wiring.recovery_flows import RecoveryFlows

        return RecoveryFlows(self._service)

    @cached_property
    def refresh(self) -> "Refresh":
        """Rotates a refresh token."""
        from sallyport.sessions.flow.refresh import Refresh

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
    def bind_browser(self) -> "BindBrowser":
        """Gives a browser the token of its session."""
        from sallyport.sessions.flow.browser import BindBrowser

        service = self._service
        return BindBrowser(work=service.work, clock=service.clock, randomness=service.randomness)

    @cached_property
    def manage_sessions(self) -> "ManageSessions":
        """Lists and ends sessions."""
        from sallyport.sessions.flow.manage import ManageSessions

        service = self._service
        return ManageSessions(work=service.work, keeper=service.keeper, journal=service.journal)

    @cached_property
    def read_audit(self) -> "ReadAudit":
        """Reads the audit log."""
        from sallyport.audit.flow.read import ReadAudit

        return ReadAudit(self._service.work)
