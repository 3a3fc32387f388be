"""The pages with the use cases behind them. Imported by the first page that somebody asks for."""

from dataclasses import replace
from typing import TYPE_CHECKING

from sallyport.audit.flow.hours import CountLogins
from sallyport.kernel.clock import HOUR
from sallyport.pages.account import Account
from sallyport.pages.assets import Assets
from sallyport.pages.cookies import Cookies
from sallyport.pages.desk.acts import Acts
from sallyport.pages.desk.approvals import Approvals
from sallyport.pages.desk.audit import Log
from sallyport.pages.desk.dashboard import Dashboard
from sallyport.pages.desk.people import People
from sallyport.pages.desk.policy import Rules
from sallyport.pages.desk.roles import Roles
from sallyport.pages.doors import Doors, Entry
from sallyport.pages.enrollment import Enrollment
from sallyport.pages.erasing import Erasing
from sallyport.pages.forms import FormTokens, Origins
from sallyport.pages.keys import Keys
from sallyport.pages.lists import Lists
from sallyport.pages.lost import Lost
from sallyport.pages.mailed import Mailed
from sallyport.pages.places import Places
from sallyport.pages.reset import Resetting
from sallyport.pages.resource import Doorman
from sallyport.pages.site import Site
from sallyport.pages.views import Views
from sallyport.pages.visit import Page
from sallyport.pages.why import Explained
from sallyport.policy.flow import SeeImpact
from sallyport.settings import parsers
from sallyport.settings.decisions import policy_of

if TYPE_CHECKING:
    from sallyport.wiring.service import Service


def site(service: "Service") -> Site:
    """Return all pages."""
    settings = service.settings
    https = settings.public_url.startswith("https:")
    brand = settings.brand_dir
    cookies, assets = Cookies(https=https), Assets(brand.files)
    entry = Entry(cookies=cookies, bind=service.flows.bind_browser)
    views = Views(
        assets=assets,
        brand=replace(brand, name=brand.name or settings.issuer_name),
        registration_open=settings.registration == "open",
        clock=service.clock,
        randomness=service.randomness,
    )
    declared = [
        *doors(service, entry, views).pages(),
        *enrollment(service, entry, views).pages(),
        *account(service, entry, views).pages(),
        *Lists(
            authenticators=service.flows.read_authenticators, sessions=service.flows.manage_sessions, views=views
        ).pages(),
        *mailed(service, cookies, views).pages(),
        *Erasing(delete=service.flows.delete_user, cookies=cookies, views=views).pages(),
        *Explained(audit=service.flows.read_audit, views=views).pages(),
        *desk(service, cookies, views),
        *Lost(lost=service.desk.lost_device, views=views).pages(),
        *resetting(service, entry, views).pages(),
        *Keys(create=service.flows.programs.create_api_key, clock=service.clock, views=views).pages(),
    ]
    doorman = Doorman(
        gate=service.gate,
        cookies=cookies,
        tokens=FormTokens(service.vault),
        origins=Origins(settings.public_url),
        places=Places(page.path for page in declared if page.get),
        views=views,
        proxies=settings.trusted_proxies,
        https=https,
        randomness=service.randomness,
    )
    return Site(declared, assets, doorman)


def desk(service: "Service", cookies: Cookies, views: Views) -> list[Page]:
    """Return the pages of the desk."""
    flows, gate = service.flows, service.gate
    people = People(
        users=flows.read_users,
        authenticators=flows.read_authenticators,
        sessions=flows.manage_sessions,
        audit=flows.read_audit,
        resets=service.desk.resets,
        gate=gate,
        rules=service.settings.desk,
        views=views,
    )
    acts = Acts(
        change=flows.change_user,
        delete=flows.delete_user,
        remove=flows.remove,
        sessions=flows.manage_sessions,
        resets=service.desk.resets,
        gate=gate,
        people=people,
        cookies=cookies,
    )
    approvals = Approvals(
        approve=service.desk.approve,
        resets=service.desk.resets,
        users=flows.read_users,
        cookies=cookies,
        views=views,
    )
    roles = Roles(
        read=flows.roles.read,
        create=flows.roles.create,
        change=flows.roles.change,
        delete=flows.roles.delete,
        trusts=flows.roles.holders.trusts,
        users=flows.read_users,
        cookies=cookies,
        views=views,
    )
    log = Log(audit=flows.read_audit, users=flows.read_users, views=views)
    dashboard = Dashboard(
        logins=CountLogins(work=service.work, clock=service.clock),
        users=flows.read_users,
        pulse=service.pulse,
        clock=service.clock,
        views=views,
    )
    parts = (dashboard, people, acts, approvals, roles, log, rules(service, views))
    return [page for part in parts for page in part.pages()]


def rules(service: "Service", views: Views) -> Rules:
    """Return the page of the policy."""
    settings = service.settings
    told = {
        "SALLYPORT_REQUIRE_MFA": settings.require_mfa,
        "SALLYPORT_MFA_GRACE": f"{settings.mfa_grace // HOUR}h",
        "SALLYPORT_MFA_RESET": settings.mfa_reset,
        "SALLYPORT_MFA_RESET_DELAY": f"{settings.mfa_reset_delay // HOUR}h",
        "SALLYPORT_TRUSTED_ROLES": ", ".join(settings.trusted_roles),
        "SALLYPORT_DESK_REASON": settings.desk_reason,
        "SALLYPORT_DESK_CALLER_CODE": settings.desk_caller_code,
        "SALLYPORT_DESK_APPROVAL": settings.desk_approval,
    }
    return Rules(
        see=SeeImpact(work=service.work, clock=service.clock),
        parse=lambda rule: policy_of(parsers.require_mfa(rule), settings.trusted_roles, settings.mfa_grace),
        settings=told,
        views=views,
    )


def resetting(service: "Service", entry: Entry, views: Views) -> Resetting:
    """Return the pages that the mails about lost second factors open."""
    desk = service.desk
    return Resetting(recover=desk.recover, resets=desk.resets, entry=entry, views=views)


def mailed(service: "Service", cookies: Cookies, views: Views) -> Mailed:
    """Return the pages that mailed links open."""
    flows = service.flows.recovery
    return Mailed(
        ask=flows.ask,
        reset=flows.reset,
        send=flows.send,
        verify=flows.verify,
        disown=flows.disown,
        undo=service.desk.undo,
        cookies=cookies,
        views=views,
    )


def doors(service: "Service", entry: Entry, views: Views) -> Doors:
    """Return the pages in front of an account."""
    flows = service.flows
    return Doors(
        register=flows.login.register,
        begin=flows.login.begin,
        answer=flows.login.answer,
        elevate=flows.login.elevate,
        manage=flows.manage_sessions,
        entry=entry,
        views=views,
    )


def enrollment(service: "Service", entry: Entry, views: Views) -> Enrollment:
    """Return the pages that make a second factor."""
    flows = service.flows
    return Enrollment(
        begin=flows.begin_enrollment,
        enroll=flows.enroll,
        draw_qr=flows.draw_qr,
        regenerate=flows.regenerate,
        authenticators=flows.read_authenticators,
        entry=entry,
        views=views,
    )


def account(service: "Service", entry: Entry, views: Views) -> Account:
    """Return the pages behind the doors."""
    flows = service.flows
    return Account(
        users=flows.read_users,
        change=flows.change_user,
        authenticators=flows.read_authenticators,
        describe=flows.describe,
        remove=flows.remove,
        change_password=flows.change_password,
        sessions=flows.manage_sessions,
        audit=flows.read_audit,
        entry=entry,
        views=views,
    )
