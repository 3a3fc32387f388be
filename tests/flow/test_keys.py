"""Keys turn while the service runs: nothing stops opening, nothing is lost, and what is needed stays."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import pytest

from sallyport.kernel.clock import SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import system_randomness
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.keys import store
from sallyport.keys.desk import KeyDesk
from sallyport.keys.flow import reseal as resealing
from sallyport.keys.flow.reseal import Moved, Reseal
from sallyport.keys.rules import KeyTold, State
from sallyport.notices.rules import Letter
from sallyport.store import schema
from sallyport.store.tables import metadata
from sallyport.store.work import StorageUnavailableError, Unit
from sallyport.wiring import Machine
from sallyport.wiring.host import key_desk
from tests.surgery import fetch, operate, verify_email
from tests.world import PASSWORD, Person, World, bearer


class Killed(BaseException):
    """Stands for kill -9: nothing of ours runs after it."""


class Desk:
    """The commands of an operator beside a service, whose watch over its key files ticks while they wait."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: list[str] = []
        self.slept: list[float] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        machine = Machine(clock=world.clock, randomness=system_randomness)
        self.keys: KeyDesk = key_desk(world.service.settings, self.sleep, self.said.append, machine)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.world.clock.advance(seconds)
        if seconds >= 1:  # a service looks once a second
            self.world.service.look_at_keys()
        if self.meanwhile:
            await self.meanwhile()

    async def told(self, ring: str) -> list[KeyTold]:
        return await self.keys.rings.told(ring)

    async def old(self, ring: str) -> list[KeyTold]:
        return [told for told in await self.told(ring) if told.state is State.OLD]

    async def states(self, ring: str) -> list[str]:
        return [told.state for told in await self.told(ring)]

    async def rows(self, ring: str, state: State) -> int:
        return sum(sum(told.rows.values()) for told in await self.told(ring) if told.state is state)


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    made = Desk(world)
    yield made
    made.keys.close()


@pytest.fixture
async def people(world: World) -> list[Person]:
    return [await world.enrolled(f"person{number}") for number in range(3)]


async def assert_all_log_in(people: list[Person]) -> None:
    for person in people:
        person.world.clock.advance(30)
        await person.login()


async def test_a_list_tells_every_key_and_who_names_it(desk: Desk, people: list[Person]) -> None:
    told = {ring: await desk.told(ring) for ring in desk.keys.rings.names}
    assert {ring: [key.state for key in keys] for ring, keys in told.items()} == {
        "sealing": ["active"],
        "pepper": ["active"],
        "audit": ["active"],
        "signing": ["active", "next"],
    }
    assert told["sealing"][0].rows == {
        "passwords.hash_sealed": 4,
        "totp.seed_sealed": 3,
        "removed_totp.seed_sealed": 0,
        "outbox.letter_sealed": 0,
        "installation.keys_sealed": 1,
    }
    assert told["pepper"][0].rows == {
        "backup_sets.pepper_id": 3,
        "api_keys.pepper_id": 0,
        "devices.pepper_id": 0,
        "refresh_tokens.successor_salt": 0,
        "installation.keys_sealed": 1,
    }
    assert told["signing"][0].rows == {}
    assert told["sealing"][0].made is not None


async def test_after_a_rotation_no_row_is_on_the_old_key_and_everybody_logs_in(
    desk: Desk, people: list[Person]
) -> None:
    (before,) = await desk.told("sealing")
    done = await desk.keys.rotate("sealing")
    old, new = await desk.told("sealing")
    assert (old.key, old.state, new.state) == (before.key, State.OLD, State.ACTIVE)
    assert (done.active, done.moved, done.resumed) == (new.key, Moved(rows=7, stuck=()), False)
    assert set(old.rows.values()) == {0}
    assert sum(new.rows.values()) == 8
    assert desk.slept[0] == desk.slept[1] == 5, "every node sees the new key before it is used, and before rows move"
    await assert_all_log_in(people)


async def test_whatever_is_done_to_a_key_is_written(desk: Desk, people: list[Person]) -> None:
    (old,) = await desk.told("sealing")
    new = (await desk.keys.rotate("sealing")).active
    await desk.keys.reseal()
    assert await desk.keys.retire("sealing", new), "and what is not done is not"
    assert await desk.keys.retire("sealing", old.key) is None
    statement = "SELECT event, outcome, actor_id, detail FROM audit_log WHERE event LIKE 'key.%' ORDER BY event"
    assert await fetch(desk.world, statement) == [
        ("key.activated", "success", None, f"sealing {new}"),
        ("key.resealed", "success", None, "0 rows"),
        ("key.retired", "success", None, f"sealing {old.key}"),
    ]


