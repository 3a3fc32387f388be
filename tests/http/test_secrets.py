"""api.md section 3: secrets of every type, and passwords."""

import unicodedata
from typing import Any

import pytest

from tests.expect import AUTH_TOKEN, granted, refused
from tests.surgery import everything, fetch
from tests.world import PASSWORD, World, bearer

SECRET = {"uid", "userId", "type", "description", "dateCreated", "dateModified", "version", "lastUsed"}
MFA = SECRET | {"enrolled", "algorithm", "digits", "period"}
BACKUP = SECRET | {"total", "remaining"}
NEW = "an entirely different sentence"


async def test_a_password_is_made_once_and_never_told(world: World) -> None:
    alice = await world.register("alice", password=None)
    body = {"type": "password", "secret": PASSWORD, "description": "at home"}
    made = await alice.call("POST", "/users/me/secrets", body)
    assert made.status_code == 200
    secret = made.json()
    assert set(secret) == SECRET
    assert (secret["userId"], secret["type"], secret["description"]) == (alice.uid, "password", "at home")
    assert (secret["version"], secret["lastUsed"]) == (0, None)
    assert secret["dateCreated"] == secret["dateModified"]
    await alice.login()
    before = (await fetch(world, "SELECT hash_sealed FROM passwords WHERE user_id = :u", u=alice.uid))[0]
    refused(await alice.call("POST", "/users/me/secrets", {"type": "password", "secret": NEW}), 409, "already_exists")
    assert (await fetch(world, "SELECT hash_sealed FROM passwords WHERE user_id = :u", u=alice.uid))[0] == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "passkey"},
        {"type": "apiKey"},
        {"type": "PASSWORD"},
        {"type": ""},
        {"type": None},
        {"type": 1},
        {"type": ["mfa"]},
        {"secret": PASSWORD},
    ],
)
async def test_a_type_that_is_not_built_is_refused(world: World, body: dict[str, Any]) -> None:
    alice = await world.register("alice")
    refused(await alice.call("POST", "/users/me/secrets", body), 400, "invalid_request")


@pytest.mark.parametrize("value", [None, 7, True, [], {}, {"password": "x"}])
async def test_a_password_is_text(world: World, value: Any) -> None:
    alice = await world.register("alice", password=None)
    refused(
        await alice.call("POST", "/users/me/secrets", {"type": "password", "secret": value}), 400, "invalid_request"
    )


async def test_a_password_is_given_by_the_client(world: World) -> None:
    alice = await world.register("alice", password=None)
    refused(await alice.call("POST", "/users/me/secrets", {"type": "password"}), 400, "invalid_request")


@pytest.mark.parametrize("type_", ["mfa", "mfabackup"])
async def test_what_the_server_makes_is_not_given_by_the_client(world: World, type_: str) -> None:
    alice = await world.enrolled("alice")
    before = await everything(world)
    body = {"type": type_, "secret": "JBSWY3DPEHPK3PXP"}
    refused(await alice.call("POST", "/users/me/secrets", body), 403, "field_forbidden")
    assert await everything(world) == before


async def test_secrets_are_listed_counted_and_read_without_their_values(world: World) -> None:
    alice = await world.enrolled("alice")
    await alice.begin_enrollment()
    listed = await alice.call("GET", "/users/me/secrets")
    assert listed.status_code == 200
    shapes = {(secret["type"], secret.get("enrolled")): set(secret) for secret in listed.json()}
    assert shapes == {
        ("password", None): SECRET,
        ("mfa", True): MFA,
        ("mfa", False): MFA,
        ("mfabackup", None): BACKUP,
    }
    assert (await alice.call("GET", "/users/me/secrets/count")).json() == {"count": 4}
    for secret in listed.json():
        assert secret["userId"] == alice.uid
        one = await alice.call("GET", f"/users/me/secrets/{secret['uid']}")
        assert one.status_code == 200
        assert one.json() == secret


