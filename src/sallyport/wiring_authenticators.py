"""Builds the use cases about authenticators, of the parts that `wiring` has built."""

from typing import Protocol

from sallyport.audit.flow.journal import Journal
from sallyport.authenticators.backup_codes.flow import DrawCodes, RegenerateCodes
from sallyport.authenticators.flow import DescribeAuthenticator, ReadAuthenticators, RemoveAuthenticator
from sallyport.authenticators.http import SecretRoutes
from sallyport.authenticators.password.flow import ChangePassword, PasswordPolicy, SetPassword
from sallyport.authenticators.password.hashing import Hashing
from sallyport.authenticators.totp.flow import BeginEnrollment, DrawQr, Enroll
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import HashPool
from sallyport.kernel.ids import Ids, Randomness
from sallyport.kernel.vault import Vault
from sallyport.sessions.flow.keeper import SessionKeeper
from sallyport.settings import Settings
from sallyport.store.sqlite import SqliteWork
from sallyport.throttle.flow.throttle import Throttle


class Parts(Protocol):
    """What of the service the use cases about authenticators are built from."""

    settings: Settings
    work: SqliteWork
    pool: HashPool
    vault: Vault
    hashing: Hashing
    passwords: PasswordPolicy
    keeper: SessionKeeper
    throttle: Throttle
    journal: Journal
    clock: Clock
    ids: Ids
    randomness: Randomness


def secret_routes(parts: Parts) -> SecretRoutes:
    """Wire the use cases behind everything below `/users/{id}/secrets`."""
    work, clock, keeper, journal = parts.work, parts.clock, parts.keeper, parts.journal
    draw_codes = DrawCodes(pool=parts.pool, vault=parts.vault, ids=parts.ids, randomness=parts.randomness)
    return SecretRoutes(
        read=ReadAuthenticators(work, clock),
        describe=DescribeAuthenticator(work=work, sessions=keeper, journal=journal, clock=clock),
        remove=RemoveAuthenticator(
            work=work,
            sessions=keeper,
            throttle=parts.throttle,
            journal=journal,
            policy=parts.settings.policy,
            clock=clock,
        ),
        set_password=SetPassword(
            work=work,
            hashing=parts.hashing,
            policy=parts.passwords,
            sessions=keeper,
            journal=journal,
            clock=clock,
            ids=parts.ids,
        ),
        change_password=ChangePassword(
            work=work,
            hashing=parts.hashing,
            policy=parts.passwords,
            sessions=keeper,
            throttle=parts.throttle,
            journal=journal,
            clock=clock,
        ),
        begin_enrollment=BeginEnrollment(
            work=work,
            vault=parts.vault,
            sessions=keeper,
            journal=journal,
            clock=clock,
            ids=parts.ids,
            randomness=parts.randomness,
            issuer=parts.settings.issuer_name,
        ),
        enroll=Enroll(
            work=work,
            vault=parts.vault,
            sessions=keeper,
            throttle=parts.throttle,
            journal=journal,
            draw_codes=draw_codes,
            clock=clock,
        ),
        draw_qr=DrawQr(parts.pool),
        regenerate=RegenerateCodes(work=work, draw_codes=draw_codes, sessions=keeper, journal=journal, clock=clock),
    )
