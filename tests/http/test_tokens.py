"""api.md section 5: access tokens and the keys that verify them."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from sallyport.kernel.clock import SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.vault import Ring
from sallyport.sessions import mint
from sallyport.sessions.signing import SigningKey, draw_key
from tests.conftest import MakeWorld
from tests.expect import claims, header, refused
from tests.world import World

CLAIMS = {"iss", "aud", "sub", "exp", "iat", "jti", "sid", "auth_time", "acr", "amr", "profile"}


async def keys(world: World) -> list[dict[str, Any]]:
    answer = await world.call("GET", "/.well-known/jwks.json")
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["keys"]
    return found


async def test_an_access_token_says_who_and_what_was_proven(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org")
    said = claims(alice.token)
    assert set(said) == CLAIMS
    now = world.clock.now() // SECOND
    assert (said["iss"], said["aud"]) == ("http://127.0.0.1:8080", "http://127.0.0.1:8080")
    assert (said["sub"], said["iat"], said["exp"], said["auth_time"]) == (alice.uid, now, now + 600, now)
    assert (said["acr"], said["amr"]) == ("aal1", ["pwd"])
    assert said["profile"] == {"uid": alice.uid, "name": "alice", "roles": [], "verified": False}
    assert {str(uuid.UUID(said[name])) for name in ("jti", "sid")} == {said["jti"], said["sid"]}


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # RFC 9864 renames it; the contract has the old name
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
async def test_another_library_verifies_it_through_the_jwks(make_world: MakeWorld, algorithm: str) -> None:
    world: World = await make_world({"SALLYPORT_SIGNING_ALGORITHM": algorithm})
    alice = await world.register("alice")
    published = KeySet.import_key_set({"keys": await keys(world)})
    token = jwt.decode(alice.token, published, algorithms=[algorithm])
    assert token.header == {"alg": algorithm, "kid": header(alice.token)["kid"], "typ": "at+jwt"}
    assert token.claims["sub"] == alice.uid
    assert (await alice.call("GET", "/users/me")).status_code == 200


async def test_the_keys_are_public_and_the_next_one_is_published_before_it_signs(world: World) -> None:
    found, alice = await keys(world), await world.register("alice")
    assert len(found) == 2
    for key in found:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    signed_with = header(alice.token)["kid"]
    assert [key["kid"] for key in found].count(signed_with) == 1


async def test_a_token_is_verified_once_and_judged_each_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[bytes] = []
    verify = SigningKey.verify

    def counted(key: SigningKey, message: bytes, signature: bytes) -> bool:
        verified.append(message)
        return verify(key, message, signature)

    monkeypatch.setattr(SigningKey, "verify", counted)
    alice = await world.register("alice")
    for _ in range(3):
        assert (await alice.call("GET", "/users/me")).status_code == 200
    assert len(verified) == 1
    world.clock.advance(601)
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")


async def test_a_good_token_makes_no_other_bytes_good(world: World) -> None:
    alice = await world.register("alice")
    head, payload, signature = alice.token.split(".")
    swapped = ("B" if signature[0] == "A" else "A") + signature[1:]
    for _ in range(2):
        assert (await alice.call("GET", "/users/me")).status_code == 200
        for other in (f"{head}.{payload}.{swapped}", f"{head}.{payload}.", f"{head}.{payload}.{signature}=", payload):
            answer = await world.call("GET", "/users/me", headers={"authorization": f"Bearer {other}"})
            refused(answer, 401, "invalid_token")


async def test_a_good_token_ends_with_its_key_even_under_the_same_name(world: World) -> None:
    alice, ring = await world.register("alice"), world.service.rings["signing"]
    assert (await alice.call("GET", "/users/me")).status_code == 200
    genuine: Ring = ring.now
    ring.now = replace(genuine, keys={key_id: Hidden(draw_key("ES256")) for key_id in genuine.keys})
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    ring.now = genuine
    assert (await alice.call("GET", "/users/me")).status_code == 200


async def test_only_so_many_tokens_are_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mint, "MOST_REMEMBERED", 3)
    alice = await world.register("alice")
    tokens = [alice.token]
    for _ in range(7):
        await alice.login()
        tokens.append(alice.token)
    for token in tokens * 2:
        assert world.service.mint.read(token)
        assert len(world.service.mint._remembered) <= 3


async def test_a_token_lives_ten_minutes(world: World) -> None:
    alice = await world.register("alice")
    world.clock.advance(599)
    assert (await alice.call("GET", "/users/me")).status_code == 200
    world.clock.advance(1)
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")


async def test_issuer_and_audience_are_the_public_url_or_what_the_setting_says(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_PUBLIC_URL": "https://accounts.example.org/"})
    said = claims((await world.register("alice")).token)
    assert (said["iss"], said["aud"]) == ("https://accounts.example.org", "https://accounts.example.org")
    world = await make_world(
        {"SALLYPORT_PUBLIC_URL": "https://accounts.example.org", "SALLYPORT_AUDIENCE": "shop"}, folder="two"
    )
    bob = await world.register("bob")
    assert claims(bob.token)["aud"] == "shop"
    assert (await bob.call("GET", "/users/me")).status_code == 200


async def test_a_token_of_another_service_is_none_of_ours(make_world: MakeWorld) -> None:
    ours: World = await make_world()
    theirs: World = await make_world(folder="two")
    alice, mallory = await ours.register("alice"), await theirs.register("alice")
    refused(await ours.call("GET", "/users/me", headers=mallory.auth), 401, "invalid_token")
    refused(await theirs.call("GET", "/users/me", headers=alice.auth), 401, "invalid_token")


async def test_two_nodes_on_one_folder_know_each_others_tokens(make_world: MakeWorld) -> None:
    first: World = await make_world()
    second: World = await make_world(clock=first.clock)
    alice = await first.register("alice")
    assert (await second.call("GET", "/users/me", headers=alice.auth)).status_code == 200
    assert await keys(first) == await keys(second)


async def test_a_change_of_name_shows_in_the_next_token(world: World) -> None:
    alice = await world.register("alice")
    await alice.call("PUT", "/users/me", {"version": 0, "name": "alicia"})
    body = (await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json()
    assert claims(body["token"])["profile"]["name"] == "alicia"
