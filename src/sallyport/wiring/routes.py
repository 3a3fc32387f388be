"""Every route with the use cases behind it. What a route is made of is imported with it, and not before."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sallyport.edge.endpoint import Endpoint

if TYPE_CHECKING:
    from sallyport.audit.http import AuditRoutes
    from sallyport.audit.logins import LoginsRoutes
    from sallyport.authenticators.http import SecretRoutes
    from sallyport.desk.http import DeskRoutes
    from sallyport.edge.metrics import MetricsRoutes
    from sallyport.edge.operation import OperationRoutes
    from sallyport.login.http import LoginRoutes
    from sallyport.recovery.http import RecoveryRoutes
    from sallyport.rescue.http import RescueRoutes
    from sallyport.roles.http import RoleRoutes
    from sallyport.sessions.http import SessionRoutes
    from sallyport.users.http import Users
    from sallyport.wiring.service import Service


def declared(service: "Service") -> Iterator[Endpoint[Any]]:
    """Yield every route, in the order in which they are described."""
    groups = (login, users, secrets, recovery, sessions, roles, metrics, audit, rescue, desk, logins)
    return (endpoint for group in groups for endpoint in group(service).endpoints())


def for_operator(service: "Service") -> Iterator[Endpoint[Any]]:
    """Yield every route, the cheapest first: whoever stops at one has built none of those behind it."""
    groups = (users, audit, roles, sessions, desk, secrets, rescue, logins, recovery, login, metrics)
    for group in groups:
        yield from group(service).endpoints()
    yield from operation(service, []).endpoints()


def login(service: "Service") -> "LoginRoutes":
    """Return the routes of login."""
    from sallyport.login.http import LoginRoutes

    flows = service.flows
    return LoginRoutes(
        register=flows.login.register,
        begin=flows.login.begin,
        answer=flows.login.answer,
        elevate=flows.login.elevate,
        https=service.settings.public_url.startswith("https:"),
    )


def users(service: "Service") -> "Users":
    """Return the routes of users."""
    from sallyport.users.http import Users

    return Users(service.flows.read_users, service.flows.change_user, service.flows.delete_user)


def secrets(service: "Service") -> "SecretRoutes":
    """Return the routes of a user's authenticators."""
    from sallyport.authenticators.creation import Create
    from sallyport.authenticators.http import SecretRoutes

    flows = service.flows
    create = Create(
        set_password=flows.set_password,
        begin_enrollment=flows.begin_enrollment,
        draw_qr=flows.draw_qr,
        regenerate=flows.regenerate,
        create_api_key=flows.programs.create_api_key,
        create_device=flows.programs.create_device,
    )
    return SecretRoutes(
        create=create,
        read=flows.read_authenticators,
        describe=flows.describe,
        remove=flows.remove,
        change_password=flows.change_password,
        enroll=flows.enroll,
    )


def recovery(service: "Service") -> "RecoveryRoutes":
    """Return the routes of recovery and verification."""
    from sallyport.recovery.http import RecoveryRoutes

    flows = service.flows.recovery
    return RecoveryRoutes(ask=flows.ask, reset=flows.reset, send=flows.send, verify=flows.verify, disown=flows.disown)


def sessions(service: "Service") -> "SessionRoutes":
    """Return the routes of sessions and tokens."""
    from sallyport.sessions.http import SessionRoutes

    flows = service.flows
    return SessionRoutes(
        refresh=flows.refresh,
        manage=flows.manage_sessions,
        introspect=flows.programs.introspect,
        keys=service.keys,
        issuer=service.settings.public_url,
    )


def roles(service: "Service") -> "RoleRoutes":
    """Return the routes of roles."""
    from sallyport.roles.http import RoleRoutes

    flows = service.flows.roles
    return RoleRoutes(read=flows.read, create=flows.create, change=flows.change, delete=flows.delete)


def audit(service: "Service") -> "AuditRoutes":
    """Return the routes of the audit log."""
    from sallyport.audit.http import AuditRoutes

    return AuditRoutes(service.flows.read_audit)


def logins(service: "Service") -> "LoginsRoutes":
    """Return the routes that explain logins."""
    from sallyport.audit.logins import LoginsRoutes

    return LoginsRoutes(service.flows.read_audit)


def desk(service: "Service") -> "DeskRoutes":
    """Return the routes of the second person."""
    from sallyport.desk.http import DeskRoutes

    return DeskRoutes(service.desk.approve)


def rescue(service: "Service") -> "RescueRoutes":
    """Return the routes of one who lost every second factor."""
    from sallyport.rescue.http import RescueRoutes

    desk = service.desk
    return RescueRoutes(lost=desk.lost_device, recover=desk.recover, resets=desk.resets, undo=desk.undo)


def metrics(service: "Service") -> "MetricsRoutes":
    """Return the route of the numbers."""
    from sallyport.edge.metrics import MetricsRoutes

    numbers = (service.shared or service.meters).families
    return MetricsRoutes(numbers, to=service.settings.metrics, alone=service.shared is None)


def operation(service: "Service", others: list[Endpoint[Any]]) -> "OperationRoutes":
    """Return the routes of those who run the service, and what describes the other routes."""
    from sallyport import __version__
    from sallyport.edge.operation import OperationRoutes
    from sallyport.store.readiness import Readiness

    return OperationRoutes(
        ready=Readiness(service.work), others=others, version=__version__, server=service.settings.public_url
    )
