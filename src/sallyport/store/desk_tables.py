"""The tables of the help desk. `tables` says what columns are called."""

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text

from sallyport.store.columns import metadata, moment, owner, uid

# What one trusted person has asked for, and a second one has to confirm. Who asked is no reference: what they asked for
# is judged again, and needs them to be there still.
approvals = Table(
    "approvals",
    metadata,
    uid(key=True),
    owner(index=True),
    Column("secret_id", String(36), nullable=True),
    Column("reason", Text, nullable=True),
    uid("asked_by"),
    moment("created_at"),
    moment("expires_at"),
    Index("approvals_by_expiry", "expires_at"),
)

# Six digits that a user who lost their device reads out to the desk.
caller_codes = Table(
    "caller_codes",
    metadata,
    owner(key=True),
    Column("code_digest", LargeBinary, nullable=False),
    moment("expires_at"),
    Column("tries_left", Integer, nullable=False),
    Index("caller_codes_by_expiry", "expires_at"),
)