async def test_any_secret_is_described_anew_with_its_version(world: World) -> None:
    alice = await world.enrolled("alice")
    for secret in (await alice.call("GET", "/users/me/secrets")).json():
        path = f"/users/me/secrets/{secret['uid']}"
        world.clock.advance(1)
        version = secret["version"]
        changed = await alice.call("PUT", path, {"version": version, "description": "the blue one"})
        assert changed.status_code == 200
        assert changed.json()["description"] == "the blue one"
        assert changed.json()["version"] == version + 1
        assert changed.json()["dateModified"] > secret["dateModified"]
        kept = await alice.call("PUT", path, {"version": version + 1})
        assert (kept.json()["description"], kept.json()["version"]) == ("the blue one", version + 2)
        gone = await alice.call("PUT", path, kept.json() | {"description": None})
        assert gone.json()["description"] is None
        stale = {"version": version, "description": "late"}
        refused(await alice.call("PUT", path, stale), 409, "version_conflict")
        refused(await alice.call("PUT", path, {"description": "no version"}), 400, "invalid_request")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uid", "01912345-0000-7000-8000-000000000000"),
        ("userId", "01912345-0000-7000-8000-000000000000"),
        ("type", "mfa"),
        ("dateCreated", "2001-01-01T00:00:00.000000Z"),
        ("dateModified", "2001-01-01T00:00:00.000000Z"),
        ("lastUsed", "2001-01-01T00:00:00.000000Z"),
        ("enrolled", True),
        ("digits", 4),
        ("period", 60),
        ("algorithm", "MD5"),
        ("remaining", 99),
        ("total", 99),
    ],
)
async def test_nobody_sets_what_is_known_of_a_secret(world: World, field: str, value: Any) -> None:
    alice = await world.register("alice")
    secret = (await alice.call("GET", "/users/me/secrets")).json()[0]
    before = await everything(world)
    answer = await alice.call("PUT", f"/users/me/secrets/{secret['uid']}", {"version": 0, field: value})
    assert refused(answer, 403, "field_forbidden")["errors"][0]["pointer"] == f"/{field}"
    if field != "type":
        made = await alice.call("POST", "/users/me/secrets", {"type": "mfa", field: value})
        refused(made, 403, "field_forbidden")
    assert await everything(world) == before


@pytest.mark.parametrize("length", [1, 14, 15, 64, 1024])
async def test_a_password_that_stands_alone_has_15_characters_and_1024_at_most(world: World, length: int) -> None:
    word = ("péché mortel & Größe ß 12 " * 60)[:length]
    answer = await world.call("POST", "/users", {"name": "alice", "password": word})
    if length < 15:
        problem = refused(answer, 400, "password_rejected")
        assert "15" in problem["errors"][0]["detail"]
        assert problem["errors"][0]["pointer"] == "/password"
    else:
        assert answer.status_code == 201
        granted(await world.password("alice", word), "aal1", ["pwd"])


@pytest.mark.parametrize(("unit", "times"), [("x", 1025), ("é", 1025), ("\u0301", 1025), ("🙂", 1024)])
async def test_a_password_is_bounded_before_it_is_normalized(world: World, unit: str, times: int) -> None:
    word = unit * times
    answer = await world.call("POST", "/users", {"name": "alice", "password": word})
    if times <= 1024 and len(word.encode()) <= 4096:
        assert answer.status_code in {201, 400}
        assert answer.status_code == 201 or answer.json()["code"] == "password_rejected"
    else:
        refused(answer, 400, "invalid_request")


async def test_one_code_point_is_one_character(world: World) -> None:
    word = "🦀🐙🦑🦐🦞🐟🐠🐡🦈🐬🐳🐋🐊🐢🦎"
    assert len(word) == 15
    await world.register("alice", word)
    granted(await world.password("alice", word), "aal1", ["pwd"])


