"""What is judged of the way in and out: https, listening, proxies, browsers, mail. Pure."""

from typing import Final
from urllib.parse import urlsplit

from sallyport.doctor.rules import Facts, Finding, State, is_exposed
from sallyport.kernel.loopback import is_loopback
from sallyport.kernel.mailroute import MailFolder, Tls

_WIDEST: Final = {4: 8, 6: 16}
"""The shortest prefixes of networks that one proxy operator may have."""


def https(facts: Facts) -> Finding:
    """Passwords and tokens travel encrypted."""
    settings, clauses = facts.settings, ("ASVS 12.2.1",)
    if settings.public_url.startswith("https:"):
        return Finding(check="https", state=State.OK, told=settings.public_url, clauses=clauses)
    if is_exposed(facts) or not is_loopback(settings.host):
        told = f"{settings.public_url}, on {settings.host}: passwords travel in the clear"
        remedy = "put a proxy with TLS in front, and its https URL into SALLYPORT_PUBLIC_URL"
        return Finding(check="https", state=State.FAIL, told=told, remedy=remedy, clauses=clauses)
    told, remedy = (
        f"{settings.public_url}: this machine alone",
        "nobody else can log in here: an https URL is for others",
    )
    return Finding(check="https", state=State.WARN, told=told, remedy=remedy, clauses=clauses)


def listening(facts: Facts) -> Finding:
    """Only the proxy reaches the port, which has no TLS."""
    settings, clauses = facts.settings, ("ASVS 12.3.3",)
    told = f"{settings.host}:{settings.port}"
    if is_loopback(settings.host):
        return Finding(check="listening", state=State.OK, told=told, clauses=clauses)
    remedy = "there is no TLS on this port: let a firewall admit the proxy alone"
    return Finding(check="listening", state=State.WARN, told=told, remedy=remedy, clauses=clauses)


def proxies(facts: Facts) -> Finding:
    """The address of a client is its own, and can't be chosen by it."""
    settings, clauses = facts.settings, ("ASVS 4.1.3",)
    trusted = settings.trusted_proxies
    told = ", ".join(map(str, trusted)) or "none"
    wide = [str(network) for network in trusted if network.prefixlen < _WIDEST[network.version]]
    if wide:
        told = f"{', '.join(wide)} is trusted: whoever connects chooses the address that counts"
        remedy = "name the proxy's own address in SALLYPORT_TRUSTED_PROXIES"
        return Finding(check="proxies", state=State.FAIL, told=told, remedy=remedy, clauses=clauses)
    if settings.public_url.startswith("https:") and not trusted:
        told = "none is trusted, so all clients seem to have the proxy's address, and share its tries"
        remedy = "name the proxy in SALLYPORT_TRUSTED_PROXIES"
        return Finding(check="proxies", state=State.FAIL, told=told, remedy=remedy, clauses=(*clauses, "ASVS 6.1.1"))
    if trusted and not is_exposed(facts):
        told, remedy = (
            f"{told}, but the public URL is this machine's own",
            "set SALLYPORT_PUBLIC_URL to the proxy's URL",
        )
        return Finding(check="proxies", state=State.WARN, told=told, remedy=remedy, clauses=clauses)
    return Finding(check="proxies", state=State.OK, told=told, clauses=clauses)


def browsers(facts: Facts) -> Finding | None:
    """Pages of other origins that may call are encrypted too."""
    origins = facts.settings.cors_origins
    plain = [one for one in origins if one.startswith("http:") and not is_loopback(urlsplit(one).hostname or "")]
    if not origins:
        return None
    if plain:
        remedy = "whoever sits on the way can change that page: name it with https"
        return Finding(check="cors", state=State.WARN, told=", ".join(plain), remedy=remedy, clauses=("ASVS 12.2.1",))
    return Finding(check="cors", state=State.OK, told=", ".join(origins), clauses=("ASVS 12.2.1",))


def mail(facts: Facts) -> Finding:
    """Mail about an account reaches its owner, and nobody else."""
    route, clauses = facts.settings.mail_url, ("ASVS 12.3.1",)
    if isinstance(route, MailFolder):
        state = State.WARN if is_exposed(facts) else State.OK
        if facts.settings.env == "production":
            state = State.FAIL
        remedy = (
            "" if state is State.OK else "set SALLYPORT_MAIL_URL to your mail server: nobody can recover a password"
        )
        return Finding(check="mail", state=state, told=f"into files in {route.path}: nobody gets it", remedy=remedy)
    told = f"{route.tls.value} to {route.host}, from {facts.settings.mail_from}"
    if route.tls is not Tls.NONE or is_loopback(route.host):
        return Finding(check="mail", state=State.OK, told=told, clauses=clauses)
    remedy = "use smtps, or leave ?starttls=off away: mail has links that set a password"
    state = State.WARN if route.password is None else State.FAIL
    return Finding(check="mail", state=state, told=told, remedy=remedy, clauses=clauses)


CHECKS: Final = (https, listening, proxies, browsers, mail)
