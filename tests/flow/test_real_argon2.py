"""Argon2id at its real cost, in this file alone, and read by another implementation: OpenSSL's, in `cryptography`."""

import hmac
import threading
from pathlib import Path

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from sallyport.authenticators.backup_codes.digest import digest
from sallyport.authenticators.backup_codes.store import Recipe
from sallyport.authenticators.codes import BackupCode
from sallyport.authenticators.password import store
from sallyport.authenticators.password.hashing import Cost, Hashing
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.vault import Place, Ring, Vault
from sallyport.settings import load
from sallyport.wiring import Machine, Service, build
from tests.conftest import MakeWorld
from tests.world import PASSWORD, TurnedClock, World, client_of

REAL = "$argon2id$v=19$m=19456,t=2,p=1$"


def real_service(folder: Path, clock: TurnedClock) -> Service:
    environ = {
        "SALLYPORT_DATABASE_URL": f"sqlite:///{folder}/sallyport.db",
        "SALLYPORT_KEYS_DIR": f"{folder}/keys",
    }
    return build(load({}, environ, folder), Machine(clock=clock))


async def written(service: Service, user: str) -> str:
    """Return the opened hash of a user."""
    held = await service.work.read(lambda rows: store.of_user(rows, user))
    assert held
    place = Place(table="passwords", column="hash_sealed", user=user, row=held.kept.uid)
    return service.vault.open(held.kept.hash_sealed, place).reveal().decode()


async def test_a_password_is_hashed_at_the_cost_that_was_decided(tmp_path: Path) -> None:
    clock = TurnedClock()
    service = real_service(tmp_path, clock)
    async with client_of(service) as client:
        world = World(service, client, clock)
        alice = await world.register("alice")
        phc = await written(service, alice.uid)
        assert phc.startswith(REAL)
        Argon2id.verify_phc_encoded(PASSWORD.encode(), phc)
        assert (await world.password("alice", PASSWORD)).status_code == 200
        assert (await world.password("alice", PASSWORD + ".")).status_code == 401
    service.close()


async def test_a_login_raises_the_cost_of_an_older_hash(tmp_path: Path, make_world: MakeWorld) -> None:
    cheap: World = await make_world()
    alice = await cheap.register("alice")
    before = await written(cheap.service, alice.uid)
    service = real_service(tmp_path / "one", cheap.clock)
    async with client_of(service) as client:
        world = World(service, client, cheap.clock)
        assert not before.startswith(REAL)
        assert (await world.password("alice", PASSWORD + ".")).status_code == 401
        assert await written(service, alice.uid) == before
        assert (await world.password("alice", PASSWORD)).status_code == 200
        after = await written(service, alice.uid)
        assert after.startswith(REAL)
        assert (await world.password("alice", PASSWORD)).status_code == 200
        assert await written(service, alice.uid) == after
        # It is the same password: nothing ends, and no version moves on.
        assert (await alice.call("GET", "/users/me/secrets")).json()[0]["version"] == 0
    service.close()


class OpeningVault(Vault):
    """A vault that tells what it opened last."""

    opened = ""

    def open(self, sealed: bytes, place: Place) -> Hidden[bytes]:
        found = super().open(sealed, place)
        self.opened = found.reveal().decode()
        return found


async def test_a_name_that_nobody_has_costs_what_a_user_costs_and_no_password_fits(tmp_path: Path) -> None:
    service = real_service(tmp_path, TurnedClock())
    vault = OpeningVault(service.rings["sealing"], service.rings["pepper"], service.randomness)
    hashing = Hashing(service.pool, vault, Cost(), service.randomness)
    with hashing.seat() as seat:
        sealed = await hashing.sealed(seat, Hidden(PASSWORD), "user", "password")
        place = Place(table="passwords", column="hash_sealed", user="user", row="password")
        real = vault.open(sealed, place).reveal().decode()
        assert not (await hashing.check(seat, Hidden(PASSWORD), None)).right
    decoy = vault.opened
    assert decoy != real
    assert decoy.startswith(REAL)
    assert [len(part) for part in decoy.split("$")] == [len(part) for part in real.split("$")]
    service.close()


def test_nothing_is_hashed_before_somebody_logs_in(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    service = real_service(tmp_path, TurnedClock())
    begun = {thread.name for thread in set(threading.enumerate()) - before}
    assert "sqlite-writer" in begun
    assert not any(name.startswith("hash") for name in begun)
    service.close()


def test_a_backup_code_is_digested_as_another_implementation_does_it() -> None:
    pepper, salt = bytes(range(32)), bytes(range(16))
    ring = Ring(name="pepper", active="00" * 8, keys={"00" * 8: Hidden(pepper)})
    vault = Vault(ring, ring, bytes)
    recipe = Recipe(salt=salt, pepper_id="00" * 8)
    peppered = hmac.digest(pepper, b"backup code\x1f0123456789ABCDEF", "sha256")
    expected = Argon2id(salt=salt, length=32, iterations=1, lanes=1, memory_cost=1024).derive(peppered)
    assert digest(vault, recipe, BackupCode("0123456789ABCDEF")) == expected
