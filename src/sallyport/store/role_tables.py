"""The tables of roles. `tables` says what columns are called."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, Text

from sallyport.store.columns import metadata, moment, owner, uid

roles = Table(
    "roles",
    metadata,
    uid(key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("description", Text, nullable=True),
    moment("created_at"),
    moment("modified_at"),
    Column("version", Integer, nullable=False),
)

# Who is in a role; `users.roles` repeats the names, where gate, tokens and policy read them.
role_members = Table(
    "role_members",
    metadata,
    Column("role_id", String(36), ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    owner(key=True, index=True),
    Column("is_member", Boolean, nullable=False),
    Column("is_owner", Boolean, nullable=False),
)
