"""Mail is written with its cause, sealed, carried away once, and tried again where nobody takes it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sallyport.kernel.clock import DAY, MINUTE, SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.mailroute import MailFolder
from sallyport.notices.carriers import NotCarriedError
from sallyport.notices.rules import Letter
from tests.conftest import MakeWorld
from tests.postoffice import HOST, PASSWORD, USER, PostOffice, certificate, open_office
from tests.surgery import count, fetch, operate, verify_email
from tests.world import Person, World

TOKEN = Hidden("spx_" + "k" * 43)
SENDER = {"SALLYPORT_MAIL_FROM": "accounts@example.org"}


def letter(**more: Any) -> Letter:
    return Letter(template="recovery", page="/ui/recover", token=TOKEN, **more)


async def post(world: World, user: str | None, wanted: Letter, lifetime: int = DAY) -> None:
    await world.service.work(lambda rows: world.service.outbox.post(rows, user, wanted, lifetime))


def folder_of(world: World) -> Path:
    route = world.service.settings.mail_url
    assert isinstance(route, MailFolder)
    return route.path


def files_of(world: World) -> dict[str, list[int]]:
    """Return the modes of all files in the folder of mails, by their endings."""
    found: dict[str, list[int]] = {}
    for path in folder_of(world).iterdir():
        found.setdefault(path.suffix, []).append(path.stat().st_mode & 0o777)
    return found


def block(folder: Path) -> None:
    folder.write_text("a file in its place")


def free(folder: Path) -> None:
    folder.unlink()


async def reader(world: World, name: str = "alice", email: str = "alice@example.org") -> Person:
    """Register one whose address is verified."""
    person = await world.register(name, email=email)
    await verify_email(person)
    return person


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with open_office(PostOffice()) as office:
        yield office


async def by_smtp(make_world: MakeWorld, office: PostOffice, url: str = "smtp://{host}:{port}") -> World:
    world: World = await make_world(SENDER | {"SALLYPORT_MAIL_URL": url.format(host=HOST, port=office.port)})
    return world


async def test_a_mail_is_a_file_of_its_own_for_its_owners_eyes(world: World) -> None:
    alice = await reader(world)
    await post(world, alice.uid, letter())
    await post(world, alice.uid, letter(to="other@example.org"))
    first, second = sorted(await world.mails(), key=lambda mail: mail.to)
    assert (first.to, second.to) == ("alice@example.org", "other@example.org")
    assert first.token == TOKEN.reveal()
    (link,) = first.links
    assert (link.page, link.id) == ("http://127.0.0.1:8080/ui/recover", alice.uid)
    assert "Hello alice," in first.part("plain")
    assert f"#id={alice.uid}&amp;token={TOKEN.reveal()}" in first.part("html")
    assert files_of(world) == {".eml": [0o600, 0o600]}
    assert await count(world, "outbox") == 0


async def test_what_is_mailed_waits_sealed_and_is_bound_to_its_row(world: World) -> None:
    alice, bob = await reader(world), await reader(world, "bob", "bob@example.org")
    await post(world, alice.uid, letter(to="old@example.org"))
    await post(world, bob.uid, letter())
    ((sealed,),) = await fetch(world, "SELECT letter_sealed FROM outbox WHERE user_id = :u", u=alice.uid)
    assert b"old@example" not in sealed
    assert TOKEN.reveal().encode() not in sealed
    await operate(world, "UPDATE outbox SET letter_sealed = :s WHERE user_id = :u", s=sealed, u=bob.uid)
    with capture_logs() as logs:
        (mail,) = await world.mails()
    assert mail.to == "old@example.org"
    assert [(entry["event"], entry["fault"]) for entry in logs] == [
        ("mail given up", "does not open: altered, or moved from another row")
    ]
    assert await fetch(world, "SELECT letter_sealed, due_at FROM outbox") == [(None, None)]


async def test_mail_to_a_verified_address_needs_one(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org")
    await post(world, alice.uid, letter())
    assert await count(world, "outbox") == 0
    assert await world.mails() == []


async def test_a_letter_about_nobody_goes_nowhere(world: World) -> None:
    await post(world, None, letter(to="nobody@example.org"))
    assert await count(world, "outbox") == 1
    assert await world.mails() == []
    assert await count(world, "outbox") == 0


async def test_mail_goes_with_its_user(world: World) -> None:
    alice = await reader(world)
    await post(world, alice.uid, letter())
    assert (await alice.call("DELETE", "/users/me")).status_code == 204
    assert await count(world, "outbox") == 0


async def test_a_unit_that_fails_mails_nothing(world: World) -> None:
    alice = await reader(world)

    def fails(rows: Any) -> None:
        world.service.outbox.post(rows, alice.uid, letter())
        raise LookupError

    with pytest.raises(LookupError):
        await world.service.work(fails)
    assert await world.mails() == []


async def test_a_server_gets_each_mail_once_with_its_envelope(make_world: MakeWorld, office: PostOffice) -> None:
    world = await by_smtp(make_world, office)
    alice = await reader(world)
    for _ in range(7):
        await post(world, alice.uid, letter())
    await world.service.postman()
    assert len({mail.message["Message-ID"] for mail in office.mails}) == len(office.mails) == 7
    assert office.envelopes == [("accounts@example.org", ["alice@example.org"])] * 7
    assert {mail.token for mail in office.mails} == {TOKEN.reveal()}
    assert await count(world, "outbox") == 0


async def test_an_address_with_letters_of_another_script_gets_its_mail(make_world: MakeWorld) -> None:
    with open_office(PostOffice(), enable_SMTPUTF8=True) as office:
        world = await by_smtp(make_world, office)
        jurgen = await reader(world, "jürgen", "jürgen@example.org")
        await post(world, jurgen.uid, letter())
        await world.service.postman()
    (mail,) = office.mails
    assert "SMTPUTF8" in office.options[0]
    assert mail.token == TOKEN.reveal()
    assert "Hello jürgen," in mail.part("plain")


async def test_a_server_of_seven_bits_gets_seven(make_world: MakeWorld) -> None:
    with open_office(PostOffice(), decode_data=True) as office:
        world = await by_smtp(make_world, office)
        jurgen = await reader(world, "jürgen", "juergen@example.org")
        await post(world, jurgen.uid, letter())
        await world.service.postman()
    (mail,) = office.mails
    assert mail.raw.isascii()
    assert "Hello jürgen," in mail.part("plain")


async def test_starttls_is_demanded_and_the_server_proves_its_name(
    make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vouching, shown = certificate(tmp_path)
    office = PostOffice()
    with open_office(office, tls_context=shown, authenticator=office.judge, auth_required=True):
        password = PASSWORD.replace("/", "%2F").replace(":", "%3A").replace("@", "%40")
        world = await by_smtp(make_world, office, f"smtp://{USER}:{password}@{{host}}:{{port}}?starttls=required")
        alice = await reader(world)
        await post(world, alice.uid, letter())
        await world.service.postman()
        assert office.mails == []  # nobody vouches for that server yet
        monkeypatch.setenv("SSL_CERT_FILE", str(vouching))
        world.clock.advance(6)
        await world.service.postman()
    assert (office.encrypted, office.users, len(office.mails)) == ([True], [USER], 1)


async def test_without_starttls_a_server_that_must_have_it_gets_nothing(
    make_world: MakeWorld, office: PostOffice
) -> None:
    world = await by_smtp(make_world, office, "smtp://{host}:{port}?starttls=required")
    alice = await reader(world)
    await post(world, alice.uid, letter())
    await world.service.postman()
    assert office.mails == []
    assert await faults(world) == ["SMTPException"]


async def faults(world: World) -> list[str]:
    return [fault for (fault,) in await fetch(world, "SELECT fault FROM outbox")]


async def test_a_connection_cut_in_the_middle_is_tried_again_and_the_mail_arrives_once(
    make_world: MakeWorld, office: PostOffice
) -> None:
    world = await by_smtp(make_world, office)
    alice = await reader(world)
    await post(world, alice.uid, letter())
    office.cut = lambda server: server.transport.abort()
    await world.service.postman()
    assert (office.mails, await faults(world)) == ([], ["SMTPServerDisconnected"])
    await world.service.postman()
    assert office.mails == []  # not yet
    world.clock.advance(6)
    await world.service.postman()
    assert len(office.mails) == 1
    assert await count(world, "outbox") == 0


async def test_a_server_that_is_not_there_is_asked_again_ever_more_rarely_and_given_up_in_the_end(
    make_world: MakeWorld, office: PostOffice
) -> None:
    world = await by_smtp(make_world, office)
    alice = await reader(world)
    await post(world, alice.uid, letter(), lifetime=30 * MINUTE)
    office.answers = ["451 not now"] * 100
    tries = []
    for second in range(31 * 60):
        before = len(office.answers)
        await world.service.postman.carry()
        tries += [second] * (before - len(office.answers))
        world.clock.advance(1)
    assert tries == [0, 5, 15, 35, 75, 155, 315, 635, 1235]
    assert await fetch(world, "SELECT letter_sealed, due_at, fault FROM outbox") == [(None, None, "mail refused: 451")]
    assert office.mails == []


@pytest.mark.parametrize("where", ["answers", "recipients"])
async def test_a_permanent_no_is_taken_for_one(make_world: MakeWorld, office: PostOffice, where: str) -> None:
    world = await by_smtp(make_world, office)
    alice = await reader(world)
    await post(world, alice.uid, letter())
    setattr(office, where, ["550 <alice@example.org>: no such user here"])
    with capture_logs() as logs:
        await world.service.postman()
    assert [entry["event"] for entry in logs] == ["mail given up"]
    assert "alice" not in str(logs)
    ((sealed, fault),) = await fetch(world, "SELECT letter_sealed, fault FROM outbox")
    assert sealed is None
    assert "alice" not in fault
    office.answers = office.recipients = []
    world.clock.advance(DAY / SECOND)
    await world.service.postman()
    assert office.mails == []


async def test_a_recipient_who_is_not_there_for_the_moment_is_tried_again(
    make_world: MakeWorld, office: PostOffice
) -> None:
    world = await by_smtp(make_world, office)
    alice = await reader(world)
    await post(world, alice.uid, letter())
    office.recipients = ["450 greylisted"]
    await world.service.postman()
    world.clock.advance(6)
    await world.service.postman()
    assert len(office.mails) == 1


async def test_a_folder_that_can_not_be_written_puts_mail_off(world: World) -> None:
    block(folder_of(world))
    alice = await reader(world)
    await post(world, alice.uid, letter())
    assert await count(world, "outbox") == 1
    await world.service.postman()
    free(folder_of(world))
    world.clock.advance(6)
    assert len(await world.mails()) == 1


async def test_what_is_old_is_not_sent_any_more(world: World) -> None:
    alice = await reader(world)
    await post(world, alice.uid, letter(), lifetime=30 * MINUTE)
    world.clock.advance(30 * 60)
    assert await world.mails() == []
    assert await faults(world) == ["nobody took it in time"]
    world.clock.advance(31 * DAY / SECOND)
    for sweep in world.service.sweeps:
        await sweep()
    assert await count(world, "outbox") == 0


async def test_a_carrier_that_dies_leaves_its_mail_to_another_after_two_minutes(world: World) -> None:
    alice = await reader(world)
    await post(world, alice.uid, letter())
    taken = await world.service.postman._claimed()
    assert taken
    assert await world.mails() == []
    world.clock.advance(119)
    assert await world.mails() == []
    world.clock.advance(2)
    assert len(await world.mails()) == 1
    # And where the first one lives after all, it changes nothing any more.
    await world.service.postman._put_off(taken, NotCarriedError("late"))
    assert await count(world, "outbox") == 0


async def test_who_waits_for_mail_is_woken_by_who_writes_it(world: World) -> None:
    alice = await reader(world)
    resting = asyncio.ensure_future(world.service.postman.rest())
    await asyncio.sleep(0)
    await post(world, alice.uid, letter())
    async with asyncio.timeout(0.3):
        assert await resting
    assert await world.service.postman.rest() is False


async def test_numbers_tell_what_waits_what_went_and_what_did_not(make_world: MakeWorld, office: PostOffice) -> None:
    world = await by_smtp(make_world, office)
    alice = await reader(world)
    office.answers = ["250 OK", "451 later", "550 never"]
    for _ in range(3):
        await post(world, alice.uid, letter())
        await world.service.postman()
    numbers = (await world.call("GET", "/metrics")).text.splitlines()
    for line in (
        "sallyport_mails_sent_total 1.0",
        "sallyport_mails_put_off_total 1.0",
        "sallyport_mails_dead_total 1.0",
        "sallyport_mails_waiting 1.0",
    ):
        assert line in numbers


async def test_a_letter_that_can_not_be_put_into_words_is_given_up_and_holds_up_no_other(world: World) -> None:
    alice = await reader(world)
    await post(world, alice.uid, letter(to="no address\r\nBcc: eve@example.org"))
    await post(world, alice.uid, letter(facts={"name2": "x"}))
    await world.service.work(lambda rows: world.service.outbox.post(rows, alice.uid, Letter(template="no such")))
    (mail,) = await world.mails()
    assert mail.to == "alice@example.org"
    assert sorted(await faults(world)) == [
        "can't be put into words: TemplateNotFound",
        "can't be put into words: ValueError",
    ]


async def test_who_waits_for_mail_is_told_of_the_end(world: World) -> None:
    postman = world.service.postman
    resting = asyncio.ensure_future(postman.rest())
    await asyncio.sleep(0)
    postman.end()
    async with asyncio.timeout(0.3):
        assert await resting
    assert postman.ending
