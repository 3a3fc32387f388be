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

# Second factors that are to be reset because their owner says that all are lost: one a user, and it can be cancelled
# until it is taken.
mfa_resets = Table(
    "mfa_resets",
    metadata,
    owner(key=True),
    Column("id", String(36), nullable=False, unique=True),
    moment("created_at"),
    # When it may be taken, and until when.
    moment("ends_at"),
    moment("expires_at"),
    # When the user is told of it again; empty once all mails are written, and not a moment sooner is it over.
    moment("remind_at", known=False),
    Index("mfa_resets_by_expiry", "expires_at"),
    Index("mfa_resets_by_reminder", "remind_at"),
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
