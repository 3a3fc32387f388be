"""What decided a login, as it stands in the `detail` of its audit row, and in words. Values come in, values go out.

The row is written at every login anyway, so nothing is asked or written for this. It holds what the answer of a login
never told: who reads it is the owner, or a trusted role.
"""

from typing import Final
from urllib.parse import quote, unquote

import msgspec

from sallyport.audit.rules import Event, Factor, Outcome, Record

LOGINS: Final = (Event.LOGIN_PASSWORD, Event.LOGIN_CODE, Event.LOGIN_ELEVATE)

CHANGED: Final = "changed"
"""What was judged had changed by the time that it was to open something."""
FIRST: Final = "first"
"""An app was used for nothing but its own enrollment before."""
RESET: Final = "reset"
"""Stands for the rule where nobody's rule but a recovery demands a second factor."""
ALONE: Final = "alone"
"""A backup code that was typed in place of the password."""


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """What is said in English, and the values in it: who says it in another language says the same of them."""

    text: str
    values: dict[str, "Sentence | str | int"]

    def __str__(self) -> str:
        """Return it in English."""
        return self.text % {name: str(value) for name, value in self.values.items()}


def said(text: str, **values: Sentence | str | int) -> Sentence:
    """Say a text, which catalogs find by this call."""
    return Sentence(text=text, values=values)


_SAID: Final = {
    Factor.PASSWORD: said("The password"),
    Factor.TOTP: said("The code of the app"),
    Factor.BACKUP_CODE: said("The backup code"),
    Factor.DEVICE: said("The value of the device"),
    Factor.API_KEY: said("The API key"),
}


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a login was decided by, beside its outcome."""

    why: str | None = None
    """What was wrong, where it was not the password or code itself."""
    client: str | None = None
    """`known` from an earlier login, or `stranger`."""
    wait: int | None = None
    """Seconds that the client was told to wait."""
    demand: str | None = None
    """What the rule about second factors asked: `later`, `reported`, `now`."""
    rule: str | None = None
    by: str | None = None
    """The end of the grace, RFC 3339."""
    secret: str | None = None
    """The uid of the device or API key."""
    use: str | None = None
    """`first` where it was the first one of an authenticator app."""


def by_client(*, known: bool, why: str | None = None, secret: str | None = None) -> str:
    """Write what is to be said of a try that was judged: by hand, because every login passes here."""
    client = "client=known" if known else "client=stranger"
    told = f"{client} why={why}" if why else client
    return f"{told} secret={secret}" if secret else told


def with_use(detail: str | None) -> str | None:
    """Add to what is said of a login that it was the first one with an authenticator app."""
    return together(detail, f"use={FIRST}")


def written(decision: Decision) -> str | None:
    """Write a decision as words like `client=known`; None where there is nothing to say."""
    said = msgspec.structs.asdict(decision)
    return (
        " ".join(f"{name}={quote(str(value), safe=':')}" for name, value in said.items() if value is not None) or None
    )


def together(*details: str | None) -> str | None:
    """Join what several have to say of one thing: of a login, or of an act and why it was done."""
    return " ".join(detail for detail in details if detail) or None


def read(detail: str | None) -> Decision:
    """Read a decision back. A detail of another form is a reason in plain words."""
    if not detail or "=" not in detail:
        return Decision(why=detail)
    pairs = (word.partition("=") for word in detail.split(" "))
    found = {name: unquote(value) for name, _, value in pairs if name in Decision.__struct_fields__}
    wait = found.pop("wait", None)
    return Decision(**found, wait=int(wait) if wait and wait.isdigit() else None)


def second_factor(record: Record) -> str:
    """Tell what became of the second factor at a login: `asked`, `given`, `not asked`."""
    if record.factor in {Factor.TOTP, Factor.BACKUP_CODE}:
        return "given" if record.outcome == Outcome.SUCCESS else "asked"
    is_challenge = record.event == Event.LOGIN_PASSWORD and record.outcome == Outcome.SUCCESS and not record.session
    return "asked" if is_challenge else "not asked"


def explained(record: Record) -> list[Sentence]:
    """Tell in sentences why a login went as it did."""
    decision = read(record.detail)
    told = [_outcome(record, decision), *_second_factor(record, decision)]
    first = [said("No login had used this app before.")] if decision.use == FIRST else []
    return [*told, *first, *_client(decision), *_rule(decision)]


def _outcome(record: Record, decision: Decision) -> Sentence:
    what = next((words for factor, words in _SAID.items() if factor == record.factor), None)
    what = what or said("The %(factor)s", factor=str(record.factor))
    if record.outcome == Outcome.THROTTLED:
        return _throttled(decision)
    if record.outcome == Outcome.SUCCESS:
        return said("%(what)s was right.", what=what)
    match decision.why:
        case "disabled":
            return said("The account is disabled: whatever was typed could not be right.")
        case "no password":
            return said("The account has no password: whatever was typed could not be right.")
        case "changed":
            return said(
                "%(what)s was right, but the login had been used or ended, or the account had changed meanwhile.",
                what=what,
            )
        case _ if record.factor == Factor.PASSWORD:
            return said(
                "%(what)s was wrong. The answer did not say so: it is the same for everything that is wrong.", what=what
            )
        case _:
            return said(
                "%(what)s was wrong, or had been used before. "
                "The answer did not say so: it is the same for everything that is wrong.",
                what=what,
            )


def _throttled(decision: Decision) -> Sentence:
    if decision.wait is None:
        return said("Too many tries came before this one: it was not judged, and the client was told to wait.")
    return said(
        "Too many tries came before this one: it was not judged, "
        "and the client was told to wait for %(seconds)s seconds.",
        seconds=decision.wait,
    )


def _second_factor(record: Record, decision: Decision) -> list[Sentence]:
    if record.outcome != Outcome.SUCCESS:
        return []
    if record.event == Event.LOGIN_ELEVATE:
        return [said("It was a new proof for a session that was open already.")]
    if decision.why == ALONE:
        return [said("It stood for password and code, as the operator allows: the session has one factor.")]
    if record.factor in {Factor.DEVICE, Factor.API_KEY}:
        return [said("It stood in the place of the password, and passed by the second factor where there is one.")]
    if record.factor != Factor.PASSWORD:
        return [said("It was given as the second factor that the account has.")]
    if second_factor(record) == "asked":
        return [said("The account has a second factor, so that was asked for; without it nothing was opened.")]
    return [said("The account had no second factor, so none was asked for.")]


def _client(decision: Decision) -> list[Sentence]:
    match decision.client:
        case "known":
            return [said("The client had logged in before, so it had tries of its own.")]
        case "stranger":
            return [said("The client was not known from an earlier login, so it shared its tries with all strangers.")]
        case _:
            return []


def _rule(decision: Decision) -> list[Sentence]:
    if decision.rule == RESET:
        return [said("Recovery took the second factors away: until one is set up, the session could do nothing else.")]
    rule = said("The rule `%(rule)s` demands a second factor that the account did not have", rule=str(decision.rule))
    match decision.demand:
        case "later":
            return [said("%(rule)s: until %(by)s it may do without.", rule=rule, by=str(decision.by))]
        case "now":
            return [said("%(rule)s: the session could do nothing but set one up.", rule=rule)]
        case "reported":
            return [said("%(rule)s; it only reports, so nothing was held back.", rule=rule)]
        case _:
            return []
