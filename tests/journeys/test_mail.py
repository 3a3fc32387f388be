"""Mail of a running service: soon after its cause, once among several processes, and the last of it at the end."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mail import Mail, mails_in
from tests.postoffice import HOST, PostOffice, open_office
from tests.server import Reply, Server, serving

PASSWORD = "correct horse battery staple"
NEW = "a horse that nobody has seen"
UNTHROTTLED = {"SALLYPORT_THROTTLE": "off", "SALLYPORT_LOG_LEVEL": "debug"}


def soon(look: Callable[[], Any], seconds: float = 10) -> Any:
    """Return what a look finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.02)
    return found


def with_token(folder: Path, prefix: str) -> list[Mail]:
    return [mail for mail in mails_in(folder / "data" / "outbox") if prefix.encode() in mail.raw]


def registered(server: Server, name: str = "alice") -> dict[str, Any]:
    reply = server.call("POST", "/users", {"name": name, "password": PASSWORD, "email": f"{name}@example.org"})
    assert reply.status == 201, reply.body
    body: dict[str, Any] = reply.body
    return body


def verified(server: Server, folder: Path, name: str = "alice") -> dict[str, Any]:
    alice = registered(server, name)
    before = len(with_token(folder, "spv_"))
    sent = server.call("POST", "/users/me/verify/send", authorization=f"Bearer {alice['token']}")
    assert (sent.status, sent.body) == (202, None)
    mails = soon(lambda: with_token(folder, "spv_")[before:])
    assert server.call("POST", f"/users/{alice['userUid']}/verify", {"token": mails[-1].token}).status == 204
    return alice


def ask(server: Server, name: str) -> Reply:
    return server.call("POST", "/users/recover", {"identifier": name})


def test_a_forgotten_password_comes_back_through_the_mailbox(home: Path) -> None:
    with serving(home, environ=UNTHROTTLED) as server:
        alice = verified(server, home)
        begun = time.monotonic()
        assert ask(server, "alice@example.org").status == 202
        (mail,) = soon(lambda: with_token(home, "spx_"))
        assert time.monotonic() - begun < 5  # mostly some hundredths; other tests run beside this one
        # As a tool takes it that knows nothing of mail.
        token = re.findall(rb"spx_[A-Za-z0-9_-]{43}", mail.raw)[0].decode()
        body = {"token": token, "password": NEW}
        assert server.call("POST", f"/users/{alice['userUid']}/recover", body).status == 204
        assert server.log_in("alice", PASSWORD).status == 401
        assert server.log_in("alice", NEW).status == 200
        soon(lambda: [mail for mail in with_token(home, "spu_") if "set anew" in mail.subject])
        log = server.err.read_text() + server.out.read_text()
    for secret in (token, token[4:], "alice@example.org"):
        assert secret not in log


@pytest.mark.sqlite_only(
    reason="workers share what they do whichever database they have; nodes have a test of their own"
)
@pytest.mark.on_disk("while a write waits for it, others come in between")
def test_two_processes_send_each_mail_once(home: Path) -> None:
    with open_office(PostOffice()) as office:
        url = {"SALLYPORT_MAIL_URL": f"smtp://{HOST}:{office.port}", "SALLYPORT_MAIL_FROM": "accounts@example.org"}
        with serving(home, "--workers", "2", environ=UNTHROTTLED | url) as server:
            for number in range(8):
                person = registered(server, f"person{number}")
                sent = server.call("POST", "/users/me/verify/send", authorization=f"Bearer {person['token']}")
                assert sent.status == 202
            soon(lambda: len(office.mails) >= 8)
            time.sleep(1.2)  # a second one would come by now
    assert len(office.mails) == 8
    assert len({mail.to for mail in office.mails}) == 8


def test_what_was_asked_for_last_goes_out_before_the_end(home: Path) -> None:
    with serving(home, environ=UNTHROTTLED) as server:
        verified(server, home)
        assert ask(server, "alice").status == 202
        assert server.end() == 0
    assert len(with_token(home, "spx_")) == 1


def test_mail_that_nobody_took_waits_for_the_next_start(home: Path) -> None:
    office = PostOffice()
    with open_office(office):
        pass  # a port where nobody listens any more
    url = {"SALLYPORT_MAIL_URL": f"smtp://{HOST}:{office.port}", "SALLYPORT_MAIL_FROM": "accounts@example.org"}
    with serving(home, environ=UNTHROTTLED | url) as server:
        alice = registered(server)
        sent = server.call("POST", "/users/me/verify/send", authorization=f"Bearer {alice['token']}")
        assert sent.status == 202
        soon(lambda: "mail put off" in server.err.read_text())
    with open_office(office), serving(home, environ=UNTHROTTLED | url):
        soon(lambda: office.mails, 20)
    assert office.mails[0].to == "alice@example.org"
