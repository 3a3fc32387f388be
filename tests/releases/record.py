"""Writes down a release: a database of it, what its people hold, and the statements by which it serves them.

Run once, on a checkout of the release, when a schema goes out; what it wrote into that folder is never changed:

    PYTHONPATH=src:. python .../tests/releases/record.py .../tests/releases/NNNN

The key rings are not written down: tests make them anew from a phrase.
"""

import asyncio
import json
import shutil
import sqlite3
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sallyport.store.sqlite_rows import SqliteRows
from tests.world import Person, Phone, TurnedClock, World, client_of, service_in

Move = Callable[[World, dict[str, Person]], Awaitable[None]]


def write_rings(folder: Path) -> None:
    """Write key files as release 0001 wrote them; the signing keys are new each time: no token of before is kept."""
    folder.mkdir(mode=0o700)
    drawn = {name: [derived(name)] for name in ("sealing", "pepper", "audit")}
    drawn["signing"] = [signing_key(), signing_key()]
    for name, keys in drawn.items():
        ids = [derived(f"{name} {number}")[:8].hex() for number in range(len(keys))]
        written = {key_id: b64encode(key).decode() for key_id, key in zip(ids, keys, strict=True)}
        path = folder / f"{name}.json"
        path.touch(0o600)
        path.write_text(json.dumps({"ring": name, "active": ids[0], "keys": written}))


def derived(what: str) -> bytes:
    return sha256(f"a ring of nobody's, for tests of upgrades: {what}".encode()).digest()


def signing_key() -> bytes:
    return generate_private_key(SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


async def settle(world: World) -> dict[str, Person]:
    """Let people move in: one with a second factor, one without, one who has not finished enrolling."""
    people = {"alice": await world.enrolled("alice"), "bob": await world.register("bob")}
    people["carol"] = await world.register("carol")
    await people["carol"].begin_enrollment()
    await people["alice"].login()
    await people["bob"].login()
    await people["alice"].challenge()
    return people


async def log_in(world: World, people: dict[str, Person]) -> None:
    await people["alice"].login()
    await people["alice"].call("GET", "/users/me")
    wrong = await people["alice"].challenge()
    await world.answer(wrong, people["alice"].phone.wrong() if people["alice"].phone else "")
    await world.password("alice", "not the password at all")
    await world.password("nobody", "not the password at all")


async def log_in_with_a_backup_code(world: World, people: dict[str, Person]) -> None:
    alice = people["alice"]
    answer = await world.answer(await alice.challenge(), alice.codes[1])
    assert answer.status_code == 200, answer.text


async def refresh(world: World, people: dict[str, Person]) -> None:
    for name in ("alice", "bob"):
        answer = await world.call("POST", "/auth/refresh", {"refresh": people[name].refresh})
        assert answer.status_code == 200, answer.text
        await world.call("POST", "/auth/refresh", {"refresh": people[name].refresh})


async def move_in(world: World, _: dict[str, Person]) -> None:
    await world.enrolled("dave")


async def look_around(world: World, people: dict[str, Person]) -> None:
    alice = people["alice"]
    await alice.login()
    for path in ("/users", "/users/count", "/users/me", "/users/me/secrets", "/users/me/sessions"):
        assert (await alice.call("GET", path)).status_code == 200, path
    await alice.call("PUT", "/users/me", {"version": 0, "firstName": "Alice"})


async def change_secrets(world: World, people: dict[str, Person]) -> None:
    alice = people["alice"]
    await alice.login()
    assert (await alice.call("POST", "/users/me/secrets", {"type": "mfabackup"})).status_code == 200
    held = (await alice.call("GET", "/users/me/secrets")).json()[0]
    change = {"version": held["version"], "current": alice.password, "secret": alice.password + "!"}
    assert (await alice.call("PUT", f"/users/me/secrets/{held['uid']}", change)).status_code == 200


async def leave(world: World, people: dict[str, Person]) -> None:
    bob = people["bob"]
    await bob.login()
    assert (await bob.call("POST", "/auth/elevate", {"password": bob.password})).status_code == 200
    assert (await bob.call("DELETE", "/users/me/sessions")).is_success
    await bob.call("POST", "/auth/logout")
    await bob.login()
    assert (await bob.call("DELETE", "/users/me")).is_success
    world.clock.advance(3600)
    for sweep in world.service.sweeps:
        await sweep()


MOVES: tuple[Move, ...] = (
    log_in,
    log_in_with_a_backup_code,
    refresh,
    move_in,
    look_around,
    change_secrets,
    leave,
)


class Tape:
    """Listens to the statements of a service: with their values, and how many rows each met."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def listen(self) -> None:
        for name in ("one", "all", "change", "post"):
            if hasattr(SqliteRows, name):
                self._wrap(name)

    def _wrap(self, name: str) -> None:
        inner, heard = getattr(SqliteRows, name), self.heard

        def ask(rows: SqliteRows, sql: Any, **values: Any) -> Any:
            outcome = inner(rows, sql, **values)
            given = {key: told(value) for key, value in values.items()}
            heard.append({"sql": " ".join(sql.text.split()), "values": given, "met": met(name, outcome)})
            return outcome

        setattr(SqliteRows, name, ask)


def met(name: str, outcome: Any) -> int | None:
    """Return how many rows a statement met, where other rows beside do not count."""
    if name == "one":
        return int(outcome is not None)
    return int(outcome) if name == "change" else None


def told(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


async def world_in(folder: Path, clock: TurnedClock) -> World:
    service = service_in(folder, clock)
    await service.first_start()
    return World(service, client_of(service), clock)


async def main(target: Path) -> None:
    with TemporaryDirectory() as name:
        first = Path(name) / "first"
        first.mkdir()
        write_rings(first / "keys")
        clock = TurnedClock()
        world = await world_in(first, clock)
        people = await settle(world)
        world.service.close()
        with closing(sqlite3.connect(first / "sallyport.db")) as connection:
            (target / "database.sql").write_text("\n".join(connection.iterdump()) + "\n")
        (target / "held.json").write_text(json.dumps(held(people, clock), indent=1) + "\n")
        tape, told_moves = Tape(), {}
        tape.listen()
        for number, move in enumerate(MOVES):
            folder = Path(name) / str(number)
            shutil.copytree(first, folder)
            told_moves[move.__name__] = await played(tape, move, folder, people_of(target), clock.micros)
        (target / "statements.json").write_text(json.dumps(told_moves, indent=1) + "\n")


async def played(tape: Tape, move: Move, folder: Path, kept: dict[str, Any], micros: int) -> list[dict[str, Any]]:
    clock = TurnedClock()
    clock.micros = micros
    world = await world_in(folder, clock)
    tape.heard.clear()
    await move(world, people_in(world, kept))
    world.service.close()
    return list(tape.heard)


def held(people: dict[str, Person], clock: TurnedClock) -> dict[str, Any]:
    return {
        "now": clock.micros,
        "people": {
            name: {
                "uid": person.uid,
                "refresh": person.refresh,
                "seed": person.phone.secret if person.phone else None,
                "codes": person.codes,
            }
            for name, person in people.items()
        },
    }


def people_of(target: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((target / "held.json").read_text())["people"]
    return kept


def people_in(world: World, kept: dict[str, Any]) -> dict[str, Person]:
    """Return the people of a recorded database, without an access token: the keys that signed those are gone."""
    return {
        name: Person(
            world,
            name,
            one["uid"],
            "",
            one["refresh"],
            phone=Phone(one["seed"], world.clock) if one["seed"] else None,
            codes=one["codes"],
        )
        for name, one in kept.items()
    }


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).resolve()))
