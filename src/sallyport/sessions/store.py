"""Sessions and refresh tokens in the database."""

from dataclasses import dataclass
from typing import Final

import msgspec

from sallyport.kernel.opaque import Digest
from sallyport.sessions.rules import Proven, Session
from sallyport.store.work import Row, Rows, Soon, Sql
from sallyport.users.store import read_roles

_FIELDS: Final = (
    "id, user_id, proven, auth_time, created_at, last_used_at, ip, user_agent, client_digest, secret_id, scopes"
)
INSERT = Sql(
    """INSERT INTO sessions (id, user_id, proven, auth_time, created_at, last_used_at, ip, user_agent, client_digest,
                             secret_id, scopes)
       VALUES (:uid, :user, :proven, :auth_time, :created_at, :last_used_at, :ip, :user_agent, :client_digest,
               :secret, :scopes)"""
)
FIND = Sql(f"SELECT {_FIELDS} FROM sessions WHERE id = :uid")  # noqa: S608  # constants of this file, no input
MFA_BEHIND = Sql(
    """SELECT mfa_since FROM sessions JOIN users ON users.id = sessions.user_id
       WHERE sessions.id = :uid AND users.id = :user AND users.disabled_at IS NULL"""
)
STANDING = Sql(
    """SELECT sessions.id, user_id, proven, auth_time, sessions.created_at, last_used_at, ip, user_agent,
              client_digest, secret_id, scopes, name, roles, mfa_since, mfa_met_at, mfa_reset_at
       FROM sessions JOIN users ON users.id = sessions.user_id
       WHERE sessions.id = :uid AND disabled_at IS NULL"""
)
# No page is opened by the session of an API key: pages know nothing of scopes.
BROWSING = Sql(
    """SELECT sessions.id, user_id, proven, sessions.auth_time, sessions.created_at, last_used_at, ip, user_agent,
              client_digest, secret_id, scopes, name, roles, mfa_since, mfa_met_at, mfa_reset_at
       FROM browser_sessions JOIN sessions ON sessions.id = session_id JOIN users ON users.id = sessions.user_id
       WHERE token_digest = :digest AND browser_sessions.auth_time = sessions.auth_time AND disabled_at IS NULL
         AND scopes IS NULL"""
)
# One token a session: whoever gives a new one takes the old one away.
BIND_BROWSER = Sql(
    """INSERT INTO browser_sessions (token_digest, session_id, auth_time, created_at)
       SELECT :digest, id, auth_time, :now FROM sessions WHERE id = :session
       ON CONFLICT (session_id) DO UPDATE
       SET token_digest = excluded.token_digest, auth_time = excluded.auth_time, created_at = excluded.created_at"""
)
OF_USER = Sql(
    f"SELECT {_FIELDS} FROM sessions WHERE user_id = :user ORDER BY id"  # noqa: S608  # as above
)
USED = Sql("UPDATE sessions SET last_used_at = :now WHERE id = :uid")
PROVEN_NOW = Sql("UPDATE sessions SET proven = :proven, auth_time = :now, last_used_at = :now WHERE id = :uid")
PROVEN = Sql("UPDATE sessions SET proven = :proven WHERE id = :uid")
END = Sql("DELETE FROM sessions WHERE id = :uid AND user_id = :user")
END_OPENED_BY = Sql("DELETE FROM sessions WHERE user_id = :user AND secret_id = :secret")
END_OTHERS = Sql("DELETE FROM sessions WHERE user_id = :user AND id <> :keep")
SWEEP = Sql(
    """DELETE FROM sessions WHERE id IN
       (SELECT id FROM sessions WHERE last_used_at < :idle_before ORDER BY last_used_at LIMIT :most)"""
)
# What a token says of its owner, and what an answer says beside it.
OWNER = Sql(
    """SELECT name, roles, verified_at, mfa_since, mfa_met_at,
              (SELECT count(*) FROM backup_codes WHERE backup_codes.user_id = users.id AND spent_at IS NULL),
              verified_email IS NOT NULL, mfa_reset_at,
              EXISTS (SELECT 1 FROM mfa_resets WHERE mfa_resets.user_id = users.id)
       FROM users WHERE id = :uid AND disabled_at IS NULL"""
)