async def test_a_new_key_is_known_to_the_service_before_anything_is_sealed_under_it(
    desk: Desk, people: list[Person]
) -> None:
    (before,) = await desk.told("sealing")
    seen = []

    async def look() -> None:
        ring = desk.world.service.rings["sealing"].now
        moved = await desk.rows("sealing", State.ACTIVE)
        seen.append((len(ring.keys), ring.active == before.key, moved))

    desk.meanwhile = look
    await desk.keys.rotate("sealing")
    assert seen[0] == (2, True, 8), "announced: in memory, not in use"
    assert seen[1] == (2, False, 0), "active: in use by the service, and no row has moved yet"


async def test_logins_go_on_while_rows_move(desk: Desk, people: list[Person], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "_AT_ONCE", 1)

    async def log_in() -> None:
        await assert_all_log_in(people)

    desk.meanwhile = log_in
    await desk.keys.rotate("sealing")
    assert len(desk.slept) >= 9
    assert await desk.rows("sealing", State.OLD) == 0


async def test_one_pass_moves_all_rows_however_few_at_a_time(
    desk: Desk, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "_AT_ONCE", 2)
    monkeypatch.setattr(resealing, "_PASSES", 1)
    done = await desk.keys.rotate("sealing", 0)
    assert done.moved.rows == 7
    assert await desk.rows("sealing", State.OLD) == 0


