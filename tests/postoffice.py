"""A real mail server on loopback, which can be told to misbehave."""

import ipaddress
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.mail import Mail
from tests.ports import free_port

HOST = "127.0.0.1"
USER, PASSWORD = "sallyport", "of/the:mail@server"


@dataclass
class PostOffice:
    """Takes mail; `answer` says how it ends each DATA, `before` what happens when a recipient is named."""

    mails: list[Mail] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    options: list[list[str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    port: int = 0
    cut: Callable[[Any], None] | None = None

    async def handle_RCPT(self, *asked: Any) -> str:  # noqa: N802  # aiosmtpd's name
        _, _, envelope, address, _ = asked
        answer = self.recipients.pop(0) if self.recipients else "250 OK"
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # as above
        if self.cut:
            cut, self.cut = self.cut, None
            cut(server)
            return "250 nobody hears this"
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("2"):
            self.mails.append(Mail(raw=envelope.original_content))
            self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
            self.options.append(envelope.mail_options)
            self.encrypted.append(session.ssl is not None)
        return answer

    def judge(self, *asked: Any) -> AuthResult:
        given = asked[-1]
        right = isinstance(given, LoginPassword) and (given.login, given.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        self.users += [given.login.decode()] if right else []
        return AuthResult(success=right)


@contextmanager
def open_office(office: PostOffice, **more: Any) -> Iterator[PostOffice]:
    """Run a mail server on a free port for the length of a `with`."""
    office.port = office.port or free_port()
    controller = Controller(office, hostname=HOST, port=office.port, **more)
    controller.start()
    try:
        yield office
    finally:
        controller.stop()


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, ssl.SSLContext]:
    """Make a certificate of a name; returns the file that vouches for it, and what a server shows."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(HOST))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificates, private = folder / f"{name}.pem", folder / f"{name}.key"
    certificates.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates, private)
    return certificates, context