BEARER = Sql(
    """SELECT user_id, sessions.id FROM refresh_tokens JOIN sessions ON sessions.id = refresh_tokens.session_id
       WHERE token_digest = :digest"""
)
ADD_TOKEN = Sql("INSERT INTO refresh_tokens (token_digest, session_id, created_at) VALUES (:digest, :session, :now)")
SPEND_TOKEN = Sql(
    """UPDATE refresh_tokens SET spent_at = :now, successor_salt = :salt
       WHERE token_digest = :digest AND spent_at IS NULL AND retired_at IS NULL"""
)
TOKEN = Sql("SELECT session_id, spent_at, retired_at, successor_salt FROM refresh_tokens WHERE token_digest = :digest")
RETIRE_TOKENS = Sql(
    """UPDATE refresh_tokens SET retired_at = :now
       WHERE session_id = :session AND spent_at IS NULL AND retired_at IS NULL"""
)


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The user behind a session."""

    name: str
    roles: tuple[str, ...]
    verified: bool
    mfa: bool
    met_at: int | None
    """When the rule about second factors first met the user."""
    codes_left: int
    reset: bool
    """Whether recovery took the second factors away, and none is enrolled since."""
    mailable: bool = False
    """Whether there is an address that notices go to."""
    resetting: bool = False
    """Whether the second factors are to be reset after a delay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A refresh token that is not live any more."""

    session: str
    spent_at: int | None
    retired: bool
    salt: bytes

    @property
    def state(self) -> str:
        """Return `live`, `spent` or `retired`."""
        if self.spent_at is not None:
            return "spent"
        return "retired" if self.retired else "live"


def insert(rows: Rows, session: Session) -> None:
    """Write a session."""
    rows.post(
        INSERT,
        uid=session.uid,
        user=session.user,
        proven=" ".join(session.proven),
        auth_time=session.auth_time,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        ip=session.ip,
        user_agent=session.user_agent,
        client_digest=session.client_digest,
        secret=session.secret,
        scopes=None if session.scopes is None else " ".join(session.scopes),
    )


def find(rows: Rows, uid: str) -> Session | None:
    """Return a session."""
    return session_in(rows.soon(FIND, uid=uid))


def session_in(found: Soon) -> Session | None:
    """Return the session that was asked for."""
    row = found.one()
    return _session(row) if row else None


def mfa_behind(rows: Rows, uid: str, user: str) -> bool | None:
    """Tell whether the user behind a session has MFA; None where the session ended or the user is disabled."""
    row = rows.one(MFA_BEHIND, uid=uid, user=user)
    return None if row is None else row[0] is not None


def standing(rows: Rows, uid: str) -> tuple[Session, Owner] | None:
    """Return a session of a user who is not disabled, with its owner; codes are not counted here."""
    return _with_owner(rows.one(STANDING, uid=uid))


def browsing(rows: Rows, digest: Digest) -> tuple[Session, Owner] | None:
    """Return the same by what the cookie of a browser says, if it is as new as the session's last proof."""
    return _with_owner(rows.one(BROWSING, digest=digest))


def bind_browser(rows: Rows, digest: Digest, session: str, now: int) -> bool:
    """Give a session the one token that a browser shows for it; False where the session has ended."""
    return bool(rows.change(BIND_BROWSER, digest=digest, session=session, now=now))


def owner(rows: Rows, uid: str) -> Soon:
    """Ask for the owner of a session; `owner_in` reads the answer."""
    return rows.soon(OWNER, uid=uid)


