"""Real authenticators: oathtool as the phone, zbarimg as its camera, joserfc as whoever trusts the tokens."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from sallyport.kernel.clock import SECOND
from tests.conftest import MakeWorld
from tests.world import PASSWORD, Person, World, bearer

Tool = Callable[[str], str]
# RFC 9864 gives the algorithm of Ed25519 a name of its own; the setting, and every library, know the older one.
OLD_NAME = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
LONGEST = "ünï-" * 15 + "çöéß"


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def oath_code(world: World, oathtool: str, secret: str) -> str:
    now = datetime.fromtimestamp(world.clock.now() // SECOND, UTC)
    return run(oathtool, "--totp", "-b", secret, "--now", f"{now:%Y-%m-%d %H:%M:%S} UTC").strip()


async def test_oathtool_enrolls_logs_in_and_elevates(world: World, tool: Tool) -> None:
    oathtool, alice = tool("oathtool"), await world.register("alice")
    made = (await alice.call("POST", "/users/me/secrets", {"type": "mfa"})).json()
    key = made["secret"]["secret"]
    enrolled = await alice.call(
        "PUT", f"/users/me/secrets/{made['uid']}/enroll", {"token": oath_code(world, oathtool, key)}
    )
    assert enrolled.status_code == 200, enrolled.text
    for _ in range(3):
        world.clock.advance(30)
        granted = await world.answer(await alice.challenge(), oath_code(world, oathtool, key))
        assert granted.status_code == 200, granted.text
        alice.hold(granted.json())
    world.clock.advance(30)
    body = {"password": PASSWORD, "token": oath_code(world, oathtool, key)}
    assert (await alice.call("POST", "/auth/elevate", body)).status_code == 200


@pytest.mark.parametrize(
    ("issuer", "name"),
    [
        ("Sallyport", "alice"),
        ("The Gate & Co. / 100% + you", "a.b-c_d+e"),
        ("Tür und Tor", "jürgen"),
        ("门 ゲート", "алиса"),
        ("Sallyport", "אליס"),
        ("A house with a rather long name, to see", LONGEST),
        ("Sallyport", "漢" * 64),
    ],
)
async def test_a_camera_reads_exactly_the_uri(
    make_world: MakeWorld, tool: Tool, tmp_path: Path, issuer: str, name: str
) -> None:
    world: World = await make_world({"SALLYPORT_ISSUER_NAME": issuer})
    alice = await world.register(name)
    made = (await alice.call("POST", "/users/me/secrets?qr=svg", {"type": "mfa"})).json()["secret"]
    svg, png = tmp_path / "qr.svg", tmp_path / "qr.png"
    svg.write_text(made["qr_svg"])
    run(tool("rsvg-convert"), "--zoom", "2", "-o", str(png), str(svg))
    assert run(tool("zbarimg"), "--raw", "-q", str(png)) == made["otpauth_url"] + "\n"
    read = pyotp.parse_uri(made["otpauth_url"])
    assert isinstance(read, pyotp.TOTP)
    assert (read.issuer, read.name, read.secret) == (issuer, name, made["secret"])


async def test_without_being_asked_no_drawing_is_made(world: World) -> None:
    alice = await world.register("alice")
    made = (await alice.call("POST", "/users/me/secrets", {"type": "mfa"})).json()
    assert set(made["secret"]) == {"otpauth_url", "secret"}
    refused = await alice.call("POST", "/users/me/secrets?qr=png", {"type": "mfa"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


def profile(person: Person, *roles: str) -> dict[str, Any]:
    return {"uid": person.uid, "name": person.name, "roles": list(roles), "verified": False}


@OLD_NAME
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
@pytest.mark.parametrize("audience", ["", "https://api.example.org"])
async def test_another_library_verifies_the_tokens_by_the_published_keys(
    make_world: MakeWorld, algorithm: str, audience: str
) -> None:
    url = "https://accounts.example.org"
    settings = {"SALLYPORT_SIGNING_ALGORITHM": algorithm, "SALLYPORT_PUBLIC_URL": url, "SALLYPORT_AUDIENCE": audience}
    world: World = await make_world(settings)
    published = (await world.call("GET", "/.well-known/jwks.json")).json()
    assert len({key["kid"] for key in published["keys"]}) == 2
    for key in published["keys"]:
        assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"} | ({"y"} if algorithm == "ES256" else set())
        assert (key["alg"], key["use"]) == (algorithm, "sig")
    keys = KeySet.import_key_set(published)

    alice, desk = await world.enrolled("alice"), await world.admin()
    bare = await world.register("bare", password=None)
    proofs: tuple[tuple[Person, str, list[str], tuple[str, ...]], ...] = (
        (alice, "aal2", ["pwd", "otp", "mfa"], ()),
        (desk, "aal1", ["pwd"], ("admin",)),
        (bare, "aal0", [], ()),
    )
    now, seen = world.clock.now() // SECOND, set()
    for person, acr, amr, roles in proofs:
        token = jwt.decode(person.token, keys, algorithms=[algorithm])
        assert token.header == {"alg": algorithm, "kid": token.header["kid"], "typ": "at+jwt"}
        seen.add((token.claims["jti"], token.claims["sid"]))
        assert token.claims == {
            "iss": url,
            "aud": audience or url,
            "sub": person.uid,
            "exp": now + 600,
            "iat": now,
            "jti": token.claims["jti"],
            "sid": token.claims["sid"],
            "auth_time": now,
            "acr": acr,
            "amr": amr,
            "profile": profile(person, *roles),
        }
    assert len(seen) == 3


@OLD_NAME
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
async def test_a_token_of_another_house_is_refused_by_both(make_world: MakeWorld, algorithm: str) -> None:
    settings = {"SALLYPORT_SIGNING_ALGORITHM": algorithm}
    ours: World = await make_world(settings)
    theirs: World = await make_world(settings, folder="theirs")
    stranger = await theirs.register("stranger")
    published = (await ours.call("GET", "/.well-known/jwks.json")).json()
    kids = [key["kid"] for key in published["keys"]]
    forged = KeySet.import_key_set(
        {"keys": [{**key, "kid": kid} for kid, key in zip(_kids(theirs), published["keys"], strict=True)]}
    )
    with pytest.raises(BadSignatureError):
        jwt.decode(stranger.token, forged, algorithms=[algorithm])
    refused = await ours.call("GET", "/users/me", headers=bearer(stranger.token))
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert not set(kids) & set(_kids(theirs))


def _kids(world: World) -> list[str]:
    return [key["kid"] for key in world.service.keys.jwks["keys"]]
