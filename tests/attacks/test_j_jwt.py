"""Class J: forged access tokens.

CVE-2017-11424, CVE-2022-29217 PyJWT; CVE-2024-37568 Authlib; CVE-2024-33663 python-jose; CVE-2026-33322 MinIO: the
public key as HMAC secret. CVE-2018-0114 node-jose: the key stood in the header. CVE-2022-21449 Java: a signature of
zeros. RFC 8725.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sallyport.kernel.clock import SECOND
from tests.conftest import MakeWorld
from tests.expect import claims, header, refused
from tests.world import Person, World

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
Sign = Callable[[bytes], bytes]


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def written(value: Any) -> str:
    return encoded(json.dumps(value, separators=(",", ":")).encode())


def joined(head: str, payload: str, sign: Sign) -> str:
    return f"{head}.{payload}.{encoded(sign(f'{head}.{payload}'.encode()))}"


def es256(private: Any) -> Sign:
    """Return an ES256 signer made of the primitives alone. RFC 7518 3.4."""

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    return sign


def hs(key: bytes, name: str = "sha256") -> Sign:
    return lambda message: hmac.digest(key, message, name)


def genuine(world: World) -> Sign:
    """Return a signer with the service's own active key: what only the service can do."""
    return es256(world.service.keys.active.private)


async def accepted(world: World, token: str) -> bool:
    answer = await world.call("GET", "/users/me", headers={"authorization": f"Bearer {token}"})
    if answer.status_code != 200:
        refused(answer, 401, "invalid_token")
    return answer.status_code == 200


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.register("alice")


def parts(person: Person) -> tuple[str, str, str]:
    head, payload, signature = person.token.split(".")
    return head, payload, signature


async def test_the_forger_of_these_tests_can_make_a_good_one(world: World, alice: Person) -> None:
    head, payload, _ = parts(alice)
    assert await accepted(world, joined(head, payload, genuine(world)))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, 0, [], "null"])
async def test_no_algorithm_is_no_algorithm(world: World, alice: Person, alg: Any) -> None:
    head, payload, signature = parts(alice)
    for made in (header(alice.token) | {"alg": alg}, {"alg": alg, "typ": "JWT"}, {"alg": alg}):
        for tail in ("", signature, "AA", encoded(b"\0" * 64)):
            assert not await accepted(world, f"{written(made)}.{payload}.{tail}")
    assert not await accepted(world, f"{head}.{payload}.")
    assert not await accepted(world, f"{head}.{payload}")


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", ["pem", "pem-stripped", "der", "jwk", "jwk-sorted", "point", "x", "kid", "empty"])
async def test_our_public_key_is_no_shared_secret(world: World, alice: Person, alg: str, form: str) -> None:
    public = world.service.keys.active.public
    jwk = (await world.call("GET", "/.well-known/jwks.json")).json()["keys"][0]
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = {
        "pem": pem,
        "pem-stripped": pem.strip(),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(jwk, separators=(",", ":")).encode(),
        "jwk-sorted": json.dumps(jwk, sort_keys=True).encode(),
        "point": public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        "x": jwk["x"].encode(),
        "kid": jwk["kid"].encode(),
        "empty": b"",
    }[form]
    head, payload, _ = parts(alice)
    sign = hs(key, "sha" + alg[2:])
    for made in (written(header(alice.token) | {"alg": alg}), written({"alg": alg, "typ": "JWT"}), head):
        assert not await accepted(world, joined(made, payload, sign))


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519", "ES384", "ES512", "ES256K", "RS256", "PS256", "HS256", "es256"])
async def test_another_algorithm_than_ours_is_refused_even_over_our_own_signature(
    world: World, alice: Person, alg: str
) -> None:
    _, payload, _ = parts(alice)
    assert not await accepted(world, joined(written(header(alice.token) | {"alg": alg}), payload, genuine(world)))
    own = ed25519.Ed25519PrivateKey.generate()
    for made in (header(alice.token), header(alice.token) | {"alg": alg}):
        assert not await accepted(world, joined(written(made), payload, own.sign))