@pytest.mark.parametrize(
    "word",
    [
        "colons: are : a part: of it",
        "a NUL \x00 and what stands behind",
        " spaces at both ends count ",
        "quotes \" ' ` and \\ backslashes",
        "\t tabs \r\n and lines too \x7f",
        "correct horse \U0001f40e battery",
        "aaaa bbbb cccc dddd",
    ],
)
async def test_any_character_counts(world: World, word: str) -> None:
    await world.register("alice", word)
    granted(await world.password("alice", word), "aal1", ["pwd"])
    for other in (
        word[:-1],
        word + " ",
        word.strip() if word != word.strip() else word.upper(),
        word.split("\x00", maxsplit=1)[0] + "x",
    ):
        refused(await world.password("alice", other), 401, "invalid_credentials")


async def test_the_last_byte_of_a_long_password_counts(world: World) -> None:
    word = "0123456789 abcdefghij" * 48
    await world.register("alice", word)
    refused(await world.password("alice", word[:-1] + "k"), 401, "invalid_credentials")
    granted(await world.password("alice", word), "aal1", ["pwd"])


async def test_both_unicode_spellings_of_a_password_log_in(world: World) -> None:
    word = "Grüße aus Österreich, äöü"
    composed, decomposed = unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)
    assert composed != decomposed
    await world.register("alice", decomposed)
    for spelled in (composed, decomposed):
        granted(await world.password("alice", spelled), "aal1", ["pwd"])


@pytest.mark.parametrize(
    "word",
    [
        "alice-liddell and more",
        "my name: ALICE-LIDDELL!",
        "wonderland@example.org",
        "x wonderland x and so on",
        "passwordpasswordpassword",
    ],
)
async def test_a_password_that_tells_itself_is_rejected_with_the_reason(world: World, word: str) -> None:
    body = {"name": "alice-liddell", "email": "wonderland@example.org", "password": word}
    problem = refused(await world.call("POST", "/users", body), 400, "password_rejected")
    assert problem["errors"][0]["detail"]
    alice = await world.register("alice-liddell", email="wonderland@example.org")
    secret = (await alice.call("GET", "/users/me/secrets")).json()[0]
    change = {"version": 0, "secret": word, "current": PASSWORD}
    problem = refused(await alice.call("PUT", f"/users/me/secrets/{secret['uid']}", change), 400, "password_rejected")
    assert problem["errors"][0]["pointer"] == "/secret"


async def test_a_name_of_three_letters_may_stand_in_a_password(world: World) -> None:
    await world.register("bob", "bob likes long sentences", email="bob@example.org")


