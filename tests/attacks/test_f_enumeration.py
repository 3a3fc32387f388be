"""Class F: enumeration.

CVE-2024-41952, CVE-2026-23511 Zitadel; CVE-2023-39522 authentik; TOB-PYPI-5: another text or another step for users
who exist. Answers are compared byte for byte: status, headers in their order, body.
"""

from typing import Any

import httpx2
import pytest

from sallyport.store.postgres.runner import PostgresRows
from sallyport.store.sqlite_rows import SqliteRows
from sallyport.store.work import Rows, Sql
from tests.conftest import MakeWorld
from tests.engines import POSTGRES, SQLITE, Engine
from tests.expect import refused
from tests.surgery import count, everything, verify_email
from tests.world import PASSWORD, UNTHROTTLED, World, basic

SAME = {"x-request-id": "one-and-the-same"}
OTHER = "another sentence, not so right"


def bytes_of(answer: httpx2.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return answer.status_code, answer.headers.raw, answer.content


async def town(world: World) -> list[tuple[str, str]]:
    """Make users of every kind, and return credentials that are wrong for as many reasons."""
    plain = await world.register("plain", email="plain@example.org")
    await verify_email(plain)
    await world.register("claimed", email="claimed@example.org")
    await world.register("bare", password=None)
    gone = await world.register("disabled")
    both = await world.enrolled("enrolled")
    shut = await world.enrolled("enrolled-disabled")
    erased = await world.register("erased")
    assert (await erased.call("DELETE", "/users/me")).status_code == 204
    admin = await world.admin()
    for person in (gone, shut):
        answer = await admin.call("PUT", f"/users/{person.uid}", {"version": 0, "disabled": True})
        assert answer.status_code == 200
    return [
        ("nobody", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("01912345-0000-7000-8000-000000000000", PASSWORD),
        ("", ""),
        ("\x00", PASSWORD),
        ("x" * 4000, PASSWORD),
        ("erased", PASSWORD),
        (erased.uid, PASSWORD),
        ("plain", OTHER),
        ("plain", ""),
        ("plain", PASSWORD + " "),
        ("plain", PASSWORD.upper()),
        (plain.uid, OTHER),
        ("plain@example.org", OTHER),
        ("claimed@example.org", PASSWORD),
        ("bare", PASSWORD),
        ("bare", ""),
        ("disabled", PASSWORD),
        ("disabled", OTHER),
        ("enrolled", OTHER),
        ("enrolled", both.codes[0]),
        ("enrolled-disabled", PASSWORD),
        ("enrolled-disabled", shut.codes[0]),
        ("admin", PASSWORD),
    ]


@pytest.mark.parametrize("code_login", ["false", "true"])
async def test_every_failed_login_is_the_same_to_the_byte(make_world: MakeWorld, code_login: str) -> None:
    world: World = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": code_login, **UNTHROTTLED})
    wrong = await town(world)
    if code_login == "true":
        # There the code is right: it logs in.
        wrong = [one for one in wrong if one[0] != "enrolled" or one[1] == OTHER]
    before = await everything(world)
    answers = []
    for identifier, password in wrong:
        headers = basic(identifier, password) | SAME
        answers.append(await world.call("GET", "/auth/password", headers=headers))
        answers.append(await world.call("POST", "/auth/password", headers=headers))
        body = {"identifier": identifier, "password": password}
        answers.append(await world.call("POST", "/v1/auth/password", body, headers=SAME))
    refused(answers[0], 401, "invalid_credentials")
    for answer in answers:
        assert bytes_of(answer) == bytes_of(answers[0])
    assert await everything(world) == before


async def test_every_failed_login_costs_one_hash(unthrottled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [one for one in await town(unthrottled) if len(one[0]) < 4000]
    pool, runs = unthrottled.service.pool, list[None]()
    genuine = pool.run_timed

    async def counted(work: Any) -> Any:
        runs.append(None)
        return await genuine(work)

    monkeypatch.setattr(pool, "run_timed", counted)
    for identifier, password in wrong:
        before = len(runs)
        await unthrottled.password(identifier, password)
        assert len(runs) - before == 1, identifier


@pytest.mark.parametrize("shown", ["none", "made up", "of another user"])
async def test_every_failed_login_asks_the_same_of_the_database(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    """A statement more is microseconds more, and those can be measured, patiently."""
    await town(world)
    await world.register("attacker")
    genuine_one = (await world.password("attacker", PASSWORD)).json()["client"]
    token = {"none": "", "made up": "spd_" + "A" * 54, "of another user": genuine_one}[shown]
    asked = list[str]()

    def listening(name: str) -> Any:
        genuine = getattr(rows_of_engine, name)

        def heard(rows: Rows, *sql: Sql, **values: Any) -> Any:
            # By name, address or uid is the caller's choice.
            asked.append(sql[0].text.split(" WHERE ")[0] if sql else name)
            return genuine(rows, *sql, **values)

        return heard

    rows_of_engine: type = SqliteRows if engine.name == SQLITE else PostgresRows
    # On PostgreSQL a trip to the server is worth more microseconds than a statement.
    for name in ("one", "all", "change", "post", "soon", *(["trip"] if engine.name == POSTGRES else [])):
        monkeypatch.setattr(rows_of_engine, name, listening(name))
    heard = []
    await world.password("somebody", OTHER)  # the first try from an address is written, the next ones change it
    for identifier in ("nobody", "nobody@example.org", "erased", "plain", "bare", "disabled", "enrolled"):
        asked.clear()
        body = {"identifier": identifier, "password": OTHER}
        answer = await world.call("POST", "/auth/password", body, headers={"x-sallyport-client": token})
        refused(answer, 401, "invalid_credentials")
        heard.append(list(asked))
    assert len(heard[0]) > 3
    for one in heard:
        assert one == heard[0]


async def test_a_challenge_looks_alike_for_everyone(world: World) -> None:
    shapes = set()
    for name in ("first", "second"):
        person = await world.enrolled(name)
        answer = await world.password(name, PASSWORD)
        body = answer.json()
        assert body["userUid"] == person.uid
        shapes.add((answer.status_code, tuple(body), len(body["token"]), len(answer.content)))
    assert len(shapes) == 1


async def test_a_dead_challenge_is_like_one_that_never_was(world: World) -> None:
    victim, admin = await world.enrolled("victim"), await world.admin()
    spent, killed, ended = await victim.challenge(), await victim.challenge(), await victim.challenge()
    await world.answer(spent, victim.codes[0])
    for _ in range(5):
        await world.answer(killed, "no code")
    await admin.call("PUT", f"/users/{victim.uid}", {"version": 0, "disabled": True})
    answers = [
        await world.call(
            "POST", "/auth/totp", {"token": victim.codes[1]}, headers=SAME | {"authorization": f"jwt {token}"}
        )
        for token in (spent, killed, ended, "spc_" + "A" * 43, "nonsense", victim.token, victim.refresh)
    ]
    refused(answers[0], 401, "challenge_invalid")
    for answer in answers:
        assert bytes_of(answer) == bytes_of(answers[0])


async def test_a_dead_refresh_token_is_like_one_that_never_was(world: World) -> None:
    first, second, third = [await world.register(name) for name in ("first", "second", "third")]
    admin = await world.admin()
    await first.call("POST", "/auth/logout")
    await second.call("DELETE", "/users/me")
    await admin.call("PUT", f"/users/{third.uid}", {"version": 0, "disabled": True})
    answers = [
        await world.call("POST", "/auth/refresh", {"refresh": token}, headers=SAME)
        for token in (first.refresh, second.refresh, third.refresh, "spr_" + "A" * 43, "nonsense")
    ]
    refused(answers[0], 401, "invalid_token")
    for answer in answers:
        assert bytes_of(answer) == bytes_of(answers[0])


async def test_a_dead_access_token_tells_nothing(world: World) -> None:
    first, second, third = [await world.register(name) for name in ("first", "second", "third")]
    admin = await world.admin()
    await first.call("POST", "/auth/logout")
    await second.call("DELETE", "/users/me")
    await admin.call("PUT", f"/users/{third.uid}", {"version": 0, "disabled": True})
    answers = [
        await world.call("GET", "/users/me", headers=SAME | {"authorization": f"jwt {token}"})
        for token in (first.token, second.token, third.token, "a.b.c", "nonsense")
    ]
    refused(answers[0], 401, "invalid_token")
    for answer in answers:
        assert bytes_of(answer) == bytes_of(answers[0])


@pytest.mark.parametrize(
    "address", ["verified@example.org", "VERIFIED@example.org", "claimed@example.org", "unknown1@example.org"]
)
async def test_registration_never_says_whether_an_address_is_known(world: World, address: str) -> None:
    owner = await world.register("owner", email="verified@example.org")
    await verify_email(owner)
    await world.register("claimer", email="claimed@example.org")
    # Both are of one length, so that nothing but the address itself can differ.
    body = {"name": "newcomer", "email": address, "password": PASSWORD}
    answer = await world.call("POST", "/users", body)
    assert answer.status_code == 201
    assert answer.json()["user"]["email"] == address
    assert answer.json()["user"]["verified"] is False
    assert sorted(answer.headers) == sorted((await world.call("POST", "/users", {"name": "more"})).headers)
    changed = await owner.call("PUT", "/users/me", {"version": 0, "email": "claimed@example.org"})
    assert changed.status_code == 200


async def test_what_is_hidden_is_like_what_is_not_there(world: World) -> None:
    victim, attacker = await world.enrolled("victim"), await world.enrolled("attacker")
    session = (await victim.call("GET", "/users/me/sessions")).json()[0]["uid"]
    nobody = "01912345-0000-7000-8000-000000000000"
    rows = await count(world, "totp")
    for method, tail, body in (
        ("GET", "/secrets", None),
        ("POST", "/secrets", {"type": "mfa"}),
        ("GET", "/secrets/count", None),
        ("GET", f"/secrets/{victim.totp}", None),
        ("PUT", f"/secrets/{victim.totp}", {"version": 0}),
        ("PUT", f"/secrets/{victim.totp}/enroll", {"token": "123456"}),
        ("DELETE", f"/secrets/{victim.totp}", None),
        ("GET", "/sessions", None),
        ("DELETE", "/sessions", None),
        ("DELETE", f"/sessions/{session}", None),
    ):
        there = await attacker.call(method, f"/users/{victim.uid}{tail}", body, headers=SAME)
        not_there = await attacker.call(method, f"/users/{nobody}{tail}", body, headers=SAME)
        refused(there, 404, "not_found")
        assert bytes_of(there) == bytes_of(not_there)
    assert await count(world, "totp") == rows


async def test_closed_registration_does_not_say_which_names_are_taken(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REGISTRATION": "closed"})
    taken = await world.call("POST", "/users", {"name": "admin", "password": "short"}, headers=SAME)
    free = await world.call("POST", "/users", {"name": "nobody", "password": PASSWORD}, headers=SAME)
    refused(taken, 401, "unauthenticated")
    assert bytes_of(taken) == bytes_of(free)