async def test_an_ecdsa_signature_is_none_where_eddsa_is_set(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_SIGNING_ALGORITHM": "EdDSA"})
    alice = await world.register("alice")
    assert await accepted(world, alice.token)
    head, payload, _ = parts(alice)
    mine = ec.generate_private_key(ec.SECP256R1())
    public = world.service.keys.active.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    for made in (head, written(header(alice.token) | {"alg": "ES256"})):
        assert not await accepted(world, joined(made, payload, es256(mine)))
    assert not await accepted(world, joined(written(header(alice.token) | {"alg": "HS256"}), payload, hs(public)))


def attackers_headers() -> list[tuple[dict[str, Any], ec.EllipticCurvePrivateKey]]:
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "x": encoded(numbers.x.to_bytes(32)), "y": encoded(numbers.y.to_bytes(32))}
    url = "http://127.0.0.1:1/keys.json"
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return [
        ({"jwk": jwk}, key),
        ({"jku": url}, key),
        ({"x5u": url}, key),
        ({"x5c": [encoded(der)]}, key),
        ({"x5t": "x", "x5t#S256": "y"}, key),
        ({"jwk": jwk, "kid": "mine"}, key),
        ({"crit": ["exp"]}, key),
        ({"zip": "DEF"}, key),
        ({"b64": False, "crit": ["b64"]}, key),
    ]


async def test_a_key_from_the_header_is_never_trusted(world: World, alice: Person) -> None:
    _, payload, _ = parts(alice)
    for extra, key in attackers_headers():
        for made in (header(alice.token) | extra, {"alg": "ES256", "typ": "at+jwt"} | extra):
            assert not await accepted(world, joined(written(made), payload, es256(key)))
            # Not even with our own signature: a header is ours to the byte, or it is not ours.
            assert not await accepted(world, joined(written(made), payload, genuine(world)))


def kids(world: World) -> list[Any]:
    vault = world.service.vault
    rings = [vault._sealing.active, vault.pepper_id]
    other = next(
        key.jwk["kid"] for key in world.service.keys.by_header.values() if key is not world.service.keys.active
    )
    paths = ["../../../../dev/null", "/dev/null", "signing.json", "file:///dev/null", "keys/sealing.json"]
    tricks = ["' OR 1=1 --", "x' UNION SELECT 'AA' --", "${jndi:ldap://127.0.0.1/x}", "|id", "\x00", "\n", "é", "%00"]
    odd: list[Any] = ["", None, 0, True, [], {}, "x" * 1_000_000, world.service.keys.active.jwk["kid"].upper()]
    return [*rings, other, *paths, *tricks, *odd]


async def test_a_kid_only_selects_from_our_own_ring(world: World, alice: Person) -> None:
    _, payload, _ = parts(alice)
    for kid in kids(world):
        for sign in (genuine(world), hs(b""), hs(b"\0"), es256(ec.generate_private_key(ec.SECP256R1()))):
            assert not await accepted(world, joined(written(header(alice.token) | {"kid": kid}), payload, sign))
    without = {"alg": "ES256", "typ": "at+jwt"}
    assert not await accepted(world, joined(written(without), payload, genuine(world)))


@pytest.mark.parametrize("typ", ["JWT", "jwt", "", None, "at+JWT", "application/at+jwt", "refresh+jwt", "id+jwt", 0])
async def test_the_type_is_ours_or_it_is_no_access_token(world: World, alice: Person, typ: Any) -> None:
    _, payload, _ = parts(alice)
    assert not await accepted(world, joined(written(header(alice.token) | {"typ": typ}), payload, genuine(world)))


NOW = 1_800_000_000
WRONG: list[dict[str, Any]] = [
    {"iss": "http://evil.example"},
    {"iss": "http://127.0.0.1:8080/"},
    {"iss": None},
    {"iss": ["http://127.0.0.1:8080"]},
    {"aud": "http://evil.example"},
    {"aud": ["http://127.0.0.1:8080", "http://evil.example"]},
    {"aud": None},
    {"exp": NOW},
    {"exp": NOW - 1},
    {"exp": 0},
    {"exp": -1},
    {"exp": None},
    {"exp": "never"},
    {"exp": True},
    {"exp": [NOW + 600]},
    {"sub": "01912345-0000-7000-8000-000000000000"},
    {"sub": None},
    {"sub": ""},
    {"sid": "01912345-0000-7000-8000-000000000000"},
    {"sid": "' OR 1=1 --"},
    {"sid": None},
    {"auth_time": None},
    {"auth_time": "now"},
    {"amr": "pwd"},
    {"amr": None},
    {"acr": None},
    {"acr": 2},
]


@pytest.mark.parametrize("change", WRONG)
async def test_a_wrong_claim_is_refused_even_under_our_signature(
    world: World, alice: Person, change: dict[str, Any]
) -> None:
    head, _, _ = parts(alice)
    assert not await accepted(world, joined(head, written(claims(alice.token) | change), genuine(world)))


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "exp", "sid", "auth_time", "acr", "amr", "jti", "iat"])
async def test_a_missing_claim_is_refused_even_under_our_signature(world: World, alice: Person, name: str) -> None:
    head, _, _ = parts(alice)
    less = {key: value for key, value in claims(alice.token).items() if key != name}
    assert not await accepted(world, joined(head, written(less), genuine(world)))


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"{}", b'"x"', b"\xff", b"{" * 50_000, b"[" * 50_000])
async def test_a_payload_that_is_none_is_refused(world: World, alice: Person, payload: bytes) -> None:
    head, _, _ = parts(alice)
    assert not await accepted(world, joined(head, encoded(payload), genuine(world)))


