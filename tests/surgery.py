"""What no route does: looking at everything that is stored, and states that nothing leads to yet."""

from typing import Any
from uuid import uuid4

from sallyport.store.tables import metadata
from sallyport.store.work import Sql, Value
from tests.world import Person, World

_JOURNALS = ("audit_log", "user_counts", "mfa_counts")
"""Tables in which a change that was undone leaves two rows."""
_ALL = "SELECT * FROM {} ORDER BY 1, 2"
_MADE = """INSERT INTO roles (id, name, name_key, created_at, modified_at, version) VALUES (:uid, :name, :name, 0, 0, 0)
           ON CONFLICT DO NOTHING"""
_JOINED = """INSERT INTO role_members (role_id, user_id, is_member, is_owner)
             SELECT id, :uid, true, false FROM roles WHERE name = :name"""
_COUNT = "SELECT count(*) FROM {}"


async def everything(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table but the audit log's, which tells of refusals too, and how many users there are.

    Two of them are equal where nothing changed.
    """
    told = {name: await fetch(world, _ALL.format(name)) for name in metadata.tables if name not in _JOURNALS}
    sums = {name: await fetch(world, f"SELECT sum(change) FROM {name}") for name in _JOURNALS[1:]}  # noqa: S608  # named above
    return told | sums


async def fetch(world: World, sql: str, **values: Value) -> list[tuple[Any, ...]]:
    """Ask the database itself."""
    return await world.service.work.read(lambda rows: rows.all(Sql(sql), **values))


async def count(world: World, table: str) -> int:
    """Return how many rows a table has."""
    found: int = (await fetch(world, _COUNT.format(table)))[0][0]
    return found


async def operate(world: World, sql: str, **values: Value) -> None:
    """Write into the database itself."""
    changed = await world.service.work(lambda rows: rows.change(Sql(sql), **values))
    assert changed == 1


async def give_roles(person: Person, *roles: str) -> None:
    """Give a person these roles and no others, at once and without anybody's rights."""
    world, uid = person.world, person.uid
    await _run(world, "DELETE FROM role_members WHERE user_id = :uid", uid=uid)
    for role in roles:
        made = str(uuid4())
        await _run(world, _MADE, uid=made, name=role)
        await _run(world, _JOINED, uid=uid, name=role)
    written = "[" + ", ".join(f'"{role}"' for role in roles) + "]"
    await operate(world, "UPDATE users SET roles = :roles WHERE id = :uid", roles=written, uid=uid)


async def _run(world: World, sql: str, **values: Value) -> None:
    await world.service.work(lambda rows: rows.change(Sql(sql), **values))


async def verify_email(person: Person) -> None:
    """Verify the address of a person: there is no route for that in this version."""
    await operate(
        person.world,
        """UPDATE users SET verified_at = created_at, verified_email_key = email_key, verified_email = email
           WHERE id = :uid""",
        uid=person.uid,
    )
