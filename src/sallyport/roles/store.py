"""Roles and who is in them, in the database."""

from typing import Final

from sallyport.roles.rules import People, Role
from sallyport.store.work import Row, Rows, Soon, Sql
from sallyport.users import store as users

_FIELDS: Final = "id, name, name_key, description, created_at, modified_at, version"
FIND = Sql(f"SELECT {_FIELDS} FROM roles WHERE id = :uid")  # noqa: S608  # constants of this file, no input
FIND_NAMED = Sql(f"SELECT {_FIELDS} FROM roles WHERE name_key = :name_key")  # noqa: S608  # as above
COUNT = Sql("SELECT count(*) FROM roles")
# A name that was taken in the same moment changes no row, and the row count says so.
INSERT = Sql(
    """INSERT INTO roles (id, name, name_key, description, created_at, modified_at, version)
       VALUES (:uid, :name, :name_key, :description, :now, :now, 0)
       ON CONFLICT DO NOTHING"""
)
CHANGE = Sql(
    """UPDATE roles
       SET name = :name, name_key = :name_key, description = :description, modified_at = :now, version = version + 1
       WHERE id = :uid AND version = :version
         AND NOT EXISTS (SELECT 1 FROM roles AS other WHERE other.name_key = :name_key AND other.id <> :uid)"""
)
DELETE = Sql("DELETE FROM roles WHERE id = :uid")
PEOPLE = Sql("SELECT user_id, is_member, is_owner FROM role_members WHERE role_id = :uid ORDER BY user_id")
PLACE = Sql(
    """INSERT INTO role_members (role_id, user_id, is_member, is_owner) VALUES (:role, :user, :is_member, :is_owner)
       ON CONFLICT (role_id, user_id) DO UPDATE SET is_member = excluded.is_member, is_owner = excluded.is_owner"""
)
ADMIT = Sql(
    """INSERT INTO role_members (role_id, user_id, is_member, is_owner)
       SELECT id, :user, true, false FROM roles WHERE name_key = :name_key"""
)
REMOVE = Sql("DELETE FROM role_members WHERE role_id = :role AND user_id = :user")
# The lists of these roles change with the user who goes.
TOUCH_OF_USER = Sql(
    """UPDATE roles SET modified_at = :now, version = version + 1
       WHERE id IN (SELECT role_id FROM role_members WHERE user_id = :user)"""
)
NAMES_OF = Sql(
    "SELECT name FROM role_members JOIN roles ON roles.id = role_members.role_id WHERE role_members.user_id = :user"
)
RULED = Sql(
    """SELECT name, (SELECT is_owner FROM role_members WHERE role_id = roles.id AND user_id = :user)
       FROM roles WHERE id = :role"""
)
HOLDER = Sql(
    """SELECT 1 FROM roles JOIN role_members ON role_members.role_id = roles.id
                           JOIN users ON users.id = role_members.user_id
       WHERE roles.name_key = :name_key AND users.id <> :but AND disabled_at IS NULL LIMIT 1"""
)
LIST = Sql(f"SELECT {_FIELDS} FROM roles WHERE id > :after ORDER BY id LIMIT :limit OFFSET :skip")  # noqa: S608  # as above
LIST_NEWEST = Sql(
    f"SELECT {_FIELDS} FROM roles WHERE id < :before ORDER BY id DESC LIMIT :limit OFFSET :skip"  # noqa: S608  # as above
)
LIST_BY_NAME = Sql(
    f"""SELECT {_FIELDS} FROM roles
        WHERE name_key > coalesce((SELECT last.name_key FROM roles AS last WHERE last.id = :after), '')
        ORDER BY name_key LIMIT :limit OFFSET :skip"""  # noqa: S608  # as above
)


def find(rows: Rows, uid: str) -> Role | None:
    """Return a role with its people."""
    people, row = rows.soon(PEOPLE, uid=uid), rows.one(FIND, uid=uid)
    return _role(row, people_in(people)) if row else None


def find_named(rows: Rows, name_key: str) -> Role | None:
    """Return the role of a name, without its people."""
    row = rows.one(FIND_NAMED, name_key=name_key)
    return _role(row, None) if row else None


