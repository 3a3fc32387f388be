"""Class O: secrets in logs, in answers, in the database.

CVE-2026-0519 Absolute, CVE-2026-44883 Portainer, CVE-2026-34969 nhost: tokens in logs and URLs.
"""

import hashlib
import json
import logging
from base64 import b32encode, b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog

from sallyport.kernel.hidden import Hidden
from sallyport.store.work import Sql
from tests.canary import Secrets, forms
from tests.conftest import MakeWorld
from tests.surgery import fetch, operate
from tests.world import Person, World, bearer

_GONE = Sql("ALTER TABLE refresh_tokens RENAME TO elsewhere")
CANARY = "Kanarienvogel im Bergwerk 4711"
NEXT_CANARY = "Zeisig und Stieglitz 0815 im Flug"


def test_the_search_itself_finds_what_is_there() -> None:
    secret = b"a canary of some length"
    for padded in (b"", b"x", b"xy", b"xyz", b"xyz1"):
        for encode in (bytes.hex, b64encode, urlsafe_b64encode, b32encode):
            text = encode(padded + secret + b" and more")
            found = text.encode() if isinstance(text, str) else text
            assert any(form in found for form in forms(secret)), (padded, encode)


@pytest.mark.parametrize("secret", ["plain words", 'a "quoted" \\ one', "Z\u00fcnd\u00fcng", "0815-4711"])
def test_the_search_finds_what_json_or_a_url_escapes(secret: str) -> None:
    secrets = Secrets()
    secrets.add(one=secret)
    for text in (
        secret,
        json.dumps({"a": secret}),
        json.dumps([secret], ensure_ascii=False),
        quote(secret),
        f"?{secret}&",
    ):
        assert secrets.leak(text.encode()) == ["one 0"]


