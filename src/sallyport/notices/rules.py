"""What a mail says, how long it is tried, and how it is written. Values come in, values go out."""

from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

import msgspec

from sallyport.kernel.clock import DAY, MINUTE, SECOND, moment
from sallyport.kernel.hidden import Hidden

LEASE: Final = 2 * MINUTE
"""How long a mail is its carrier's alone: longer than any try of it."""
TRY_SECONDS: Final = 60
"""Longest try of one mail."""
PATIENCE: Final = 3 * DAY
"""How long a mail is tried that does not say otherwise. RFC 5321 4.5.4.1 gives four days at least to relays."""
DEAD_LETTERS_KEPT: Final = 30 * DAY
_FIRST_PAUSE: Final = 5 * SECOND
_LONGEST_PAUSE: Final = 10 * MINUTE
_LONGEST_FACT: Final = 200
"""Characters: RFC 5322 2.1.1 has no line above 998 bytes."""

# Nothing is folded, and no line is encoded that need not be: a link can be taken out of a mail as it stands.
AS_WRITTEN: Final = SMTP.clone(max_line_length=0, cte_type="8bit")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that waits: what it tells, not yet in words."""

    template: str
    to: str | None = None
    """The address; None for the one that the user has verified last, as it is when the mail goes out."""
    facts: Mapping[str, str] = {}
    """What the template may name beside the account, all of it as text."""
    page: str = ""
    """The page that its link opens."""
    token: Hidden[str] | None = None
    """Stands in the fragment of its link."""
    disown: bool = False
    """A link of it says "this was not me", alone or beside another: its token is made when the mail goes out."""
    restores: str | None = None
    """The uid of a removed secret that a second link brings back; its token is made when the mail goes out, too."""
    cancels: str | None = None
    """The uid of a reset of second factors that its link cancels; that token is made when the mail goes out, too."""
    undo: Hidden[str] | None = None
    """Stands in the fragment of that second link. It is never stored."""
    not_me: Hidden[str] | None = None
    """Stands in the fragment of the link that says "this was not me". It is never stored."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A letter as it is sealed."""

    template: str
    to: str | None
    facts: Mapping[str, str]
    page: str
    token: str | None
    disown: bool = False
    restores: str | None = None
    cancels: str | None = None


def link(public_url: str, page: str, user: str, token: Hidden[str]) -> str:
    """Return the link of a mail: of the configured URL alone, with the token where no server gets to see it."""
    return f"{public_url}{page}#id={user}&token={token.reveal()}"


def pause(tries: int) -> int:
    """Return how long a mail rests after so many tries that failed."""
    return min(_FIRST_PAUSE << min(tries - 1, 16), _LONGEST_PAUSE)


def told(facts: Mapping[str, str]) -> dict[str, str]:
    """Return facts as they may stand in a line of a mail, whatever somebody has typed into them."""
    return {name: " ".join(fact.split())[:_LONGEST_FACT] for name, fact in facts.items()}


def split(text: str) -> tuple[str, list[str]]:
    """Return the subject of what a template gave, and its paragraphs: they are what stands between empty lines."""
    subject, *paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    return " ".join(subject.split()), ["\n".join(line.strip() for line in part.splitlines()) for part in paragraphs]


def message(*, sender: Address, to: str, subject: str, text: str, html: str, uid: str, at: int) -> EmailMessage:
    """Write a mail. Raises `ValueError` where a header would have a line break in it."""
    mail = EmailMessage(policy=AS_WRITTEN)
    mail["Message-ID"] = f"<{uid}@{sender.domain}>"
    mail["Date"] = format_datetime(moment(at))
    mail["From"] = sender
    mail["To"] = Address(username=to.rpartition("@")[0], domain=to.rpartition("@")[2])
    mail["Subject"] = subject
    # RFC 3834 5: no vacation notice answers it.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text, cte=_encoding(text))
    mail.add_alternative(html, subtype="html", cte=_encoding(html))
    return mail


def _encoding(text: str) -> str:
    return "7bit" if text.isascii() else "8bit"
