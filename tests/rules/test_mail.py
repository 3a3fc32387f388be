"""What a mail is made of, and how patient its carrier is."""

from email.headerregistry import Address

import pytest

from sallyport.kernel.clock import MINUTE, SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.mailroute import MailFolder, MailServer, Tls, parse_route
from sallyport.notices.rules import link, message, pause, split, told
from tests.mail import Mail

UID = "0190b3c4-0000-7000-8000-000000000000"
TOKEN = "spx_" + "A" * 43
SENDER = Address(display_name="Sallyport", addr_spec="accounts@example.org")


def written(text: str, html: str = "<p>x</p>", to: str = "alice@example.org", subject: str = "s") -> Mail:
    mail = message(sender=SENDER, to=to, subject=subject, text=text, html=html, uid=UID, at=0)
    return Mail(raw=mail.as_bytes())


def test_a_link_stands_in_a_mail_as_it_was_made_whatever_stands_beside_it() -> None:
    url = link("https://accounts.example.org/" + "very/" * 40 + "long", "/ui/recover", UID, Hidden(TOKEN))
    for beside in ("plain words", "Grüße = aus München", "= =3D .", "x" * 400):
        mail = written(f"{beside}\n\n{url}\n", f"<p>{beside}</p><a href='{url}'>here</a>")
        assert url.encode() + b"\r\n" in mail.raw
        assert mail.token == TOKEN
        assert mail.part("plain") == f"{beside}\n\n{url}\n"


def test_a_mail_says_when_from_whom_and_that_no_machine_is_to_answer() -> None:
    mail = written("x").message
    assert mail["Message-ID"] == f"<{UID}@example.org>"
    assert mail["Date"] == "Thu, 01 Jan 1970 00:00:00 +0000"
    assert mail["From"] == "Sallyport <accounts@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize("bad", ["a@example.org\r\nBcc: eve@example.org", "a@example.org\nSubject: x"])
def test_no_address_and_no_subject_gets_a_header_of_its_own_in(bad: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # of several makes, all of them right
        written("x", to=bad)
    with pytest.raises(ValueError):  # noqa: PT011  # as above
        written("x", subject=bad)


def test_pauses_double_up_to_ten_minutes() -> None:
    assert [pause(tries) // SECOND for tries in (1, 2, 3, 7, 8, 1000)] == [5, 10, 20, 320, 600, 600]
    assert pause(10**9) == 10 * MINUTE


def test_what_people_typed_stands_in_one_short_line() -> None:
    assert told({"reason": "a\n\nb\tc", "long": "x" * 900}) == {"reason": "a b c", "long": "x" * 200}


def test_words_are_a_subject_and_paragraphs() -> None:
    assert split("  A\nsubject \n\n\n one\n two\n\nthree\n") == ("A subject", ["one\ntwo", "three"])


@pytest.mark.parametrize(
    ("text", "folder"), [("file:./data/outbox", "data/outbox"), ("file:/a/b", "/a/b"), ("file:///a", "/a")]
)
def test_a_route_may_be_a_folder(text: str, folder: str) -> None:
    route = parse_route(text)
    assert isinstance(route, MailFolder)
    assert str(route.path) == folder


@pytest.mark.parametrize(
    ("text", "host", "port", "tls"),
    [
        ("smtps://mail.example.org", "mail.example.org", 465, Tls.WHOLE),
        ("smtp://mail.example.org", "mail.example.org", 587, Tls.STARTTLS),
        ("smtp://mail.example.org:25?starttls=off", "mail.example.org", 25, Tls.NONE),
        ("smtp://localhost:1025", "localhost", 1025, Tls.NONE),
        ("smtp://[::1]:1025/", "::1", 1025, Tls.NONE),
        ("smtp://127.0.0.1?starttls=required", "127.0.0.1", 587, Tls.STARTTLS),
    ],
)
def test_a_server_elsewhere_is_spoken_to_in_the_clear_only_where_the_url_says_so(
    text: str, host: str, port: int, tls: Tls
) -> None:
    assert parse_route(text) == MailServer(host=host, port=port, tls=tls, user=None, password=None)


def test_user_and_password_stand_in_the_url_and_print_nowhere() -> None:
    route = parse_route("smtps://me%40example.org:p%2Fw%3A@mail.example.org")
    assert isinstance(route, MailServer)
    assert route.password
    assert (route.user, route.password.reveal()) == ("me@example.org", "p/w:")
    assert "p/w" not in repr(route)


@pytest.mark.parametrize(
    "text",
    [
        "mail.example.org",
        "file:",
        "file://",
        "http://mail.example.org",
        "smtp://",
        "smtp://mail.example.org/folder",
        "smtp://mail.example.org#x",
        "smtp://mail.example.org?starttls=maybe",
        "smtp://mail.example.org?tls=off",
        "smtps://mail.example.org?starttls=off",
        "smtp://mail.example.org:port",
        "smtp://me:secret@mail.example.org:99999",
    ],
)
def test_any_other_route_is_refused_without_telling_its_password(text: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the text is looked at below
        parse_route(text)
    assert "secret" not in str(refused.value)
