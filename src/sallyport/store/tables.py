"""The tables as they stand today. Migrations lead here; a test compares the two.

Columns say how they are kept: ``*_digest`` is only compared, ``*_sealed`` is read back under the key ring.
Times are microseconds UTC, ids are UUIDv7 in canonical form. Everything of a user goes with the user.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from sallyport.store import desk_tables, mail_tables, role_tables, secret_tables
from sallyport.store.columns import metadata
from sallyport.store.columns import moment as _moment
from sallyport.store.columns import owner as _owner
from sallyport.store.columns import resource as _resource
from sallyport.store.columns import uid as _uid

__all__ = ["desk_tables", "mail_tables", "metadata", "role_tables", "secret_tables"]

installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _moment("first_start_at"),
    # Opens under the key rings of this installation alone: a start with others is refused.
    Column("keys_sealed", LargeBinary, nullable=False),
    # Rises with each restored backup; the key directory remembers the highest.
    Column("epoch", Integer, nullable=False, server_default=text("0")),
)

users = Table(
    "users",
    metadata,
    _uid(key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("email", Text, nullable=True),
    Column("email_key", Text, nullable=True),
    # Several accounts may claim an address; one at most has verified it.
    Column("verified_email_key", Text, nullable=True, unique=True),
    # That address as it is written to: the last verified one, also while a new one is not.
    Column("verified_email", Text, nullable=True),
    _moment("verified_at", known=False),
    Column("first_name", Text, nullable=True),
    Column("last_name", Text, nullable=True),
    Column("phone", Text, nullable=True),
    Column("roles", Text, nullable=False),
    _moment("disabled_at", known=False),
    # Says that login demands a second factor; the authenticators themselves stand in `totp`.
    _moment("mfa_since", known=False),
    # When the rule that demands one first met the user: from then on their grace runs, once.
    _moment("mfa_met_at", known=False),
    # Since recovery took the second factors away: until one is enrolled, sessions are good for that alone.
    _moment("mfa_reset_at", known=False),
    _moment("created_at"),
    _moment("modified_at"),
    Column("version", Integer, nullable=False),
    Index("users_by_creation", "created_at", "id"),
    # Who claims an address: for lists of trusted roles.
    Index("users_by_email", "email_key", "id"),
)

# How many users came and went, a row each, written by triggers: a counter in one row would have all registrations wait
# for each other. A sweep adds old rows up.
user_counts = Table(
    "user_counts",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, nullable=False),
    Column("change", Integer, nullable=False),
)

# The same of those who have a second factor.
mfa_counts = Table(
    "mfa_counts",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, nullable=False),
    Column("change", Integer, nullable=False),
)

passwords = Table(
    "passwords",
    metadata,
    _owner(key=True),
    _uid(),
    Column("hash_sealed", LargeBinary, nullable=False),
    # Rises with each new password, so that a login that was hashing meanwhile gets nothing.
    Column("generation", Integer, nullable=False),
    *_resource(),
    # When it was set by mail: until a second factor is shown, it proves no more than the mailbox does.
    _moment("mailed_at", known=False),
    # Which keys there are values under. Eight bytes a row and no more: it is built beside a service that runs.
    Index("passwords_by_sealing_key", text("substr(hash_sealed, 2, 8)")),
)

totp = Table(
    "totp",
    metadata,
    _owner(key=True),
    _uid(key=True),
    Column("seed_sealed", LargeBinary, nullable=False),
    # RFC 6238 5.2: this step and all before it are spent.
    Column("last_step", BigInteger, nullable=False),
    _moment("enrolled_at", known=False),
    # Both count only while enrollment is pending.
    _moment("expires_at"),
    Column("tries_left", Integer, nullable=False),
    *_resource(),
    # A hundred failures in a row: no code of it is good any more. NIST SP 800-63B-4 3.2.2
    _moment("switched_off_at", known=False),
    Index("totp_by_sealing_key", text("substr(seed_sealed, 2, 8)")),
    Index(
        "totp_one_pending",
        "user_id",
        unique=True,
        sqlite_where=text("enrolled_at IS NULL"),
        postgresql_where=text("enrolled_at IS NULL"),
    ),
)

# What its owner removed a short while ago: the seed waits, sealed as it was in `totp`, and opens nothing.
removed_totp = Table(
    "removed_totp",
    metadata,
    _owner(key=True),
    _uid(key=True),
    Column("seed_sealed", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    _moment("enrolled_at"),
    *_resource(),
    # Until when it can come back.
    _moment("expires_at"),
    Index("removed_totp_by_sealing_key", text("substr(seed_sealed, 2, 8)")),
    Index("removed_totp_by_expiry", "expires_at"),
)

backup_sets = Table(
    "backup_sets",
    metadata,
    _owner(key=True),
    _uid(),
    Column("salt", LargeBinary, nullable=False),
    Column("pepper_id", Text, nullable=False, index=True),
    *_resource(),
)

backup_codes = Table(
    "backup_codes",
    metadata,
    Column(
        "user_id",
        String(36),
        ForeignKey("backup_sets.user_id", ondelete="CASCADE"),
        primary_key=True,
        nullable=False,
    ),
    Column("code_digest", LargeBinary, primary_key=True, nullable=False),
    _moment("spent_at", known=False),
)

sessions = Table(
    "sessions",
    metadata,
    _uid(key=True),
    _owner(index=True),
    # The methods proven, for example "pwd otp"; `acr` and `amr` are derived from it.
    Column("proven", Text, nullable=False),
    _moment("auth_time"),
    _moment("created_at"),
    _moment("last_used_at"),
    Column("ip", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    # The known client that opened it, if it was opened by a full login.
    Column("client_digest", LargeBinary, nullable=True),
    # The device or API key that opened it, and what an API key's is good for.
    Column("secret_id", String(36), nullable=True),
    Column("scopes", Text, nullable=True),
    Index("sessions_by_last_use", "last_used_at"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_digest", LargeBinary, primary_key=True, nullable=False),
    Column("session_id", String(36), ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    _moment("created_at"),
    # Spent by rotation; the successor is derived from the old token and this salt, and never stored.
    _moment("spent_at", known=False),
    Column("successor_salt", LargeBinary, nullable=True),
    # Retired because the level of its session changed.
    _moment("retired_at", known=False),
)

# What a browser shows for a session that it opened; the session goes on with its refresh tokens, or with this.
browser_sessions = Table(
    "browser_sessions",
    metadata,
    Column("token_digest", LargeBinary, primary_key=True, nullable=False),
    Column("session_id", String(36), ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, unique=True),
    # The proof that the token was given for: where the session has a newer one, the token is dead.
    _moment("auth_time"),
    _moment("created_at"),
)

challenges = Table(
    "challenges",
    metadata,
    Column("token_digest", LargeBinary, primary_key=True, nullable=False),
    _owner(index=True),
    _moment("created_at"),
    _moment("expires_at"),
    Column("tries_left", Integer, nullable=False),
    Index("challenges_by_expiry", "expires_at"),
)

# Clients that have logged in before: strangers can't use up the tries of these.
known_clients = Table(
    "known_clients",
    metadata,
    _owner(key=True),
    Column("token_digest", LargeBinary, primary_key=True, nullable=False),
    # What was proven when it became known, in the words of `sessions.proven`.
    Column("proven", Text, nullable=False),
    _moment("created_at"),
    _moment("last_used_at"),
    Index("known_clients_by_last_use", "last_used_at"),
)

# Tries that are counted: of a user, of a name that nobody has, of a known client, of an address. Not bound to `users`,
# because invented names are counted as well.
throttles = Table(
    "throttles",
    metadata,
    Column("subject", Text, primary_key=True, nullable=False),
    Column("lane", Text, primary_key=True, nullable=False),
    Column("in_a_row", Integer, nullable=False),
    _moment("last_at"),
    # The moments of the tries that a window still sees, eight bytes each.
    Column("recent", LargeBinary, nullable=False),
    # When somebody was refused since the last try, and when a success takes effect that came meanwhile; 0 for never.
    _moment("refused_at"),
    _moment("cleared_at"),
    _moment("expires_at"),
    Index("throttles_by_expiry", "expires_at"),
)

# Append-only. No reference to `users`: rows outlive them, and keep the uid alone.
audit_log = Table(
    "audit_log",
    metadata,
    _uid(key=True),
    _moment("created_at"),
    Column("event", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("factor", Text, nullable=True),
    Column("user_id", String(36), nullable=True),
    Column("actor_id", String(36), nullable=True),
    Column("session_id", String(36), nullable=True),
    # Erased with the user; the digest stays, for the chain.
    Column("ip", Text, nullable=True),
    Column("ip_digest", LargeBinary, nullable=True),
    Column("request_id", Text, nullable=False),
    Column("detail", Text, nullable=True),
    # Made with the row, under the audit key: a row written by another hand does not carry it.
    Column("row_digest", LargeBinary, nullable=False),
    # Both given by the sealing step that follows: the place in the chain, and the digest of all up to here.
    Column("position", BigInteger, nullable=True),
    Column("chain_digest", LargeBinary, nullable=True),
    Index("audit_log_by_user", "user_id", "id"),
    Index("audit_log_by_event", "event", "id"),
    # Rows about others, few and mostly of trusted roles: their addresses are erased with the one who acted.
    Index(
        "audit_log_by_actor",
        "actor_id",
        sqlite_where=text("actor_id <> user_id"),
        postgresql_where=text("actor_id <> user_id"),
    ),
    # Partial, both of them: a new row costs one entry, and no plan takes the one for the other.
    Index(
        "audit_log_sealed",
        "position",
        unique=True,
        sqlite_where=text("position IS NOT NULL"),
        postgresql_where=text("position IS NOT NULL"),
    ),
    Index(
        "audit_log_unsealed",
        "id",
        sqlite_where=text("position IS NULL"),
        postgresql_where=text("position IS NULL"),
    ),
)
