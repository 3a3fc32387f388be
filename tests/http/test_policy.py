"""api.md section 10: what settings decide."""

from pathlib import Path
from typing import Any

import pytest

from sallyport.kernel.mailroute import MailFolder
from sallyport.settings import SettingsRefusedError, load
from tests.conftest import MakeWorld
from tests.expect import granted, refused
from tests.surgery import everything, give_roles
from tests.world import PASSWORD, Person, World

DAY = 86_400
OWN = [
    *("/users/me", "/users/{uid}", "/users/me/secrets", "/users/me/secrets/count"),
    *("/users/me/sessions", "/users/me/sessions/count"),
]
CLOSED: list[tuple[str, str, Any]] = [
    ("GET", "/users", None),
    ("GET", "/users/count", None),
    ("GET", "/users/{other}", None),
    ("POST", "/users", {"name": "another"}),
]


@pytest.mark.parametrize("demand", ["all", "roles:clerk,nurse"])
async def test_who_must_enroll_and_has_not_reaches_only_what_leads_there(make_world: MakeWorld, demand: str) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": demand})
    alice, bob = await world.register("alice"), await world.register("bob")
    await give_roles(alice, "nurse")
    for path in OWN:
        assert (await alice.call("GET", path.format(uid=alice.uid))).status_code == 200
    before = await everything(world)
    for method, path, body in CLOSED:
        answer = await alice.call(method, path.format(other=bob.uid), body)
        refused(answer, 403, "mfa_enrollment_required")
    assert await everything(world) == before
    alice.hold((await alice.call("POST", "/auth/elevate", {"password": PASSWORD})).json())
    alice.hold((await world.call("POST", "/auth/refresh", {"refresh": alice.refresh})).json())
    assert (await alice.call("PUT", "/users/me", {"version": 0, "firstName": "A"})).status_code == 200
    await alice.enroll()
    for method, path, body in CLOSED:
        answer = await alice.call(method, path.format(other=bob.uid), body)
        assert answer.status_code in {200, 201}
    assert (await alice.call("POST", "/auth/logout")).status_code == 204


async def test_who_must_enroll_may_log_out_and_end_sessions(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "all"})
    alice = await world.register("alice")
    await world.password("alice", PASSWORD)
    assert (await alice.call("DELETE", "/users/me/sessions")).status_code == 204
    assert (await alice.call("POST", "/auth/logout")).status_code == 204


async def test_a_newcomer_without_password_finds_the_way_too(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "all"})
    alice = await world.register("alice", password=None)
    refused(await alice.call("GET", "/users"), 403, "mfa_enrollment_required")
    made = await alice.call("POST", "/users/me/secrets", {"type": "password", "secret": PASSWORD})
    assert made.status_code == 200
    await alice.login()
    await alice.enroll()
    assert (await alice.call("GET", "/users")).status_code == 200


async def test_a_demand_for_some_roles_leaves_the_others_alone(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "roles:admin"})
    alice, admin = await world.register("alice"), await world.admin()
    assert (await alice.call("GET", "/users")).status_code == 200
    refused(await admin.call("GET", "/users"), 403, "mfa_enrollment_required")
    refused(await admin.call("GET", f"/users/{alice.uid}/secrets"), 403, "mfa_enrollment_required")
    refused(await admin.call("DELETE", f"/users/{alice.uid}"), 403, "mfa_enrollment_required")
    refused(await admin.call("POST", "/users", {"name": "x"}), 403, "mfa_enrollment_required")
    await admin.enroll()
    assert (await admin.call("GET", f"/users/{alice.uid}/secrets")).status_code == 200


@pytest.mark.parametrize("name", ["NURSE", "\uff4eurse"])
async def test_a_rule_about_a_role_meets_its_name_however_it_is_written(make_world: MakeWorld, name: str) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "roles:clerk,Nurse"})
    alice, admin = await world.register("alice"), await world.register("chief")
    await give_roles(admin, "admin")
    made = await admin.call("POST", "/roles", {"name": "nurse", "owners": [alice.uid]})
    refused(await alice.call("GET", "/users"), 403, "mfa_enrollment_required")
    # Who owns the role may write it otherwise, and is none the freer for it.
    change = {"version": 0, "name": name}
    await admin.call("PUT", f"/roles/{made.json()['uid']}", change)
    assert (await alice.call("GET", "/users/me")).json()["roles"] == [name]
    refused(await alice.call("GET", "/users"), 403, "mfa_enrollment_required")


async def test_where_policy_demands_it_the_last_authenticator_stays(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "all"})
    alice = await world.enrolled("alice")
    first = alice.totp
    before = await everything(world)
    refused(await alice.call("DELETE", f"/users/me/secrets/{first}"), 409, "last_authenticator")
    assert await everything(world) == before
    await alice.enroll()
    assert (await alice.call("DELETE", f"/users/me/secrets/{first}")).status_code == 204
    refused(await alice.call("DELETE", f"/users/me/secrets/{alice.totp}"), 409, "last_authenticator")


