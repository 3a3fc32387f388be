"""Mail as its reader gets it: from the folder of a service, or from a server that it was handed to."""

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from sallyport.kernel.mailroute import MailFolder

# As a tool finds it that knows nothing of MIME: in the raw bytes of the mail.
_LINK = re.compile(
    r"(?P<page>https?://[^\s#]+)#id=(?P<id>[0-9a-f-]{36})&token=(?P<token>sp[a-z]_[A-Za-z0-9_-]{43})(?=\s)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What stands in the link of a mail."""

    page: str
    id: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail."""

    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=default)

    @property
    def to(self) -> str:
        return str(self.message["To"])

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    def part(self, kind: str) -> str:
        """Return the text of the part `plain` or `html`."""
        found: Any = self.message.get_body((kind,))
        return str(found.get_content()).replace("\r\n", "\n")

    @property
    def links(self) -> list[Link]:
        """The links that can be read off the raw bytes."""
        return [Link(**found.groupdict()) for found in _LINK.finditer(self.raw.decode())]

    @property
    def token(self) -> str:
        """The token of the one link that there is, but for one that says "this was not me" behind it."""
        link, *others = self.links
        assert [other.page.rpartition("/")[2] for other in others] in ([], ["not-me"])
        return link.token


def new_mails(route: Any, read: set[str]) -> list[Mail]:
    """Return the mails in a folder that are not in `read`, the oldest first; from then on they are."""
    assert isinstance(route, MailFolder)
    found = sorted(path for path in route.path.glob("*.eml") if path.name not in read) if route.path.exists() else []
    read.update(path.name for path in found)
    return [Mail(raw=path.read_bytes()) for path in found]


def mails_in(folder: Path) -> list[Mail]:
    """Return all mails in a folder, the oldest first."""
    return new_mails(MailFolder(folder), set())
