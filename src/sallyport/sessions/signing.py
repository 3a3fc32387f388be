"""The keys that sign access tokens, and their public halves."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

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
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.kernel.livering import LiveRing
from sallyport.kernel.vault import Ring

TYPE: Final = "at+jwt"  # RFC 9068 2.1


class SigningKeysRefusedError(KeysRefusedError):
    """The signing ring can't be used, or holds keys for another algorithm than the settings name."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key pair with everything about it that never changes."""

    algorithm: ECAlgorithm | OKPAlgorithm
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
        self._loaded = _loaded(ring.now)

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
        if ring is not self._loaded.ring:
            self._loaded = _loaded(ring)
        return self._loaded


def signs_with(ring: Ring, algorithm: str) -> None:
    """Make sure that a ring signs as the settings say. Raises `SigningKeysRefusedError`."""
    found = _loaded(ring).active.jwk["alg"]
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
    keys = {key_id: _signing_key(key_id, der.reveal()) for key_id, der in ring.keys.items()}
    by_header = {key.header: key for key in keys.values()}
    return _Loaded(ring=ring, active=keys[ring.active], by_header=by_header)


def _signing_key(key_id: str, der: bytes) -> SigningKey:
    try:
        private = load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        message = f"key {key_id} of the signing ring is not a private key: restore signing.json from your backup"
        raise SigningKeysRefusedError(message) from None
    algorithm: ECAlgorithm | OKPAlgorithm
    match private:
        case EllipticCurvePrivateKey():
            name, algorithm = "ES256", ECAlgorithm(ECAlgorithm.SHA256)
            jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case Ed25519PrivateKey():
            name, algorithm = "EdDSA", OKPAlgorithm()
            jwk = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case _:
            message = f"key {key_id} of the signing ring is of a kind that signs nothing here"
            raise SigningKeysRefusedError(message)
    header = {"alg": name, "kid": key_id, "typ": TYPE}
    jwk |= {"kid": key_id, "alg": name, "use": "sig"}
    compact = json.dumps(header, separators=(",", ":")).encode()
    return SigningKey(algorithm, private, private.public_key(), encoded(compact), jwk)
