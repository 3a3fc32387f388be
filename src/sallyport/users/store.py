"""Users in the database."""

from typing import Final

import msgspec

from sallyport.store.work import Row, Rows, Sql
from sallyport.users.rules import User

_FIELDS: Final = (
    "id, name, name_key, email, email_key, verified_at, first_name, last_name, phone, roles, disabled_at, mfa_since, "
    "created_at, modified_at, version"
)
# Who has no second factor has no codes, and none are counted.
FIND = Sql(
    f"""SELECT {_FIELDS},
               CASE WHEN mfa_since IS NULL THEN 0
                    ELSE (SELECT count(*) FROM backup_codes WHERE user_id = users.id AND spent_at IS NULL) END
        FROM users WHERE id = :uid"""  # noqa: S608  # constants of this file, no input
)
NAME_TAKEN = Sql("SELECT 1 FROM users WHERE name_key = :name_key")
ROLES = Sql("SELECT roles FROM users WHERE id = :uid")
COUNT = Sql("SELECT sum(change) FROM user_counts")
CHANGES = Sql("SELECT count(*) FROM user_counts")
TAKE_CHANGES = Sql(
    """DELETE FROM user_counts WHERE id IN (SELECT id FROM user_counts ORDER BY id LIMIT :most)
       RETURNING change"""
)
ADD_CHANGES = Sql("INSERT INTO user_counts (change) VALUES (:change)")
# A name that was taken in the same moment changes no row, and the row count says so.
INSERT = Sql(
    """INSERT INTO users (id, name, name_key, email, email_key, first_name, last_name, phone, roles, disabled_at,
                          created_at, modified_at, version)
       VALUES (:uid, :name, :name_key, :email, :email_key, :first_name, :last_name, :phone, :roles, :disabled_at,
               :now, :now, 0)
       ON CONFLICT DO NOTHING"""
)
CHANGE = Sql(
    """UPDATE users
       SET name = :name, name_key = :name_key, email = :email, email_key = :email_key, first_name = :first_name,
           last_name = :last_name, phone = :phone,
           verified_at = CASE WHEN :same_email THEN verified_at END,
           disabled_at = CASE WHEN :disabled THEN coalesce(disabled_at, :now) END,
           modified_at = :now, version = version + 1
       WHERE id = :uid AND version = :version
         AND NOT EXISTS (SELECT 1 FROM users AS other WHERE other.name_key = :name_key AND other.id <> :uid)"""
)
DELETE = Sql("DELETE FROM users WHERE id = :uid")
MFA_ON = Sql("UPDATE users SET mfa_since = coalesce(mfa_since, :now) WHERE id = :uid")
# Once: leaving a role and taking it again begins no new grace. One who had a second factor was met with it.
MEET = Sql("UPDATE users SET mfa_met_at = coalesce(mfa_since, :now) WHERE id = :uid AND mfa_met_at IS NULL")
MFA_OFF = Sql("UPDATE users SET mfa_since = NULL WHERE id = :uid")
LIST = Sql(
    f"SELECT {_FIELDS} FROM users WHERE id > :after ORDER BY id LIMIT :limit OFFSET :skip"  # noqa: S608  # as above
)
LIST_BY_NAME = Sql(
    f"""SELECT {_FIELDS} FROM users
        WHERE name_key > coalesce((SELECT last.name_key FROM users AS last WHERE last.id = :after), '')
        ORDER BY name_key LIMIT :limit OFFSET :skip"""  # noqa: S608  # as above
)
LIST_NEWEST = Sql(
    f"""SELECT {_FIELDS} FROM users ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :skip"""  # noqa: S608  # as above
)
LIST_NEWEST_AFTER = Sql(
    f"""SELECT {_FIELDS} FROM users
        WHERE (created_at, id) < (SELECT last.created_at, last.id FROM users AS last WHERE last.id = :after)
        ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :skip"""  # noqa: S608  # as above
)


written_roles: Final = msgspec.json.Encoder().encode
"""How `users.roles` is written, and read back: a list of names, as JSON."""
read_roles: Final = msgspec.json.Decoder(tuple[str, ...]).decode