async def test_the_subject_of_one_session_is_not_the_subject_of_another(world: World, alice: Person) -> None:
    bob, admin = await world.register("bob"), await world.admin()
    head, _, _ = parts(alice)
    for change in ({"sub": bob.uid}, {"sid": claims(bob.token)["sid"]}):
        forged = joined(head, written(claims(alice.token) | change), genuine(world))
        assert not await accepted(world, forged)
        told = await admin.call("POST", "/auth/introspect", {"token": forged})
        assert told.json() == {"active": False}


async def test_any_other_character_anywhere_breaks_a_token(world: World, alice: Person) -> None:
    for place, here in enumerate(alice.token):
        other = "A" if here == "." else ALPHABET[(ALPHABET.index(here) + 1) % 64]
        changed = alice.token[:place] + other + alice.token[place + 1 :]
        assert not await accepted(world, changed), place
    assert await accepted(world, alice.token)


async def test_the_last_character_has_one_spelling(world: World, alice: Person) -> None:
    """86 characters of base64url hold 516 bits, a signature 512: sixteen spellings, of which one is ours."""
    good = [alice.token[:-1] + last for last in ALPHABET if await accepted(world, alice.token[:-1] + last)]
    assert good == [alice.token]


@pytest.mark.parametrize(
    "shape",
    [
        "{h}.{p}.{s}.",
        ".{h}.{p}.{s}",
        "{h}.{p}.{s}.{s}",
        "{h}..{p}.{s}",
        "{h}.{p}..{s}",
        "{h}.{p}",
        "{h}",
        "..",
        ".",
        "{h}.{p}.{s}=",
        "{h}.{p}.{s}==",
        "{h}=.{p}.{s}",
        "{h}.{p}=.{s}",
        "{h}.{p}.{s}A",
        "{h}.{p}.{s}\t",
        "{h}.{p}.{s} x",
        "{h} .{p}.{s}",
        "{h}.{p}.{s},{h}.{p}.{s}",
        "{p}.{h}.{s}",
        "{h}.{h}.{s}",
        "{h}.{p}.{s}\x00",
    ],
)
async def test_a_token_has_three_parts_and_nothing_beside_them(world: World, alice: Person, shape: str) -> None:
    head, payload, signature = parts(alice)
    token = shape.format(h=head, p=payload, s=signature)
    if token.strip() != alice.token:
        assert not await accepted(world, token)


@pytest.mark.parametrize("raw", [b"", b"\0" * 64, b"\0" * 32 + b"\1" * 32, b"\xff" * 64, b"\0" * 63, b"\0" * 65, b"\1"])
async def test_a_signature_of_nothing_is_none(world: World, alice: Person, raw: bytes) -> None:
    """CVE-2022-21449: r and s of zero."""
    head, payload, _ = parts(alice)
    assert not await accepted(world, joined(head, payload, lambda _: raw))


async def test_a_der_signature_is_not_ours(world: World, alice: Person) -> None:
    head, payload, _ = parts(alice)
    private = world.service.keys.active.private
    assert not await accepted(world, joined(head, payload, lambda message: private.sign(message, ec.ECDSA(SHA256()))))
    assert not await accepted(world, joined(head, payload, lambda message: hashlib.sha256(message).digest() * 2))


async def test_a_refresh_token_is_no_jwt(world: World, alice: Person) -> None:
    assert alice.refresh.count(".") == 0
    assert not await accepted(world, alice.refresh)


async def test_the_key_that_signs_next_signs_for_its_own_header_alone(world: World, alice: Person) -> None:
    keys = world.service.keys
    following = next(key for key in keys.by_header.values() if key is not keys.active)
    head, payload, _ = parts(alice)
    assert await accepted(world, joined(following.header.decode(), payload, es256(following.private)))
    assert not await accepted(world, joined(head, payload, es256(following.private)))
    assert not await accepted(world, joined(following.header.decode(), payload, genuine(world)))


async def test_a_token_is_good_until_its_end_and_no_second_longer(world: World, alice: Person) -> None:
    assert claims(alice.token)["exp"] == world.clock.now() // SECOND + 600
    world.clock.advance(599)
    assert await accepted(world, alice.token)
    world.clock.advance(1)
    assert not await accepted(world, alice.token)
