"""Who carries a mail away: into a folder, or to a mail server."""

import asyncio
import ssl
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol

import aiosmtplib

from sallyport.kernel import durable
from sallyport.kernel.mailroute import MailFolder, MailRoute, MailServer, Tls
from sallyport.notices.rules import AS_WRITTEN

_PERMANENT: Final = 500
_STARTTLS: Final[Mapping[Tls, bool]] = {Tls.WHOLE: False, Tls.STARTTLS: True, Tls.NONE: False}


class NotCarriedError(Exception):
    """A mail did not go out. The text is for operators, and has no address in it."""

    def __init__(self, fault: str, *, for_good: bool = False) -> None:
        super().__init__(fault)
        self.for_good = for_good
        """Whether it is of no use to try again."""


class Carrier(Protocol):
    """Takes one mail away."""

    async def __call__(self, mail: EmailMessage, uid: str) -> None:
        """Carry a mail. Raises `NotCarriedError`."""
        ...


class IntoFolder:
    """Writes a file for each mail: for development, and for other programs that send."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def __call__(self, mail: EmailMessage, uid: str) -> None:
        """Write a mail, whole or not at all, for its owner's eyes only. Raises `NotCarriedError`."""
        text = mail.as_bytes(policy=AS_WRITTEN.clone(linesep="\n", utf8=True)).decode()
        try:
            await asyncio.to_thread(self._write, f"{uid}.eml", text)
        except OSError as fault:
            raise NotCarriedError(f"{self._folder}: {fault.strerror}") from fault

    def _write(self, name: str, text: str) -> None:
        durable.make_folder(self._folder)
        durable.replace(self._folder / name, text)


class ToServer:
    """Hands mail to an SMTP server, over a connection of its own for each."""

    def __init__(self, server: MailServer, seconds: float) -> None:
        self._server = server
        self._seconds = seconds

    async def __call__(self, mail: EmailMessage, uid: str) -> None:  # noqa: ARG002  # a folder names its file by it
        """Hand a mail over. Raises `NotCarriedError`."""
        try:
            async with asyncio.timeout(self._seconds), self._connection() as connection:
                await _hand_over(connection, mail)
        except aiosmtplib.SMTPRecipientsRefused as fault:
            codes = {refused.code for refused in fault.recipients}
            raise NotCarriedError(f"recipient refused: {codes}", for_good=min(codes) >= _PERMANENT) from fault
        except aiosmtplib.SMTPDataError as fault:
            raise NotCarriedError(f"mail refused: {fault.code}", for_good=fault.code >= _PERMANENT) from fault
        except aiosmtplib.SMTPResponseException as fault:
            raise NotCarriedError(f"{type(fault).__name__}: {fault.code}") from fault
        except (aiosmtplib.SMTPException, OSError, ValueError) as fault:
            raise NotCarriedError(type(fault).__name__) from fault

    def _connection(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password.reveal() if server.password else None,
            timeout=self._seconds,
            use_tls=server.tls is Tls.WHOLE,
            start_tls=_STARTTLS[server.tls],
            tls_context=None if server.tls is Tls.NONE else ssl.create_default_context(),
        )


def carrier(route: MailRoute, seconds: float) -> Carrier:
    """Return who carries mail on this route, and needs at most so long for one."""
    if isinstance(route, MailFolder):
        return IntoFolder(route.path)
    return ToServer(route, seconds)


async def _hand_over(connection: aiosmtplib.SMTP, mail: EmailMessage) -> None:
    if connection.is_ehlo_or_helo_needed:
        await connection.ehlo()
    to: Address = mail["To"].addresses[0]
    options, policy = [], AS_WRITTEN
    if connection.supports_extension("8bitmime"):
        options.append("BODY=8BITMIME")
    else:  # RFC 6152: eight bits are for who has said so
        policy = policy.clone(cte_type="7bit")
    if not to.addr_spec.isascii():  # RFC 6531 3.4
        options.append("SMTPUTF8")
        policy = policy.clone(utf8=True)
    sender: Address = mail["From"].addresses[0]
    written = mail.as_bytes(policy=policy)
    await connection.sendmail(sender.addr_spec, [to.addr_spec], written, mail_options=options)
