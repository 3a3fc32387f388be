"""Every route with the use cases behind it."""

from typing import TYPE_CHECKING

from sallyport.authenticators.creation import Create
from sallyport.authenticators.http import SecretRoutes
from sallyport.login.http import LoginRoutes
from sallyport.recovery.http import RecoveryRoutes
from sallyport.roles.http import RoleRoutes
from sallyport.sessions.http import SessionRoutes
from sallyport.users.http import Users

if TYPE_CHECKING:
    from sallyport.wiring.service import Service


def login(service: "Service") -> LoginRoutes:
    """Return the routes of login."""
    flows = service.flows
    return LoginRoutes(
        register=flows.register,
        begin=flows.begin,
        answer=flows.answer,
        elevate=flows.elevate,
        https=service.settings.public_url.startswith("https:"),
    )


def users(service: "Service") -> Users:
    """Return the routes of users."""
    return Users(service.flows.read_users, service.flows.change_user, service.flows.delete_user)


def secrets(service: "Service") -> SecretRoutes:
    """Return the routes of a user's authenticators."""
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


def recovery(service: "Service") -> RecoveryRoutes:
    """Return the routes of recovery and verification."""
    flows = service.flows.recovery
    return RecoveryRoutes(ask=flows.ask, reset=flows.reset, send=flows.send, verify=flows.verify, disown=flows.disown)


def sessions(service: "Service") -> SessionRoutes:
    """Return the routes of sessions and tokens."""
    flows = service.flows
    return SessionRoutes(
        refresh=flows.refresh,
        manage=flows.manage_sessions,
        introspect=flows.programs.introspect,
        keys=service.keys,
        issuer=service.settings.public_url,
    )


def roles(service: "Service") -> RoleRoutes:
    """Return the routes of roles."""
    flows = service.flows.roles
    return RoleRoutes(read=flows.read, create=flows.create, change=flows.change, delete=flows.delete)