async def test_a_password_is_changed_by_its_owner_with_the_current_one(world: World) -> None:
    alice = await world.register("alice")
    other = await world.password("alice", PASSWORD)
    secret = (await alice.call("GET", "/users/me/secrets")).json()[0]
    world.clock.advance(5)
    change = {"version": secret["version"], "secret": NEW, "current": PASSWORD}
    changed = await alice.call("PUT", f"/users/me/secrets/{secret['uid']}", change)
    assert changed.status_code == 200
    assert set(changed.json()) == SECRET | {"session"}
    assert set(changed.json()["session"]) == AUTH_TOKEN
    assert changed.json()["version"] == secret["version"] + 1
    assert changed.json()["uid"] == secret["uid"]
    refused(await world.password("alice", PASSWORD), 401, "invalid_credentials")
    granted(await world.password("alice", NEW), "aal1", ["pwd"])
    refused(await world.call("GET", "/users/me", headers=bearer(other.json()["token"])), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": other.json()["refresh"]}), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), 401, "invalid_token")
    alice.hold(changed.json()["session"])
    assert (await alice.call("GET", "/users/me")).status_code == 200


async def test_a_change_with_a_wrong_current_password_changes_nothing(unthrottled: World) -> None:
    alice = await unthrottled.register("alice")
    secret = (await alice.call("GET", "/users/me/secrets")).json()[0]
    before = await everything(unthrottled)
    change = {"version": 0, "secret": NEW, "current": "not the current one"}
    path = f"/users/me/secrets/{secret['uid']}"
    problem = refused(await alice.call("PUT", path, change), 400, "current_wrong")
    assert problem["errors"][0]["pointer"] == "/current"
    for part in ({"secret": NEW}, {"current": PASSWORD}):
        refused(await alice.call("PUT", path, {"version": 0, **part}), 400, "invalid_request")
    stale = {"version": 9, "secret": NEW, "current": PASSWORD}
    refused(await alice.call("PUT", path, stale), 409, "version_conflict")
    assert await everything(unthrottled) == before


@pytest.mark.parametrize("type_", ["mfa", "mfabackup"])
async def test_only_a_password_is_changed_to_a_new_value(world: World, type_: str) -> None:
    alice = await world.enrolled("alice")
    secrets = {one["type"]: one for one in (await alice.call("GET", "/users/me/secrets")).json()}
    body = {"version": secrets[type_]["version"], "secret": NEW, "current": PASSWORD}
    answer = await alice.call("PUT", f"/users/me/secrets/{secrets[type_]['uid']}", body)
    refused(answer, 403, "field_forbidden")


async def test_eight_characters_do_once_there_is_a_second_factor(world: World) -> None:
    alice = await world.enrolled("alice")
    secret = (await alice.call("GET", "/users/me/secrets")).json()[0]
    path = f"/users/me/secrets/{secret['uid']}"
    seven = {"version": 0, "secret": "k7#tQz!", "current": PASSWORD}
    assert "8" in refused(await alice.call("PUT", path, seven), 400, "password_rejected")["detail"]
    assert (await alice.call("PUT", path, seven | {"secret": "k7#tQz!p"})).status_code == 200
    common = {"version": 1, "secret": "password1", "current": "k7#tQz!p"}
    refused(await alice.call("PUT", path, common), 400, "password_rejected")


async def test_a_password_is_not_deleted_while_mfa_is_on(world: World) -> None:
    alice = await world.enrolled("alice")
    secret = (await alice.call("GET", "/users/me/secrets")).json()[0]
    assert secret["type"] == "password"
    before = await everything(world)
    refused(await alice.call("DELETE", f"/users/me/secrets/{secret['uid']}"), 409, "last_authenticator")
    assert await everything(world) == before


async def test_a_password_is_deleted_where_it_stands_alone(world: World) -> None:
    alice = await world.register("alice")
    other = (await world.password("alice", PASSWORD)).json()
    secret = (await alice.call("GET", "/users/me/secrets")).json()[0]
    answer = await alice.call("DELETE", f"/users/me/secrets/{secret['uid']}")
    assert (answer.status_code, answer.content) == (204, b"")
    refused(await world.password("alice", PASSWORD), 401, "invalid_credentials")
    refused(await world.call("GET", "/users/me", headers=bearer(other["token"])), 401, "invalid_token")
    made = await alice.call("POST", "/users/me/secrets", {"type": "password", "secret": NEW})
    assert made.status_code == 200
    granted(await world.password("alice", NEW), "aal1", ["pwd"])


async def test_a_login_is_told_as_last_use(world: World) -> None:
    alice = await world.register("alice")
    world.clock.advance(77)
    await alice.login()
    secret = (await alice.call("GET", "/users/me/secrets")).json()[0]
    assert secret["lastUsed"] == "2027-01-15T08:01:17.000000Z"


async def test_a_deleted_secret_is_not_found(world: World) -> None:
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    path = f"/users/me/secrets/{uid}"
    assert (await alice.call("DELETE", path)).status_code == 204
    for method, body in (("GET", None), ("PUT", {"version": 0}), ("DELETE", None)):
        refused(await alice.call(method, path, body), 404, "not_found")
    refused(await alice.call("PUT", f"{path}/enroll", {"token": "123456"}), 404, "not_found")