def test_six_digits_are_found_as_a_word_and_encoded_but_not_in_a_date() -> None:
    secrets = Secrets()
    secrets.add_digits("021589")
    for text in (b'{"token": "021589"}', b"'021589'", b"=021589", b64encode(b"x021589y"), b"021589".hex().encode()):
        assert secrets.leak(text) == ["digits 021589"]
    for text in (b"1021589", b"0215890", b"a021589b", b"021588"):
        assert secrets.leak(text) == []


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Collect all that is logged, by structlog with every field and by logging, from debug up."""
    lines: list[str] = []

    def keep(_: Any, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        lines.append(f"{level} {event!r}")
        raise structlog.DropEvent

    caplog.set_level(logging.DEBUG)
    before = structlog.get_config()
    structlog.configure(processors=[structlog.processors.format_exc_info, keep], cache_logger_on_first_use=False)
    yield lines
    structlog.configure(**before)


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    """A service that logs all that it can."""
    made: World = await make_world({"SALLYPORT_LOG_LEVEL": "debug"})
    return made


async def journey(world: World) -> tuple[Person, Secrets]:
    """Walk through everything that has a secret in it, right and wrong."""
    secrets = Secrets()
    secrets.add(password=CANARY, next_password=NEXT_CANARY, wrong="Rotkehlchen, das falsche Wort")
    alice = await world.register("alice", CANARY, email="alice@example.org")
    secrets.add_tokens(alice.token, alice.refresh)
    await alice.enroll()
    assert alice.phone
    secrets.add_seed(alice.phone.secret)
    secrets.add_codes(alice.codes)
    secrets.add_tokens(alice.token, alice.refresh)
    world.clock.advance(30)
    challenge = await alice.challenge()
    secrets.add(challenge=challenge, digits=challenge[4:])
    answer = await world.answer(challenge, alice.phone.code())
    alice.hold(answer.json())
    secrets.add_tokens(alice.token, alice.refresh)
    challenge = await alice.challenge()
    secrets.add(challenge=challenge)
    await world.answer(challenge, alice.codes[0])
    await world.answer(challenge, alice.codes[0])
    await world.password("alice", "Rotkehlchen, das falsche Wort")
    secret = (await alice.call("GET", "/users/me/secrets")).json()[0]
    change = {"version": secret["version"], "secret": NEXT_CANARY, "current": CANARY}
    changed = await alice.call("PUT", f"/users/me/secrets/{secret['uid']}", change)
    alice.hold(changed.json()["session"])
    alice.password = NEXT_CANARY
    secrets.add_tokens(alice.token, alice.refresh)
    old = alice.refresh
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": old})).json())
    await world.call("POST", "/auth/refresh", {"refresh": old})
    secrets.add_tokens(alice.token, alice.refresh)
    secrets.add_codes((await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"})).json()["codes"])
    pending = (await alice.call("POST", "/users/me/secrets?qr=svg", {"type": "mfa"})).json()["secret"]
    secrets.add_seed(pending["secret"])
    waiting = await alice.challenge()
    secrets.add(challenge=waiting, digits=waiting[4:])
    return alice, secrets


def all_of(logged: list[str], caplog: pytest.LogCaptureFixture) -> bytes:
    """Return everything that was logged, but what the client of these tests says of its own requests."""
    ours = [record for record in caplog.records if not record.name.startswith("httpx2")]
    return "\n".join([*logged, *(f"{record.getMessage()} {record.exc_info}" for record in ours)]).encode()


async def malformed(world: World, alice: Person) -> list[bytes]:
    """Send secrets where they do not belong, and return the answers."""
    answers = [
        await world.client.get(f"/users/{alice.token}", headers=alice.auth),
        await world.client.get("/users", params={"token": alice.token, "after": alice.refresh}, headers=alice.auth),
        await world.client.get(f"/auth/totp?jwt_token={alice.token}"),
        await world.call("POST", "/auth/password", {"identifier": CANARY, "password": 7}),
        await world.call("POST", "/auth/password", f'{{"password": "{CANARY}"'.encode()),
        await world.call("POST", "/users", {"name": f"{CANARY}\x00"}),
        await world.call("POST", "/users", {CANARY[:3]: 1, "name": "x"}),
        await world.call("GET", "/users/me", headers=bearer(alice.refresh)),
        await world.call("POST", "/auth/totp", {"token": CANARY, "challenge": alice.refresh}),
        await world.call("POST", "/auth/refresh", {"refresh": alice.token}),
    ]
    assert all(400 <= answer.status_code < 500 for answer in answers)
    return [answer.content for answer in answers]


async def test_no_secret_is_logged_at_any_level(
    world: World, logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    alice, secrets = await journey(world)
    await malformed(world, alice)
    assert secrets.leak(all_of(logged, caplog)) == []


async def test_no_secret_is_logged_where_the_service_itself_is_at_fault(
    world: World, logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    alice, secrets = await journey(world)
    challenge = await alice.challenge()
    secrets.add(challenge=challenge)
    assert alice.phone
    # A seed that was moved from elsewhere does not open, and a table that is gone can't be asked.
    await operate(world, "UPDATE totp SET seed_sealed = zeroblob(77) WHERE id = :i", i=alice.totp)
    world.clock.advance(30)
    broken = [await world.answer(challenge, alice.phone.code())]
    await world.service.work(lambda rows: rows.change(_GONE))
    broken.append(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}))
    assert [answer.status_code for answer in broken] == [500, 503]
    assert [answer.json()["code"] for answer in broken] == ["internal", "storage_unavailable"]
    assert logged
    assert secrets.leak(all_of(logged, caplog)) == []
    for answer in broken:
        assert secrets.leak(answer.content) == []
        for word in ("Traceback", "sqlite", "SELECT", "no such table", "sallyport/", ".py", "DoesNotOpen"):
            assert word not in answer.text


async def test_a_path_or_query_with_a_token_is_not_logged(world: World, logged: list[str]) -> None:
    alice = await world.register("alice")
    await malformed(world, alice)
    assert not any(alice.token in line or alice.refresh in line for line in logged)


async def test_no_answer_of_another_route_shows_a_secret(world: World) -> None:
    alice, secrets = await journey(world)
    admin, bob = await world.admin(), await world.register("bob")
    uids = [one["uid"] for one in (await alice.call("GET", "/users/me/secrets")).json()]
    paths = ["", "/secrets", "/secrets/count", "/sessions", *(f"/secrets/{uid}" for uid in uids)]
    seen = [answer for answer in await malformed(world, alice) if b"spr_" not in answer]
    for person in (alice, admin, bob):
        seen += [(await person.call("GET", f"/users/{alice.uid}{path}")).content for path in paths]
        seen += [(await person.call("GET", path)).content for path in ("/users", "/.well-known/jwks.json")]
    assert secrets.leak(b"\n".join(seen)) == []


async def test_the_database_holds_no_secret_in_any_form(world: World, tmp_path: Path) -> None:
    alice, secrets = await journey(world)
    folder = tmp_path / "one"
    files = sorted(folder.glob("sallyport.db*"))
    assert [file.name for file in files][:2] == ["sallyport.db", "sallyport.db-shm"]
    stored = b"".join(file.read_bytes() for file in files)
    assert secrets.leak(stored) == []
    assert b"$argon2" not in stored
    # The search would find what is there: names are.
    assert b"alice@example.org" in stored
    # What a refresh token is found by is there.
    assert hashlib.sha256(alice.refresh.encode()).digest() in stored


async def test_every_column_of_bytes_says_how_it_is_kept(world: World) -> None:
    await journey(world)
    tables = await fetch(world, "SELECT name FROM sqlite_master WHERE type = 'table'")
    kept = set()
    for (table,) in tables:
        for column in await fetch(world, "SELECT name, type FROM pragma_table_info(:t)", t=table):
            if column[1].upper() in {"BLOB", "LARGEBINARY"}:
                kept.add(column[0])
    assert kept == {
        "hash_sealed",
        "keys_sealed",
        "letter_sealed",
        "seed_sealed",
        "address_digest",
        "key_digest",
        "value_digest",
        "token_digest",
        "client_digest",
        "code_digest",
        "ip_digest",
        "row_digest",
        "chain_digest",
        "recent",
        "salt",
        "successor_salt",
    }


async def test_what_is_sealed_is_sealed_each_time_anew(world: World) -> None:
    people = [await world.register(name, CANARY) for name in ("alice", "bob")]
    for person in people:
        await person.enroll()
    rows = await fetch(world, "SELECT hash_sealed FROM passwords UNION ALL SELECT seed_sealed FROM totp")
    assert len({row[0] for row in rows}) == len(rows) == 5


async def test_a_sealed_value_opens_in_no_other_row(world: World) -> None:
    alice, mallory = await world.enrolled("alice"), await world.enrolled("mallory")
    assert mallory.phone
    await operate(
        world,
        """UPDATE totp SET seed_sealed = (SELECT seed_sealed FROM totp WHERE id = :theirs), last_step = 0
           WHERE id = :mine""",
        theirs=mallory.totp,
        mine=alice.totp,
    )
    world.clock.advance(30)
    answer = await world.answer(await alice.challenge(), mallory.phone.code())
    assert answer.status_code == 500
    assert "spr_" not in answer.text


async def test_a_hidden_value_does_not_print(world: World) -> None:
    held = Hidden(CANARY)
    for text in (repr(held), str(held), f"{held}", f"{held!r}", f"{[held]}", str({"x": held})):
        assert CANARY not in text
