"""api.md sections 8 and 10: the first start, and every one after it."""

import stat
from pathlib import Path

import pytest

from sallyport.kernel.keyfiles import KeysRefusedError
from tests.conftest import MakeWorld
from tests.expect import OWN, granted, refused
from tests.surgery import everything, give_roles
from tests.world import ADMIN_PASSWORD, TurnedClock, World, client_of, service_in


async def test_the_first_start_makes_one_admin(world: World) -> None:
    admin = await world.admin()
    user = (await admin.call("GET", "/users/me")).json()
    assert set(user) == OWN
    assert (user["name"], user["roles"], user["disabled"]) == ("admin", ["admin"], False)
    assert (await admin.call("GET", "/users/count")).json() == {"count": 1}


async def test_a_drawn_password_is_told_once_and_opens_the_door(tmp_path: Path) -> None:
    clock, told = TurnedClock(), []
    for _ in range(3):
        service = service_in(tmp_path, clock, {"SALLYPORT_ADMIN_PASSWORD": ""})
        made = await service.first_start()
        if made:
            assert made.drawn
            assert made.drawn.reveal() not in repr(made)
            told.append(made.drawn.reveal())
        async with client_of(service) as client:
            world = World(service, client, clock)
            granted(await world.password("admin", told[0]), "aal1", ["pwd"])
        service.close()
    assert len(told) == 1
    assert len(told[0]) >= 32


async def test_a_restart_neither_prints_nor_changes_the_password(tmp_path: Path) -> None:
    clock = TurnedClock()
    service = service_in(tmp_path, clock)
    first = await service.first_start()
    assert first is not None
    assert first.drawn is None
    service.close()
    service = service_in(tmp_path, clock, {"SALLYPORT_ADMIN_PASSWORD": "another sentence, later on"})
    assert await service.first_start() is None
    async with client_of(service) as client:
        world = World(service, client, clock)
        granted(await world.password("admin", ADMIN_PASSWORD), "aal1", ["pwd"])
        refused(await world.password("admin", "another sentence, later on"), 401, "invalid_credentials")
    service.close()


async def test_an_admin_who_was_erased_does_not_come_back(tmp_path: Path) -> None:
    clock = TurnedClock()
    service = service_in(tmp_path, clock)
    await service.first_start()
    async with client_of(service) as client:
        world = World(service, client, clock)
        admin = await world.admin()
        await give_roles(await world.register("successor"), "admin")
        assert (await admin.call("DELETE", "/users/me")).status_code == 204
    service.close()
    service = service_in(tmp_path, clock)
    assert await service.first_start() is None
    async with client_of(service) as client:
        refused(await World(service, client, clock).password("admin", ADMIN_PASSWORD), 401, "invalid_credentials")
    service.close()


async def test_two_nodes_at_once_make_one_admin(make_world: MakeWorld) -> None:
    first: World = await make_world()
    second: World = await make_world(clock=first.clock)
    admin = await second.admin()
    assert (await first.call("GET", "/users/count", headers=admin.auth)).json() == {"count": 1}


async def test_what_was_stored_is_there_after_a_restart(make_world: MakeWorld) -> None:
    world: World = await make_world()
    alice = await world.enrolled("alice")
    before = await everything(world)
    again: World = await make_world(clock=world.clock)
    assert await everything(again) == before
    assert (await again.call("GET", "/users/me", headers=alice.auth)).status_code == 200
    granted(await again.call("POST", "/auth/refresh", {"refresh": alice.refresh}), "aal2", ["pwd", "otp", "mfa"])


async def test_keys_and_database_are_readable_by_their_owner_alone(world: World, tmp_path: Path) -> None:
    await world.register("alice")
    folder = tmp_path / "one"
    files = [*sorted((folder / "keys").iterdir()), folder / "sallyport.db"]
    rings = ["audit.json", "pepper.json", "sealing.json", "signing.json"]
    assert [file.name for file in files] == [*rings, "sallyport.db"]
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for beside in folder.glob("sallyport.db-*"):
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["sealing", "pepper", "signing", "audit"])
async def test_a_missing_ring_beside_a_used_database_stops_the_start(tmp_path: Path, name: str) -> None:
    clock = TurnedClock()
    service = service_in(tmp_path, clock)
    await service.first_start()
    service.close()
    (tmp_path / "keys" / f"{name}.json").unlink()
    with pytest.raises(KeysRefusedError, match=f"{name}.json is missing"):
        service_in(tmp_path, clock)
    assert not (tmp_path / "keys" / f"{name}.json").exists()


@pytest.mark.parametrize(
    ("ring", "words"),
    [
        ("pepper", "are not those of this database"),
        ("sealing", "rows of passwords.hash_sealed name the sealing key"),
        ("audit", "rows of audit_log.row_digest name the audit key"),
    ],
)
async def test_a_ring_of_another_installation_stops_the_start(tmp_path: Path, ring: str, words: str) -> None:
    clock = TurnedClock()
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        service = service_in(tmp_path / name, clock)
        await service.first_start()
        service.close()
    (tmp_path / "theirs" / "keys" / f"{ring}.json").rename(tmp_path / "ours" / "keys" / f"{ring}.json")
    with pytest.raises(KeysRefusedError, match=words):
        service_in(tmp_path / "ours", clock)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
async def test_a_ring_that_others_can_read_stops_the_start(tmp_path: Path, mode: int) -> None:
    clock = TurnedClock()
    service = service_in(tmp_path, clock)
    await service.first_start()
    service.close()
    (tmp_path / "keys" / "pepper.json").chmod(mode)
    with pytest.raises(KeysRefusedError, match="chmod 600"):
        service_in(tmp_path, clock)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/healthz", "/v1/readyz"])
async def test_health_and_readiness_are_told_to_anyone(world: World, path: str) -> None:
    answer = await world.call("GET", path)
    assert answer.status_code == 200
    assert set(answer.json()) == {"status"}