async def test_a_password_that_changes_meanwhile_wins(
    desk: Desk, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading of a row and its move somebody writes it: the move must meet no row."""
    person, moved = people[0], Reseal._move

    async def change() -> None:
        answer = await person.call("GET", "/users/me/secrets")
        (secret,) = [one for one in answer.json() if one["type"] == "password"]
        body = {"version": secret["version"], "current": person.password, "secret": "quite another lot of words"}
        assert (await person.call("PUT", f"/users/me/secrets/{secret['uid']}", body)).status_code == 200
        person.password = "quite another lot of words"

    async def move(self: Reseal, sealed: Any, batch: Any, stuck: Any) -> int:
        if person.password == PASSWORD:
            await change()
        return await moved(self, sealed, batch, stuck)

    monkeypatch.setattr(Reseal, "_move", move)
    await desk.keys.rotate("sealing")
    person.world.clock.advance(30)
    await person.login()
    assert await desk.rows("sealing", State.OLD) == 0


@pytest.mark.parametrize("at", range(12))
async def test_a_rotation_that_is_killed_anywhere_is_finished_by_the_same_command(
    desk: Desk, people: list[Person], monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(resealing, "_AT_ONCE", 1)
    left = at

    async def die() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    desk.meanwhile = die
    with pytest.raises(Killed) if at < 9 else nullcontext():
        await desk.keys.rotate("sealing")
    desk.meanwhile = None
    await assert_all_log_in(people)
    desk.slept.clear()
    done = await desk.keys.rotate("sealing")
    assert done.resumed is (1 <= at < 9)
    states = await desk.states("sealing")
    assert states == ["old", "active"] if at < 9 else ["old", "old", "active"]
    assert await desk.rows("sealing", State.OLD) == 0
    await assert_all_log_in(people)


async def test_values_that_do_not_open_are_told_and_left_and_hold_nothing_up(desk: Desk, people: list[Person]) -> None:
    victim, giver = people[0], people[1]
    (sealed,) = (await fetch(desk.world, "SELECT hash_sealed FROM passwords WHERE user_id = :u", u=giver.uid))[0]
    await operate(desk.world, "UPDATE passwords SET hash_sealed = :s WHERE user_id = :u", s=sealed, u=victim.uid)
    done = await desk.keys.rotate("sealing")
    assert [(place.table, place.column, place.user) for place in done.moved.stuck] == [
        ("passwords", "hash_sealed", victim.uid)
    ]
    assert done.moved.rows == 6
    assert await desk.rows("sealing", State.OLD) == 1
    again = await desk.keys.rotate("sealing")
    assert again.resumed is False, "the next rotation is not held up by it"
    assert await desk.states("sealing") == ["old", "old", "active"]
    await assert_all_log_in(people[1:])


async def test_a_row_that_turns_up_under_an_old_key_is_moved_by_itself(desk: Desk, people: list[Person]) -> None:
    late = await fetch(desk.world, "SELECT user_id, seed_sealed FROM totp")
    await desk.keys.rotate("sealing")
    for user, sealed in late:
        await operate(desk.world, "UPDATE totp SET seed_sealed = :s WHERE user_id = :u", s=sealed, u=user)
    assert await desk.rows("sealing", State.OLD) == 3
    assert (await desk.keys.reseal()).rows == 3
    assert await desk.rows("sealing", State.OLD) == 0
    await assert_all_log_in(people)


async def test_a_second_pass_finds_what_a_node_sealed_that_slept(
    desk: Desk, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = (await fetch(desk.world, "SELECT user_id, hash_sealed FROM passwords"))[0]
    moved = Reseal._column

    async def column(self: Reseal, sealed: Any, stuck: Any) -> int:
        count = await moved(self, sealed, stuck)
        if count and sealed.table == "totp":
            sql = "UPDATE passwords SET hash_sealed = :s WHERE user_id = :u"
            await operate(desk.world, sql, s=late[1], u=late[0])
        return count

    monkeypatch.setattr(Reseal, "_column", column)
    await desk.keys.rotate("sealing")
    assert await desk.rows("sealing", State.OLD) == 0


async def test_passes_come_to_an_end_even_where_somebody_seals_under_the_old_key_all_the_time(
    desk: Desk, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = (await fetch(desk.world, "SELECT user_id, seed_sealed FROM totp"))[0]
    moved = Reseal._column

    async def column(self: Reseal, sealed: Any, stuck: Any) -> int:
        count = await moved(self, sealed, stuck)
        if sealed.table == "totp":
            await operate(desk.world, "UPDATE totp SET seed_sealed = :s WHERE user_id = :u", s=late[1], u=late[0])
        return count

    monkeypatch.setattr(Reseal, "_column", column)
    await desk.keys.rotate("sealing")
    assert await desk.rows("sealing", State.OLD) == 1, "and the list tells what is left"


async def test_a_database_that_is_busy_is_tried_again(desk: Desk, people: list[Person]) -> None:
    work, busy = desk.keys._reseal._work, 3

    class Busy:
        read = work.read

        async def __call__(self, unit: Unit[Any]) -> Any:
            nonlocal busy
            busy -= 1
            if busy >= 0:
                raise StorageUnavailableError("database is locked")
            return await work(unit)

    desk.keys._reseal._work = Busy()
    await desk.keys.rotate("sealing")
    assert sum("database is locked" in line for line in desk.said) == 3
    assert await desk.rows("sealing", State.OLD) == 0
    busy = 10_000
    with pytest.raises(StorageUnavailableError):
        await desk.keys.reseal()
    busy = 0


async def test_a_new_pepper_serves_new_codes_and_the_old_one_the_old(desk: Desk, people: list[Person]) -> None:
    person, other = people[0], people[1]
    refreshed = await desk.world.call("POST", "/auth/refresh", {"refresh": other.refresh})
    assert refreshed.status_code == 200
    done = await desk.keys.rotate("pepper")
    assert done.moved.rows == 0
    old, new = await desk.told("pepper")
    assert old.rows == {
        "backup_sets.pepper_id": 3,
        "api_keys.pepper_id": 0,
        "devices.pepper_id": 0,
        "refresh_tokens.successor_salt": 1,
        "installation.keys_sealed": 0,
    }
    assert new.rows["installation.keys_sealed"] == 1
    answer = await desk.world.answer(await person.challenge(), person.codes.pop())
    assert answer.status_code == 200
    person.hold(answer.json())
    answer = await person.call("POST", "/users/me/secrets", {"type": "mfabackup"})
    assert answer.status_code == 200, answer.text
    code = answer.json()["codes"][0]
    assert (await desk.world.answer(await person.challenge(), code)).status_code == 200
    assert (await desk.told("pepper"))[1].rows["backup_sets.pepper_id"] == 1
    desk.world.clock.advance(60)
    stolen = await desk.world.call("POST", "/auth/refresh", {"refresh": other.refresh})
    assert stolen.status_code == 401, "a spent refresh token is still known for what it is"


async def test_keys_and_devices_move_to_the_new_pepper_as_they_are_used(desk: Desk, people: list[Person]) -> None:
    alice, value = people[0], "c0ffee00" * 4
    await alice.login()
    key = (await alice.call("POST", "/users/me/secrets", {"type": "apikey"})).json()["secret"]
    assert (await alice.call("POST", "/users/me/secrets", {"type": "device", "secret": value})).status_code == 200

    def kept(told: KeyTold) -> tuple[int, int]:
        return told.rows["api_keys.pepper_id"], told.rows["devices.pepper_id"]

    await desk.keys.rotate("pepper")
    (old,) = await desk.old("pepper")
    assert kept(old) == (1, 1)
    assert "1 in api_keys.pepper_id" in str(await desk.keys.retire("pepper", old.key, settle=0))
    assert (await desk.world.call("GET", "/users/me", headers=bearer(key))).status_code == 200
    assert (await desk.world.password(alice.name, value)).status_code == 200
    (old,) = await desk.old("pepper")
    assert kept(old) == (0, 0)
    # And are found there again.
    assert (await desk.world.call("GET", "/users/me", headers=bearer(key))).status_code == 200
    assert (await desk.world.password(alice.name, value)).status_code == 200
    assert (await desk.world.password(alice.name, key)).status_code == 200


async def test_the_next_signing_key_signs_and_the_one_after_it_is_published(desk: Desk, people: list[Person]) -> None:
    _, following = await desk.told("signing")
    done = await desk.keys.rotate("signing")
    assert done.active == following.key
    assert await desk.states("signing") == ["old", "active", "next"]
    assert desk.slept == [305.0], "clients may keep the JWKS for five minutes"
    desk.world.service.look_at_keys()
    published = {key["kid"] for key in (await desk.world.call("GET", "/.well-known/jwks.json")).json()["keys"]}
    assert published == {told.key for told in await desk.told("signing")}
    assert (await people[0].call("GET", "/users/me")).status_code == 200, "a token of the key before stays good"
    await assert_all_log_in(people)
    assert desk.world.service.keys.active.jwk["kid"] == following.key


async def test_a_node_that_missed_the_rotation_takes_a_token_of_the_newest_key(
    desk: Desk, people: list[Person], make_world: Callable[..., Awaitable[World]]
) -> None:
    sleeper = await make_world(clock=desk.world.clock)
    for _ in range(2):
        await desk.keys.rotate("signing", 0)
    desk.world.service.look_at_keys()
    await assert_all_log_in(people[:1])
    answer = await sleeper.call("GET", "/users/me", headers=people[0].auth)
    assert answer.status_code == 200


async def test_a_node_that_missed_the_rotation_opens_what_is_sealed_under_the_newest_key(
    desk: Desk, people: list[Person], make_world: Callable[..., Awaitable[World]]
) -> None:
    sleeper = await make_world(clock=desk.world.clock)
    await desk.keys.rotate("sealing", 0)
    desk.world.clock.advance(30)
    assert (await sleeper.password(people[0].name, PASSWORD)).json()["type"] == "CHALLENGE"


async def test_rows_do_not_move_away_from_a_key_that_is_about_to_be_active(desk: Desk, people: list[Person]) -> None:
    other = Desk(desk.world)

    async def look() -> None:
        desk.meanwhile = None
        ring = desk.keys.rings.read("sealing")
        assert ring.following is not None
        sealed = (await fetch(desk.world, "SELECT user_id, hash_sealed FROM passwords"))[0]
        early = sealed[1][:1] + bytes.fromhex(ring.following) + sealed[1][9:]
        sql = "UPDATE passwords SET hash_sealed = :s WHERE user_id = :u"
        await operate(desk.world, sql, s=early, u=sealed[0])
        assert await other.keys.reseal() == Moved(rows=0, stuck=())
        await operate(desk.world, sql, s=sealed[1], u=sealed[0])

    desk.meanwhile = look
    await desk.keys.rotate("sealing")
    other.keys.close()


async def test_a_rotation_that_lost_to_another_says_so(desk: Desk) -> None:
    other = Desk(desk.world)

    async def twice() -> None:
        desk.meanwhile = None
        await other.keys.rotate("signing", 0)
        await other.keys.rotate("signing", 0)

    desk.meanwhile = twice
    with pytest.raises(KeysRefusedError, match="another rotation of the signing ring ran meanwhile"):
        await desk.keys.rotate("signing", SECOND)
    other.keys.close()


async def test_two_rotations_at_once_turn_the_ring_once(desk: Desk, people: list[Person]) -> None:
    other = Desk(desk.world)

    async def once() -> None:
        desk.meanwhile = None
        await other.keys.rotate("sealing", 0)

    desk.meanwhile = once
    await desk.keys.rotate("sealing", SECOND)
    other.keys.close()
    assert await desk.states("sealing") == ["old", "active"]


async def test_an_old_key_without_rows_is_retired_and_forgotten(desk: Desk, people: list[Person]) -> None:
    await desk.keys.rotate("sealing")
    (old,) = await desk.old("sealing")
    desk.slept.clear()
    assert await desk.keys.retire("sealing", old.key) is None
    assert desk.slept == [5.0], "requests end that have read a row before it moved"
    assert await desk.states("sealing") == ["active"]
    desk.world.service.look_at_keys()
    assert old.key not in desk.world.service.rings["sealing"].now.keys
    await assert_all_log_in(people)


async def test_a_key_that_is_needed_is_not_retired(desk: Desk, people: list[Person]) -> None:
    (pepper,) = await desk.told("pepper")
    await desk.keys.rotate("pepper")
    (_, following) = await desk.told("signing")
    wanted = {
        ("pepper", pepper.key): "rows still name it: 3 in backup_sets.pepper_id",
        ("sealing", (await desk.told("sealing"))[0].key): "active key",
        ("signing", following.key): "next key",
        ("sealing", "00" * 8): "holds no key",
    }
    for (ring, key), words in wanted.items():
        kept = await desk.keys.retire(ring, key)
        assert kept is not None
        assert words in kept
        assert key in {told.key for told in await desk.told(ring)} or words == "holds no key"


async def test_a_row_that_names_the_key_at_the_last_moment_keeps_it(desk: Desk, people: list[Person]) -> None:
    late = (await fetch(desk.world, "SELECT user_id, hash_sealed FROM passwords"))[0]
    await desk.keys.rotate("sealing")
    (old,) = await desk.old("sealing")

    async def write() -> None:
        sql = "UPDATE passwords SET hash_sealed = :s WHERE user_id = :u"
        await operate(desk.world, sql, s=late[1], u=late[0])

    desk.meanwhile = write
    kept = await desk.keys.retire("sealing", old.key)
    assert kept == "rows still name it: 1 in passwords.hash_sealed"
    assert old.key in {told.key for told in await desk.told("sealing")}


async def test_a_signing_key_stays_until_its_last_token_has_expired(desk: Desk, people: list[Person]) -> None:
    await desk.keys.rotate("signing")
    (old,) = await desk.old("signing")
    desk.world.clock.advance(10 * 60)
    kept = await desk.keys.retire("signing", old.key)
    assert kept is not None
    assert "tokens that it signed may still be good" in kept
    desk.world.clock.advance(5)
    assert await desk.keys.retire("signing", old.key, 0) is None
    assert await desk.states("signing") == ["active", "next"]


async def test_a_key_that_becomes_needed_between_judgment_and_change_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (active,) = await desk.told("sealing")

    async def no_reason(name: str, key: str) -> None:
        return None

    monkeypatch.setattr(desk.keys._retire, "judge", no_reason)
    with pytest.raises(KeysRefusedError, match="it stays"):
        await desk.keys.retire("sealing", active.key, 0)
    assert await desk.states("sealing") == ["active"]


async def test_a_ring_that_there_is_not_is_refused(desk: Desk) -> None:
    with pytest.raises(
        KeysRefusedError, match="there is no sealign ring: the rings are sealing, pepper, audit, signing"
    ):
        await desk.keys.rotate("sealign")


async def test_keys_that_only_rows_know_are_listed(desk: Desk, people: list[Person]) -> None:
    await operate(
        desk.world,
        "UPDATE totp SET seed_sealed = :s WHERE user_id = :u",
        s=b"\x01" + b"\xee" * 60,
        u=people[0].uid,
    )
    await operate(
        desk.world,
        "UPDATE backup_sets SET pepper_id = :p WHERE user_id = :u",
        p="ab" * 8,
        u=people[0].uid,
    )
    (_, stranger) = await desk.told("sealing")
    assert (stranger.key, stranger.state, stranger.rows["totp.seed_sealed"]) == ("ee" * 8, State.MISSING, 1)
    (_, stranger) = await desk.told("pepper")
    assert (stranger.key, stranger.state, stranger.rows["backup_sets.pepper_id"]) == ("ab" * 8, State.MISSING, 1)
    with pytest.raises(KeysRefusedError) as refused:
        key_desk(desk.world.service.settings, desk.sleep, desk.said.append)
    assert len(str(refused.value).splitlines()) == 2


async def test_a_proof_that_does_not_open_hides_no_other_key(desk: Desk, people: list[Person]) -> None:
    await operate(desk.world, "UPDATE installation SET keys_sealed = :s WHERE id = 1", s=b"\x01" + b"\xee" * 60)
    (told,) = await desk.told("pepper")
    assert "installation.keys_sealed" not in told.rows
    (told,) = await desk.told("sealing")
    assert told.rows["installation.keys_sealed"] == 0
    assert (await desk.keys.reseal()).rows == 0, "and it is left as it is"
    (proof,) = (await fetch(desk.world, "SELECT keys_sealed FROM installation"))[0]
    assert proof == b"\x01" + b"\xee" * 60


async def test_before_the_first_start_there_is_nothing_to_count(desk: Desk) -> None:
    await operate(desk.world, "DELETE FROM installation WHERE id = 1")
    (told,) = await desk.told("pepper")
    columns = {"backup_sets.pepper_id", "api_keys.pepper_id", "devices.pepper_id", "refresh_tokens.successor_salt"}
    assert set(told.rows) == columns
    assert (await desk.keys.rotate("pepper")).moved.rows == 0


async def test_a_database_of_another_release_is_refused(desk: Desk) -> None:
    await operate(desk.world, "UPDATE alembic_version SET version_num = '0001' WHERE version_num = :v", v=schema.HEAD)
    with pytest.raises(StorageUnavailableError, match="start the service of this release on it first"):
        key_desk(desk.world.service.settings, desk.sleep, desk.said.append)


def test_every_sealed_column_is_moved_by_a_rotation() -> None:
    """A new column that is sealed must not be forgotten: its rows would hold an old key for ever."""
    columns = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if column.name.endswith("_sealed")
    }
    assert columns - {"installation.keys_sealed"} == {sealed.naming.where for sealed in store.SEALED}
    assert {sealed.naming for sealed in store.SEALED} <= set(store.NAMINGS)


async def test_what_was_removed_moves_to_the_new_key_and_comes_back_under_it(desk: Desk) -> None:
    world, alice = desk.world, await desk.world.register("alice", email="alice@example.org")
    await verify_email(alice)
    await alice.enroll()
    await world.mails()
    await alice.call("DELETE", f"/users/me/secrets/{alice.totp}")
    old = (await desk.told("sealing"))[0]
    assert old.rows["removed_totp.seed_sealed"] == 1
    await desk.keys.rotate("sealing")
    now = {told.key: told.rows["removed_totp.seed_sealed"] for told in await desk.told("sealing")}
    assert now.pop(old.key) == 0
    assert sum(now.values()) == 1
    (mail,) = await world.mails()
    (token,) = [link.token for link in mail.links if link.page.endswith("/ui/undo")]
    answer = await world.call("POST", f"/users/{alice.uid}/undo", {"token": token, "password": PASSWORD})
    assert answer.status_code == 204
    await alice.login()


async def test_mail_that_waits_moves_to_the_new_key(desk: Desk) -> None:
    alice = await desk.world.register("alice", email="alice@example.org")
    await verify_email(alice)
    letter = Letter(template="recovery", page="/ui/recover", token=Hidden("spx_" + "k" * 43))
    for _ in range(3):
        await desk.world.service.work(lambda rows: desk.world.service.outbox.post(rows, alice.uid, letter))
    old = (await desk.told("sealing"))[0]
    await desk.keys.rotate("sealing")
    now = {told.key: told.rows["outbox.letter_sealed"] for told in await desk.told("sealing")}
    assert now.pop(old.key) == 0
    assert sum(now.values()) == 3
    assert [mail.token for mail in await desk.world.mails()] == ["spx_" + "k" * 43] * 3
