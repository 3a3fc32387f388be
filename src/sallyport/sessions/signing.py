"""The keys that sign access tokens, and their public halves."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.kernel.livering import LiveRing
from sallyport.kernel.vault import Ring

if TYPE_CHECKING:
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm

TYPE: Final = "at+jwt"  # RFC 9068 2.1


class SigningKeysRefusedError(KeysRefusedError):
    """The signing ring can't be used, or holds keys for another algorithm than the settings name."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key pair with everything about it that never changes."""

    algorithm: "ECAlgorithm | OKPAlgorithm"
    private: Any
    public: Any
    header: bytes
    """The whole JWT header, encoded: a token with any other header is not ours."""
    jwk: dict[str, Any]

    def sign(self, message: bytes) -> bytes:
        """Return the JWS signature."""
        return self.algorithm.sign(message, self.private)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Tell whether the signature is right."""
        return self.algorithm.verify(message, self.public, signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """The signing ring, ready to use."""

    ring: Ring
    active: SigningKey
    by_header: Mapping[bytes, SigningKey]


class SigningKeys:
    """All keys of the ring as it is now: the active one signs, each of them verifies and stands in the JWKS."""

    def __init__(self, ring: LiveRing) -> None:
        self._ring = ring
        self._loaded: _Loaded | None = None

    @property
    def active(self) -> SigningKey:
        """The key that signs."""
        return self._now().active

    @property
    def by_header(self) -> Mapping[bytes, SigningKey]:
        """Every key, by the one header that it signs under."""
        return self._now().by_header

    @property
    def jwks(self) -> dict[str, Any]:
        """Return the public keys. RFC 7517 5."""
        return {"keys": [key.jwk for key in self.by_header.values()]}

    def under(self, header: bytes) -> SigningKey | None:
        """Return the key that signs under a header; None if there is none, in the file neither."""
        found = self.by_header.get(header)
        if found is None:
            self._ring.look_for_unknown()
            found = self.by_header.get(header)
        return found

    def _now(self) -> _Loaded:
        ring = self._ring.now
        if self._loaded is None or ring is not self._loaded.ring:
            self._loaded = _loaded(ring)
        return self._loaded


def signs_with(ring: Ring, algorithm: str) -> None:
    """Make sure that a ring signs as the settings say. Raises `SigningKeysRefusedError`."""
    kinds = {key_id: _private(key_id, der)[0] for key_id, der in ring.keys.items()}
    found = kinds[ring.active]
    if found != algorithm:
        message = (
            f"the signing ring signs with {found}, but SALLYPORT_SIGNING_ALGORITHM is {algorithm}: put the setting back"
        )
        raise SigningKeysRefusedError(message)


def draw_key(algorithm: str) -> bytes:
    """Make a private key for `ES256` or `EdDSA`, as DER PKCS#8."""
    key = generate_private_key(SECP256R1()) if algorithm == "ES256" else Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def encoded(raw: bytes) -> bytes:
    """Return base64url without padding. RFC 7515 2."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def _loaded(ring: Ring) -> _Loaded:
    keys = {key_id: _signing_key(key_id, der) for key_id, der in ring.keys.items()}
    by_header = {key.header: key for key in keys.values()}
    return _Loaded(ring=ring, active=keys[ring.active], by_header=by_header)


def _private(key_id: str, der: Hidden[bytes]) -> tuple[str, EllipticCurvePrivateKey | Ed25519PrivateKey]:
    """Return the name of what a private key signs with, and the key. Raises `SigningKeysRefusedError`."""
    try:
        private = load_der_private_key(der.reveal(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        message = f"key {key_id} of the signing ring is not a private key: restore signing.json from your backup"
        raise SigningKeysRefusedError(message) from None
    match private:
        case EllipticCurvePrivateKey():
            return "ES256", private
        case Ed25519PrivateKey():
            return "EdDSA", private
        case _:
            message = f"key {key_id} of the signing ring is of a kind that signs nothing here"
            raise SigningKeysRefusedError(message)


def _signing_key(key_id: str, der: Hidden[bytes]) -> SigningKey:
    # With it come X.509 and an HTTP client, 40 ms in all: not for commands on the host, which sign nothing.
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm  # noqa: PLC0415  # as said

    name, private = _private(key_id, der)
    algorithm: ECAlgorithm | OKPAlgorithm
    if isinstance(private, Ed25519PrivateKey):
        algorithm, jwk = OKPAlgorithm(), OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        algorithm = ECAlgorithm(ECAlgorithm.SHA256)
        jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    header = {"alg": name, "kid": key_id, "typ": TYPE}
    jwk |= {"kid": key_id, "alg": name, "use": "sig"}
    compact = json.dumps(header, separators=(",", ":")).encode()
    return SigningKey(algorithm, private, private.public_key(), encoded(compact), jwk)