async def test_a_pending_one_goes_even_where_policy_demands_mfa(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "all"})
    alice = await world.register("alice")
    uid = await alice.begin_enrollment()
    assert (await alice.call("DELETE", f"/users/me/secrets/{uid}")).status_code == 204


async def with_code_login(make_world: MakeWorld) -> tuple[World, Person]:
    world: World = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": "true"})
    return world, await world.enrolled("alice")


async def test_a_backup_code_stands_for_a_login_where_that_is_switched_on(make_world: MakeWorld) -> None:
    world, alice = await with_code_login(make_world)
    body = granted(await world.password("alice", alice.codes[0].lower()), "aal1", ["otp"])
    assert body["mfa"] == {"enabled": True, "backupCodesRemaining": 9}
    refused(await world.password("alice", alice.codes[0]), 401, "invalid_credentials")
    refused(await world.answer(await alice.challenge(), alice.codes[0]), 401, "code_invalid")
    granted(await world.answer(await alice.challenge(), alice.codes[1]), "aal2", ["pwd", "otp", "mfa"])
    refused(await world.password("alice", alice.codes[1]), 401, "invalid_credentials")


async def test_a_login_by_backup_code_is_only_for_its_owner_while_enabled(make_world: MakeWorld) -> None:
    world, alice = await with_code_login(make_world)
    admin = await world.admin()
    await world.register("bob")
    for identifier in ("bob", "nobody", "admin"):
        refused(await world.password(identifier, alice.codes[0]), 401, "invalid_credentials")
    await admin.call("PUT", f"/users/{alice.uid}", {"version": 0, "disabled": True})
    refused(await world.password("alice", alice.codes[0]), 401, "invalid_credentials")


async def test_a_totp_code_never_stands_for_a_password(make_world: MakeWorld) -> None:
    world, alice = await with_code_login(make_world)
    assert alice.phone
    world.clock.advance(30)
    refused(await world.password("alice", alice.phone.code()), 401, "invalid_credentials")