def owner_in(found: Soon) -> Owner | None:
    """Return the owner of a session, if not disabled."""
    row = found.one()
    return (
        Owner(
            name=row[0],
            roles=read_roles(row[1]),
            verified=row[2] is not None,
            mfa=row[3] is not None,
            met_at=row[4],
            codes_left=row[5],
            mailable=bool(row[6]),
            reset=row[7] is not None,
            resetting=bool(row[8]),
        )
        if row
        else None
    )


def of_user(rows: Rows, user: str) -> list[Session]:
    """Return all sessions of a user, oldest first."""
    return [_session(row) for row in rows.all(OF_USER, user=user)]


def used(rows: Rows, uid: str, now: int) -> None:
    """Note that a session was used."""
    rows.post(USED, uid=uid, now=now)


def proven_now(rows: Rows, uid: str, proven: Proven, now: int) -> None:
    """Write a fresh proof into a session."""
    rows.post(PROVEN_NOW, uid=uid, proven=" ".join(proven), now=now)


def lower(rows: Rows, uid: str, proven: Proven) -> None:
    """Take from a session what is proven no more; its `auth_time` stays."""
    rows.post(PROVEN, uid=uid, proven=" ".join(proven))


def end(rows: Rows, uid: str, user: str) -> bool:
    """End one session of a user, tokens and all."""
    return bool(rows.change(END, uid=uid, user=user))


def end_others(rows: Rows, user: str, keep: str) -> int:
    """End all sessions of a user but one; an empty `keep` ends them all. Returns how many."""
    return rows.change(END_OTHERS, user=user, keep=keep)


def end_opened_by(rows: Rows, user: str, secret: str) -> int:
    """End the sessions that a device or an API key of a user has opened. Returns how many."""
    return rows.change(END_OPENED_BY, user=user, secret=secret)


def sweep(rows: Rows, idle_before: int, most: int) -> int:
    """Erase sessions that ended by themselves; returns how many."""
    return rows.change(SWEEP, idle_before=idle_before, most=most)


def add_token(rows: Rows, digest: Digest, session: str, now: int) -> None:
    """Write a refresh token."""
    rows.post(ADD_TOKEN, digest=digest, session=session, now=now)


def bearer(rows: Rows, digest: Digest) -> tuple[str, str] | None:
    """Return user and session of a refresh token, whatever its state."""
    row = rows.one(BEARER, digest=digest)
    return (row[0], row[1]) if row else None


def spend_token(rows: Rows, digest: Digest, salt: bytes, now: int) -> Soon:
    """Spend a live refresh token. One write, and whether it met a row is the answer."""
    return rows.soon(SPEND_TOKEN, digest=digest, salt=salt, now=now)


def token(rows: Rows, digest: Digest) -> Token | None:
    """Return what is known of a refresh token."""
    row = rows.one(TOKEN, digest=digest)
    return Token(session=row[0], spent_at=row[1], retired=row[2] is not None, salt=row[3] or b"") if row else None


def retire_tokens(rows: Rows, session: str, now: int) -> None:
    """Retire the live refresh tokens of a session: its level has changed."""
    rows.post(RETIRE_TOKENS, session=session, now=now)


def _with_owner(row: Row | None) -> tuple[Session, Owner] | None:
    if row is None:
        return None
    name, roles, mfa_since, met_at, reset_at = row[11:]
    owner = Owner(
        name=name,
        roles=read_roles(roles),
        verified=False,
        mfa=mfa_since is not None,
        met_at=met_at,
        codes_left=0,
        reset=reset_at is not None,
    )
    return _session(row), owner


def _session(row: Row) -> Session:
    return Session(
        uid=row[0],
        user=row[1],
        proven=tuple(row[2].split()),
        auth_time=row[3],
        created_at=row[4],
        last_used_at=row[5],
        ip=row[6],
        user_agent=row[7],
        client_digest=row[8],
        secret=row[9],
        scopes=None if row[10] is None else tuple(row[10].split()),
    )
