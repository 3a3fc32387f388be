"""The tables of API keys and devices. `tables` says what columns are called."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from sallyport.store.columns import metadata
from sallyport.store.columns import moment as _moment
from sallyport.store.columns import owner as _owner
from sallyport.store.columns import resource as _resource
from sallyport.store.columns import uid as _uid

# Good by itself, so its digest is all that finds it. No unique constraint: 256 random bits are unique.
api_keys = Table(
    "api_keys",
    metadata,
    _owner(key=True),
    _uid(key=True),
    Column("key_digest", LargeBinary, nullable=False, index=True),
    Column("pepper_id", Text, nullable=False, index=True),
    # Its first characters, by which its owner knows it.
    Column("prefix", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    _moment("expires_at", known=False),
    # Since a password was reset: until its owner puts it back.
    _moment("suspended_at", known=False),
    # Who made it, how and when (in seconds) they had proved themselves, and whether as a holder of a trusted role.
    _uid("maker_id"),
    Column("maker_amr", Text, nullable=False),
    Column("maker_auth_time", BigInteger, nullable=False),
    Column("by_trusted", Integer, nullable=False),
    *_resource(),
)

# One look-up by user and digest: the same value may be a device of two users.
devices = Table(
    "devices",
    metadata,
    _owner(key=True),
    _uid(key=True),
    Column("value_digest", LargeBinary, nullable=False),
    Column("pepper_id", Text, nullable=False, index=True),
    *_resource(),
    Index("devices_by_value", "user_id", "value_digest", unique=True),
)
