"""Putting letters into words, by the templates of this package."""

from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError, select_autoescape

from sallyport.kernel.clock import moment
from sallyport.notices.carriers import NotCarriedError
from sallyport.notices.news import NOT_ME_PAGE, UNDO_PAGE
from sallyport.notices.rules import Letter, link, message, split, told
from sallyport.notices.store import Parcel, Reader

_NOBODY: Final = "no-reply"


class Composer:
    """Writes mails. One template has all words of one mail: its subject, and paragraphs between empty lines."""

    def __init__(self, *, public_url: str, service: str, sender: str) -> None:
        self._public_url = public_url
        self._service = service
        sender = sender or f"{_NOBODY}@{urlsplit(public_url).hostname}"
        self._sender = Address(display_name=service, addr_spec=sender)
        # Autoescape is for pages of HTML: the words of a template are text, and become HTML in `layout.html`.
        self._words = Environment(
            loader=PackageLoader("sallyport.notices", "templates"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def mail(self, letter: Letter, parcel: Parcel, reader: Reader, to: str) -> EmailMessage:
        """Write a mail to an address. Raises `NotCarriedError` where it can't be put into words."""
        try:
            return self._written(letter, parcel, reader, to)
        except (ValueError, TemplateError) as fault:
            raise NotCarriedError(f"can't be put into words: {type(fault).__name__}", for_good=True) from fault

    def _written(self, letter: Letter, parcel: Parcel, reader: Reader, to: str) -> EmailMessage:
        url = link(self._public_url, letter.page, parcel.user or "", letter.token) if letter.token else ""
        undo = link(self._public_url, UNDO_PAGE, parcel.user or "", letter.undo) if letter.undo else ""
        not_me = link(self._public_url, NOT_ME_PAGE, parcel.user or "", letter.not_me) if letter.not_me else ""
        words = self._words.get_template(f"{letter.template}.txt").render(
            **told(letter.facts),
            name=reader.name,
            codes_left=reader.codes_left,
            service=self._service,
            public_url=self._public_url,
            link=url,
            undo=undo,
            not_me=not_me,
            at=f"{moment(parcel.created_at):%Y-%m-%d %H:%M} UTC",
        )
        subject, paragraphs = split(words)
        html = self._words.get_template("layout.html").render(
            subject=subject, paragraphs=paragraphs, links=(url, undo, not_me), service=self._service
        )
        return message(
            sender=self._sender,
            to=to,
            subject=subject,
            text="\n\n".join(paragraphs) + "\n",
            html=html,
            uid=parcel.uid,
            at=parcel.created_at,
        )