def people(rows: Rows, uid: str) -> Soon:
    """Ask for the people of a role; `people_in` reads the answer."""
    return rows.soon(PEOPLE, uid=uid)


def people_in(found: Soon) -> People:
    """Return the people who were asked for."""
    told = found.all()
    return People(
        members=tuple(row[0] for row in told if row[1]),
        owners=tuple(row[0] for row in told if row[2]),
    )


def count(rows: Rows) -> int:
    """Return how many roles there are."""
    row = rows.one(COUNT)
    return row[0] if row else 0


def insert(rows: Rows, role: Role) -> bool:
    """Add a role, still without people; False where the name was taken in the meantime."""
    return bool(
        rows.change(
            INSERT,
            uid=role.uid,
            name=role.name,
            name_key=role.name_key,
            description=role.description,
            now=role.created_at,
        )
    )


def change(rows: Rows, old: Role, new: Role) -> bool:
    """Write what may change of a role but its people; False where another role has the name."""
    return bool(
        rows.change(
            CHANGE,
            uid=old.uid,
            version=old.version,
            name=new.name,
            name_key=new.name_key,
            description=new.description,
            now=new.modified_at,
        )
    )


def delete(rows: Rows, uid: str) -> None:
    """Erase a role; nobody is in it any more."""
    rows.post(DELETE, uid=uid)


def place(rows: Rows, role: str, user: str, people: People) -> None:
    """Write what a user is in a role, by the lists of its people."""
    is_member, is_owner = user in people.members, user in people.owners
    if is_member or is_owner:
        rows.post(PLACE, role=role, user=user, is_member=is_member, is_owner=is_owner)
    else:
        rows.post(REMOVE, role=role, user=user)


def admit(rows: Rows, name_key: str, user: str) -> None:
    """Put a user who is in no role into the role of a name."""
    rows.post(ADMIT, name_key=name_key, user=user)


def touch_of_user(rows: Rows, user: str, now: int) -> None:
    """Raise the version of every role that a user is in."""
    rows.post(TOUCH_OF_USER, user=user, now=now)


def present(rows: Rows, uids: tuple[str, ...]) -> frozenset[str]:
    """Return which of these users there are."""
    asked = {uid: rows.soon(users.ROLES, uid=uid) for uid in uids}
    return frozenset(uid for uid, found in asked.items() if found.one())


def tell_users(rows: Rows, uids: frozenset[str]) -> None:
    """Write into users which roles they are in now: gate, tokens and policy read it there."""
    asked = {uid: rows.soon(NAMES_OF, user=uid) for uid in sorted(uids)}
    held = {uid: tuple(sorted(row[0] for row in found.all())) for uid, found in asked.items()}
    for uid, names in held.items():
        users.set_roles(rows, uid, names)


def ruled(rows: Rows, role: str, user: str) -> tuple[str, bool] | None:
    """Return the name of a role, and whether a user owns it; None where there is no such role."""
    row = rows.one(RULED, role=role, user=user)
    return (row[0], bool(row[1])) if row else None


def has_holder(rows: Rows, name_key: str, but: str) -> bool:
    """Tell whether somebody is in the role of a name, who is not disabled and not that user."""
    return rows.one(HOLDER, name_key=name_key, but=but) is not None


def listed(rows: Rows, *, limit: int, skip: int, sort: str, after: str | None) -> list[Role] | None:
    """Return a page of roles without their people; None where the order needs the last one's row, and it is gone."""
    if sort == "name" and after and find(rows, after) is None:
        return None
    if sort == "name":
        found = rows.all(LIST_BY_NAME, after=after, limit=limit, skip=skip)
    elif sort == "-dateCreated":
        found = rows.all(LIST_NEWEST, before=after or "g", limit=limit, skip=skip)  # "g" is behind every uid
    else:
        found = rows.all(LIST, after=after or "", limit=limit, skip=skip)
    return [_role(row, None) for row in found]


def _role(row: Row, people: People | None) -> Role:
    return Role(
        uid=row[0],
        name=row[1],
        name_key=row[2],
        description=row[3],
        created_at=row[4],
        modified_at=row[5],
        version=row[6],
        people=people,
    )
