"""Sweeps share the writer with everybody who logs in."""

from typing import Any, TypeVar

from sallyport.kernel.clock import DAY, SECOND
from sallyport.store.work import Rows, Sql, Unit, Work
from tests.surgery import count
from tests.world import NOON, World

T = TypeVar("T")

MANY = 205
SWEPT = (
    *("sessions", "challenges", "throttles", "known_clients", "outbox", "mailed_tokens", "removed_totp"),
    "mfa_resets",
)
SESSION = Sql(
    """INSERT INTO sessions (id, user_id, proven, auth_time, created_at, last_used_at, ip, user_agent)
       VALUES (:key, :user, 'pwd', :now, :now, :now, '127.0.0.1', '')"""
)
CHALLENGE = Sql(
    """INSERT INTO challenges (token_digest, user_id, created_at, expires_at, tries_left)
       VALUES (:key, :user, :now, :now, 1)"""
)
COUNTER = Sql(
    """INSERT INTO throttles (subject, lane, in_a_row, last_at, recent, refused_at, cleared_at, expires_at)
       VALUES (:key, 'password', 1, :now, :recent, 0, 0, :now)"""
)
CLIENT = Sql(
    """INSERT INTO known_clients (user_id, token_digest, proven, created_at, last_used_at)
       VALUES (:user, :key, 'pwd', :now, :now)"""
)
LETTER = Sql(
    """INSERT INTO outbox (id, user_id, created_at, due_at, expires_at, tries, fault)
       VALUES (:key, :user, :now, NULL, :now, 1, 'nobody took it in time')"""
)
TOKEN = Sql(
    """INSERT INTO mailed_tokens (token_digest, subject, user_id, purpose, made_for, created_at, expires_at)
       VALUES (:key, :user, :user, 'recovery', '', :now, :now)"""
)

REMOVED = Sql(
    """INSERT INTO removed_totp (user_id, id, seed_sealed, last_step, enrolled_at, created_at, modified_at, version,
                                 expires_at)
       VALUES (:user, :key, :sealed, 0, :now, :now, :now, 0, :now)"""
)
# One a user, and for each there has to be one.
USER = Sql(
    """INSERT INTO users (id, name, name_key, roles, created_at, modified_at, version)
       VALUES (:key, :key, :key, '[]', :now, :now, 0)"""
)
RESET = Sql(
    """INSERT INTO mfa_resets (user_id, id, created_at, ends_at, expires_at) VALUES (:key, :key, :now, :now, :now)"""
)


class Heard:
    """Runs units of work, and keeps what they return."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.read = work.read
        self.outcomes: list[Any] = []

    async def __call__(self, unit: Unit[T]) -> T:
        outcome = await self._work(unit)
        self.outcomes.append(outcome)
        return outcome


async def test_no_unit_of_a_sweep_erases_more_than_a_hundred_rows(world: World) -> None:
    # Among a million users no two of these rows share a page: units of 500 kept the writer for 160 ms.
    alice = await world.register("alice")

    def fill(rows: Rows) -> None:
        for number in range(MANY):
            rows.change(SESSION, key=f"{number}", user=alice.uid, now=NOON)
            rows.change(CHALLENGE, key=b"%d" % number, user=alice.uid, now=NOON)
            rows.change(COUNTER, key=f"?{number}", recent=b"", now=NOON)
            rows.change(LETTER, key=f"{number}", user=alice.uid, now=NOON)
            rows.change(TOKEN, key=b"%d" % number, user=alice.uid, now=NOON)
            rows.change(REMOVED, key=f"{number}", user=alice.uid, sealed=b"", now=NOON)
            rows.change(USER, key=f"user {number}", now=NOON)
            rows.change(RESET, key=f"user {number}", now=NOON)
            rows.change(CLIENT, key=b"%d" % number, user=alice.uid, now=NOON)

    await world.service.work(fill)
    world.clock.advance(180 * DAY // SECOND)
    heard = Heard(world.service.work)
    for sweep in world.service.sweeps:
        sweep._work = heard
        await sweep()
    assert sum(heard.outcomes) >= MANY * len(SWEPT)
    assert max(heard.outcomes) <= 100
    assert [await count(world, table) for table in SWEPT] == [0] * len(SWEPT)