async def test_closed_registration_is_for_trusted_roles(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REGISTRATION": "closed"})
    admin = await world.admin()
    before = await everything(world)
    refused(await world.call("POST", "/users", {"name": "alice"}), 401, "unauthenticated")
    refused(await world.call("POST", "/users", {"name": "admin"}), 401, "unauthenticated")
    assert await everything(world) == before
    made = await admin.call("POST", "/users", {"name": "alice", "password": PASSWORD})
    assert set(made.json()) == {"userUid", "user"}
    alice = (await world.password("alice", PASSWORD)).json()
    answer = await world.call("POST", "/users", {"name": "bob"}, headers={"authorization": f"jwt {alice['token']}"})
    refused(answer, 403, "forbidden")


@pytest.mark.parametrize(
    ("least", "length", "status"), [("8", 8, 201), ("8", 7, 400), ("20", 19, 400), ("20", 20, 201)]
)
async def test_the_shortest_password_is_a_setting(make_world: MakeWorld, least: str, length: int, status: int) -> None:
    world: World = await make_world({"SALLYPORT_PASSWORD_MIN_LENGTH": least})
    word = "zq7 vLp2 Kw9x Tn4m Bc"[:length]
    assert (await world.call("POST", "/users", {"name": "alice", "password": word})).status_code == status


async def test_eight_characters_with_mfa_whatever_the_setting(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_PASSWORD_MIN_LENGTH": "20"})
    alice = await world.enrolled("alice")
    uid = (await alice.call("GET", "/users/me/secrets")).json()[0]["uid"]
    body = {"version": 0, "secret": "zq7 vLp2", "current": PASSWORD}
    assert (await alice.call("PUT", f"/users/me/secrets/{uid}", body)).status_code == 200


async def turn(person: Person) -> Any:
    return await person.world.call("POST", "/auth/refresh", {"refresh": person.refresh})


@pytest.mark.parametrize(
    ("environ", "idle", "absolute"),
    [
        ({}, 7 * DAY, 30 * DAY),
        ({"SALLYPORT_PROFILE": "nist"}, 3600, DAY),
        ({"SALLYPORT_PROFILE": "nist", "SALLYPORT_SESSION_IDLE": "2h"}, 7200, DAY),
        ({"SALLYPORT_SESSION_IDLE": "1d", "SALLYPORT_SESSION_ABSOLUTE": "2d"}, DAY, 2 * DAY),
    ],
)
async def test_how_long_sessions_live_is_a_setting(
    make_world: MakeWorld, environ: dict[str, str], idle: int, absolute: int
) -> None:
    world: World = await make_world(environ)
    alice, bob = await world.register("alice"), await world.register("bob")
    start = world.clock.now() // 1_000_000
    world.clock.advance(idle - 1)
    alice.hold((await turn(alice)).json())
    world.clock.advance(1)
    refused(await turn(bob), 401, "invalid_token")
    while world.clock.now() // 1_000_000 + idle // 2 < start + absolute:
        world.clock.advance(idle // 2)
        alice.hold((await turn(alice)).json())
    world.clock.advance(start + absolute - 1 - world.clock.now() // 1_000_000)
    alice.hold((await turn(alice)).json())
    world.clock.advance(1)
    refused(await turn(alice), 401, "invalid_token")


@pytest.mark.parametrize("shorter", [{"SALLYPORT_SESSION_IDLE": "10m"}])
async def test_a_trusted_role_never_lives_longer_than_others(make_world: MakeWorld, shorter: dict[str, str]) -> None:
    world: World = await make_world(shorter)
    admin = await world.admin()
    world.clock.advance(600)
    refused(await turn(admin), 401, "invalid_token")


async def test_the_issuer_name_is_shown_in_the_app(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_ISSUER_NAME": "Tea Party"})
    alice = await world.register("alice")
    made = await alice.call("POST", "/users/me/secrets", {"type": "mfa"})
    assert made.json()["secret"]["otpauth_url"].startswith("otpauth://totp/Tea%20Party:alice?")


WRONG = [
    ("DATABASE_URL", "mysql://localhost/x"),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "sqlite:///:memory:"),
    ("PUBLIC_URL", "accounts.example.org"),
    ("PUBLIC_URL", "javascript:alert(1)"),
    ("REGISTRATION", "maybe"),
    ("PROFILE", "lax"),
    ("PASSWORD_MIN_LENGTH", "7"),
    ("PASSWORD_MIN_LENGTH", "many"),
    ("REQUIRE_MFA", "roles:"),
    ("REQUIRE_MFA", "some"),
    ("BACKUP_CODE_LOGIN", "perhaps"),
    ("TRUSTED_PROXIES", "everyone"),
    ("CORS_ORIGINS", "*"),
    ("CORS_ORIGINS", "https://app.example.org/path"),
    ("TRUSTED_ROLES", ","),
    ("SESSION_IDLE", "0d"),
    ("SIGNING_ALGORITHM", "none"),
    ("SIGNING_ALGORITHM", "HS256"),
    ("ISSUER_NAME", "a:b"),
    ("ADMIN_PASSWORD", "short"),
    ("REGISTRATOIN", "closed"),
    ("MAIL_URL", "telnet:x"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_setting_that_makes_no_sense_is_refused_by_name(tmp_path: Any, name: str, value: str) -> None:
    with pytest.raises(SettingsRefusedError, match=f"SALLYPORT_{name}"):
        load({}, {f"SALLYPORT_{name}": value}, tmp_path)


def test_all_faults_are_told_in_one_message(tmp_path: Any) -> None:
    with pytest.raises(SettingsRefusedError) as caught:
        load({}, {f"SALLYPORT_{name}": value for name, value in WRONG}, tmp_path)
    named = {name for name, _ in WRONG if f"SALLYPORT_{name}:" in str(caught.value)}
    # What is judged together is judged where all that it needs was understood.
    assert named == {name for name, _ in WRONG} - {"ADMIN_PASSWORD"}


def test_flags_win_over_the_environment_and_that_over_the_file_and_that_over_defaults(tmp_path: Any) -> None:
    (tmp_path / "sallyport.toml").write_text('port = 1\nissuer_name = "file"\nregistration = "closed"\n')
    environ = {"SALLYPORT_PORT": "2", "SALLYPORT_ISSUER_NAME": "environment"}
    read = load({"port": "3"}, environ, tmp_path)
    assert (read.port, read.issuer_name, read.registration, read.host) == (3, "environment", "closed", "127.0.0.1")


def test_the_defaults_are_the_documented_ones(tmp_path: Any) -> None:
    read = load({}, {}, tmp_path)
    assert (read.database_url.reveal(), str(read.keys_dir)) == ("sqlite:///./data/sallyport.db", "data/keys")
    assert (read.public_url, read.issuer_name, read.registration) == ("http://127.0.0.1:8080", "Sallyport", "open")
    assert (read.password_min_length, read.profile, read.require_mfa) == (15, "standard", "none")
    assert (read.backup_code_login, read.throttle, read.trusted_roles) == (False, True, ("admin",))
    assert (read.cors_origins, read.trusted_proxies, read.mail_url) == ((), (), MailFolder(Path("data/outbox")))
    assert (read.host, read.port, read.workers) == ("127.0.0.1", 8080, 1)
