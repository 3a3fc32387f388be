"""Users in the database."""

from collections.abc import Iterable
from typing import Final

import msgspec

from sallyport.store.work import Row, Rows, Sql
from sallyport.users.rules import User, UserFilter

_FIELDS: Final = (
    "id, name, name_key, email, email_key, verified_at, first_name, last_name, phone, roles, disabled_at, mfa_since, "
    "created_at, modified_at, version"
)
_FIELDS_OF_USERS: Final = ", ".join(f"users.{field}" for field in _FIELDS.split(", "))
# Who has no second factor has no codes, and none are counted.
FIND = Sql(
    f"""SELECT {_FIELDS},
               CASE WHEN mfa_since IS NULL THEN 0
                    ELSE (SELECT count(*) FROM backup_codes WHERE user_id = users.id AND spent_at IS NULL) END
        FROM users WHERE id = :uid"""  # noqa: S608  # constants of this file, no input
)
NAME = Sql("SELECT name FROM users WHERE id = :uid")
NAME_TAKEN = Sql("SELECT 1 FROM users WHERE name_key = :name_key")
ROLES = Sql("SELECT roles FROM users WHERE id = :uid")
IS_ACTIVE = Sql("SELECT 1 FROM users WHERE id = :uid AND disabled_at IS NULL")
SET_ROLES = Sql("UPDATE users SET roles = :roles WHERE id = :uid")
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
MFA_ON = Sql("UPDATE users SET mfa_since = coalesce(mfa_since, :now), mfa_reset_at = NULL WHERE id = :uid")
# Once: leaving a role and taking it again begins no new grace. One who had a second factor was met with it.
MEET = Sql("UPDATE users SET mfa_met_at = coalesce(mfa_since, :now) WHERE id = :uid AND mfa_met_at IS NULL")
MFA_OFF = Sql("UPDATE users SET mfa_since = NULL WHERE id = :uid")
MFA_RESET = Sql("UPDATE users SET mfa_since = NULL, mfa_reset_at = :now WHERE id = :uid")
HAS_RESET = Sql("SELECT 1 FROM users WHERE id = :uid AND mfa_reset_at IS NOT NULL")
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

# Parts of a filtered list: of all users, of those who claim an address, of those in a role. What else is asked of them
# is looked at behind, a part at a time.
_ALL: Final = f"SELECT {_FIELDS} FROM users WHERE "  # noqa: S608  # as above
_OF_EMAIL: Final = _ALL + "email_key = :key AND "
_OF_ROLE: Final = f"""SELECT {_FIELDS_OF_USERS} FROM roles JOIN role_members ON role_members.role_id = roles.id
                      JOIN users ON users.id = role_members.user_id WHERE roles.name_key = :key AND """  # noqa: S608  # as above
_BY_UID: Final = "id > :behind ORDER BY id LIMIT :limit"
_NEWEST: Final = "id < :behind ORDER BY id DESC LIMIT :limit"
_BY_NAME: Final = "{0}name_key > :behind ORDER BY {0}name_key LIMIT :limit"
PART = Sql(_ALL + _BY_UID)
PART_NEWEST = Sql(_ALL + _NEWEST)
PART_BY_NAME = Sql(_ALL + _BY_NAME.format(""))
PART_OF_EMAIL = Sql(_OF_EMAIL + _BY_UID)
PART_OF_EMAIL_NEWEST = Sql(_OF_EMAIL + _NEWEST)
PART_OF_EMAIL_BY_NAME = Sql(_OF_EMAIL + _BY_NAME.format(""))
PART_OF_ROLE = Sql(_OF_ROLE + _BY_UID.replace("id ", "role_members.user_id "))
PART_OF_ROLE_NEWEST = Sql(_OF_ROLE + _NEWEST.replace("id ", "role_members.user_id "))
PART_OF_ROLE_BY_NAME = Sql(_OF_ROLE + _BY_NAME.format("users."))
_PARTS: Final = {
    ("", ""): PART,
    ("", "-dateCreated"): PART_NEWEST,
    ("", "name"): PART_BY_NAME,
    ("email", ""): PART_OF_EMAIL,
    ("email", "-dateCreated"): PART_OF_EMAIL_NEWEST,
    ("email", "name"): PART_OF_EMAIL_BY_NAME,
    ("role", ""): PART_OF_ROLE,
    ("role", "-dateCreated"): PART_OF_ROLE_NEWEST,
    ("role", "name"): PART_OF_ROLE_BY_NAME,
}
FIND_NAMED = Sql(f"SELECT {_FIELDS} FROM users WHERE name_key = :name_key")  # noqa: S608  # as above
_BEFORE_ALL: Final = {"": "", "name": "", "-dateCreated": "g"}
"""Where each order begins; "g" is behind every uid."""

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


def names(rows: Rows, uids: Iterable[str]) -> dict[str, str]:
    """Return the names of those users who are there."""
    asked = [(uid, rows.soon(NAME, uid=uid)) for uid in uids]
    return {uid: row[0] for uid, row in ((uid, found.one()) for uid, found in asked) if row}


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


def reset_mfa(rows: Rows, uid: str, now: int) -> None:
    """Say that recovery took the second factors away: until one is enrolled, sessions are good for that alone."""
    rows.change(MFA_RESET, uid=uid, now=now)


def has_reset(rows: Rows, uid: str) -> bool:
    """Tell whether recovery took the second factors away, and none is enrolled since."""
    return rows.one(HAS_RESET, uid=uid) is not None


def meet(rows: Rows, uid: str, now: int) -> bool:
    """Note that the rule about second factors has met a user; True for the first time."""
    return bool(rows.change(MEET, uid=uid, now=now))


def is_active(rows: Rows, uid: str) -> bool:
    """Tell whether a user is there, and not disabled."""
    return rows.one(IS_ACTIVE, uid=uid) is not None


def set_roles(rows: Rows, uid: str, roles: tuple[str, ...]) -> None:
    """Write the names of the roles that a user is in. The version stays: nobody sets them here, they follow."""
    rows.post(SET_ROLES, uid=uid, roles=written_roles(roles).decode())


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


def part(rows: Rows, wanted: UserFilter, *, sort: str, behind: str | None, limit: int) -> list[User]:
    """Return the next users among whom those of a filter are, in the order of `sort`; fewer than `limit` at the end."""
    if wanted.uid is not None or wanted.name_key is not None:
        row = rows.one(FIND, uid=wanted.uid) if wanted.uid else rows.one(FIND_NAMED, name_key=wanted.name_key)
        return [_user(row)] if row and not behind else []
    key = wanted.email_key if wanted.email_key is not None else wanted.role_key
    of = "" if key is None else "email" if wanted.email_key is not None else "role"
    found = rows.all(_PARTS[of, sort], key=key, behind=behind or _BEFORE_ALL[sort], limit=limit)
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