def find(rows: Rows, uid: str) -> User | None:
    """Return a user by uid."""
    row = rows.one(FIND, uid=uid)
    return _user(row, codes_left=row[15]) if row else None


def roles_of(rows: Rows, uid: str) -> tuple[str, ...] | None:
    """Return the roles of a user, or None where there is no such user."""
    row = rows.one(ROLES, uid=uid)
    return read_roles(row[0]) if row else None


def name_taken(rows: Rows, name_key: str) -> bool:
    """Tell whether somebody has this name already."""
    return rows.one(NAME_TAKEN, name_key=name_key) is not None


def insert(rows: Rows, user: User) -> bool:
    """Add a user; False where the name was taken in the meantime."""
    return bool(
        rows.change(
            INSERT,
            uid=user.uid,
            name=user.name,
            name_key=user.name_key,
            email=user.email,
            email_key=user.email_key,
            first_name=user.first_name,
            last_name=user.last_name,
            phone=user.phone,
            roles=written_roles(user.roles).decode(),
            disabled_at=user.created_at if user.disabled else None,
            now=user.created_at,
        )
    )


def change(rows: Rows, old: User, new: User) -> bool:
    """Write what may change of a user; False where another user has the name, or the version has moved on."""
    return bool(
        rows.change(
            CHANGE,
            uid=old.uid,
            version=old.version,
            name=new.name,
            name_key=new.name_key,
            email=new.email,
            email_key=new.email_key,
            same_email=new.email_key == old.email_key,
            first_name=new.first_name,
            last_name=new.last_name,
            phone=new.phone,
            disabled=new.disabled,
            now=new.modified_at,
        )
    )


def delete(rows: Rows, uid: str) -> bool:
    """Erase a user and all that is theirs."""
    return bool(rows.change(DELETE, uid=uid))


def set_mfa(rows: Rows, uid: str, now: int, *, on: bool) -> None:
    """Say whether login demands a second factor of this user."""
    if on:
        rows.change(MFA_ON, uid=uid, now=now)
    else:
        rows.change(MFA_OFF, uid=uid)


def meet(rows: Rows, uid: str, now: int) -> bool:
    """Note that the rule about second factors has met a user; True for the first time."""
    return bool(rows.change(MEET, uid=uid, now=now))


def count(rows: Rows) -> int:
    """Return how many users there are."""
    row = rows.one(COUNT)
    return (row[0] if row else None) or 0


def changes(rows: Rows) -> int:
    """Return how many rows the count is spread over."""
    row = rows.one(CHANGES)
    return row[0] if row else 0


def add_up(rows: Rows, most: int) -> None:
    """Put one row of the count in the place of so many; what another node took meanwhile is in its own sum."""
    if taken := rows.all(TAKE_CHANGES, most=most):
        rows.change(ADD_CHANGES, change=sum(row[0] for row in taken))


def listed(rows: Rows, *, limit: int, skip: int, sort: str, after: str | None) -> list[User] | None:
    """Return a page of users; `after` begins behind that user in the order of `sort`.

    None where the order needs that user's row, and the user is gone: a walk can't go on from there.
    """
    if sort and after and find(rows, after) is None:
        return None
    if sort == "name":
        found = rows.all(LIST_BY_NAME, after=after, limit=limit, skip=skip)
    elif sort == "-dateCreated":
        newest = {"limit": limit, "skip": skip}
        found = rows.all(LIST_NEWEST_AFTER, after=after, **newest) if after else rows.all(LIST_NEWEST, **newest)
    else:
        found = rows.all(LIST, after=after or "", limit=limit, skip=skip)
    return [_user(row) for row in found]


def _user(row: Row, *, codes_left: int = 0) -> User:
    return User(
        uid=row[0],
        name=row[1],
        name_key=row[2],
        email=row[3],
        email_key=row[4],
        verified=row[5] is not None,
        first_name=row[6],
        last_name=row[7],
        phone=row[8],
        roles=read_roles(row[9]),
        disabled=row[10] is not None,
        mfa=row[11] is not None,
        codes_left=codes_left,
        created_at=row[12],
        modified_at=row[13],
        version=row[14],
    )
