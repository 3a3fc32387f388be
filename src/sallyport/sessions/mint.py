"""The one mint. Every access token of this service is made in `Mint.access`, and read in `Mint.read`."""

from base64 import urlsafe_b64decode
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from sallyport.edge.gate import Claims
from sallyport.kernel.clock import MINUTE, SECOND, Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids
from sallyport.kernel.opaque import Digest, digest_of
from sallyport.sessions.rules import Limits, Session, acr, amr, ends_at
from sallyport.sessions.signing import SigningKey, SigningKeys, encoded

ACCESS_LIFETIME: Final = 10 * MINUTE
LEEWAY: Final = 2 * MINUTE
"""How far ahead of ours the clock may be that made a token. One from further ahead would live for too long here."""
MOST_REMEMBERED: Final = 5_000
"""How many verified tokens are remembered, at about a kilobyte each; then all are forgotten."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The `profile` claim."""

    uid: str
    name: str
    roles: tuple[str, ...]
    verified: bool


class AccessClaims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of an access token. RFC 9068 2.2, RFC 9470 6."""

    iss: str
    aud: str
    sub: str
    exp: int
    iat: int
    jti: str
    sid: str
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    profile: Profile
    scope: str | UnsetType = UNSET
    """All that the token is good for, where an API key opened the session. RFC 8693 4.2"""


class Minted(msgspec.Struct, frozen=True, kw_only=True):
    """An access token and how long it lives, in seconds."""

    token: Hidden[str]
    expires_in: int


class Mint:
    """Makes and verifies access tokens."""

    def __init__(self, keys: SigningKeys, *, issuer: str, audience: str, clock: Clock, ids: Ids) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._ids = ids
        self._remembered: dict[Digest, tuple[SigningKey, AccessClaims]] = {}
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(AccessClaims).decode

    def access(self, session: Session, profile: Profile, limits: Limits) -> Minted:
        """Make an access token that says what was proven in this session, and no more."""
        now = self._clock.now()
        expires = min(now + ACCESS_LIFETIME, ends_at(session, limits)) // SECOND
        claims = AccessClaims(
            iss=self._issuer,
            aud=self._audience,
            sub=session.user,
            exp=expires,
            iat=now // SECOND,
            jti=self._ids.new(),
            sid=session.uid,
            auth_time=session.auth_time // SECOND,
            acr=acr(session.proven),
            amr=amr(session.proven),
            profile=profile,
            scope=UNSET if session.scopes is None else " ".join(session.scopes),
        )
        key = self._keys.active
        message = key.header + b"." + encoded(self._encode(claims))
        token = message + b"." + encoded(key.sign(message))
        return Minted(token=Hidden(token.decode()), expires_in=expires - now // SECOND)

    def read(self, token: str) -> Claims | None:
        """Return the claims of a valid, unexpired access token of this service, else None.

        The header must be, to the byte, one that this service writes: so algorithm, type and key are fixed, and
        no header from outside is ever interpreted. RFC 8725 3.1, 3.11.
        """
        said = self.claims(token)
        if said is None:
            return None
        return Claims(uid=said.sub, session=said.sid, auth_time=said.auth_time, acr=said.acr, amr=said.amr)

    def claims(self, token: str) -> AccessClaims | None:
        """Return everything that such a token says. See `read`."""
        said, now = self._signed(token), self._clock.now()
        if said is None or said.iss != self._issuer or said.aud != self._audience or said.exp <= now // SECOND:
            return None
        return None if said.iat > (now + LEEWAY) // SECOND else said

    def _signed(self, token: str) -> AccessClaims | None:
        """Return what a token says that a key of the ring as it is now has signed, whenever that was.

        A client shows one token many times, and verifying it is half of what a request costs: the outcome for the same
        bytes and the same key is remembered. A token is kept by its digest alone, like all others.
        """
        head, _, tail = token.partition(".")
        try:
            key = self._keys.under(head.encode("ascii"))
        except UnicodeEncodeError:
            return None
        if key is None:
            return None
        digest = digest_of(Hidden(token))
        by, said = self._remembered.get(digest, (None, None))
        if by is key:
            return said
        said = self._verified(key, head, tail)
        if said is not None:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[digest] = key, said
        return said

    def _verified(self, key: SigningKey, head: str, tail: str) -> AccessClaims | None:
        payload, _, signature = tail.partition(".")
        try:
            raw = _decoded(signature)
            if raw is None or not key.verify(f"{head}.{payload}".encode("ascii"), raw):
                return None
            return self._decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except ValueError:
            return None


def _decoded(text: str) -> bytes | None:
    """Decode base64url, and refuse the other spellings of the same bytes."""
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return raw if encoded(raw).decode() == text else None
