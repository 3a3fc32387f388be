"""The crowd of the bench is made past the service: whatever the schema becomes, its people must be real ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.crowd import Crowd, Rows
from bench.engines import Sqlite
from bench.people import PASSWORD, Person
from sallyport.audit import store as audit
from sallyport.audit.checkpoint import CheckpointFile
from sallyport.audit.flow.verify import Verdict, VerifyAudit
from sallyport.store import files
from tests.world import TurnedClock, World, bearer, client_of, service_in

COUNT = 25


@pytest.fixture
async def people(tmp_path: Path) -> list[Person]:
    """A crowd in a database that nobody serves."""
    service = service_in(tmp_path, TurnedClock())
    await service.first_start()
    await service.seal.finish()
    crowd = Crowd(service, COUNT, await service.work.read(audit.head))
    service.close()
    people: list[Person] = []

    def chunks() -> Iterator[Rows]:
        for some, rows in crowd.chunks(10):
            people.extend(some)
            yield rows

    Sqlite(tmp_path).fill(chunks())
    return people


async def test_everybody_in_a_crowd_can_log_in(tmp_path: Path, people: list[Person]) -> None:
    clock = TurnedClock()
    service = service_in(tmp_path, clock)
    async with client_of(service) as client:
        world = World(service, client, clock)
        token = ""
        for person in (people[0], people[COUNT // 2], people[-1]):
            challenge = (await world.password(person.name, PASSWORD)).json()["token"]
            granted = (await world.answer(challenge, person.code(clock.now()))).json()
            assert granted["mfa"] == {"enabled": True, "backupCodesRemaining": 10}, granted
            token = granted["token"]
        page = await world.call("GET", "/users", headers=bearer(token))
        assert [user["uid"] for user in page.json()][:COUNT] == [person.uid for person in people]
    service.close()


async def test_the_audit_log_of_a_crowd_is_whole(tmp_path: Path, people: list[Person]) -> None:
    service = service_in(tmp_path, TurnedClock())
    checkpoint = CheckpointFile(tmp_path / "keys", service.audit_keys)
    walk = VerifyAudit(work=service.work, keys=service.audit_keys, checkpoint=checkpoint)
    (verdict,) = [told async for told in walk()]
    service.close()
    assert isinstance(verdict, Verdict)
    assert verdict.sealed == 1 + 3 * len(people)


async def test_every_row_of_a_crowd_has_what_it_refers_to(tmp_path: Path, people: list[Person]) -> None:
    assert people
    files.check(tmp_path / "sallyport.db")
