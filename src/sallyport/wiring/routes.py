"""Every route with the use cases behind it."""

from typing import TYPE_CHECKING

from sallyport.authenticators.backup_codes.flow import DrawCodes, RegenerateCodes
from sallyport.authenticators.flow import DescribeAuthenticator, ReadAuthenticators, RemoveAuthenticator
from sallyport.authenticators.http import SecretRoutes
from sallyport.authenticators.password.flow import ChangePassword, SetPassword
from sallyport.authenticators.totp.flow import BeginEnrollment, DrawQr, Enroll
from sallyport.login.flow.answer import AnswerChallenge
from sallyport.login.flow.begin import BeginLogin
from sallyport.login.flow.codes import CodeJudge
from sallyport.login.flow.elevate import Elevate
from sallyport.login.flow.register import Register
from sallyport.login.http import LoginRoutes
from sallyport.sessions.flow.manage import ManageSessions
from sallyport.sessions.flow.refresh import Refresh
from sallyport.sessions.http import SessionRoutes
from sallyport.users.flow import ChangeUser, DeleteUser, ReadUsers
from sallyport.users.http import Users

if TYPE_CHECKING:
    from sallyport.wiring.service import Service


def login(service: "Service") -> LoginRoutes:
    """Return the routes of login."""
    judge = CodeJudge(vault=service.vault, pool=service.pool, clients=service.clients, clock=service.clock)
    return LoginRoutes(
        register=Register(
            work=service.work,
            hashing=service.hashing,
            policy=service.passwords,
            keeper=service.keeper,
            journal=service.journal,
            clock=service.clock,
            ids=service.ids,
        ),
        begin=BeginLogin(
            work=service.work,
            hashing=service.hashing,
            keeper=service.keeper,
            judge=judge,
            throttle=service.throttle,
            journal=service.journal,
            clients=service.clients,
            clock=service.clock,
            randomness=service.randomness,
            backup_code_login=service.settings.backup_code_login,
        ),
        answer=AnswerChallenge(
            work=service.work,
            judge=judge,
            keeper=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            clients=service.clients,
            clock=service.clock,
        ),
        elevate=Elevate(
            work=service.work,
            hashing=service.hashing,
            judge=judge,
            keeper=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            clock=service.clock,
        ),
        https=service.settings.public_url.startswith("https:"),
    )


def users(service: "Service") -> Users:
    """Return the routes of users."""
    return Users(
        ReadUsers(service.work),
        ChangeUser(work=service.work, sessions=service.keeper, journal=service.journal, clock=service.clock),
        DeleteUser(work=service.work, sessions=service.keeper, throttle=service.throttle, journal=service.journal),
    )


def secrets(service: "Service") -> SecretRoutes:
    """Return the routes of a user's authenticators."""
    work, clock, keeper, journal = service.work, service.clock, service.keeper, service.journal
    draw_codes = DrawCodes(pool=service.pool, vault=service.vault, ids=service.ids, randomness=service.randomness)
    return SecretRoutes(
        read=ReadAuthenticators(work, clock),
        describe=DescribeAuthenticator(work=work, sessions=keeper, journal=journal, clock=clock),
        remove=RemoveAuthenticator(
            work=work,
            sessions=keeper,
            throttle=service.throttle,
            journal=journal,
            policy=service.settings.policy,
            clock=clock,
        ),
        set_password=SetPassword(
            work=work,
            hashing=service.hashing,
            policy=service.passwords,
            sessions=keeper,
            journal=journal,
            clock=clock,
            ids=service.ids,
        ),
        change_password=ChangePassword(
            work=work,
            hashing=service.hashing,
            policy=service.passwords,
            sessions=keeper,
            throttle=service.throttle,
            journal=journal,
            clock=clock,
        ),
        begin_enrollment=BeginEnrollment(
            work=work,
            vault=service.vault,
            sessions=keeper,
            journal=journal,
            clock=clock,
            ids=service.ids,
            randomness=service.randomness,
            issuer=service.settings.issuer_name,
        ),
        enroll=Enroll(
            work=work,
            vault=service.vault,
            sessions=keeper,
            throttle=service.throttle,
            journal=journal,
            draw_codes=draw_codes,
            clock=clock,
        ),
        draw_qr=DrawQr(service.pool),
        regenerate=RegenerateCodes(work=work, draw_codes=draw_codes, sessions=keeper, journal=journal, clock=clock),
    )


def sessions(service: "Service") -> SessionRoutes:
    """Return the routes of sessions and tokens."""
    refresh = Refresh(
        work=service.work,
        keeper=service.keeper,
        vault=service.vault,
        journal=service.journal,
        clock=service.clock,
        randomness=service.randomness,
    )
    manage = ManageSessions(work=service.work, keeper=service.keeper, journal=service.journal)
    return SessionRoutes(refresh, manage, service.keys)
